"""Packed streams: codes of equal width, which every coder falls back to for a channel that it would make longer.

A packed stream holds the codes of one channel in order of time, each in `width` bits; zeros fill the last byte.
"""

from __future__ import annotations

import numpy as np

from . import _core


def code_width(size: int) -> int:
    """Return the bits that hold any of `size` codes, at least 1."""
    return max(1, (size - 1).bit_length())


def packed_bytes(n_codes: int, size: int) -> int:
    """Return the length in bytes of the packed stream of `n_codes` of `size` codes: 0 if there is only one code."""
    return (n_codes * code_width(size) + 7) // 8 if size > 1 else 0


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
    if size == 1:
        return b""
    return _core.pack(np.require(codes, requirements=["C", "A"]), code_width(size))


def unpack_codes(stream: bytes, n_codes: int, size: int) -> np.ndarray | None:
    """Unpack a packed stream; the inverse of `pack_codes`.

    Returns
    -------
    int32 array of shape (n_codes,) or None
        None if the stream has another length or holds a code of `size` or more.
    """
    if len(stream) != packed_bytes(n_codes, size):
        return None
    if size == 1:
        return np.zeros(n_codes, dtype=np.int32)
    codes = np.empty(n_codes, dtype=np.int32)
    return codes if _core.unpack(stream, code_width(size), size, codes) else None
