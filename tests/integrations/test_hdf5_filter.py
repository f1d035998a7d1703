"""The filter of HDF5: with h5py, with programs that have no Python, and beside other filters."""

from __future__ import annotations

import datetime
import doctest
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.command import run
from support.recordings import n1_samples, neural

import spikey_cli
from spikey_cli.api.chunk import decode_chunk, encode_chunk
from spikey_cli.core.coders import CORE_CODERS

h5py = pytest.importorskip("h5py")

from spikey_cli.integrations import hdf5_filter  # noqa: E402 - it needs h5py
from spikey_cli.integrations.hdf5_filter import FILTER, Spikey, register  # noqa: E402 - it needs h5py

FRAMES, CHANNELS = 6000, 4
DATA = "acquisition/ElectricalSeries/data"


@pytest.fixture
def samples(random: np.random.Generator) -> np.ndarray:
    return np.ascontiguousarray(n1_samples(neural(random, FRAMES, CHANNELS)))


def written(path: Path, array: Any, chunks: tuple[int, ...], **options: str) -> list[tuple[int, int]]:
    """Write an array to a file; return the filter mask and the size of each chunk."""
    with h5py.File(path, "w") as file:
        file.create_dataset(DATA, data=array, chunks=chunks, **Spikey(**options))
    with h5py.File(path) as file:
        data = file[DATA]
        assert data.dtype == array.dtype
        np.testing.assert_array_equal(data, array)
        chunk_infos = [data.id.get_chunk_info(i) for i in range(data.id.get_num_chunks())]
        return [(info.filter_mask, info.size) for info in chunk_infos]


