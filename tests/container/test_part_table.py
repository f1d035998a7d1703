"""The parts of blocks as bytes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.topologies import topology_of_pairs

from spikey_cli.container.directory import Directory, FileEntry
from spikey_cli.container.part_table import put_parts, read_parts
from spikey_cli.container.parts import Part
from spikey_cli.container.table_reader import TableReader
from spikey_cli.container.table_writer import TableWriter, field_bytes
from spikey_cli.errors import DamageError
from spikey_cli.io.layout import Layout, SampleType

FILES = 7
FRAMES = 100


def directory(pairs: list[tuple[int, int]]) -> Directory:
    """Files of one channel each; those of a pair reference each other."""
    layout = Layout(b"", b"", 1, 1, SampleType.INT16, FRAMES)
    files = tuple(FileEntry(f"{i}", layout.file_bytes, layout) for i in range(FILES))
    topology = topology_of_pairs([(a, b, 1) for a, b in pairs], [i % 2 for i in range(FILES)])
    return Directory(files, topology)


def fields(blocks: list[list[Part]], own: Directory) -> list:
    table = TableWriter()
    put_parts(table, blocks, own)
    return table.fields


INDEX = st.integers(0, FILES - 1)
PARTS = st.builds(
    lambda file, a, b: Part(file, min(a, b), abs(b - a) + 1), INDEX, st.integers(0, 99), st.integers(0, 99)
)


@given(
    st.lists(st.lists(PARTS, max_size=9), max_size=3), st.sets(st.tuples(INDEX, INDEX).filter(lambda p: p[0] < p[1]))
)
def test_round_trip(blocks, pairs):
    own = directory(sorted(pairs))
    data = b"".join(map(field_bytes, fields(blocks, own)))
    table = TableReader(data)
    assert read_parts(table, [len(parts) for parts in blocks], own) == [tuple(parts) for parts in blocks]
    table.end("the parts")


def test_whole_files_of_sessions_in_order_are_zeros():
    own = directory([(0, 5), (1, 2), (2, 6)])
    blocks = [[Part(file, 0, FRAMES) for file in (0, 5, 1, 2, 6, 3, 4)]]
    assert fields(blocks, own) == [[0] * FILES] * 3
    # the second of two halves of all files, which are expected once: behind the last one, the next after the first
    halves = [[Part(file, first, 50) for first in (0, 50) for file in (3, 4)]]
    assert fields(halves, own) == [[6, 0, 3, 1], [0, 0, 50, 50], [50, 50, 0, 0]]


@pytest.mark.parametrize(
    ("distance", "first", "frames", "reason"),
    [
        (1, 0, 0, "of file -1 of 7"),
        (14, 0, 0, "of file 7 of 7"),
        (0, 100, 0, "is empty"),
        (0, 0, 101, "ends after the file"),
        (0, 99, 2, "ends after the file"),
    ],
)
def test_parts_out_of_range_are_refused(distance, first, frames, reason):
    with pytest.raises(DamageError, match=reason):
        read_parts(TableReader(bytes([distance, first, frames])), [1], directory([]))
