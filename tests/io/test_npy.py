"""NumPy files: which arrays are predicted, and every file is restored."""

from __future__ import annotations

import io

import numpy as np
import pytest
from support.recordings import npy_bytes

import spikey_cli
from spikey_cli.io import npy
from spikey_cli.io.npy import (
    header,
    holds_16_bit_integers,
    is_predictable,
    is_row_by_row,
    parse,
    parse_header,
    parse_times,
)


def parsed(data: bytes):
    return parse(io.BytesIO(data), len(data), 30_000)


def restored(data: bytes, folder) -> tuple[str, bytes]:
    """The kind of an .npy file in an archive, and its bytes when it is restored."""
    folder.mkdir()
    (folder / "a.npy").write_bytes(data)
    spikey_cli.compress([folder / "a.npy"], folder / "a.spk")
    spikey_cli.decompress(folder / "a.spk", folder / "out")
    (file,) = spikey_cli.info(folder / "a.spk")["files"]
    return file["kind"], (folder / "out" / "a.npy").read_bytes()


@pytest.mark.parametrize("dtype", ["i2", "u1", "u2", "i4", "u4", "i8", "f4", "f8"])
@pytest.mark.parametrize("shape", [(7,), (5, 3), (0,), (0, 2)])
def test_arrays_of_samples_are_parsed(dtype, shape):
    data = npy_bytes(np.zeros(shape, dtype))
    layout = parsed(data)
    assert (layout.n_frames, layout.channels) == (shape[0], shape[1] if len(shape) == 2 else 1)
    assert (layout.sample_bytes, layout.sample_rate) == (np.dtype(dtype).itemsize, 30_000)
    assert layout.header == header(shape, np.dtype(dtype).newbyteorder("<"))
    assert layout.file_bytes == len(data)


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((10, 3), np.float16),
        np.zeros((10, 3), ">i2"),
        np.zeros((10, 0), np.int16),
        np.zeros((), np.int16),
    ],
)
def test_other_arrays_are_stored_verbatim(tmp_path, array):
    data = npy_bytes(array)
    assert parsed(data) is None
    assert restored(data, tmp_path / "in") == ("verbatim", data)


@pytest.mark.parametrize("dtype", ["i2", "u1", "i4", "f4", "f8"])
@pytest.mark.parametrize("rows", [1, 3])
def test_channels_in_rows_are_one_record(tmp_path, random, dtype, rows):
    array = np.cumsum(random.integers(-3, 4, (rows, 2000)), axis=1).clip(0, 255).astype(dtype)
    records = parsed(npy_bytes(array))
    assert (records.n_records, records.n_channels, records.groups[0].samples) == (1, (rows,), 2000)
    assert records.file_bytes == len(npy_bytes(array))
    frames = records.split(array.tobytes(), 0, 1)[1]
    np.testing.assert_array_equal(np.frombuffer(frames, array.dtype).reshape(2000, rows), array.T)
    assert restored(npy_bytes(array), tmp_path / "in") == ("npy", npy_bytes(array))
    assert restored(npy_bytes(array)[:-1], tmp_path / "truncated") == ("verbatim", npy_bytes(array)[:-1])
    assert restored(npy_bytes(array) + b"more", tmp_path / "extended") == ("npy", npy_bytes(array) + b"more")


@pytest.mark.parametrize(
    ("shape", "records", "channels", "frames"),
    [
        ((40, 3, 9), None, 27, 40),
        ((6, 50, 8), None, 8, 300),
        ((6, 3, 200), 6, 3, 1200),
        ((2, 3, 3, 200), 6, 3, 1200),
    ],
)
@pytest.mark.parametrize("order", ["C", "F"])
def test_arrays_of_more_dimensions(tmp_path, random, shape, records, channels, frames, order):
    array = random.integers(0, 9, shape).astype("<i2")
    array = array if order == "C" else np.asfortranarray(array.transpose())
    found = parsed(npy_bytes(array))
    (layout,) = found.layouts if records else [found]
    assert (layout.channels, layout.n_frames) == (channels, frames)
    assert not records or found.n_records == records
    assert restored(npy_bytes(array), tmp_path / "in") == ("npy", npy_bytes(array))


def test_no_matrix_is_read_of_an_empty_array():
    layout = parsed(npy_bytes(np.zeros((0, 3, 50), "<i2")))
    assert (layout.channels, layout.n_frames) == (50, 0)


def test_rows_and_columns_are_those_of_the_bytes():
    """In Fortran order channels follow one another."""
    assert parsed(npy_bytes(np.zeros((2000, 3), np.int16, order="F"))).n_channels == (3,)
    layout = parsed(npy_bytes(np.zeros((3, 2000), np.int16, order="F")))
    assert (layout.n_frames, layout.channels) == (2000, 3)


@pytest.mark.parametrize("array", [np.zeros((2, 3000), "<i4"), np.zeros((2, 3000), "u1")])
def test_rows_beyond_a_record_are_one_channel(monkeypatch, array):
    monkeypatch.setattr(npy, "_MAX_RECORD_SAMPLES", 6000)
    monkeypatch.setattr(npy, "MAX_RECORD_BYTES", 24_000)
    assert parsed(npy_bytes(array)).n_channels == (2,)
    limit, less = ("MAX_RECORD_BYTES", 23_999) if array.itemsize == 4 else ("_MAX_RECORD_SAMPLES", 5999)
    monkeypatch.setattr(npy, limit, less)
    layout = parsed(npy_bytes(array))
    assert (layout.n_frames, layout.channels) == (6000, 1)
    assert is_row_by_row(layout)


