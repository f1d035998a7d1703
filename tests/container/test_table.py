"""Tables: what a writer puts into them is what a reader takes, and nothing else is accepted."""

from __future__ import annotations

import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikey_cli.container.packing import pack, unpack
from spikey_cli.container.table_reader import TableReader
from spikey_cli.container.table_writer import TableWriter, field_bytes
from spikey_cli.errors import DamageError

LARGEST = (1 << 63) - 1
NUMBERS = st.integers(0, LARGEST) | st.integers(0, 300)
COLUMNS = st.lists(NUMBERS, max_size=30) | st.integers(0, 300).map(lambda n: [n] * n)


def reader(data: bytes) -> TableReader:
    table, tail = unpack(data, 1 << 20, "the table")
    assert table is not None
    return TableReader(table, tail)


@given(st.lists(st.tuples(st.sampled_from(["number", "column", "wide", "data"]), COLUMNS), max_size=5), st.binary())
def test_round_trip(fields, tail):
    writer = TableWriter()
    for kind, numbers in fields:
        if kind == "number":
            writer.number(sum(numbers) % LARGEST)
        elif kind == "data":
            writer.data(bytes(number % 256 for number in numbers))
        else:
            (writer.wide_column if kind == "wide" else writer.column)(numbers)
    writer.tail.append(tail)
    table = reader(writer.packed())
    for kind, numbers in fields:
        if kind == "number":
            assert table.number(LARGEST, "it") == sum(numbers) % LARGEST
        elif kind == "data":
            assert table.take(len(numbers), "it") == bytes(number % 256 for number in numbers)
        else:
            read = table.wide_column if kind == "wide" else table.column
            assert read(len(numbers), max(numbers, default=0), "it").tolist() == numbers
    table.end("the table")
    assert table.tail == tail


def test_a_column_is_written_byte_by_byte():
    assert field_bytes([1, 300, 2, 70_000]) == bytes([1, 0xAC, 2, 0xF0, 2, 0xA2, 4])


@pytest.mark.parametrize(
    ("data", "limit", "reason"),
    [
        (bytes([1]), 9, "runs past the end"),
        (bytes([1, 0x80]), 9, "runs past the end"),
        (bytes([1, 0x80, 0]), 9, "shortest form"),
        (bytes([0xFF] * 18 + [1, 1]), LARGEST, "too many bytes"),
        (bytes([1, 10]), 9, "is 10, above the maximum of 9"),
    ],
)
def test_malformed_columns_are_refused(data, limit, reason):
    with pytest.raises(DamageError, match=reason):
        TableReader(data).column(2, limit, "it")


@pytest.mark.parametrize(
    ("data", "tail", "reason"),
    [
        (bytes([33, 0, 0]), bytes(9), "the low bits of it is 33"),
        (bytes([4, 0, 0]), b"", "runs past the end"),
        (bytes([3, 0, 0]), b"\1", "bits after its end"),
        (bytes([4, 7, 0]), b"\0", "above the maximum"),
        (bytes([4, 6, 0]), b"\xf0", "is 111, above the maximum of 100"),
    ],
)
def test_malformed_wide_columns_are_refused(data, tail, reason):
    with pytest.raises(DamageError, match=reason):
        TableReader(data, tail).wide_column(2, 100, "it")


def test_the_low_bits_of_noise_are_not_compressed():
    writer = TableWriter()
    writer.wide_column(zlib.crc32(bytes([i])) >> 12 for i in range(100))
    assert writer.fields[0] >= 16
    assert len(writer.packed()) < 100 * 20 // 8 + 40


@pytest.mark.parametrize("size", [0, 10, 5000])
def test_compressed_tables(size):
    table = bytes(i * i % 251 % 7 for i in range(size))
    data = pack([table[: size // 2], table[size // 2 :]])
    assert unpack(data + b"tail", size, "it") == (table, b"tail")
    if size:
        assert unpack(data, size - 1, "it")[0] is None
    for damaged in (data[:-1], b"\2" + data[1:], data[:1], b""):
        with pytest.raises(DamageError, match=r"^it "):
            unpack(damaged, size, "it")


def test_both_methods_are_used():
    text = b"".join(b"%d " % (i * i) for i in range(900))
    assert {pack([b"a"])[0], pack([text])[0]} == {0, 1}
    assert unpack(pack([text]), len(text), "it") == (text, b"")
