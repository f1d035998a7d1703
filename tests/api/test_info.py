"""info: what an archive holds, as JSON data."""

from __future__ import annotations

import json

import numpy as np
import pytest
from support.recordings import n1_samples, neural, wav_bytes

import spikey_cli
from spikey_cli.errors import ArchiveError, LimitError


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    """A file of each kind; the two channels of a.wav were recorded together with b.npy."""
    folder = tmp_path_factory.mktemp("info")
    samples = n1_samples(neural(np.random.default_rng(2), 4000, 3))
    (folder / "a.wav").write_bytes(wav_bytes(samples[:, :2], rate=30_000))
    np.save(folder / "b.npy", samples[:, 2])
    samples[:100].tofile(folder / "c.bin")
    (folder / "d.txt").write_bytes(b"text")
    inputs = [
        folder / "a.wav",
        spikey_cli.FileSource(folder / "b.npy", sample_rate=30_000),
        spikey_cli.FileSource(folder / "c.bin", raw=spikey_cli.RawFormat(3, 1000)),
        folder / "d.txt",
    ]
    spikey_cli.compress(inputs, folder / "x.spk", coder="range")
    return folder / "x.spk"


def test_the_archive(archive):
    info = spikey_cli.info(archive)
    size = archive.stat().st_size
    source_bytes = sum((archive.parent / name).stat().st_size for name in ("a.wav", "b.npy", "c.bin", "d.txt"))
    samples = 3 * 4000 + 3 * 100
    assert info["path"] == str(archive)
    assert info["coder"] == "range"
    assert info["model"]["name"].endswith(".onnx")
    assert not info["model"]["embedded"]
    assert (info["archive_bytes"], info["source_bytes"], info["samples"]) == (size, source_bytes, samples)
    assert info["ratio"] == round(source_bytes / size, 4)
    assert info["bits_per_sample"] == round(8 * size / samples, 4)
    assert json.loads(json.dumps(info)) == info


def test_the_files(archive):
    files = spikey_cli.info(archive)["files"]
    keys = ("name", "kind", "channels", "frames", "sample_rate", "sample_bits", "quantizer")
    assert [tuple(file.get(key) for key in keys) for file in files] == [
        ("a.wav", "wav", 2, 4000, 30_000, 16, "n1"),
        ("b.npy", "npy", 1, 4000, 30_000, 16, "n1"),
        ("c.bin", "raw", 3, 100, 1000, 16, "n1"),
        ("d.txt", "verbatim", None, None, None, None, None),
    ]
    assert files[3]["crc32"] == "3b8ba7c7"
    assert files[3]["bytes"] == 4


def test_the_channels(archive):
    channels = {channel["name"]: channel for channel in spikey_cli.info(archive)["channels"]}
    assert list(channels) == ["a.wav:0", "a.wav:1", "b.npy", "c.bin:0", "c.bin:1", "c.bin:2"]
    last = next(channel for channel in channels.values() if channel["coding_pass"] == 2)
    assert {reference["name"] for reference in last["references"]} == {"a.wav:0", "a.wav:1", "b.npy"} - {last["name"]}
    first = next(
        channel for channel in channels.values() if channel["coding_pass"] == 0 and channel["later_references"]
    )
    assert set(first["later_references"]) <= {"a.wav:0", "a.wav:1", "b.npy"} - {first["name"]}
    assert [channel["long_lag"] for channel in channels.values()] == [None] * 6
    assert {channel["order"] for channel in channels.values()} <= {8, 16, 32}
    assert sorted(channels[name]["coding_pass"] for name in ("a.wav:0", "a.wav:1", "b.npy")) == [0, 1, 2]


def test_an_archive_without_samples(tmp_path):
    spikey_cli.compress([spikey_cli.BytesSource(b"text", "a.txt")], tmp_path / "a.spk")
    info = spikey_cli.info(tmp_path / "a.spk")
    assert (info["samples"], info["bits_per_sample"], info["sessions"], info["channels"]) == (0, None, 0, [])


def test_damage_and_limits(tmp_path, archive):
    (tmp_path / "a.spk").write_bytes(archive.read_bytes()[:100])
    with pytest.raises(ArchiveError):
        spikey_cli.info(tmp_path / "a.spk")
    with pytest.raises(LimitError):
        spikey_cli.info(archive, limits=spikey_cli.Limits(memory=2000))
