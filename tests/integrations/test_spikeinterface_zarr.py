"""Recordings that SpikeInterface saves in Zarr with Spikey as the compressor."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("spikeinterface")

import numcodecs
import spikeinterface.core as si
import zarr
from support.spikeinterface_recordings import assert_same, generated

from spikey_cli.integrations.numcodecs import Spikey
from spikey_cli.integrations.spikeinterface import read_spikey, write_spikey


@pytest.fixture(scope="module")
def recording() -> Any:
    return generated((1.3, 0.4))  # chunks are one second by default: one is complete, two are not


@pytest.mark.parametrize("jobs", [{"n_jobs": 1}, {"n_jobs": 2}, {"n_jobs": 2, "pool_engine": "process"}])
def test_save_and_load(tmp_path: Path, recording: Any, jobs: dict[str, Any]) -> None:
    folder = tmp_path / "saved.zarr"
    saved = recording.save(format="zarr", folder=folder, compressor=Spikey(), **jobs)
    assert_same(saved, recording)
    assert_same(si.load(folder), recording)
    traces = zarr.open(str(folder), "r")["traces_seg0"]
    assert traces.compressor == Spikey()
    assert traces.chunks[1] == recording.get_num_channels()
    assert traces.nbytes / traces.nbytes_stored > 1.7, "the traces were not predicted"


def test_load_in_another_process(tmp_path: Path, recording: Any) -> None:
    """It does not import Spikey, and finds the codec by its entry point."""
    folder = tmp_path / "saved.zarr"
    recording.save(format="zarr", folder=folder, compressor=Spikey(), n_jobs=2)
    code = f"""
import sys
import numpy as np
import spikeinterface.core as si
assert not any(name.startswith("spikey_cli") for name in sys.modules)
np.save({str(tmp_path / "traces.npy")!r}, si.load({str(folder)!r}).get_traces(0, 1000, 33000))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    np.testing.assert_array_equal(np.load(tmp_path / "traces.npy"), recording.get_traces(0, 1000, 33000))


def test_times_are_saved(tmp_path: Path) -> None:
    recording = generated((0.3,))
    recording.set_times(np.arange(recording.get_num_samples()) / 29_999 + 3)
    assert_same(recording.save(format="zarr", folder=tmp_path / "a.zarr", compressor=Spikey()), recording)


def test_chunks_of_some_channels(tmp_path: Path, recording: Any) -> None:
    folder = tmp_path / "a.zarr"
    recording.save(format="zarr", folder=folder, compressor=Spikey(), channel_chunk_size=3, chunk_duration="300ms")
    assert_same(si.load(folder), recording)


def test_from_an_archive_to_zarr_and_back(tmp_path: Path, recording: Any) -> None:
    write_spikey(recording, tmp_path / "a.spk")
    archived = read_spikey(tmp_path / "a.spk")
    saved = archived.save(format="zarr", folder=tmp_path / "a.zarr", compressor=Spikey(), n_jobs=2)
    assert_same(saved, recording)
    write_spikey(saved, tmp_path / "b.spk")
    assert_same(read_spikey(tmp_path / "b.spk"), recording)


def test_the_codec_by_its_name() -> None:
    assert numcodecs.get_codec({"id": "spikey"}) == Spikey()
