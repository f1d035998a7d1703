"""Files of records: what `split` takes apart, `join` puts together, for all kinds of fields."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from spikey_cli.io.layout import SampleType, samples_from_bytes
from spikey_cli.io.records import MAX_GAP_BYTES, MAX_RECORD_BYTES, Field, Group, RecordLayout

GROUPS = (
    Group(SampleType.INT16, 100, 4, is_big_endian=True),
    Group(SampleType.INT24, 10, 2),
    Group(SampleType.INT16, 9, 3, is_offset_binary=True),
    Group(SampleType.INT24, 0, 1, is_big_endian=True),
)
FIELDS = (
    Field(2, kept_type=4),
    Field(3, 0, by_channel=True),
    Field(2, 1),
    Field(1, 1, by_channel=True),
    Field(5),
    Field(2, 2),
    Field(2, 3, by_channel=True),
    Field(1, 0),
)
LAYOUT = RecordLayout(b"header", b"end", 10, GROUPS, FIELDS, ((3, b"gap"), (7, b"g")))


def file_of(layout: RecordLayout, random: np.random.Generator) -> bytes:
    gaps = dict(layout.gaps)
    records = (gaps.get(i, b"") + random.bytes(layout.record_bytes) for i in range(layout.n_records))
    return layout.header + b"".join(records) + layout.trailer


@pytest.mark.parametrize(("first", "stop"), [(0, 10), (0, 3), (3, 7), (2, 4), (6, 10), (9, 10)])
def test_split_and_join(random, first, stop):
    data = file_of(LAYOUT, random)
    assert len(data) == LAYOUT.file_bytes
    piece = data[LAYOUT.offset(first) : LAYOUT.offset(stop)]
    pieces = LAYOUT.split(piece, first, stop - first)
    assert len(pieces[0]) == (stop - first) * LAYOUT.kept.bytes == (stop - first) * 13
    assert LAYOUT.join(pieces, first, stop - first) == piece


def test_samples_are_little_endian_and_interleaved():
    layout = RecordLayout(b"", b"", 2, GROUPS[:1], (Field(1), Field(2, 0, by_channel=True)))
    samples = np.arange(16).reshape(2, 2, 4)  # record, channel, sample
    data = b"".join(b"k" + record.astype(">i2").tobytes() for record in samples)
    kept, frames = layout.split(data, 0, 2)
    assert kept == b"kk"
    by_channel = samples_from_bytes(frames, 2, SampleType.INT16).T
    assert by_channel.tolist() == [[0, 1, 2, 3, 8, 9, 10, 11], [4, 5, 6, 7, 12, 13, 14, 15]]


def test_offset_binary_samples_are_signed():
    layout = RecordLayout(b"", b"", 1, (Group(SampleType.INT16, 1, 3, is_offset_binary=True),), (Field(1, 0),))
    _, frames = layout.split(np.array([0, 32768, 65535], "<u2").tobytes(), 0, 1)
    assert samples_from_bytes(frames, 1, SampleType.INT16)[:, 0].tolist() == [-32768, 0, 32767]


def test_a_changed_gap_is_an_error(random):
    data = file_of(LAYOUT, random)
    with pytest.raises(ValueError, match="a gap has changed"):
        LAYOUT.split(data[len(LAYOUT.header) : LAYOUT.offset(10)].replace(b"gap", b"gas"), 0, 10)


def test_zeros_have_the_gaps(random):
    zeros = LAYOUT.zeros(2, 3)
    assert len(zeros) == LAYOUT.offset(5) - LAYOUT.offset(2)
    assert b"gap" in zeros
    assert not any(LAYOUT.split(zeros, 2, 3)[1])


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"n_records": 0}, "0 records"),
        ({"fields": ()}, "too many channels"),
        ({"fields": (*FIELDS, Field(0))}, "a field is empty"),
        ({"fields": (*FIELDS, Field(1, 4))}, "of no group"),
        ({"fields": (*FIELDS, Field(1, kept_type=3))}, "unknown type"),
        ({"fields": (*FIELDS, Field(MAX_RECORD_BYTES))}, "cannot be stored"),
        ({"gaps": ((0, b"x"),)}, "not between"),
        ({"gaps": ((10, b"x"),)}, "not between"),
        ({"gaps": ((3, b"x"), (3, b"y"))}, "not between"),
        ({"gaps": ((3, b""),)}, "too long"),
        ({"gaps": ((3, bytes(MAX_GAP_BYTES + 1)),)}, "too long"),
        ({"header": bytes(2 << 20)}, "too many"),
    ],
)
def test_impossible_layouts(changes, reason):
    with pytest.raises(ValueError, match=reason):
        replace(LAYOUT, **changes)
