"""Datasets of HDF5 and NWB files as sources."""

from __future__ import annotations

import datetime
import doctest
import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.command import run
from support.recordings import n1_samples, neural, wav_bytes

import spikey_cli
from spikey_cli.errors import InputError, MissingPackageError
from spikey_cli.io.source import FileSource

h5py = pytest.importorskip("h5py")

from spikey_cli.integrations import hdf5  # noqa: E402 - it needs h5py
from spikey_cli.integrations.hdf5 import dataset_sources  # noqa: E402

FRAMES, CHANNELS = 6000, 4
DATA = "acquisition/ElectricalSeries/data"


@pytest.fixture
def samples(random) -> np.ndarray:
    return np.ascontiguousarray(n1_samples(neural(random, FRAMES, CHANNELS)))


@pytest.fixture
def nwb(tmp_path, samples) -> Path:
    """The samples in chunks, as NWB stores them, and some other objects."""
    path = tmp_path / "session.nwb"
    with h5py.File(path, "w") as file:
        data = file.create_dataset(DATA, data=samples, chunks=(1000, 3), compression="gzip")
        data.attrs.update({"conversion": 1.95e-7, "unit": "volts", "ids": np.arange(3, dtype=np.uint8)})
        data.attrs["table"] = data.ref
        data.attrs["resolution"] = np.nan
        data.attrs["bytes"] = np.bytes_(b"text")
        start = file.create_dataset("acquisition/ElectricalSeries/starting_time", data=1.5)
        start.attrs["rate"] = np.float32(30_000)
        file.create_dataset("processing/picture", data=np.zeros((3, 5), np.uint8))
        file.create_dataset("units/float", data=np.zeros((3, 5)))
        file.create_dataset("units/spikes", data=np.arange(9))
        file["units/text"] = "text"
    return path


def restored(archive: Path, folder: Path, name: str = "session") -> tuple[np.ndarray, dict]:
    """The array and its metadata, restored from an archive."""
    spikey_cli.decompress(archive, folder)
    return np.load(folder / f"{name}.npy"), json.loads((folder / f"{name}.json").read_text())


def test_a_dataset_of_an_nwb_file(tmp_path, nwb, samples):
    printed = run("compress", "--dataset", DATA, nwb, tmp_path / "out.spk")
    assert "2 files" in printed
    assert "warning" not in printed
    array, metadata = restored(tmp_path / "out.spk", tmp_path / "back")
    assert array.dtype == np.int16
    np.testing.assert_array_equal(array, samples)
    assert metadata == {
        "file": "session.nwb",
        "dataset": DATA,
        "dtype": "int16",
        "shape": [FRAMES, CHANNELS],
        "subtracted": 0,
        "rate": 30_000.0,
        "starting_time": 1.5,
        "attributes": {"conversion": 1.95e-7, "unit": "volts", "ids": [0, 1, 2], "bytes": "text"},
    }
    with spikey_cli.open(tmp_path / "out.spk") as recording:
        assert recording.sample_rate == 30_000
        assert recording.shape == samples.shape
    assert spikey_cli.info(tmp_path / "out.spk")["ratio"] > 3
    with h5py.File(nwb, "r+"):
        """The file is not open any more."""


@pytest.mark.parametrize("dtype", ["<i2", ">i2", "<u2", ">u2", "u1"])
@pytest.mark.parametrize("shape", [(50,), (50, 3), (0, 3)])
def test_every_dtype_and_shape(tmp_path, random, dtype, shape):
    bits = np.iinfo(dtype)
    array = random.integers(bits.min, bits.max, shape, endpoint=True).astype(dtype)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["samples"] = array
    sources = dataset_sources(tmp_path / "a.h5", "samples", sample_rate=1000)
    spikey_cli.compress(sources, tmp_path / "out.spk")
    back, metadata = restored(tmp_path / "out.spk", tmp_path / "back", "a")
    assert metadata["dtype"] == array.dtype.name
    np.testing.assert_array_equal(back.astype(np.int64) + metadata["subtracted"], array)
    assert back.shape == shape
    assert metadata["rate"] is None
    assert spikey_cli.info(tmp_path / "out.spk")["files"][0]["sample_rate"] == 1000


