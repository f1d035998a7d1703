"""Directories: names of files that they may hold, and what they take."""

from __future__ import annotations

import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.recordings import wav_bytes

from spikey_cli.container.directory import (
    Directory,
    FileEntry,
    directory_tables,
    folded,
    name_fault,
    pack_directory,
    unpack_directory,
)
from spikey_cli.container.limits import NO_LIMITS
from spikey_cli.container.table_writer import TableWriter
from spikey_cli.errors import DamageError, LimitError
from spikey_cli.io.layout import Layout, SampleType
from spikey_cli.topology.topology import Topology


@pytest.mark.parametrize(
    "name",
    [
        "",
        "/etc/passwd",
        "../up",
        "a/../b",
        "a//b",
        "./a",
        "a\\b",
        "C:",
        "c:/x",
        "nul",
        "COM1.wav",
        "a\0b",
        "end.",
        "end ",
        "a/",
        "con",
        "Con.wav",
        "aux .txt",
        "COM¹",
        "lpt³.wav",
        "CONIN$",
        "clock$.bin",
        "conout$.txt",
        "d:evil",
        "\\\\server\\share",
        "\\\\?\\C:\\x",
        "a/nul/b",
        "a:stream",
        "x\x1f",
        "a/ ",
        "...",
        "a/.. ",
        "//a",
        "~/../a",
        "a\x00.wav",
        "x" * 256,
        "a/" + "é" * 128,
        "a/" * 64 + "a",
        "/".join(["x" * 99] * 41),
    ],
)
def test_unsafe_names_are_refused(name):
    assert name_fault(name)


@pytest.mark.parametrize(
    "name", ["a.wav", "deep/er/a.wav", "ünï.wav", ".hidden", "com.wav", "a b.wav", "com\u0663", "x" * 255]
)
def test_safe_names_are_accepted(name):
    assert name_fault(name) is None


def wav_entry(name: str, frames: int, header: bytes | None = None, trailer: bytes = b"") -> FileEntry:
    header = wav_bytes(np.zeros(frames))[:44] if header is None else header
    layout = Layout(header, trailer, 19531, 1, SampleType.INT16, frames)
    return FileEntry(name, layout.file_bytes, layout)


def directory_of(*files: FileEntry) -> Directory:
    return Directory(files, Topology.independent(sum(file.channels for file in files if file.layout)))


def assert_same(directory: Directory, entries: list[FileEntry]) -> None:
    assert [file[:3] for file in directory.files] == [entry[:3] for entry in entries]


HEADERS = st.none() | st.binary(max_size=60) | st.binary(max_size=60).map(lambda data: b"RIFF" + data)


@given(
    st.dictionaries(
        st.text("abcäß0\U0001f600", min_size=1, max_size=20),
        st.integers(0, 1 << 56) | st.tuples(st.integers(0, 2000), HEADERS, st.binary(max_size=3)),
        max_size=9,
    )
)
def test_directories_come_back(files):
    entries = [
        FileEntry(name, what) if isinstance(what, int) else wav_entry(name, *what) for name, what in files.items()
    ]
    if len(set(map(folded, files))) < len(files):  # Unicode folds some into one
        with pytest.raises(DamageError, match="the same name"):
            unpack_directory(pack_directory(directory_of(*entries)))
        return
    assert_same(unpack_directory(pack_directory(directory_of(*entries))), entries)


def test_recordings_of_equal_form_take_little_more_than_their_names():
    entries = [wav_entry(f"{zlib.crc32(bytes([i])):08x}.wav", 5000 + i * i % 37) for i in range(200)]
    names, table = directory_tables(directory_of(*entries))
    assert len(names.packed()) < 200 * 4.6
    assert len(table.packed()) < 200 * 1.2


def names_of(shared: list[int], sizes: list[int], data: bytes) -> bytes:
    table = TableWriter()
    table.fields = [len(sizes), shared, sizes, data]
    return table.packed()


@pytest.mark.parametrize(
    ("names", "error", "reason"),
    [
        (names_of([1], [1], b""), DamageError, "shares more bytes with the one before"),
        (names_of([0, 2], [1, 2], b"a"), DamageError, "shares more bytes with the one before"),
        (names_of([0, 3], [4, 2], b"abcd"), DamageError, "shares more bytes with the one before"),
        (names_of([0], [4097], b"a" * 4097), DamageError, "is 4097, above the maximum of 4096"),
        (names_of([0], [3], b"ab"), DamageError, "runs past the end"),
        (names_of([0], [1], b"ab"), DamageError, "1 extra bytes"),
        (names_of([0], [1], b"\xe9"), DamageError, "not UTF-8"),
        (names_of([0, *[4000] * 9999], [4000] * 10_000, b"/".join([b"a" * 49] * 80)), LimitError, "memory limit"),
    ],
)
def test_names_that_are_refused(names, error, reason):
    table = directory_tables(directory_of(FileEntry("a", 0)))[1]
    with pytest.raises(error, match=reason):
        unpack_directory(names + table.packed())


def test_a_header_is_not_repeated_without_bound():
    entries = [wav_entry(f"{i}", 1, header=b"h" * 65_536) for i in range(200)]
    packed = pack_directory(directory_of(*entries))
    assert len(packed) < 2000
    with pytest.raises(LimitError, match="its directory has more than 8388608 bytes"):
        unpack_directory(packed)
    assert_same(unpack_directory(packed, NO_LIMITS), entries)
