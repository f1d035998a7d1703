"""A file's quantizer as it stands in an archive: one byte for the kind, then uvarints.

    0                                  identity
    1                                  n1
    2  offset  step  size              step       value(i) = offset + i * step
    3  size  first  gap-1  gap-1 ..    palette    sorted values, each coded as the distance to the one before

`offset` and `first` are zigzag coded (see `varint`).
"""

from __future__ import annotations

from enum import IntEnum

import numpy as np

from ..core.quantizer import MAX_PALETTE, N1, Quantizer, TableQuantizer, UniformQuantizer, identity
from ..core.varint import get_uvarint, put_uvarint, unzigzag, zigzag
from ..errors import DamageError
from ..io.layout import SAMPLE_BYTES, sample_range


class _Kind(IntEnum):
    IDENTITY = 0
    N1 = 1
    STEP = 2
    PALETTE = 3


_GAP_BYTES = 4  # a gap of 24-bit samples takes no more


def pack_quantizer(quantizer: Quantizer) -> bytes:
    """Serialise a quantizer."""
    if quantizer.kind == "identity":
        return bytes([_Kind.IDENTITY])
    if quantizer.kind == "n1":
        return bytes([_Kind.N1])
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


def unpack_quantizer(buf: bytes | memoryview, sample_bytes: int) -> tuple[Quantizer, int]:
    """Parse the quantizer at the start of `buf`.

    Parameters
    ----------
    buf : bytes-like
        May hold more bytes after the quantizer.
    sample_bytes : int
        Bytes a sample of the file has: 1, 2 or 3.

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
