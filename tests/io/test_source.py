"""Sources that are no WAV files: NPY files, raw samples, arrays, bytes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.recordings import n1_samples, neural

import spikey_cli
from spikey_cli.errors import InputError
from spikey_cli.io.raw import RawFormat
from spikey_cli.io.source import ArraySource, BytesSource, FileSource


@pytest.fixture
def samples(random: np.random.Generator) -> np.ndarray:
    return np.ascontiguousarray(n1_samples(neural(random, 6000, 4)))


def restored(archive: Path, folder: Path) -> dict[str, bytes]:
    spikey_cli.decompress(archive, folder)
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def kinds(archive: Path) -> list[object]:
    return [file["kind"] for file in spikey_cli.info(archive)["files"]]


def test_an_npy_file_is_predicted_and_comes_back(tmp_path: Path, samples: np.ndarray) -> None:
    np.save(tmp_path / "a.npy", samples)
    done = spikey_cli.compress([spikey_cli.FileSource(tmp_path / "a.npy", sample_rate=30_000)], tmp_path / "a.spk")
    assert done.ratio > 3, f"ratio {done.ratio}: it was not predicted"
    assert restored(tmp_path / "a.spk", tmp_path / "out") == {"a.npy": (tmp_path / "a.npy").read_bytes()}
    with spikey_cli.open(tmp_path / "a.spk") as recording:
        assert recording.sample_rate == 30_000
        assert np.array_equal(recording[10:20], samples[10:20])


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((10, 3), np.float32),
        np.zeros((10, 3), ">i2"),
        np.asfortranarray(np.zeros((10, 3), np.int16)),
        np.zeros((10, 3, 2), np.int16),
        np.zeros((10, 0), np.int16),
        np.zeros((), np.int16),
    ],
)
def test_other_npy_files_are_kept_as_they_are(tmp_path: Path, array: np.ndarray) -> None:
    np.save(tmp_path / "a.npy", array)
    spikey_cli.compress([tmp_path / "a.npy"], tmp_path / "a.spk")
    assert kinds(tmp_path / "a.spk") == ["verbatim"]
    assert restored(tmp_path / "a.spk", tmp_path / "out") == {"a.npy": (tmp_path / "a.npy").read_bytes()}


@pytest.mark.parametrize("cut", [0, 1, 7, 127, 128, 129, 1000])
def test_npy_files_that_were_cut_off_or_added_to_come_back(tmp_path: Path, samples: np.ndarray, cut: int) -> None:
    np.save(tmp_path / "a.npy", samples)
    data = (tmp_path / "a.npy").read_bytes()
    for name, bent in (("cut.npy", data[:cut]), ("more.npy", data + bytes(cut))):
        (tmp_path / name).write_bytes(bent)
        spikey_cli.compress([tmp_path / name], tmp_path / "a.spk", force=True)
        assert restored(tmp_path / "a.spk", tmp_path / f"out-{name}") == {name: bent}


@pytest.mark.parametrize("odd", [b"", b"123"])
def test_raw_samples_come_back(tmp_path: Path, samples: np.ndarray, odd: bytes) -> None:
    data = samples.tobytes() + odd
    (tmp_path / "run.BIN").write_bytes(data)
    (tmp_path / "run.meta").write_bytes(b"nSavedChans=4\n")
    inputs = [FileSource(tmp_path / "run.BIN", raw=RawFormat(4, 30_000)), tmp_path / "run.meta"]
    done = spikey_cli.compress(inputs, tmp_path / "a.spk")
    assert done.ratio > 3, f"ratio {done.ratio}: it was not predicted"
    assert kinds(tmp_path / "a.spk") == ["raw", "verbatim"]
    assert restored(tmp_path / "a.spk", tmp_path / "out") == {"run.BIN": data, "run.meta": b"nSavedChans=4\n"}
    with spikey_cli.open(tmp_path / "a.spk") as recording:
        assert np.array_equal(recording[:], samples)
        assert recording.sample_rate == 30_000


@pytest.mark.parametrize("array", [np.arange(3e5), np.zeros((2, 3, 4), ">f4")])
def test_an_array_that_is_no_recording_stands_beside_one(tmp_path: Path, array: np.ndarray) -> None:
    spikey_cli.compress([ArraySource(array, "times.npy", verbatim=True)], tmp_path / "a.spk")
    assert kinds(tmp_path / "a.spk") == ["verbatim"]
    spikey_cli.decompress(tmp_path / "a.spk", tmp_path / "out")
    np.testing.assert_array_equal(np.load(tmp_path / "out" / "times.npy"), array)


class OnDisk:
    """An array that hands out some frames at a time, and remembers how many at most."""

    def __init__(self, array: np.ndarray) -> None:
        self.shape, self.dtype, self.most, self._array = array.shape, array.dtype, 0, array

    def __getitem__(self, key: slice) -> np.ndarray:
        piece = self._array[key]
        self.most = max(self.most, len(piece))
        return piece


def test_an_array_is_read_a_stretch_at_a_time(tmp_path: Path, random: np.random.Generator) -> None:
    array = random.integers(-50, 50, (3 << 20, 4)).astype(np.int16)
    source = OnDisk(array)
    spikey_cli.compress(
        [ArraySource(source, "probe/ap.npy", 30_000), BytesSource(b"{}", "probe/ap.json")], tmp_path / "a.spk"
    )
    assert source.most <= 1 << 20, f"{source.most} frames were read at once"
    spikey_cli.decompress(tmp_path / "a.spk", tmp_path / "out")
    assert np.array_equal(np.load(tmp_path / "out" / "probe" / "ap.npy"), array)
    assert (tmp_path / "out" / "probe" / "ap.json").read_bytes() == b"{}"


@given(st.data())
def test_any_piece_of_an_array_file_is_that_of_the_file(data: st.DataObject) -> None:
    shape = data.draw(st.sampled_from([(0,), (7,), (5, 3), (0, 2), (9, 1)]))
    array = np.arange(np.prod(shape), dtype=data.draw(st.sampled_from(["u1", "<i2", ">i2"]))).reshape(shape)
    source = ArraySource(array, "a.npy")
    with source.open() as file:
        whole = file.read()
        assert len(whole) == source.status().size
        at, count = data.draw(st.integers(0, len(whole) + 5)), data.draw(st.integers(0, len(whole) + 5))
        file.seek(at)
        assert file.read(count) == whole[at : at + count]
        assert file.tell() == min(at + count, max(at, len(whole)))


@pytest.mark.parametrize("array", [np.zeros((3, 2), np.float32), np.zeros((3, 2, 2), np.int16), np.zeros((3, 0), "u1")])
def test_arrays_that_are_no_recording_are_refused(array: np.ndarray) -> None:
    with pytest.raises(InputError, match="is no recording; give int16"):
        ArraySource(array)


def test_an_array_of_another_shape_than_it_says_is_refused(tmp_path: Path, samples: np.ndarray) -> None:
    class Liar(OnDisk):
        def __getitem__(self, key: slice) -> np.ndarray:
            return super().__getitem__(key)[:-1]

    with pytest.raises(InputError, match="came in the shape"):
        spikey_cli.compress([ArraySource(Liar(samples))], tmp_path / "a.spk")
    assert not (tmp_path / "a.spk").exists()


def test_sources_in_memory_cannot_be_removed(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="there are other origins"):
        spikey_cli.compress([BytesSource(b"1", "a")], tmp_path / "a.spk", remove_source=True)


def test_an_array_that_gives_others_than_it_says_is_refused(tmp_path: Path) -> None:
    class Lazy:
        shape, dtype = (100, 2), np.dtype(np.int16)

        def __getitem__(self, key: slice) -> np.ndarray:
            return np.full((100, 2), 65200.0)[key]

    with pytest.raises(InputError, match=r"a\.npy: frames 0 to 100 came as float64, and the array says it is int16"):
        spikey_cli.compress([ArraySource(Lazy(), "a.npy")], tmp_path / "a.spk")  # type: ignore[arg-type]
    big = np.arange(200, dtype=">i2").reshape(100, 2)
    spikey_cli.compress([ArraySource(big, "a.npy")], tmp_path / "a.spk")
    with spikey_cli.open(tmp_path / "a.spk") as recording:
        np.testing.assert_array_equal(recording[:], big)


def test_a_single_number_is_no_array() -> None:
    with pytest.raises(InputError, match="a single number is no array"):
        ArraySource(np.zeros(()), "a.npy", verbatim=True)
