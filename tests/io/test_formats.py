"""The registry of input formats."""

from __future__ import annotations

import io

import numpy as np
import pytest
from support.recordings import wav_bytes

from spikey_cli.io.formats import FORMATS, find_layout, format_name, resembled_format
from spikey_cli.io.raw import RawFormat
from spikey_cli.io.source import BytesSource, FileSource


def found(path, raw: RawFormat | None = None) -> str | None:
    """The name of the format in which a file's samples are found."""
    source = FileSource(path, raw=raw)
    with source.open() as file:
        layout = find_layout(file, path.stat().st_size, source)
    return format_name(layout.header) if layout else None


def test_names_and_suffixes_are_unique():
    assert len({file_format.name for file_format in FORMATS}) == len(FORMATS)
    suffixes = [suffix for file_format in FORMATS for suffix in file_format.suffixes]
    assert len(set(suffixes)) == len(suffixes)


def test_headers_are_recognized_under_any_name(tmp_path, samples):
    np.save(tmp_path / "a.npy", samples)
    (tmp_path / "a.npy").rename(tmp_path / "a.txt")
    (tmp_path / "b.raw").write_bytes(wav_bytes(samples))
    assert found(tmp_path / "a.txt") == "npy"
    assert found(tmp_path / "b.raw") == "wav"


def test_a_stated_raw_format_takes_precedence_over_header_and_sidecar(spikeglx, samples):
    path = spikeglx / "run_g0_t0.imec0.ap.bin"
    assert found(path) == "raw"
    path.write_bytes(wav_bytes(samples))
    assert found(path, RawFormat(2, 20_000)) == "raw"
    source = FileSource(path, raw=RawFormat(2, 20_000))
    with source.open() as file:
        assert find_layout(file, path.stat().st_size, source).channels == 2


def test_a_raw_format_is_for_files_named_as_raw(tmp_path, samples):
    samples.tofile(tmp_path / "a.txt")
    samples.tofile(tmp_path / "a.DAT")
    assert found(tmp_path / "a.txt", RawFormat(4, 30_000)) is None
    assert found(tmp_path / "a.DAT", RawFormat(4, 30_000)) == "raw"


def test_bytes_in_memory_have_no_sidecar():
    assert find_layout(io.BytesIO(bytes(80)), 80, BytesSource(bytes(80), "a.bin")) is None


@pytest.mark.parametrize(
    ("header", "name"),
    [(b"", "raw"), (b"RIFF....", "wav"), (b"BW64", "wav"), (b"\x93NUMPY\x01", "npy"), (b"ABF2", "axon"), (b"o", "raw")],
)
def test_the_header_names_the_format(header, name):
    assert format_name(header) == name


@pytest.mark.parametrize(
    ("name", "data", "resembled"),
    [
        ("a.bin", b"1", "raw"),
        ("a.bin", b"", None),
        ("a.WAV", b"no header", "wav"),
        ("a.txt", b"1", None),
        ("a.npy", b"1", None),
    ],
)
def test_files_resemble_a_format_by_name_and_contents(tmp_path, name, data, resembled):
    (tmp_path / name).write_bytes(data)
    file_format = resembled_format(FileSource(tmp_path / name))
    assert (file_format.name if file_format else None) == resembled


def test_a_file_that_is_gone_resembles_no_format(tmp_path):
    assert resembled_format(FileSource(tmp_path / "a.wav")) is None
