"""Sources: files, arrays that are read piece by piece, and bytes in memory."""

from __future__ import annotations

import io
import os

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import spikey_cli
from spikey_cli.codec.scan import scan
from spikey_cli.errors import InputError
from spikey_cli.io.source import ArraySource, BytesSource, FileSource


def kinds(archive) -> list[str]:
    return [file["kind"] for file in spikey_cli.info(archive)["files"]]


def test_a_file_is_named_by_its_own_name(tmp_path):
    (tmp_path / "a.wav").write_bytes(b"123")
    source = FileSource(str(tmp_path / "a.wav"))
    assert (source.name, str(source), source.status().size) == ("a.wav", str(tmp_path / "a.wav"), 3)
    assert FileSource(tmp_path / "a.wav", "in/b.wav").name == "in/b.wav"


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such files")
def test_missing_files_folders_and_pipes_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"a\.wav: cannot read: No such file"):
        FileSource(tmp_path / "a.wav").status()
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(InputError, match="is a pipe, a device or the like"):
        FileSource(tmp_path / "fifo").status()
    with pytest.raises(InputError, match="is a folder; name a file"):
        FileSource(tmp_path).status()


def test_read_errors_name_the_source():
    class BrokenFile(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            raise OSError(5, "Input/output error")

    class BrokenSource(BytesSource):
        def open(self) -> io.BytesIO:
            return BrokenFile()

    with pytest.raises(InputError, match=r"channel\.wav: cannot read: Input/output error"):
        scan(BrokenSource(b"0123", "channel.wav"))


@pytest.mark.parametrize("array", [np.arange(3e5, 0, -1), np.zeros((2, 3, 4), ">f4")])
def test_an_array_of_any_dtype_can_be_stored_verbatim(tmp_path, array):
    spikey_cli.compress([ArraySource(array, "times.npy", verbatim=True)], tmp_path / "a.spk")
    assert kinds(tmp_path / "a.spk") == ["verbatim"]
    spikey_cli.decompress(tmp_path / "a.spk", tmp_path / "out")
    np.testing.assert_array_equal(np.load(tmp_path / "out" / "times.npy"), array)


class CountingArray:
    """An array-like that counts the frames of the longest slice."""

    def __init__(self, array: np.ndarray) -> None:
        self.shape, self.dtype, self.most, self._array = array.shape, array.dtype, 0, array

    def __getitem__(self, key: slice) -> np.ndarray:
        piece = self._array[key]
        self.most = max(self.most, len(piece))
        return piece


def test_an_array_is_read_piece_by_piece(tmp_path, random):
    array = random.integers(-50, 50, (5 << 18, 4)).astype(np.int16)
    counting = CountingArray(array)
    inputs = [ArraySource(counting, "probe/ap.npy", 30_000), BytesSource(b"{}", "probe/ap.json")]
    spikey_cli.compress(inputs, tmp_path / "a.spk")
    assert counting.most <= 1 << 20, f"{counting.most} frames were read at once"
    spikey_cli.decompress(tmp_path / "a.spk", tmp_path / "out")
    np.testing.assert_array_equal(np.load(tmp_path / "out" / "probe" / "ap.npy"), array)
    assert (tmp_path / "out" / "probe" / "ap.json").read_bytes() == b"{}"


@given(st.data())
def test_any_range_of_an_array_is_that_of_its_npy_file(data):
    shape = data.draw(st.sampled_from([(0,), (7,), (5, 3), (0, 2), (9, 1)]))
    array = np.arange(np.prod(shape), dtype=data.draw(st.sampled_from(["u1", "<i2", ">i2"]))).reshape(shape)
    saved = io.BytesIO()
    np.save(saved, array.astype(array.dtype.newbyteorder("<")))
    source = ArraySource(array, "a.npy")
    with source.open() as file:
        complete = file.read()
        assert complete == saved.getvalue()
        assert len(complete) == source.status().size
        at, count = data.draw(st.integers(0, len(complete) + 5)), data.draw(st.integers(0, len(complete) + 5))
        file.seek(at)
        assert file.read(count) == complete[at : at + count]
        assert file.tell() == min(at + count, max(at, len(complete)))


@pytest.mark.parametrize("array", [np.zeros((3, 2), np.float16), np.zeros((3, 2, 2), np.int16), np.zeros((3, 0), "u1")])
def test_arrays_that_cannot_be_predicted_are_refused(array):
    with pytest.raises(InputError, match="is no recording; pass integers"):
        ArraySource(array)


@pytest.mark.parametrize("rate", [-1, 0.5, 2**32])
def test_rates_that_cannot_be_stored_are_refused(rate):
    with pytest.raises(InputError, match="cannot be stored; pass whole Hz") as caught:
        ArraySource(np.zeros(3, np.int16), "a.npy", rate)
    assert caught.value.parameter == "sample_rate"


def test_a_single_number_is_refused():
    with pytest.raises(InputError, match="a single number is no array"):
        ArraySource(np.zeros(()), "a.npy", verbatim=True)


def test_an_array_that_returns_another_shape_is_refused(tmp_path, samples):
    class Shortening(CountingArray):
        def __getitem__(self, key: slice) -> np.ndarray:
            return super().__getitem__(key)[:-1]

    with pytest.raises(InputError, match="have the shape"):
        spikey_cli.compress([ArraySource(Shortening(samples))], tmp_path / "a.spk")
    assert not (tmp_path / "a.spk").exists()


def test_an_array_that_returns_another_dtype_is_refused(tmp_path):
    class Floating:
        shape, dtype = (100, 2), np.dtype(np.int16)

        def __getitem__(self, key: slice) -> np.ndarray:
            return np.full((100, 2), 65200.0)[key]

    with pytest.raises(InputError, match=r"a\.npy: frames 0 to 100 are float64, and the array states int16"):
        spikey_cli.compress([ArraySource(Floating(), "a.npy")], tmp_path / "a.spk")


def test_big_endian_arrays_are_compressed(tmp_path):
    big = np.arange(200, dtype=">i2").reshape(100, 2)
    spikey_cli.compress([ArraySource(big, "a.npy")], tmp_path / "a.spk")
    with spikey_cli.open(tmp_path / "a.spk") as recording:
        np.testing.assert_array_equal(recording[:], big)


@pytest.mark.parametrize("rate", [-1, 2**32, 30_000.5])
@pytest.mark.parametrize(
    "source",
    [
        lambda rate: FileSource("x.npy", sample_rate=rate),
        lambda rate: BytesSource(b"", "x.npy", sample_rate=rate),
        lambda rate: ArraySource(np.zeros(3, np.int16), "x.npy", sample_rate=rate),
    ],
)
def test_a_rate_that_cannot_be_stored_is_refused(source, rate):
    with pytest.raises(InputError, match=f"x.npy: a rate of {rate} Hz"):
        source(rate)
