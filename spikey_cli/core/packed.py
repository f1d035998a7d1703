"""Codes as they are: each in `width` bits, one thread after another step by step, zeros up to the next byte.

What every coder falls back to for a channel that it would only make longer.
"""

from __future__ import annotations

import numpy as np

from .bits import SPARE_WORDS, peek_bits, put_bits, stream_from_words, words_from_streams
from .kernel import kernel


@kernel
def _pack(codes, width, words):
    for i in range(codes.size):
        put_bits(words, np.int64(i) * width, np.uint64(codes[i]), width)


@kernel
def _unpack(words, width, codes):
    for i in range(codes.size):
        codes[i] = peek_bits(words, np.int64(i) * width) >> np.uint64(64 - width)


def code_width(size: int) -> int:
    """Bits that hold any code of a grid of `size` codes, at least 1."""
    return max(1, (size - 1).bit_length())


def code_widths(sizes: np.ndarray) -> np.ndarray:
    """Bits that hold any code of grids of the given sizes, int64 of the same shape."""
    return np.array([code_width(int(size)) for size in sizes], dtype=np.int64)


def packed_bytes(n_codes: int, size: int) -> int:
    """Length of the packed stream of `n_codes` codes on a grid of `size`."""
    return (n_codes * code_width(size) + 7) // 8


def pack_codes(codes: np.ndarray, size: int) -> bytes:
    """Pack codes, int32 in 0..size-1, of one thread."""
    width = code_width(size)
    words = np.zeros(codes.size * width // 64 + SPARE_WORDS, dtype=np.uint64)
    _pack(codes, width, words)
    return stream_from_words(words, 0, codes.size * width)


def unpack_codes(stream: bytes, n_codes: int, size: int) -> np.ndarray | None:
    """The reverse of `pack_codes`, int32; None where the stream has another length or holds a code beyond the grid."""
    if len(stream) != packed_bytes(n_codes, size):
        return None
    words, _, _ = words_from_streams([stream])
    codes = np.empty(n_codes, dtype=np.int32)
    _unpack(words, code_width(size), codes)
    return codes if int(codes.max(initial=0)) < size else None
