"""A file's quantizer as it stands in an archive: one byte for the kind, then uvarints.

    0                                  identity
    1                                  n1
    2  offset  step  size              step       value(i) = offset + i * step
    3  size  first  gap-1  gap-1 ..    palette    sorted values, each coded as the distance to the one before
    4  quantizer of each channel       by channel

and within kind 4 only:

    5  numerator  denominator  shift  points       lattice
    6  channel  offset  negated                    copy of the values of an earlier channel

`offset`, `first` and `shift` are zigzag coded (see `varint`).
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum

import numpy as np

from ..core.channel_quantizers import MAX_DENOMINATOR, MAX_RESIDUES, ByChannel, Copy, Lattice
from ..core.quantizer import MAX_PALETTE, N1, Quantizer, TableQuantizer, UniformQuantizer, identity
from ..core.varint import get_uvarint, put_uvarint, unzigzag, zigzag
from ..errors import DamageError
from ..io.layout import SAMPLE_BYTES, sample_range


class _Kind(IntEnum):
    IDENTITY = 0
    N1 = 1
    STEP = 2
    PALETTE = 3
    BY_CHANNEL = 4
    LATTICE = 5
    COPY = 6


MAX_CODES = 1 << 24
_MAX_OFFSET, _MAX_SHIFT = 1 << 26, 1 << 47  # zigzag

_GAP_BYTES = 4  # a gap of 24-bit samples takes no more


def pack_quantizer(quantizer: Quantizer) -> bytes:
    """Serialise a quantizer."""
    if quantizer.kind == "identity":
        return bytes([_Kind.IDENTITY])
    if quantizer.kind == "n1":
        return bytes([_Kind.N1])
    if isinstance(quantizer, ByChannel):
        return bytes([_Kind.BY_CHANNEL]) + b"".join(map(pack_quantizer, quantizer.channels))
    if isinstance(quantizer, Lattice):
        out = bytearray([_Kind.LATTICE])
        for number in (quantizer.numerator, quantizer.denominator, zigzag(quantizer.shift), quantizer.points):
            put_uvarint(out, number)
        return bytes(out)
    if isinstance(quantizer, Copy):
        out = bytearray([_Kind.COPY])
        for number in (quantizer.source, zigzag(quantizer.offset), quantizer.is_negated):
            put_uvarint(out, number)
        return bytes(out)
    if isinstance(quantizer, UniformQuantizer):
        out = bytearray([_Kind.STEP])
        for number in (zigzag(quantizer.offset), quantizer.step, quantizer.size):
            put_uvarint(out, number)
        return bytes(out)
    assert isinstance(quantizer, TableQuantizer)
    out = bytearray([_Kind.PALETTE])
    put_uvarint(out, quantizer.size)
    put_uvarint(out, zigzag(int(quantizer.values[0])))
    for gap in np.diff(quantizer.values).tolist():
        put_uvarint(out, gap - 1)
    return bytes(out)


def unpack_quantizer(
    buf: bytes | memoryview, sample_bytes: int, n_channels: int | None = None
) -> tuple[Quantizer, int]:
    """Parse the quantizer at the start of `buf`.

    Parameters
    ----------
    buf : bytes-like
        May hold more bytes after the quantizer.
    sample_bytes : int
        Bytes a sample of the file has: 1, 2 or 3.
    n_channels : int, optional
        Channels of the file; without it, quantizers by channel are refused.

    Returns
    -------
    tuple of (Quantizer, int)
        The quantizer, and the number of bytes it takes in `buf`.

    Raises
    ------
    DamageError
        The bytes are not a quantizer, or its values do not fit into `sample_bytes`.
    """
    if sample_bytes not in SAMPLE_BYTES or len(buf) == 0:
        raise DamageError(f"there is no quantizer for samples of {sample_bytes} bytes")
    if buf[0] != _Kind.BY_CHANNEL or n_channels is None:
        return _unpack_one(buf, sample_bytes)
    channels: list[Quantizer] = []
    pos = 1
    while len(channels) < n_channels:
        if pos < len(buf) and buf[pos] == _Kind.COPY:
            quantizer, used = _unpack_copy(buf[pos:], channels)
        elif pos < len(buf) and buf[pos] == _Kind.LATTICE:
            quantizer, used = _unpack_lattice(buf[pos:], sample_bytes)
        else:
            quantizer, used = _unpack_one(buf[pos:], sample_bytes)
        channels.append(quantizer)
        pos += used
    return ByChannel(channels), pos


def _unpack_copy(buf: bytes | memoryview, before: Sequence[Quantizer]) -> tuple[Quantizer, int]:
    source, pos = get_uvarint(buf, 1)
    folded, pos = get_uvarint(buf, pos)
    is_negated, pos = get_uvarint(buf, pos)
    if source >= len(before) or isinstance(before[source], Copy) or is_negated > 1 or folded > _MAX_OFFSET:
        raise DamageError("a channel is a copy of one that it cannot be a copy of")
    return Copy(source, before[source], unzigzag(folded), bool(is_negated)), pos


def _unpack_lattice(buf: bytes | memoryview, sample_bytes: int) -> tuple[Quantizer, int]:
    numerator, pos = get_uvarint(buf, 1)
    denominator, pos = get_uvarint(buf, pos)
    folded, pos = get_uvarint(buf, pos)
    points, pos = get_uvarint(buf, pos)
    lowest, highest = sample_range(sample_bytes)
    if (
        not 1 <= denominator <= MAX_DENOMINATOR
        or not denominator < numerator < MAX_RESIDUES * denominator
        or not 1 <= points <= MAX_CODES
        or folded > _MAX_SHIFT
    ):
        raise DamageError("the lattice of a quantizer is out of range")
    lattice = Lattice(numerator, denominator, unzigzag(folded), points)
    first, last = lattice.point(np.array([0, points - 1])).tolist()
    # the last point may have residues beyond the samples, which an encoder never uses
    if lattice.size > MAX_CODES or first < lowest or last > highest:
        raise DamageError("the quantizer has values beyond its samples")
    return lattice, pos


def _unpack_one(buf: bytes | memoryview, sample_bytes: int) -> tuple[Quantizer, int]:
    """Parse a quantizer of kinds 0 to 3."""
    if len(buf) == 0:
        raise DamageError(f"there is no quantizer for samples of {sample_bytes} bytes")
    lowest, highest = sample_range(sample_bytes)
    kind = buf[0]
    if kind == _Kind.IDENTITY:
        return identity(sample_bytes), 1
    if kind == _Kind.N1 and sample_bytes == 2:
        return N1, 1
    if kind == _Kind.STEP:
        folded, pos = get_uvarint(buf, 1)
        step, pos = get_uvarint(buf, pos)
        size, pos = get_uvarint(buf, pos)
        offset = unzigzag(folded)
        if not 1 <= step <= highest - lowest or size < 1 or offset < lowest or offset + (size - 1) * step > highest:
            raise DamageError("the quantizer has values beyond its samples")
        return UniformQuantizer("step", offset, step, size), pos
    if kind == _Kind.PALETTE:
        size, pos = get_uvarint(buf, 1)
        if not 1 <= size <= MAX_PALETTE:
            raise DamageError(f"the quantizer has {size} values")
        folded, pos = get_uvarint(buf, pos)
        first = unzigzag(folded)
        gaps, pos = _gaps(buf, pos, size - 1)
        if first < lowest or first + int(gaps.sum()) > highest:
            raise DamageError("the quantizer has values beyond its samples")
        return TableQuantizer("palette", np.cumsum([first, *gaps]).astype(np.int32)), pos
    raise DamageError(f"the quantizer is of kind {kind}, unknown for samples of {sample_bytes} bytes")


def _gaps(buf: bytes | memoryview, pos: int, count: int) -> tuple[np.ndarray, int]:
    """Parse the next `count` gaps of a palette, each stored less 1: int64 gaps, and the position after them.

    Vectorised, because an archive may hold thousands of palettes. Raises DamageError as `get_uvarint` does.
    """
    data = np.frombuffer(buf, np.uint8)[pos : pos + _GAP_BYTES * count]
    last = np.flatnonzero(data < 0x80)[:count]
    if last.size < count:
        raise DamageError("the quantizer is cut short, or has values beyond its samples")
    if count == 0:
        return np.zeros(0, np.int64), pos
    first = np.concatenate([[0], last[:-1] + 1])
    length = last - first + 1
    if length.max() > _GAP_BYTES:
        raise DamageError("the quantizer has values beyond its samples")
    if ((data[last] == 0) & (length > 1)).any():
        raise DamageError("the quantizer has a gap that is not in its shortest form")
    end = int(last[-1]) + 1
    byte_of_gap = np.arange(end) - np.repeat(first, length)
    return np.add.reduceat((data[:end].astype(np.int64) & 0x7F) << 7 * byte_of_gap, first) + 1, pos + end