@pytest.mark.parametrize("kind", ["<i2", ">i2", "<u2", "i1", "u1", "<i4", ">u4", "<i8"])
def test_integers_are_coded(tmp_path, samples, kind):
    values = samples.astype(int) >> (8 if np.dtype(kind).itemsize == 1 else 0)
    array = (values - (values.min() if "u" in kind else 0)).astype(kind)
    chunks = written(tmp_path / "a.h5", array, (2000, CHANNELS))
    assert len(chunks) == 3
    assert all(mask == 0 and size < 2000 * CHANNELS * array.itemsize // 2 for mask, size in chunks)


@pytest.mark.parametrize("chunks", [(FRAMES, 4), (FRAMES, 1), (1001, 3), (100, 4), (1, 4), (1, 1)])
def test_any_chunks(tmp_path, samples, chunks):
    array = samples[:12] if chunks[0] == 1 else samples  # each chunk has a place in the file's index
    stored = written(tmp_path / "a.h5", array, tuple(min(pair) for pair in zip(chunks, array.shape, strict=True)))
    size = sum(size for _, size in stored)
    assert size < array.nbytes // 2 if chunks[0] > 1000 else size <= array.nbytes


def test_one_channel(tmp_path, samples):
    assert all(mask == 0 for mask, _ in written(tmp_path / "a.h5", samples[:, 0], (2500,)))


@pytest.mark.parametrize("array", [
    np.random.default_rng(0).normal(size=(90, 4)),
    np.random.default_rng(0).integers(0, 1 << 62, (90, 4)),
    np.random.default_rng(0).integers(-128, 128, (90, 4), np.int8),
    np.ones((9, 4, 4), np.int16),
    np.array([True, False]),
    np.array([(1, 2.5)], [("a", "i2"), ("b", "f4")]),
    np.array([b"text"]),
], ids=["floats", "wide", "noise", "three dimensions", "flags", "fields", "text"])  # fmt: skip
def test_what_is_not_coded_is_stored_as_it_is(tmp_path, array):
    (chunk,) = written(tmp_path / "a.h5", array, array.shape)
    assert chunk == (1, array.nbytes)


@pytest.mark.parametrize("coder", CORE_CODERS)
@pytest.mark.parametrize("preset", ["fast", "default", "best"])
def test_options_choose_how_chunks_are_coded(tmp_path, samples, coder, preset):
    written(tmp_path / "a.h5", samples, samples.shape, coder=coder, preset=preset)
    with h5py.File(tmp_path / "a.h5") as file:
        _, chunk = file[DATA].id.read_direct_chunk((0, 0))
    expected = encode_chunk(samples, coder=coder, preset=preset)
    assert chunk[:11] == expected[:11]  # names coder and effort
    np.testing.assert_array_equal(decode_chunk(chunk), samples)


def test_options_that_there_are_not():
    for options in ({"coder": "huffman"}, {"preset": "slow"}):
        with pytest.raises(ValueError, match="choose one of"):
            Spikey(**options)
    with h5py.File("memory", "w", driver="core", backing_store=False) as file:
        for parameters in ((2,), (1, 9), (1, 0, 9)):
            with pytest.raises(ValueError, match="create dataset"):
                file.create_dataset("a", (9,), "i2", chunks=(9,), compression=FILTER, compression_opts=parameters)
        assert file.create_dataset("a", (9,), "i2", chunks=(9,), compression=FILTER)._filters == {
            str(FILTER): (1, 0, 0, 1, 2, 0, 1, 9)
        }


def test_chunks_of_the_package_are_chunks_of_the_filter(tmp_path, samples):
    """Also those that libspikey does not encode: of floats that are integers times a gain."""
    for array in (samples, samples.astype("<f4") / 8, np.zeros((3, 2, 2))):
        with h5py.File(tmp_path / "a.h5", "w") as file:
            data = file.create_dataset("a", array.shape, array.dtype, chunks=array.shape, **Spikey())
            data.id.write_direct_chunk((0,) * array.ndim, encode_chunk(array))
        with h5py.File(tmp_path / "a.h5") as file:
            np.testing.assert_array_equal(file["a"], array)


def test_samples_are_added_and_changed(tmp_path, samples):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        data = file.create_dataset("a", (0, CHANNELS), "i2", chunks=(1000, 4), maxshape=(None, 4), **Spikey())
        for first in range(0, FRAMES, 700):
            data.resize(min(first + 700, FRAMES), 0)
            data[first : first + 700] = samples[first : first + 700]
        data[5:7] = 0
    samples[5:7] = 0
    with h5py.File(tmp_path / "a.h5") as file:
        np.testing.assert_array_equal(file["a"], samples)


def test_beside_other_filters(tmp_path, samples):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("sum", data=samples, chunks=(1000, 4), fletcher32=True, **Spikey())
        file.create_dataset("shuffled", data=samples, chunks=(1000, 4), shuffle=True, **Spikey())
        file.create_dataset("packed", data=samples, chunks=(1000, 4), scaleoffset=0, **Spikey())
    with h5py.File(tmp_path / "a.h5") as file:
        for name in file:
            np.testing.assert_array_equal(file[name], samples)


@pytest.mark.trials(60, slow=600)
def test_damaged_chunks_are_errors(tmp_path, samples, random, trials):
    chunk = encode_chunk(samples[:1000])
    others = [b"", b"\x89SPK", chunk[:-1], encode_chunk(samples[:999]), encode_chunk(samples[:1000].astype(">i2"))]
    others += [encode_chunk(np.asfortranarray(samples[:1000])), encode_chunk(samples[:500].reshape(1000, 2))]
    for _ in range(trials):
        damaged = bytearray(chunk)
        damaged[random.integers(len(damaged))] ^= 1 << random.integers(8)
        others.append(bytes(damaged))
    with h5py.File(tmp_path / "a.h5", "w") as file:
        data = file.create_dataset("a", (1000 * len(others), 4), "<i2", chunks=(1000, 4), **Spikey())
        for i, damaged in enumerate(others):
            data.id.write_direct_chunk((1000 * i, 0), damaged or b"\0")
    with h5py.File(tmp_path / "a.h5") as file:
        for i in range(len(others)):
            with pytest.raises(OSError, match=r"filter|spikey: "):
                file["a"][1000 * i]


def test_damaged_parameters_are_errors(tmp_path, samples):
    """A file may state anything of its chunks."""
    written(tmp_path / "a.h5", samples, samples.shape)
    data = (tmp_path / "a.h5").read_bytes()
    stated = np.array([1, 2, 2, 1, 2, 0, 2, FRAMES, CHANNELS], "<u4").tobytes()
    assert data.count(stated) == 1
    for i in (0, 3, 4, 5, 6, 7, 8):
        for value in (0, 3, 33, 1 << 31):
            words = np.frombuffer(stated, "<u4").copy()
            if words[i] == value:
                continue
            words[i] = value
            (tmp_path / "b.h5").write_bytes(data.replace(stated, words.tobytes()))
            with h5py.File(tmp_path / "b.h5") as file, pytest.raises(OSError, match=r"filter|spikey: "):
                file[DATA][0]


def test_threads(tmp_path, samples):
    def both_ways(i: int) -> None:
        written(tmp_path / f"{i}.h5", samples, (700, 4))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(both_ways, range(12)))


def test_registering_again_does_no_harm(tmp_path, samples):
    register()
    written(tmp_path / "a.h5", samples, (1000, 4))
    assert spikey_cli.hdf5.Spikey is Spikey


def test_compress_reads_it(tmp_path, samples):
    written(tmp_path / "a.h5", samples, (1000, 4))
    run("compress", "--dataset", DATA, tmp_path / "a.h5", tmp_path / "a.spk")
    with spikey_cli.open(tmp_path / "a.spk") as recording:
        np.testing.assert_array_equal(recording[:], samples)


