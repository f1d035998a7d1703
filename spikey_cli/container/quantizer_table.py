"""The grid of a file as it stands in an archive.

    0                                  identity
    1                                  n1
    2  offset  step  size              step       offset + code * step
    3  size  first  gap-1  gap-1 ..    palette    sorted values, each given by its distance to the one before

One byte for the kind, then uvarints; offset and first are zigzag (see `varint`).
"""

from __future__ import annotations

import numpy as np

from ..core.quantizer import MAX_PALETTE, N1, Quantizer, TableQuantizer, UniformQuantizer, identity
from ..core.varint import get_uvarint, put_uvarint, unzigzag, zigzag
from ..errors import ArchiveError
from ..io.layout import SAMPLE_BYTES, sample_range

_IDENTITY, _N1, _STEP, _PALETTE = range(4)
_GAP_BYTES = 4  # of 24 bits, no gap takes more


def pack_quantizer(quantizer: Quantizer) -> bytes:
    """The bytes that `unpack_quantizer` reads."""
    if quantizer.kind == "identity":
        return bytes([_IDENTITY])
    if quantizer.kind == "n1":
        return bytes([_N1])
    if isinstance(quantizer, UniformQuantizer):
        out = bytearray([_STEP])
        for number in (zigzag(quantizer.offset), quantizer.step, quantizer.size):
            put_uvarint(out, number)
        return bytes(out)
    assert isinstance(quantizer, TableQuantizer)
    out = bytearray([_PALETTE])
    put_uvarint(out, quantizer.size)
    put_uvarint(out, zigzag(int(quantizer.values[0])))
    for gap in np.diff(quantizer.values).tolist():
        put_uvarint(out, gap - 1)
    return bytes(out)


def unpack_quantizer(buf: bytes | memoryview, sample_bytes: int) -> tuple[Quantizer, int]:
    """Read the grid of samples of `sample_bytes` from the start of `buf`: the grid, and how many bytes it took.

    Raises ArchiveError where they are no grid, or its values are not within `sample_range`.
    """
    if sample_bytes not in SAMPLE_BYTES or len(buf) == 0:
        raise _damaged("is missing" if len(buf) == 0 else f"is for samples of {sample_bytes} bytes")
    lowest, highest = sample_range(sample_bytes)
    kind = buf[0]
    if kind == _IDENTITY:
        return identity(sample_bytes), 1
    if kind == _N1 and sample_bytes == 2:
        return N1, 1
    if kind == _STEP:
        folded, pos = get_uvarint(buf, 1)
        step, pos = get_uvarint(buf, pos)
        size, pos = get_uvarint(buf, pos)
        offset = unzigzag(folded)
        if not 1 <= step <= highest - lowest or size < 1 or offset < lowest or offset + (size - 1) * step > highest:
            raise _damaged("has values beyond its samples")
        return UniformQuantizer("step", offset, step, size), pos
    if kind == _PALETTE:
        size, pos = get_uvarint(buf, 1)
        if not 1 <= size <= MAX_PALETTE:
            raise _damaged(f"has {size} values")
        folded, pos = get_uvarint(buf, pos)
        first = unzigzag(folded)
        gaps, pos = _gaps(buf, pos, size - 1)
        if first < lowest or first + int(gaps.sum()) > highest:
            raise _damaged("has values beyond its samples")
        return TableQuantizer("palette", np.cumsum([first, *gaps]).astype(np.int32)), pos
    raise _damaged(f"is of kind {kind}, unknown for samples of {sample_bytes} bytes")


def _gaps(buf: bytes | memoryview, pos: int, count: int) -> tuple[np.ndarray, int]:
    """The next `count` gaps of a palette, each stored less 1, int64, and the position after them.

    All at once: an archive may hold thousands of palettes. Raises ArchiveError as `get_uvarint` does.
    """
    read = np.frombuffer(buf, np.uint8)[pos : pos + _GAP_BYTES * count]
    last = np.flatnonzero(read < 0x80)[:count]
    if last.size < count:
        raise _damaged("is cut short" if read.size < _GAP_BYTES * count else "has values beyond its samples")
    if count == 0:
        return np.zeros(0, np.int64), pos
    first = np.concatenate([[0], last[:-1] + 1])
    length = last - first + 1
    if length.max() > _GAP_BYTES:
        raise _damaged("has values beyond its samples")
    if ((read[last] == 0) & (length > 1)).any():
        raise _damaged("has a gap that is not in its shortest form")
    end = int(last[-1]) + 1
    place = np.arange(end) - np.repeat(first, length)
    return np.add.reduceat((read[:end].astype(np.int64) & 0x7F) << 7 * place, first) + 1, pos + end


def _damaged(reason: str) -> ArchiveError:
    return ArchiveError(f"grid {reason}: the archive is damaged; fetch it again")
