"""Samples of HDF5 datasets that are in other files: read from there, or an error, and never made up."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from support.command import run

import spikey_cli
from spikey_cli.errors import InputError

h5py = pytest.importorskip("h5py")

from spikey_cli.integrations.hdf5 import dataset_sources  # noqa: E402 - it needs h5py
from spikey_cli.integrations.hdf5_storage import Storage  # noqa: E402

SHAPE = (600, 4)


@pytest.fixture
def samples(random) -> np.ndarray:
    return random.integers(1, 1000, SHAPE).astype(np.int16)


@pytest.fixture
def source(tmp_path, samples) -> Path:
    """`source.h5`, whose dataset `data` holds samples."""
    with h5py.File(tmp_path / "source.h5", "w") as file:
        file["data"] = samples
    return tmp_path / "source.h5"


def virtual(path: Path, file: str = "source.h5", name: str = "data") -> Path:
    """A file whose dataset `data` is a dataset of another file."""
    layout = h5py.VirtualLayout(SHAPE, np.int16)
    layout[:] = h5py.VirtualSource(file, name, SHAPE)[: SHAPE[0]]
    with h5py.File(path, "a") as own:
        own.create_virtual_dataset("data", layout)
    return path


def external(path: Path, samples: np.ndarray) -> Path:
    """A file whose dataset `data` is a raw file beside it."""
    raw = path.with_suffix(".raw")
    samples.tofile(raw)
    with h5py.File(path, "w") as file:
        file.create_dataset("data", SHAPE, np.int16, external=[(str(raw), 0, h5py.h5f.UNLIMITED)])
    return path


def renamed(folder: Path) -> str:
    with h5py.File(folder / "source.h5", "a") as file:
        file.move("data", "traces")
    virtual(folder / "a.h5")
    return r"source\.h5: data, and that file has no such dataset"


def gone(folder: Path) -> str:
    virtual(folder / "a.h5", "nowhere.h5")
    return r"samples in nowhere\.h5, which is missing"


def gone_below(folder: Path) -> str:
    virtual(virtual(folder / "middle.h5", "nowhere.h5").with_name("a.h5"), "middle.h5")
    return r"middle\.h5: /data refers to samples in nowhere\.h5, which is missing"


def gone_far_below(folder: Path) -> str:
    virtual(folder / "0.h5", "nowhere.h5")
    for i in range(4):
        virtual(folder / f"{i + 1}.h5", f"{i}.h5")
    virtual(folder / "a.h5", "4.h5")
    return r"0\.h5: /data refers to samples in nowhere\.h5, which is missing"


def no_hdf5(folder: Path) -> str:
    (folder / "source.h5").write_text("text")
    virtual(folder / "a.h5")
    return r"source\.h5, which cannot be read as HDF5"


def shorter(folder: Path) -> str:
    with h5py.File(folder / "source.h5", "a") as file:
        file["data"] = file.pop("data")[:500]
    virtual(folder / "a.h5")
    return r"samples of shape \(600, 4\) in .*source\.h5: data, which has the shape \(500, 4\)"


def of_another_shape(folder: Path) -> str:
    with h5py.File(folder / "source.h5", "a") as file:
        file["data"] = file.pop("data")[:].T
    layout = h5py.VirtualLayout(SHAPE, np.int16)
    layout[:] = h5py.VirtualSource("source.h5", "data", SHAPE)
    with h5py.File(folder / "a.h5", "w") as own:
        own.create_virtual_dataset("data", layout)
    return r"which has the shape \(4, 600\)"


def of_wider_samples(folder: Path) -> str:
    with h5py.File(folder / "source.h5", "a") as file:
        file["data"] = file.pop("data")[:].astype(np.int32) * 1000
    virtual(folder / "a.h5")
    return "which are int32 and may not fit int16"


def raw_too_short(folder: Path) -> str:
    external(folder / "a.h5", np.ones((599, 4), np.int16))
    return r"4,800 bytes of samples at 0 in .*a\.raw, which has 4,792 bytes"


def raw_gone(folder: Path) -> str:
    external(folder / "a.h5", np.ones(SHAPE, np.int16)).with_suffix(".raw").unlink()
    return r"samples in .*a\.raw, which is missing"


def raw_below_too_short(folder: Path) -> str:
    external(folder / "raw.h5", np.ones((599, 4), np.int16))
    virtual(folder / "a.h5", "raw.h5")
    return r"raw\.h5: /data refers to 4,800 bytes of samples at 0 in .*raw\.raw"


def numbered(folder: Path) -> str:
    space = h5py.h5s.create_simple((0, 4), (h5py.h5s.UNLIMITED, 4))
    space.select_hyperslab((0, 0), (h5py.h5s.UNLIMITED, 1), (600, 1), (600, 4))
    properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    properties.set_virtual(space, b"%b.h5", b"data", h5py.h5s.create_simple(SHAPE))
    (folder / "source.h5").rename(folder / "0.h5")
    with h5py.File(folder / "a.h5", "w") as own:
        h5py.h5d.create(own.id, b"data", h5py.h5t.STD_I16LE, space, dcpl=properties)
    return r"%b\.h5, which stands for any number of sources"


def without_end(folder: Path) -> str:
    layout = h5py.VirtualLayout(SHAPE, np.int16, maxshape=(None, 4))
    source = h5py.VirtualSource("source.h5", "data", SHAPE, maxshape=(None, 4))
    layout[: h5py.h5s.UNLIMITED] = source[: h5py.h5s.UNLIMITED]
    with h5py.File(folder / "a.h5", "w") as own:
        own.create_virtual_dataset("data", layout)
    return "a source without a stated end"


def of_itself(folder: Path) -> str:
    virtual(folder / "a.h5", ".")
    return "more than 8 virtual datasets one within another"


def in_a_circle(folder: Path) -> str:
    virtual(folder / "a.h5", "b.h5")
    virtual(folder / "b.h5", "a.h5")
    return "more than 8 virtual datasets one within another"


@pytest.mark.parametrize(
    "make",
    [
        *(renamed, gone, gone_below, gone_far_below, no_hdf5, shorter, of_another_shape, of_wider_samples),
        *(raw_too_short, raw_gone, raw_below_too_short, numbered, without_end, of_itself, in_a_circle),
    ],
)
def test_samples_that_are_not_there(tmp_path, source, make: Callable[[Path], str]):
    reason = make(tmp_path)
    with pytest.raises(InputError, match=reason) as error:
        dataset_sources(tmp_path / "a.h5", "data")
    assert str(tmp_path / "a.h5") in str(error.value)
    printed = run("compress", "--dataset", "data", tmp_path / "a.h5", tmp_path / "a.spk", status=1)
    assert str(error.value) in printed
    assert not (tmp_path / "a.spk").exists()


def test_a_good_dataset_beside_one_whose_source_is_gone(tmp_path, source):
    gone(tmp_path)
    run("compress", "--dataset", "data", tmp_path / "a.h5", source, tmp_path / "a.spk", status=1)
    names = [file["name"] for file in spikey_cli.info(tmp_path / "a.spk")["files"]]
    assert names == ["source.npy", "source.json"]


def test_the_status_is_that_of_an_error_as_a_process(tmp_path, source):
    """Objects of h5py that the traceback of an error keeps alive must not end the process with a crash."""
    gone(tmp_path)
    spikey = [sys.executable, "-m", "spikey_cli", "compress", "--dataset", "data", "a.h5", "source.h5", "a.spk"]
    done = subprocess.run(spikey, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert spikey_cli.verify(tmp_path / "a.spk").files == 2


def columns(file, layout) -> None:
    for i in range(4):
        file[f"column{i}"] = np.arange(600, dtype=np.int16) * (i + 1)
        layout[:, i] = h5py.VirtualSource(".", f"column{i}", (600,))


def in_turn(file, layout) -> None:
    layout[::2] = h5py.VirtualSource("source.h5", "data", SHAPE)[:300]
    layout[1::2] = h5py.VirtualSource("source.h5", "data", SHAPE)[300:]


def with_gaps(file, layout) -> None:
    layout[100:200, 1:3] = h5py.VirtualSource("source.h5", "data", SHAPE)[5:205:2, 2:4]
    layout[599:] = h5py.VirtualSource("source.h5", "data", SHAPE)[3:4]


def of_a_virtual(file, layout) -> None:
    inner = h5py.VirtualLayout((900, 6), np.int16)
    inner[100:700, 1:5] = h5py.VirtualSource("source.h5", "data", SHAPE)
    file.create_virtual_dataset("inner", inner, fillvalue=7)
    layout[:] = h5py.VirtualSource(".", "inner", (900, 6))[50:650, 2:6]


def of_smaller_samples(file, layout) -> None:
    file["bytes"] = np.arange(2400, dtype=np.uint8).reshape(SHAPE)
    layout[:] = h5py.VirtualSource(".", "bytes", SHAPE)


def of_an_external(file, layout) -> None:
    raw = Path(file.filename).with_name("external.h5")
    external(raw, np.arange(2400, dtype=np.int16).reshape(SHAPE))
    layout[:300] = h5py.VirtualSource("external.h5", "data", SHAPE)[300:]


@pytest.mark.parametrize("make", [columns, in_turn, with_gaps, of_a_virtual, of_smaller_samples, of_an_external])
def test_virtual_datasets_are_read_as_by_hdf5(tmp_path, source, make):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        layout = h5py.VirtualLayout(SHAPE, np.int16)
        make(file, layout)
        file.create_virtual_dataset("data", layout, fillvalue=-3)
    with h5py.File(tmp_path / "a.h5") as file:
        expected, storage = file["data"][:], Storage(file["data"], "a.h5")
        storage.check()
        for first, stop in ((0, 600), (0, 1), (599, 600), (101, 102), (150, 301), (7, 7)):
            np.testing.assert_array_equal(storage.read(first, stop), expected[first:stop])
    spikey_cli.compress(dataset_sources(tmp_path / "a.h5", "data"), tmp_path / "a.spk")
    spikey_cli.decompress(tmp_path / "a.spk", tmp_path / "back")
    np.testing.assert_array_equal(np.load(tmp_path / "back" / "a.npy"), expected)


@pytest.mark.parametrize("kind", ["virtual", "external"])
def test_arrays_that_hdf5_may_make_up(tmp_path, samples, kind):
    path = virtual(tmp_path / "a.h5") if kind == "virtual" else external(tmp_path / "a.h5", samples)
    with h5py.File(path) as file, pytest.raises(InputError, match="HDF5 makes up those that are missing"):
        spikey_cli.ArraySource(file["data"], "a.npy")


def test_chunks_that_were_never_written_are_the_fill_value(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("data", SHAPE, np.int16, chunks=(100, 4), fillvalue=5)[100:200] = 1
    spikey_cli.compress(dataset_sources(tmp_path / "a.h5", "data"), tmp_path / "a.spk")
    with spikey_cli.open(tmp_path / "a.spk") as recording:
        assert recording[:].sum() == 4 * (100 + 5 * 500)


@contextlib.contextmanager
def open_file_limit(limit: int) -> Iterator[None]:
    resource = pytest.importorskip("resource")
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def test_more_sources_than_files_may_be_open(tmp_path, source, samples):
    layout = h5py.VirtualLayout(SHAPE, np.int16)
    for i in range(60):
        with h5py.File(tmp_path / f"{i}.h5", "w") as file:
            file["data"] = samples[10 * i : 10 * i + 10]
        layout[10 * i : 10 * i + 10] = h5py.VirtualSource(f"{i}.h5", "data", (10, 4))
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_virtual_dataset("data", layout)
    sources = dataset_sources(tmp_path / "a.h5", "data")
    with open_file_limit(40):
        spikey_cli.compress(sources, tmp_path / "a.spk", workers=1)
    with spikey_cli.open(tmp_path / "a.spk") as recording:
        np.testing.assert_array_equal(recording[:], samples)


@pytest.mark.parametrize(
    "harm", [Path.unlink, lambda path: os.truncate(path, 4000), lambda path: os.utime(path, ns=(1, 1))]
)
@pytest.mark.parametrize("kind", ["virtual", "external"])
def test_a_file_that_changes_after_the_check(tmp_path, source, samples, kind, harm):
    path = virtual(tmp_path / "a.h5") if kind == "virtual" else external(tmp_path / "a.h5", samples)
    sources = dataset_sources(path, "data")
    original = sources[0].open

    def harming():
        file = original()
        if (tmp_path / "once").exists():
            return file
        (tmp_path / "once").touch()
        harm(source if kind == "virtual" else path.with_suffix(".raw"))
        return file

    sources[0].open = harming
    with pytest.raises(InputError, match=r"a\.h5|source\.h5|a\.raw"):
        spikey_cli.compress(sources, tmp_path / "a.spk")
    assert not (tmp_path / "a.spk").exists()
