"""The layout of a file of records as it stands in an archive (see `io.records`).

size of the header, header, size of the trailer, trailer, number of records
number of gaps, for each: records since the gap before, size, bytes
number of groups, for each: type of a sample, sample rate, samples a record, byte order and sign
number of fields, for each: 0, type, count of kept numbers; or group + 1, channels, 1 if channel by channel
"""

from __future__ import annotations

from ..core.varint import put_uvarint
from ..errors import DamageError
from ..io.layout import MAX_CHANNELS, MAX_RATE, SampleType
from ..io.records import (
    FLOAT64,
    MAX_FIELDS,
    MAX_GAP_BYTES,
    MAX_GAPS,
    MAX_GROUPS,
    MAX_HEADER_BYTES,
    MAX_RECORD_BYTES,
    MAX_TRAILER_BYTES,
    Field,
    Group,
    RecordLayout,
)
from .limits import beyond_memory
from .table_reader import TableReader

_BIG_ENDIAN, _OFFSET_BINARY = 1, 2


def pack_records(records: RecordLayout) -> bytes:
    """Serialise the layout of a file of records."""
    out = bytearray()
    for data in (records.header, records.trailer):
        put_uvarint(out, len(data))
        out += data
    put_uvarint(out, records.n_records)
    put_uvarint(out, len(records.gaps))
    before = 0
    for record, data in records.gaps:
        put_uvarint(out, record - before)
        put_uvarint(out, len(data))
        out += data
        before = record
    put_uvarint(out, len(records.groups))
    for group in records.groups:
        for number in (group.sample_type, group.sample_rate, group.samples):
            put_uvarint(out, number)
        out.append(_BIG_ENDIAN * group.is_big_endian + _OFFSET_BINARY * group.is_offset_binary)
    put_uvarint(out, len(records.fields))
    for field in records.fields:
        kept = (0, field.kept_type, field.number)
        for number in (field.group + 1, field.number, int(field.by_channel)) if field.group >= 0 else kept:
            put_uvarint(out, number)
    return bytes(out)


def unpack_records(table: TableReader, max_frames: int, max_items: int) -> RecordLayout:
    """Parse the layout of a file of records.

    Parameters
    ----------
    table : TableReader
    max_frames : int
        Maximum number of records, and of bytes of the file.
    max_items : int
        Maximum number of gaps, groups and fields together that the reader allows.

    Raises
    ------
    DamageError
        It is malformed.
    LimitError
        It has more than `max_items`.
    """
    header = table.take(table.number(MAX_HEADER_BYTES, "the length of a header"), "a header")
    trailer = table.take(table.number(MAX_TRAILER_BYTES, "the length of a trailer"), "a trailer")
    n_records = table.number(max_frames, "the number of records")
    gaps, at = [], 0
    n_gaps = table.number(MAX_GAPS, "the number of gaps")
    for _ in range(n_gaps):
        at += table.number(max_frames, "the place of a gap")
        gaps.append((at, table.take(table.number(MAX_GAP_BYTES, "the length of a gap"), "a gap")))
    groups = []
    n_groups = table.number(MAX_GROUPS, "the number of groups")
    for _ in range(n_groups):
        number = table.number(max(SampleType), "the type of a sample")
        if number == 0:
            raise DamageError("a group has samples of type 0")
        rate = table.number(MAX_RATE, "the sample rate")
        samples = table.number(MAX_RECORD_BYTES, "the samples of a record")
        order = table.take(1, "the byte order of a group")[0]
        if order > _BIG_ENDIAN + _OFFSET_BINARY:
            raise DamageError(f"a group has samples of byte order {order}")
        groups.append(Group(SampleType(number), rate, samples, bool(order & 1), bool(order & 2)))
    fields = []
    n_fields = table.number(MAX_FIELDS, "the number of fields")
    if n_gaps + n_groups + n_fields > max_items:
        raise beyond_memory("it has too many fields of records")
    for _ in range(n_fields):
        group = table.number(len(groups), "the group of a field") - 1
        if group < 0:
            kept_type = table.number(FLOAT64, "the type of kept numbers")
            fields.append(Field(table.number(MAX_RECORD_BYTES, "the number of kept numbers"), kept_type=kept_type))
        else:
            channels = table.number(MAX_CHANNELS, "the channels of a field")
            fields.append(Field(channels, group, by_channel=bool(table.number(1, "the order of samples"))))
    try:
        records = RecordLayout(header, trailer, n_records, tuple(groups), tuple(fields), tuple(gaps))
    except ValueError as error:
        raise DamageError(f"a file of records: {error}") from error
    if records.file_bytes > max_frames:
        raise DamageError("a file of records is too long")
    return records
