"""The layout of a file of records in an archive, and archives whose blocks contradict it."""

from __future__ import annotations

import contextlib
from dataclasses import replace

import pytest

from spikey_cli.container.block_table import BlockTable, StreamEntry, pack_block_table, unpack_block_table
from spikey_cli.container.directory import Directory, channel_names, pack_directory, record_entries, unpack_directory
from spikey_cli.container.limits import Limits
from spikey_cli.container.parts import Part
from spikey_cli.container.record_table import pack_records, unpack_records
from spikey_cli.container.table_reader import TableReader
from spikey_cli.core.quantizer import identity
from spikey_cli.errors import DamageError, LimitError
from spikey_cli.io.layout import SampleType
from spikey_cli.io.records import Field, Group, RecordLayout
from spikey_cli.topology.topology import Topology

GROUPS = (Group(SampleType.INT16, 100, 4, is_big_endian=True), Group(SampleType.INT24, 10, 2, is_offset_binary=True))
FIELDS = (Field(2, kept_type=4), Field(3, 0, by_channel=True), Field(2, 1))
LAYOUT = RecordLayout(b"header", b"end", 10, GROUPS, FIELDS, ((3, b"gap"), (7, b"g")))
ENTRIES = record_entries("a.rec", LAYOUT, [(identity(2), None), (identity(3), None)])
DIRECTORY = Directory(ENTRIES, Topology.independent(5))
PARTS = (Part(1, 0, 40), Part(2, 0, 20), Part(0, 0, 80))


def test_a_layout_comes_back():
    table = TableReader(pack_records(LAYOUT))
    assert unpack_records(table, 1 << 56, 100) == LAYOUT
    table.end("the layout")


def test_a_directory_has_an_entry_for_each_group():
    files = unpack_directory(pack_directory(DIRECTORY)).files
    assert files[0] == ENTRIES[0]
    assert [(file.name, file.size, file.frames, file.channels) for file in files] == [
        ("a.rec", LAYOUT.file_bytes, 80, 1),
        ("a.rec", 0, 40, 3),
        ("a.rec", 0, 20, 2),
    ]
    assert list(channel_names(files).items()) == [
        (f"a.rec:{i}", place) for i, place in enumerate([(1, 0), (1, 1), (1, 2), (2, 0), (2, 1)])
    ]


@pytest.mark.parametrize("at", range(len(pack_records(LAYOUT))))
def test_changed_bytes_are_refused_or_a_layout(at):
    packed = bytearray(pack_records(LAYOUT))
    for change in (1, 0x80, 0xFF):
        packed[at] ^= change
        with contextlib.suppress(DamageError):
            assert isinstance(unpack_records(TableReader(bytes(packed)), 1 << 56, 100), RecordLayout)
        packed[at] ^= change


def table_of(parts: tuple[Part, ...], steps: int = 40) -> bytes:
    n_streams = sum(ENTRIES[part.file].channels for part in parts)
    return pack_block_table(BlockTable.of(steps, parts, [StreamEntry(0, 0, 0)] * n_streams), DIRECTORY)


def test_a_block_with_all_of_some_records():
    assert unpack_block_table(table_of(PARTS), DIRECTORY).parts == PARTS


@pytest.mark.parametrize(
    ("parts", "reason"),
    [
        (PARTS[:2], "different records"),
        ((PARTS[0], PARTS[2]), "different records"),
        ((PARTS[0], PARTS[1], Part(0, 0, 72)), "different records"),
        ((PARTS[0], PARTS[1], Part(0, 0, 79)), "a piece of a record"),
        ((Part(1, 0, 39), *PARTS[1:]), "a piece of a record"),
        ((PARTS[2], *PARTS[:2]), "kept numbers stand before samples"),
    ],
)
def test_blocks_without_some_of_their_records_are_refused(parts, reason):
    with pytest.raises(DamageError, match=reason):
        unpack_block_table(table_of(parts), DIRECTORY)


def test_kept_numbers_without_samples_are_in_blocks_of_verbatim_files():
    records = replace(LAYOUT, groups=(), fields=FIELDS[:1])
    directory = Directory(record_entries("a.rec", records, []), Topology.independent(0))
    table = pack_block_table(BlockTable.of(0, (Part(0, 0, 80),), [StreamEntry(8, 0, 0)]), directory)
    assert unpack_block_table(table, directory).steps == 0


def test_many_fields_are_beyond_the_limits_of_a_reader():
    with pytest.raises(LimitError, match="too many fields of records"):
        unpack_records(TableReader(pack_records(LAYOUT)), 1 << 56, len(FIELDS) + len(GROUPS) + 1)
    many = tuple(entry._replace(name=f"{i}.rec") for i in range(99) for entry in ENTRIES)
    packed = pack_directory(Directory(many, Topology.independent(99 * 5)))
    with pytest.raises(LimitError, match="too many fields of records"):
        unpack_directory(packed, Limits(memory=1024 * 500))
