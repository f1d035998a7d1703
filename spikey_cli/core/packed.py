"""Packed streams: codes of equal width, which every coder falls back to for a channel that it would make longer.

A packed stream holds the codes of one channel in order of time, each in `width` bits; zeros fill the last byte.
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
    """Return the bits that hold any of `size` codes, at least 1."""
    return max(1, (size - 1).bit_length())


def code_widths(sizes: np.ndarray) -> np.ndarray:
    """Return `code_width` of each element, int64 of the same shape."""
    return np.array([code_width(int(size)) for size in sizes], dtype=np.int64)


def packed_bytes(n_codes: int, size: int) -> int:
    """Return the length in bytes of the packed stream of `n_codes` of `size` codes."""
    return (n_codes * code_width(size) + 7) // 8


def pack_codes(codes: np.ndarray, size: int) -> bytes:
    """Pack the codes of one channel.

    Parameters
    ----------
    codes : int32 array of shape (n,), in 0..size-1
    size : int
        Number of codes of the channel's quantizer.

    Returns
    -------
    bytes
        The packed stream.
    """
    width = code_width(size)
    words = np.zeros(codes.size * width // 64 + SPARE_WORDS, dtype=np.uint64)
    _pack(codes, width, words)
    return stream_from_words(words, 0, codes.size * width)


def unpack_codes(stream: bytes, n_codes: int, size: int) -> np.ndarray | None:
    """Unpack a packed stream; the inverse of `pack_codes`.

    Returns
    -------
    int32 array of shape (n_codes,) or None
        None if the stream has another length or holds a code of `size` or more.
    """
    if len(stream) != packed_bytes(n_codes, size):
        return None
    words, _, _ = words_from_streams([stream])
    codes = np.empty(n_codes, dtype=np.int32)
    _unpack(words, code_width(size), codes)
    return codes if int(codes.max(initial=0)) < size else None