def test_an_array_passed_as_frames_keeps_them():
    data = npy_bytes(np.zeros((2, 3000), "<i2"))
    layout = parse(io.BytesIO(data), len(data), is_array=True)
    assert (layout.n_frames, layout.channels) == (2, 3000)
    assert not is_row_by_row(layout)


@pytest.mark.parametrize("cut", [0, 1, 7, 127, 128, 129, 1000])
def test_truncated_and_extended_files_are_restored(tmp_path, samples, cut):
    data = npy_bytes(samples)
    assert restored(data[:cut], tmp_path / "truncated") == ("verbatim", data[:cut])
    assert restored(data + bytes(cut), tmp_path / "extended") == ("npy", data + bytes(cut))


def test_a_file_is_predicted_and_restored(tmp_path, samples):
    data = npy_bytes(samples)
    (tmp_path / "a.npy").write_bytes(data)
    source = spikey_cli.FileSource(tmp_path / "a.npy", sample_rate=30_000)
    result = spikey_cli.compress([source], tmp_path / "a.spk")
    assert result.ratio > 3, f"ratio {result.ratio}: it was not predicted"
    with spikey_cli.open(tmp_path / "a.spk") as recording:
        assert recording.sample_rate == 30_000
        np.testing.assert_array_equal(recording[10:20], samples[10:20])
    spikey_cli.decompress(tmp_path / "a.spk", tmp_path / "out")
    assert (tmp_path / "out" / "a.npy").read_bytes() == data


def test_headers_of_both_versions_are_parsed():
    array = np.zeros((3, 2), np.int16)
    for version in ((1, 0), (2, 0)):
        file = io.BytesIO()
        np.lib.format.write_array(file, array, version)
        fields = parse_header(file.getvalue())
        assert (fields.shape, fields.dtype, fields.is_fortran) == ((3, 2), np.dtype("<i2"), False)
        assert len(file.getvalue()) == fields.length + array.nbytes


@pytest.mark.parametrize(
    "start",
    [
        b"",
        b"RIFF",
        b"\x93NUMPY",
        b"\x93NUMPY\x03\x00",
        b"\x93NUMPY\x01\x00\x05\x00{'a':",
        b"\x93NUMPY\x01\x00\x02\x00[]",
    ],
)
def test_malformed_headers_are_not_parsed(start):
    assert parse_header(start) is None


@pytest.mark.parametrize("shape", ["(False,)", "(-1,)", "(2, -3)", "('a',)"])
def test_impossible_shapes_are_not_parsed(shape):
    text = f"{{'descr': '<i2', 'fortran_order': False, 'shape': {shape}}}".encode()
    assert parse_header(b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text) is None


def test_predictable_shapes_and_dtypes():
    int16 = np.dtype("<i2")
    assert is_predictable((5,), int16)
    assert is_predictable((5, 65_535), np.dtype(np.uint8))
    assert not is_predictable((5, 65_536), int16)
    assert not is_predictable((), int16)
    assert not is_predictable((5,), np.dtype(np.int8))


def test_16_bit_integers_are_recognized():
    assert holds_16_bit_integers(npy_bytes(np.asfortranarray(np.ones((9, 2), ">u2"))))
    assert not holds_16_bit_integers(npy_bytes(np.ones((0, 2), np.int16)))
    assert not holds_16_bit_integers(npy_bytes(np.ones(9)))
    assert not holds_16_bit_integers(b"")


@pytest.mark.parametrize(
    "times", [np.arange(20_000) + 2**40, np.arange(20_000) / 30_000, np.sort(np.random.default_rng(0).random(20_000))]
)
def test_times_come_back_and_regular_ones_take_next_to_nothing(tmp_path, times):
    np.save(tmp_path / "timestamps.npy", times)
    result = spikey_cli.compress([tmp_path / "timestamps.npy"], tmp_path / "a.spk")
    assert not result.warnings
    (file,) = spikey_cli.info(tmp_path / "a.spk")["files"]
    assert file["records"] == len(times)
    spikey_cli.decompress(tmp_path / "a.spk", tmp_path / "out")
    assert (tmp_path / "out" / "timestamps.npy").read_bytes() == (tmp_path / "timestamps.npy").read_bytes()
    is_regular = np.ptp(np.diff(times)) < 1e-6
    assert result.archive_bytes < (1500 if is_regular else times.nbytes)


@pytest.mark.parametrize(
    "array",
    [
        np.arange(10),
        np.zeros(100),
        np.arange(100)[::-1],
        np.arange(100).reshape(50, 2),
        np.arange(100, dtype=">i8"),
        np.arange(100, dtype="i4"),
        np.append(np.arange(100.0), np.nan),
    ],
)
def test_other_arrays_are_no_times(array):
    data = npy_bytes(array)
    assert parse_times(io.BytesIO(data), len(data)) is None