def program(name: str, *arguments: object, has_filter: bool = True) -> subprocess.CompletedProcess[str]:
    """Run a program of HDF5, which loads the library as a plugin."""
    if shutil.which(name) is None:
        pytest.skip(f"{name} is not installed (on Debian: hdf5-tools)")
    folder = os.path.dirname(spikey_cli.get_library())
    environment = {**os.environ, "HDF5_PLUGIN_PATH": folder if has_filter else "/nowhere"}
    return subprocess.run([name, *map(str, arguments)], env=environment, capture_output=True, text=True)


def test_programs_without_python_read_it(tmp_path, samples):
    written(tmp_path / "a.h5", samples[:500], (100, 4))
    dumped = program("h5dump", "-d", DATA, "-b", "LE", "-o", tmp_path / "raw", tmp_path / "a.h5")
    assert dumped.returncode == 0, dumped.stderr
    np.testing.assert_array_equal(np.fromfile(tmp_path / "raw", "<i2").reshape(-1, 4), samples[:500])
    assert program("h5dump", "-d", DATA, tmp_path / "a.h5", has_filter=False).returncode != 0


def test_programs_without_python_write_it(tmp_path, samples):
    with h5py.File(tmp_path / "plain.h5", "w") as file:
        file["a"] = samples
    options = ("-l", "a:CHUNK=3000x4", "-f", f"a:UD={FILTER},1,3,1,2,3")
    packed = program("h5repack", *options, tmp_path / "plain.h5", tmp_path / "a.h5")
    assert packed.returncode == 0, packed.stderr
    with h5py.File(tmp_path / "a.h5") as file:
        assert file["a"]._filters == {str(FILTER): (1, 2, 3, 1, 2, 0, 2, 3000, 4)}
        assert file["a"].id.get_storage_size() < samples.nbytes // 2
        np.testing.assert_array_equal(file["a"], samples)
    assert program("h5repack", "-f", "a:NONE", tmp_path / "a.h5", tmp_path / "back.h5").returncode == 0
    assert program("h5diff", tmp_path / "plain.h5", tmp_path / "back.h5").returncode == 0


def test_programs_show_why_a_chunk_is_not_read(tmp_path, samples):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        data = file.create_dataset("a", (1000, 4), "<i2", chunks=(1000, 4), **Spikey())
        data.id.write_direct_chunk((0, 0), b"no chunk")
    dumped = program("h5dump", "--enable-error-stack", "-d", "a", tmp_path / "a.h5")
    assert "filter returned failure" in dumped.stderr
    if "Version 1." in program("h5dump", "--version").stdout:  # HDF5 2.0 drops the errors of filters
        assert "spikey: not a Spikey chunk" in dumped.stderr


def test_beside_hdf5plugin(tmp_path, samples):
    """Either may be imported first."""
    pytest.importorskip("hdf5plugin")
    code = """
import sys
import h5py, numpy as np
for name in sys.argv[2:]:
    __import__(name)
import hdf5plugin, spikey_cli
samples = np.arange(40000, dtype="i2").reshape(-1, 4) // 50
with h5py.File(sys.argv[1], "w") as file:
    file.create_dataset("a", data=samples, chunks=(1000, 4), **spikey_cli.hdf5.Spikey())
    file.create_dataset("b", data=samples, chunks=(1000, 4), **hdf5plugin.Zstd())
with h5py.File(sys.argv[1]) as file:
    assert all(np.array_equal(file[name], samples) for name in "ab")
"""
    for order in (["hdf5plugin", "spikey_cli.integrations.hdf5"], ["spikey_cli.integrations.hdf5", "hdf5plugin"]):
        subprocess.run([sys.executable, "-c", code, tmp_path / "a.h5", *order], check=True)


@pytest.mark.filterwarnings("ignore:384 compression may not be available")  # of each filter of a plugin
def test_pynwb_writes_and_reads_it(tmp_path, samples):
    pynwb = pytest.importorskip("pynwb")
    path = tmp_path / "session.nwb"
    start = datetime.datetime.now(datetime.UTC)
    file = pynwb.NWBFile(session_description="none", identifier="none", session_start_time=start)
    data = pynwb.H5DataIO(samples, chunks=(1000, CHANNELS), allow_plugin_filters=True, **Spikey())
    file.add_acquisition(pynwb.TimeSeries(name="traces", data=data, unit="volts", rate=30_000.0))
    with pynwb.NWBHDF5IO(path, "w") as io:
        io.write(file)
    with pynwb.NWBHDF5IO(path, "r") as io:
        stored = io.read().acquisition["traces"].data
        assert str(FILTER) in stored._filters
        np.testing.assert_array_equal(stored, samples)


def test_examples(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert not doctest.testmod(hdf5_filter, extraglobs={"np": np, "spikey_cli": spikey_cli}).failed
