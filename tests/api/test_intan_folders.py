"""Recordings of Intan's software with a file for each type of signal, or for each channel, beside info.rhd."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support import acquisition

import spikey_cli
from spikey_cli.api.times import times_of
from spikey_cli.container.archive import ArchiveReader


@pytest.fixture(params=[False, True], ids=["by signal", "by channel"], scope="module")
def folder(request, tmp_path_factory) -> tuple[Path, dict[str, np.ndarray]]:
    """A folder `run`, and the samples of its files; its archive is a.spk beside it."""
    path = tmp_path_factory.mktemp("intan") / "run"
    samples = acquisition.write_intan_folder(path, by_channel=request.param)
    result = spikey_cli.compress([path], path.parent / "a.spk", recursive=True)
    assert not result.warnings
    return path, samples


def test_every_byte_comes_back(folder, tmp_path):
    path, _ = folder
    spikey_cli.decompress(path.parent / "a.spk", tmp_path)
    assert {each.name: each.read_bytes() for each in tmp_path.iterdir()} == {
        each.name: each.read_bytes() for each in path.iterdir()
    }


def test_samples_are_channels(folder):
    path, samples = folder
    for name, expected in samples.items():
        with spikey_cli.open(path.parent / "a.spk", [name]) as recording:
            assert recording.dtype == expected.dtype
            assert recording.sample_rate == 20_000
            np.testing.assert_array_equal(recording[:], expected)


def test_channels_are_described(folder):
    path, samples = folder
    described = {}
    for name in samples:
        with spikey_cli.open(path.parent / "a.spk", [name]) as recording:
            described |= {info.name: info for info in recording.channel_info}
    assert (described["A-001"].stream, described["A-001"].microvolts) == ("amplifier", (0.195, 0.0))
    assert (described["A-AUX1"].unit, described["A-AUX1"].gain, described["A-AUX1"].offset) == ("V", 37.4e-6, 0)
    assert described["ANALOG-IN-1"].gain == 50.354e-6
    assert "digital input" in {info.stream for info in described.values()}
    assert {info.sample_rate for info in described.values()} == {20_000}


def test_time_stamps_shrink(folder):
    path, _ = folder
    files = {file["name"]: file for file in spikey_cli.info(path.parent / "a.spk")["files"]}
    assert files["time.dat"]["records"] == 384
    np.arange(1_000_000, dtype="<i4").tofile(path / "time.dat")
    result = spikey_cli.compress([path / "time.dat"], path.parent / "time.spk")
    (path / "time.dat").write_bytes(np.arange(384, dtype="<i4").tobytes())
    assert result.archive_bytes < 5000


@pytest.mark.parametrize("by_channel", [False, True])
def test_times_where_the_clock_jumps(by_channel, tmp_path):
    acquisition.write_intan_folder(tmp_path / "run", by_channel, jump=5000)
    spikey_cli.compress([tmp_path / "run"], tmp_path / "a.spk", recursive=True)
    with ArchiveReader(tmp_path / "a.spk") as reader:
        (times,) = times_of(reader, [0], 20_000.0)
    np.testing.assert_allclose(times[:], (np.arange(384) + 5000 * (np.arange(384) >= 192)) / 20_000)


@pytest.mark.parametrize("name", ["amplifier.dat", "info.rhd", "time.dat"])
def test_folders_with_a_missing_file(name, tmp_path):
    samples = acquisition.write_intan_folder(tmp_path / "run", by_channel=False)
    (tmp_path / "run" / name).unlink()
    result = spikey_cli.compress([tmp_path / "run"], tmp_path / "a.spk", recursive=True)
    assert bool(result.warnings) == (name == "info.rhd")
    spikey_cli.decompress(tmp_path / "a.spk", tmp_path / "out")
    for path in (tmp_path / "run").iterdir():
        assert (tmp_path / "out" / path.name).read_bytes() == path.read_bytes()
    if name == "time.dat":
        with ArchiveReader(tmp_path / "a.spk") as reader:
            assert times_of(reader, [0], 20_000.0) == [None]
        with spikey_cli.open(tmp_path / "a.spk", ["amplifier.dat"]) as recording:
            np.testing.assert_array_equal(recording[:], samples["amplifier.dat"])


@pytest.mark.trials(10, slow=300)
def test_damaged_headers_are_no_error(tmp_path, trials):
    random = np.random.default_rng(1)
    acquisition.write_intan_folder(tmp_path / "run", by_channel=False)
    header = (tmp_path / "run" / "info.rhd").read_bytes()
    for trial in range(trials):
        damaged = bytearray(header)
        damaged[random.integers(len(damaged))] = random.integers(256)
        (tmp_path / "run" / "info.rhd").write_bytes(damaged[: random.integers(len(damaged))] if trial % 2 else damaged)
        spikey_cli.compress([tmp_path / "run"], tmp_path / "a.spk", recursive=True, force=True, verify=False)
        spikey_cli.decompress(tmp_path / "a.spk", tmp_path / "out", force=True)
        for path in (tmp_path / "run").iterdir():
            assert (tmp_path / "out" / path.name).read_bytes() == path.read_bytes()