@given(st.data())
def test_any_range_of_bytes(tmp_path_factory, data):
    path = tmp_path_factory.getbasetemp() / "pieces.h5"
    array = np.arange(-200, 200, dtype=np.int16).reshape(100, 4)
    if not path.exists():
        with h5py.File(path, "w") as file:
            file.create_dataset("samples", data=array, chunks=(7, 3), compression="gzip")
    source, _ = dataset_sources(path, "samples")
    with source.open() as file:
        whole = file.read()
        assert len(whole) == source.status().size
        first, count = data.draw(st.integers(0, len(whole))), data.draw(st.integers(0, len(whole)))
        file.seek(first)
        assert file.read(count) == whole[first : first + count]
    np.testing.assert_array_equal(np.frombuffer(whole[-800:], np.int16).reshape(100, 4), array)


def test_several_files_in_folders(tmp_path, nwb, samples):
    day = tmp_path / "day"
    for name in ("a/session.nwb", "b/session.nwb"):
        (day / name).parent.mkdir(parents=True)
        (day / name).write_bytes(nwb.read_bytes())
    (day / "note.txt").write_text("text")
    with h5py.File(day / "other.h5", "w") as file:
        file["samples"] = samples
    printed = run("compress", "-r", "--dataset", DATA, day, tmp_path / "out.spk", status=1)
    assert f"other.h5: has no dataset '{DATA}'; the file has samples (int16, 6000 x 4)" in printed
    names = [file["name"] for file in spikey_cli.info(tmp_path / "out.spk")["files"]]
    assert names == ["a/session.npy", "a/session.json", "b/session.npy", "b/session.json", "note.txt"]


def test_a_given_rate_is_used_if_the_file_has_none(tmp_path, nwb, samples):
    with h5py.File(nwb, "r+") as file:
        file["samples"] = samples
    run("compress", "--dataset", "samples", "--rate", "25000", nwb, tmp_path / "given.spk")
    run("compress", "--dataset", DATA, "--rate", "25000", nwb, tmp_path / "stored.spk")
    rates = [spikey_cli.info(tmp_path / name)["files"][0]["sample_rate"] for name in ("given.spk", "stored.spk")]
    assert rates == [25_000, 30_000]


@pytest.mark.parametrize("rate", [np.nan, np.inf, -1.0, 0.1, 1e300, "30000", [1.0, 2.0]])
def test_an_invalid_rate_is_ignored(tmp_path, nwb, rate):
    with h5py.File(nwb, "r+") as file:
        file["acquisition/ElectricalSeries/starting_time"].attrs["rate"] = rate
    source, _ = dataset_sources(nwb, DATA)
    assert source.sample_rate == 0


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        (
            "absent",
            f"has no dataset 'absent'; the file has {DATA} (int16, 6000 x 4), processing/picture (uint8, 3 x 5)",
        ),
        ("acquisition", "has no dataset 'acquisition'"),
        ("units/float", "units/float is float64 of shape (3, 5); a recording is int16, uint16 or uint8"),
        ("units/spikes", "units/spikes is int64 of shape (9,)"),
        ("units/text", "units/text is object of shape ()"),
        ("three", "three is int16 of shape (2, 2, 2)"),
        ("empty", "empty is int16 of shape None"),
        ("none", "none is int16 of shape (5, 0)"),
    ],
)
def test_other_datasets_are_refused(tmp_path, nwb, name, reason):
    with h5py.File(nwb, "r+") as file:
        file["three"] = np.zeros((2, 2, 2), np.int16)
        file["empty"] = h5py.Empty("<i2")
        file["none"] = np.zeros((5, 0), np.int16)
    printed = run("compress", "--dataset", name, nwb, tmp_path / "out.spk", status=1)
    assert f"{nwb}: {reason}" in printed
    assert not (tmp_path / "out.spk").exists()


