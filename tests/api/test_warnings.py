"""Warnings about inputs that were stored verbatim although they look like recordings."""

from __future__ import annotations

import numpy as np
import pytest
from support.recordings import recorded, wav_bytes

import spikey_cli
from spikey_cli.io.raw import RawFormat


@pytest.fixture
def samples(random: np.random.Generator) -> np.ndarray:
    return recorded(random, 500, 2)


def warnings_of(*inputs, archive) -> list[spikey_cli.SpikeyWarning]:
    return list(spikey_cli.compress(inputs, archive).warnings)


def test_recordings_that_are_predicted_get_no_warning(tmp_path, samples):
    np.save(tmp_path / "a.npy", samples)
    (tmp_path / "a.wav").write_bytes(wav_bytes(samples))
    (tmp_path / "b.raw").write_bytes(wav_bytes(samples))
    samples.tofile(tmp_path / "c.bin")
    inputs = [tmp_path / "a.npy", tmp_path / "a.wav", tmp_path / "b.raw"]
    raw = spikey_cli.FileSource(tmp_path / "c.bin", raw=RawFormat(2, 1000))
    assert warnings_of(*inputs, raw, archive=tmp_path / "a.spk") == []


def test_each_kind_of_file_gets_one_warning(tmp_path, samples):
    np.save(tmp_path / "big.npy", samples.astype(">i2"))
    np.save(tmp_path / "cut.npy", samples)
    (tmp_path / "cut.npy").write_bytes((tmp_path / "cut.npy").read_bytes()[:-1])
    (tmp_path / "float.wav").write_bytes(wav_bytes(samples).replace(b"fmt \x10\0\0\0\1", b"fmt \x10\0\0\0\3"))
    samples.tofile(tmp_path / "a.bin")
    samples.tofile(tmp_path / "b.dat")
    (tmp_path / "session.nwb").write_bytes(b"some HDF5")
    inputs = sorted(tmp_path.iterdir())
    warnings = warnings_of(*inputs, archive=tmp_path / "a.spk")
    assert [(str(warning).split(":")[0], warning.parameter) for warning in warnings] == [
        (f"{tmp_path / 'a.bin'} and 1 more", "raw"),
        (f"{tmp_path / 'float.wav'}", None),
        (f"{tmp_path / 'big.npy'} and 1 more", None),
        (f"{tmp_path / 'session.nwb'}", "dataset"),
    ]
    assert all("stored byte for byte" in str(warning) for warning in warnings)


def test_floats_that_are_not_integers_times_a_gain_get_one_warning_in_every_format(tmp_path, random):
    floats = np.exp(random.integers(0, 99, (3000, 4)) / 7).astype(np.float32)
    np.save(tmp_path / "a.npy", floats)
    (tmp_path / "b.wav").write_bytes(wav_bytes(floats, 4))
    floats.tofile(tmp_path / "c.bin")
    raw = spikey_cli.FileSource(tmp_path / "c.bin", raw=RawFormat(4, 30_000, "float32"))
    inputs = [tmp_path / "a.npy", tmp_path / "b.wav", raw]
    (warning,) = warnings_of(*inputs, archive=tmp_path / "out.spk")
    assert str(warning).startswith(f"{tmp_path / 'a.npy'} and 2 more: stored byte for byte")
    assert "floats that are not integers times a gain" in str(warning)
    assert warning.parameter is None
    for source in inputs:
        assert len(warnings_of(source, archive=tmp_path / f"{source}.spk")) == 1
    scaled = (recorded(random, 3000, 4) * np.float32(0.195)).astype(np.float32)
    np.save(tmp_path / "a.npy", scaled)
    scaled.tofile(tmp_path / "c.bin")
    assert warnings_of(tmp_path / "a.npy", raw, archive=tmp_path / "scaled.spk") == []


def test_other_files_get_no_warning(tmp_path):
    np.save(tmp_path / "spike_times.npy", np.arange(9))
    (tmp_path / "notes.txt").write_text("of the day")
    (tmp_path / "empty.bin").touch()
    inputs = sorted(tmp_path.iterdir())
    assert warnings_of(*inputs, archive=tmp_path / "a.spk") == []


def test_an_array_that_is_stored_verbatim_on_purpose_gets_no_warning(tmp_path, samples):
    source = spikey_cli.ArraySource(samples, "a.npy", verbatim=True)
    assert warnings_of(source, archive=tmp_path / "a.spk") == []


def test_an_incomplete_frame_is_a_warning(tmp_path, samples):
    samples.tofile(tmp_path / "run.bin")
    source = spikey_cli.FileSource(tmp_path / "run.bin", raw=RawFormat(7, 30_000))
    (warning,) = warnings_of(source, archive=tmp_path / "a.spk")
    assert "2,000 bytes are not a whole number of frames of 7 channels of 16 bits" in str(warning)
    assert warning.parameter == "raw"
    spikey_cli.decompress(tmp_path / "a.spk", tmp_path / "out")
    assert (tmp_path / "out" / "run.bin").read_bytes() == samples.tobytes()
