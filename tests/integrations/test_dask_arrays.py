"""A recording as a Dask array, computed by each scheduler."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.optional import deferred
from support.recordings import n1_samples, neural, wav_bytes

import spikey_cli
from spikey_cli.codec import blocks

dask = deferred("dask")
da = deferred("dask.array")

FRAMES, CHANNELS, COPIES = 60_000, 3, 10


@pytest.fixture(scope="module")
def archived(tmp_path_factory):
    """Path and samples of an archive of several parts: 600,000 frames of three channels."""
    folder = tmp_path_factory.mktemp("arrays")
    once = n1_samples(neural(np.random.default_rng(1), FRAMES, CHANNELS))
    samples = np.concatenate([np.roll(once, 1000 * i, axis=0) for i in range(COPIES)])
    (folder / "probe.wav").write_bytes(wav_bytes(samples))
    spikey_cli.compress([folder / "probe.wav"], folder / "probe.spk")
    return folder / "probe.spk", samples


@pytest.fixture
def recording(archived) -> Iterator[spikey_cli.Recording]:
    with spikey_cli.open(archived[0]) as opened:
        yield opened


@pytest.fixture
def decoded(monkeypatch):
    """Lengths of all channels decoded so far."""
    lengths: list[int] = []
    original = blocks.decode_channels

    def recording_lengths(streams, of_channels, *arguments):
        lengths.extend(of_channels)
        return original(streams, of_channels, *arguments)

    monkeypatch.setattr(blocks, "decode_channels", recording_lengths)
    return lengths


def test_chunks_are_the_parts_of_the_archive(recording):
    frames, channels = recording.chunks
    assert frames == (200_000, 200_000, 200_000)
    assert channels == (CHANNELS,)
    with dask.config.set({"array.chunk-size": "1.3 MB"}):  # a part has 1.2 MB
        assert da.from_array(recording).chunks == recording.chunks
    with dask.config.set({"array.chunk-size": "2.5 MB"}):
        assert da.from_array(recording).chunks[0] == (400_000, 200_000)
    assert da.from_array(recording).numblocks == (1, 1)


@pytest.mark.slow
def test_chunks_of_files_with_parts_of_different_lengths(tmp_path):
    noise = np.random.default_rng(2).integers(-500, 500, size=(300_000, 9)).astype(np.int16)
    (tmp_path / "one.wav").write_bytes(wav_bytes(noise[:, 0]))
    (tmp_path / "eight.wav").write_bytes(wav_bytes(np.repeat(noise[:, 1:], 12, axis=1)))
    spikey_cli.compress(
        [tmp_path / "one.wav", tmp_path / "eight.wav"], tmp_path / "o.spk", coder=spikey_cli.Encoding(peers=False)
    )
    with spikey_cli.open(tmp_path / "o.spk") as both:
        assert both.chunks == ((150_000, 150_000), (97,))
    with spikey_cli.open(tmp_path / "o.spk", channels=["eight.wav:3"]) as wide:
        assert len(wide.chunks[0]) > 2
        assert sum(wide.chunks[0]) == 300_000


def test_a_recording_without_frames(tmp_path):
    (tmp_path / "none.wav").write_bytes(wav_bytes(np.zeros(0, np.int16)))
    spikey_cli.compress([tmp_path / "none.wav"], tmp_path / "o.spk")
    with spikey_cli.open(tmp_path / "o.spk") as empty:
        assert da.from_array(empty).compute(scheduler="sync").shape == (0, 1)


def test_nothing_is_decoded_before_compute(recording, decoded):
    lazy = da.from_array(recording, chunks=recording.chunks)
    later = (lazy[150_000:250_000, 1].astype("f4") - lazy[:100_000, 0]).sum()
    assert lazy.dtype == np.int16
    assert decoded == []
    later.compute(scheduler="sync")
    assert decoded != []


def test_a_slice_decodes_only_its_parts(archived, recording, decoded):
    lazy = da.from_array(recording, chunks=recording.chunks)
    np.testing.assert_array_equal(
        lazy[210_000:390_000].compute(scheduler="sync"), archived[1][210_000:390_000], strict=True
    )
    assert decoded == [200_000] * CHANNELS


def test_each_part_is_decoded_once(archived, recording, decoded):
    with dask.config.set({"array.chunk-size": "2.5 MB"}):
        lazy = da.from_array(recording)
    np.testing.assert_array_equal(lazy.compute(scheduler="threads"), archived[1], strict=True)
    assert decoded == [200_000] * CHANNELS * 3


@settings(max_examples=15)
@given(st.data())
def test_slices_equal_those_of_numpy(archived, data):
    cuts = st.integers(0, FRAMES * COPIES + 5)  # Dask and NumPy differ for slices before the start
    time = slice(data.draw(cuts), data.draw(cuts), data.draw(st.sampled_from([None, 1, 7, -3])))
    channel = data.draw(
        st.sampled_from([slice(None), slice(1, None), slice(None, None, -1), 0, -1, [0, 2], [2, 1]]), label="channel"
    )
    with spikey_cli.open(archived[0]) as recording:
        lazy = da.from_array(recording, chunks=recording.chunks)
        np.testing.assert_array_equal(
            lazy[time, channel].compute(scheduler="threads", num_workers=2), archived[1][time, channel], strict=True
        )


@pytest.mark.slow
def test_other_processes_open_the_archive_by_its_absolute_path(archived, monkeypatch):
    monkeypatch.chdir(archived[0].parent)
    with spikey_cli.open(archived[0].name) as recording:
        lazy = da.from_array(recording, chunks=recording.chunks)
        monkeypatch.chdir("/")
        mean = lazy[::7].mean(axis=0).compute(scheduler="processes", num_workers=2)
    np.testing.assert_allclose(mean, archived[1][::7].mean(axis=0))


def test_the_name_of_the_array_identifies_the_samples(archived, tmp_path):
    def name(path, **options):
        with spikey_cli.open(path, **options) as recording:
            return da.from_array(recording).name

    path = archived[0]
    assert name(path) == name(path) == name(os.path.relpath(path))
    assert name(path, workers=2) == name(path)
    assert name(path, channels=["probe.wav:1"]) != name(path)
    shutil.copy(path, tmp_path / "probe.spk")
    before = name(tmp_path / "probe.spk")
    (tmp_path / "probe.wav").write_bytes(wav_bytes(archived[1][::-1]))
    spikey_cli.compress([tmp_path / "probe.wav"], tmp_path / "probe.spk", force=True)
    assert name(tmp_path / "probe.spk") != before
