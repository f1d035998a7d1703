"""Escaped samples of a channel: those that its scaling does not give, such as NaNs, and single odd values.

uvarint size, then as many bytes of raw deflate, which inflate to
    for each run of consecutive escaped samples with equal bits: 4 bytes, samples since the run before
    for each run: 4 bytes, its length
    for each run: the sample
"""

from __future__ import annotations

import zlib
from typing import NamedTuple

import numpy as np

from ..errors import DamageError
from .varint import get_uvarint, put_uvarint


class Escapes(NamedTuple):
    """Escaped samples of one channel of a part."""

    first: np.ndarray
    """Where each run begins: int64 of shape (runs,), ascending."""
    length: np.ndarray
    """Samples of each run: int64."""
    sample: np.ndarray
    """The sample of each run, of the channel's dtype."""

    @classmethod
    def at(cls, positions: np.ndarray, samples: np.ndarray) -> Escapes:
        """Return the escapes at `positions`, ascending, of all samples of a channel."""
        chosen = samples[positions]
        bits = chosen.view(f"u{chosen.itemsize}")
        begins = np.ones(positions.size, bool)
        begins[1:] = (np.diff(positions) != 1) | (bits[1:] != bits[:-1])
        starts = np.flatnonzero(begins)
        return cls(positions[starts], np.diff(np.append(starts, positions.size)), chosen[starts])

    def put_into(self, samples: np.ndarray, first: int) -> None:
        """Overwrite the escaped ones of `samples`, a range of the channel's from sample `first` on."""
        low = np.searchsorted(self.first + self.length, first, "right")
        high = np.searchsorted(self.first, first + samples.size)
        if low >= high:
            return
        starts = np.maximum(self.first[low:high] - first, 0)
        stops = np.minimum(self.first[low:high] + self.length[low:high] - first, samples.size)
        lengths = stops - starts
        offsets = np.arange(int(lengths.sum())) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        bits = samples.view(f"u{samples.itemsize}")
        bits[np.repeat(starts, lengths) + offsets] = np.repeat(self.sample[low:high].view(bits.dtype), lengths)


def pack_escapes(escapes: Escapes) -> bytes:
    """Serialise the escaped samples of a channel."""
    gaps = np.diff(escapes.first, prepend=0) - np.append(0, escapes.length[:-1])
    columns = gaps.astype("<u4"), escapes.length.astype("<u4"), _little_endian(escapes.sample)
    listed = b"".join(column.tobytes() for column in columns)
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = deflate.compress(listed) + deflate.flush()
    out = bytearray()
    put_uvarint(out, len(packed))
    return bytes(out) + packed


def unpack_escapes(stream: bytes, n_frames: int, dtype: np.dtype) -> tuple[Escapes, int]:
    """Parse the escaped samples at the beginning of a stream.

    Returns
    -------
    tuple of (Escapes, int)
        The escapes, and the number of bytes they take in `stream`.

    Raises
    ------
    DamageError
        They are malformed, or not within `n_frames` samples.
    """
    size, at = get_uvarint(stream, 0)
    if size > len(stream) - at:
        raise DamageError("the escaped samples are cut short")
    run_bytes = 4 + 4 + dtype.itemsize
    inflate = zlib.decompressobj(-15)
    try:
        listed = inflate.decompress(stream[at : at + size], n_frames * run_bytes + 1)
    except zlib.error as error:
        raise DamageError(f"the escaped samples cannot be inflated: {error}") from error
    runs, rest = divmod(len(listed), run_bytes)
    if not inflate.eof or inflate.unused_data or rest or runs == 0:
        raise DamageError("the escaped samples do not end where their compressed bytes do")
    gaps, length = np.frombuffer(listed, "<u4", 2 * runs).reshape(2, runs).astype(np.int64)
    ends = np.cumsum(gaps + length)
    if length.min() == 0 or ends[-1] > n_frames:
        raise DamageError("an escaped sample is beyond its part")
    sample = np.frombuffer(listed, dtype.newbyteorder("<"), offset=8 * runs).astype(dtype, copy=False)
    return Escapes(ends - length, length, sample), at + size


def _little_endian(samples: np.ndarray) -> np.ndarray:
    return samples.astype(samples.dtype.newbyteorder("<"), copy=False)


def filled(integers: np.ndarray, escaped: np.ndarray) -> np.ndarray:
    """Return integers in which escaped ones repeat the one before; at the beginning, the first that is not escaped."""
    last = np.maximum.accumulate(np.where(escaped, -1, np.arange(integers.size)))
    kept = np.flatnonzero(~escaped)
    last[last < 0] = kept[0] if kept.size else 0
    return integers[last] if kept.size else np.zeros_like(integers)