def test_unreadable_files_are_refused(tmp_path, nwb):
    out = tmp_path / "out.spk"
    assert "absent.h5: cannot read: No such file" in run(
        "compress", "--dataset", "a", tmp_path / "absent.h5", out, status=1
    )
    (tmp_path / "text.h5").write_text("text")
    assert "text.h5: cannot read a as HDF5" in run("compress", "--dataset", "a", tmp_path / "text.h5", out, status=1)
    whole = nwb.read_bytes()
    for share in range(10):
        cut = tmp_path / f"cut{share}.h5"  # another name, because HDF5 caches the state of a file
        cut.write_bytes(whole[: len(whole) * share // 10])
        assert f"{cut}: cannot read {DATA} as HDF5" in run("compress", "--dataset", DATA, cut, out, status=1)
        run("compress", cut, tmp_path / f"{share}.spk")  # as a verbatim file
    assert not out.exists()


def test_damaged_samples_are_detected(tmp_path, nwb):
    with h5py.File(nwb) as file:
        chunk = file[DATA].id.get_chunk_info(5)
    damaged = bytearray(nwb.read_bytes())
    damaged[chunk.byte_offset + chunk.size // 2] ^= 0xFF
    (tmp_path / "damaged.h5").write_bytes(damaged)
    printed = run("compress", "--dataset", DATA, tmp_path / "damaged.h5", tmp_path / "out.spk", status=1)
    assert f"damaged.h5: /{DATA} cannot be read as HDF5" in printed
    assert not (tmp_path / "out.spk").exists(), "a description without samples is no archive"


def test_attributes_that_json_cannot_represent_are_left_out(tmp_path, nwb):
    with h5py.File(nwb, "r+") as file:
        file[DATA].attrs[b"\xff\xfe"] = 1
        file[DATA].attrs["bytes"] = np.bytes_(b"\xff")
    spikey_cli.compress(dataset_sources(nwb, DATA), tmp_path / "out.spk")
    _, metadata = restored(tmp_path / "out.spk", tmp_path / "back")
    assert metadata["attributes"].keys() == {"conversion", "unit", "ids"}


def test_a_virtual_dataset_whose_source_is_missing(tmp_path, nwb, samples):
    layout = h5py.VirtualLayout(samples.shape, np.int16)
    layout[:] = h5py.VirtualSource("session.nwb", DATA, samples.shape)
    with h5py.File(tmp_path / "virtual.h5", "w") as file:
        file.create_virtual_dataset("data", layout)
    spikey_cli.compress(dataset_sources(tmp_path / "virtual.h5", "data"), tmp_path / "a.spk")
    np.testing.assert_array_equal(restored(tmp_path / "a.spk", tmp_path / "out", "virtual")[0], samples)
    (tmp_path / "linked").mkdir()
    (tmp_path / "linked" / "virtual.h5").symlink_to(tmp_path / "virtual.h5")
    dataset_sources(tmp_path / "linked" / "virtual.h5", "data")
    nwb.unlink()
    with pytest.raises(InputError, match=r"virtual\.h5: /data refers to samples in session\.nwb, which is missing"):
        dataset_sources(tmp_path / "virtual.h5", "data")


@pytest.mark.parametrize(("rate", "rounded"), [(0.6, 0), (2.5, 0), (30_000.26, 30_000), (999.2, 999), (0.9995, 1)])
def test_rates_are_rounded_if_that_is_accurate(tmp_path, nwb, rate, rounded):
    with h5py.File(nwb, "a") as file:
        file["acquisition/ElectricalSeries/starting_time"].attrs["rate"] = rate
    samples, metadata = dataset_sources(nwb, DATA)
    assert samples.sample_rate == rounded
    assert json.loads(metadata.open().read())["rate"] == rate


def test_a_file_that_changes_while_it_is_read(tmp_path, nwb, monkeypatch):
    original = hdf5._Samples.__getitem__

    def touching(self, key):
        frames = original(self, key)
        os.utime(nwb, ns=(1, 1))
        return frames

    monkeypatch.setattr(hdf5._Samples, "__getitem__", touching)
    with pytest.raises(InputError, match=r"session\.nwb: acquisition.*changed while it was read"):
        spikey_cli.compress(dataset_sources(nwb, DATA), tmp_path / "out.spk")
    assert not (tmp_path / "out.spk").exists()


def test_usage_errors(tmp_path, nwb, samples):
    (tmp_path / "a.wav").write_bytes(wav_bytes(samples))
    out = tmp_path / "out.spk"
    assert "no input has such a name (.nwb, .h5, .hdf5)" in run(
        "compress", "--dataset", DATA, tmp_path / "a.wav", out, status=2
    )
    assert "would delete everything else in the file" in run(
        "compress", "--remove-source", "--dataset", DATA, nwb, out, status=2
    )
    assert "leave out --dataset" in run("compress", "--dataset", DATA, "-", out, status=2)
    assert nwb.exists()
    with pytest.raises(ValueError, match="remove_source deletes files"):
        spikey_cli.compress(dataset_sources(FileSource(nwb, nwb.name), DATA), out, remove_source=True)


def test_without_dataset_the_file_is_verbatim_with_a_warning(tmp_path, nwb, monkeypatch):
    printed = run("compress", nwb, tmp_path / "out.spk")
    assert f"warning: {nwb}: stored byte for byte" in printed
    assert "(--dataset)" in printed
    spikey_cli.decompress(tmp_path / "out.spk", tmp_path / "back")
    assert (tmp_path / "back" / "session.nwb").read_bytes() == nwb.read_bytes()
    (tmp_path / "empty.h5").write_bytes(b"")
    assert "warning" not in run("compress", tmp_path / "empty.h5", tmp_path / "none.spk")


def test_long_lists_of_datasets_are_cut_off(tmp_path, nwb):
    with h5py.File(nwb, "w") as file:
        for i in range(7):
            file[f"{i}"] = np.zeros((2, 2), np.int16)
    assert "4 (int16, 2 x 2) and more" in run("compress", "--dataset", "absent", nwb, tmp_path / "o.spk", status=1)


def test_h5py_is_missing(tmp_path, nwb, monkeypatch):
    monkeypatch.setitem(sys.modules, "h5py", None)
    monkeypatch.delitem(sys.modules, "spikey_cli.integrations.hdf5")
    message = "datasets of HDF5 files need h5py: pip install h5py"
    assert message in run("compress", "--dataset", DATA, nwb, tmp_path / "out.spk", status=1)
    assert "--dataset" in run("compress", nwb, tmp_path / "out.spk")
    with pytest.raises(MissingPackageError):
        import spikey_cli.integrations.hdf5  # noqa: F401


def test_a_file_of_pynwb(tmp_path, samples):
    pynwb = pytest.importorskip("pynwb")
    from pynwb.ecephys import ElectricalSeries

    start = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    file = pynwb.NWBFile(session_description="a test", identifier="1", session_start_time=start)
    group = file.create_electrode_group("probe", "a probe", "somewhere", file.create_device("device"))
    for _ in range(CHANNELS):
        file.add_electrode(group=group, location="somewhere")
    electrodes = file.create_electrode_table_region(list(range(CHANNELS)), "all")
    options = {"rate": 30_000.0, "conversion": 1.95e-7}
    file.add_acquisition(ElectricalSeries(name="ElectricalSeries", data=samples, electrodes=electrodes, **options))
    with pynwb.NWBHDF5IO(tmp_path / "session.nwb", "w") as io:
        io.write(file)
    run("compress", "--dataset", DATA, tmp_path / "session.nwb", tmp_path / "out.spk")
    array, metadata = restored(tmp_path / "out.spk", tmp_path / "back")
    np.testing.assert_array_equal(array, samples)
    assert metadata["rate"] == 30_000
    assert metadata["starting_time"] == 0
    assert metadata["attributes"]["unit"] == "volts"
    assert metadata["attributes"]["conversion"] == 1.95e-7


def test_examples(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert not doctest.testmod(hdf5).failed
