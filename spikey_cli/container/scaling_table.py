"""The scaling of a file as it stands in an archive (see `core.scaling`).

1 byte    width of the integers: 2 or 3
uvarint   number of scalings: 1, which is that of all channels, or that of the channels
for each scaling: 1 byte, its kind, then
    kind 0    zigzag uvarint base, uvarint step
    others    gain and offset, float64
"""

from __future__ import annotations

import struct

from ..core.scaling import FileScaling, Scaling, ScalingKind
from ..core.varint import put_uvarint, unzigzag, zigzag
from ..errors import DamageError
from ..io.layout import Layout
from .table_reader import TableReader

_REAL = struct.Struct("<dd")
_MAX_NUMBER = 2**63 - 1


def pack_scaling(scaling: FileScaling) -> bytes:
    """Serialise the scaling of a file."""
    listed = scaling.channels[:1] if len(set(map(_pack_one, scaling.channels))) == 1 else scaling.channels
    out = bytearray([scaling.integer_bytes])
    put_uvarint(out, len(listed))
    for each in listed:
        out += _pack_one(each)
    return bytes(out)


def _pack_one(scaling: Scaling) -> bytes:
    out = bytearray([scaling.kind])
    if scaling.kind == ScalingKind.INTEGER:
        put_uvarint(out, zigzag(scaling.base))
        put_uvarint(out, scaling.step)
    else:
        out += _REAL.pack(scaling.gain, scaling.offset)
    return bytes(out)


def unpack_scaling(table: TableReader, layout: Layout) -> FileScaling:
    """Parse the scaling of a file with samples of a scaled type.

    Raises
    ------
    DamageError
        It is malformed, or is no scaling of samples of the file's type.
    """
    integer_bytes = table.take(1, "the width of integers")[0]
    if integer_bytes not in (2, 3):
        raise DamageError(f"the integers of a scaling have {integer_bytes} bytes")
    count = table.number(layout.channels, "the number of scalings")
    if count not in (1, layout.channels):
        raise DamageError(f"it has {count} scalings for {layout.channels} channels")
    listed = tuple(_unpack_one(table) for _ in range(count))
    for each in listed:
        fault = each.fault(layout.sample_type)
        if fault:
            raise DamageError(fault)
    return FileScaling(layout.sample_type, integer_bytes, listed * (layout.channels // count))


def _unpack_one(table: TableReader) -> Scaling:
    number = table.take(1, "the kind of a scaling")[0]
    try:
        kind = ScalingKind(number)
    except ValueError as error:
        raise DamageError(f"a scaling is of kind {number}, which is unknown") from error
    if kind == ScalingKind.INTEGER:
        base = unzigzag(table.number(_MAX_NUMBER, "the base of a scaling"))
        return Scaling(base=base, step=table.number(_MAX_NUMBER, "the step of a scaling"))
    return Scaling(kind, *_REAL.unpack(table.take(_REAL.size, "a gain and an offset")))
