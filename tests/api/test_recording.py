"""An archive as an array, of which only what is indexed is decoded."""

from __future__ import annotations

import multiprocessing
import pickle
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.recordings import n1_samples, neural, wav_bytes, write_session

import spikey_cli
from spikey_cli.errors import InputError
from spikey_cli.model.predictor import default_predictor

FRAMES, CHANNELS = 5000, 3


@pytest.fixture(scope="module")
def archived(tmp_path_factory):
    """(archive, samples) of a file of three channels."""
    folder = tmp_path_factory.mktemp("recording")
    samples = n1_samples(neural(np.random.default_rng(0), FRAMES, CHANNELS))
    (folder / "probe.wav").write_bytes(wav_bytes(samples))
    spikey_cli.compress([folder / "probe.wav"], folder / "probe.spk")
    return folder / "probe.spk", samples


def test_attributes(archived):
    with spikey_cli.open(archived[0]) as recording:
        assert recording.shape == (FRAMES, CHANNELS)
        assert recording.dtype == np.int16
        assert recording.sample_rate == 19531
        assert recording.channel_names == ("probe.wav:0", "probe.wav:1", "probe.wav:2")
        assert len(recording) == FRAMES
        np.testing.assert_array_equal(np.asarray(recording), archived[1])
        assert repr(recording) == "<Recording 'probe.spk': 3 channels x 5000 frames, int16, 19531 Hz>"


_BOUND = st.none() | st.integers(-FRAMES - 50, FRAMES + 50)
_TIMES = st.builds(slice, _BOUND, _BOUND, st.none() | st.sampled_from([1, 2, 777, -1, -300]))
_TIMES |= st.integers(-FRAMES, FRAMES - 1)
_TIMES |= st.lists(st.integers(-FRAMES, FRAMES - 1), max_size=5)
_CHANNELS = st.integers(-CHANNELS, CHANNELS - 1) | st.builds(slice, st.none() | st.integers(-4, 4)) | st.just([2, 0, 2])


@given(time=_TIMES, channel=_CHANNELS)
def test_indexing(archived, time, channel):
    archive, samples = archived
    # each axis is indexed on its own; NumPy would pair two lists
    rows = samples[np.array(time, dtype=int) if isinstance(time, list) else time]
    with spikey_cli.open(archive) as recording:
        np.testing.assert_array_equal(recording[time, channel], rows[..., channel])
        np.testing.assert_array_equal(recording[..., channel], samples[:, channel])


def test_indices_out_of_range_are_index_errors(archived):
    with spikey_cli.open(archived[0]) as recording:
        for key in (FRAMES, (0, CHANNELS), (0, 0, 0), (slice(None), "a")):
            with pytest.raises(IndexError):
                recording[key]


def test_only_what_is_needed_is_decoded(archived, tmp_path, monkeypatch):
    from spikey_cli.codec import blocks

    lengths = []
    decode = blocks.decode_channels

    def counting(streams, *arguments):
        lengths.append(len(streams))
        return decode(streams, *arguments)

    monkeypatch.setattr(blocks, "decode_channels", counting)
    with spikey_cli.open(archived[0]) as recording:
        recording[10:20, 1]
        assert lengths == [CHANNELS], "channels that refer to each other"
    independent = spikey_cli.Encoding(peers=False)
    spikey_cli.compress([archived[0].with_name("probe.wav")], tmp_path / "a.spk", coder=independent)
    lengths.clear()
    with spikey_cli.open(tmp_path / "a.spk") as recording:
        recording[10:20, 1]
        assert lengths == [1]
        recording[10:10]
        assert lengths == [1]


def test_only_the_parts_in_range_are_decoded(tmp_path, random, monkeypatch):
    from spikey_cli.codec import blocks

    samples = random.integers(-9, 9, 300_000)
    (tmp_path / "long.wav").write_bytes(wav_bytes(samples))
    spikey_cli.compress([tmp_path / "long.wav"], tmp_path / "out.spk")
    decoded = []
    decode = blocks.decode_channels
    monkeypatch.setattr(blocks, "decode_channels", lambda s, n, *rest: decoded.extend(n) or decode(s, n, *rest))
    with spikey_cli.open(tmp_path / "out.spk") as recording:
        np.testing.assert_array_equal(recording[149_000:149_500, 0], samples[149_000:149_500])
        assert decoded == [150_000]
        np.testing.assert_array_equal(recording[149_990:150_010, 0], samples[149_990:150_010])
        assert decoded == [150_000] * 3


def test_channels_that_differ_need_a_choice(tmp_path, random):
    paths = write_session(tmp_path, random, 2, 1000) + write_session(tmp_path / "b", random, 1, 900)
    paths[2] = paths[2].rename(tmp_path / "short.wav")
    spikey_cli.compress(paths, tmp_path / "out.spk")
    with pytest.raises(InputError, match=r"differ in length.*choose channels"):
        spikey_cli.open(tmp_path / "out.spk")
    with spikey_cli.open(tmp_path / "out.spk", ["thread1.wav", "thread0.wav"]) as recording:
        assert recording.shape == (1000, 2)
        assert recording[0, 0] == np.frombuffer(paths[1].read_bytes(), dtype="<i2", offset=44)[0]
    with pytest.raises(InputError, match=r"holds no channel 'x'"):
        spikey_cli.open(tmp_path / "out.spk", ["x"])


def test_an_archive_without_channels_makes_no_array(tmp_path):
    (tmp_path / "a.txt").write_text("text")
    spikey_cli.compress([tmp_path / "a.txt"], tmp_path / "out.spk")
    with pytest.raises(InputError, match="holds no channels"):
        spikey_cli.open(tmp_path / "out.spk")


def test_concurrent_reads(tmp_path: Path, random: np.random.Generator) -> None:
    samples = n1_samples(neural(random, 40_000, 3))
    (tmp_path / "a.wav").write_bytes(wav_bytes(samples))
    spikey_cli.compress([tmp_path / "a.wav"], tmp_path / "a.spk")
    with spikey_cli.open(tmp_path / "a.spk") as recording, ThreadPoolExecutor(8) as pool:
        starts = range(0, 40_000, 1000)
        for first, piece in zip(starts, pool.map(lambda t: recording[t : t + 1000], starts), strict=True):
            assert np.array_equal(piece, samples[first : first + 1000]), f"wrong frames from {first}"


@pytest.mark.slow
@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="this system does not fork")
@pytest.mark.parametrize("workers", [1, 2])
def test_forked_processes(tmp_path: Path, random: np.random.Generator, workers: int) -> None:
    """As the data loaders of training frameworks do: the parent process has the recording open."""
    samples = n1_samples(neural(random, 40_000, 3))
    (tmp_path / "a.wav").write_bytes(wav_bytes(samples))
    spikey_cli.compress([tmp_path / "a.wav"], tmp_path / "a.spk")
    context = multiprocessing.get_context("fork")
    with spikey_cli.open(tmp_path / "a.spk", workers=workers) as recording:
        recording[:10]

        def read(connection: Any) -> None:
            wrong: list[object] = []
            for t in range(0, 40_000, 1000):
                try:
                    wrong += [] if np.array_equal(recording[t : t + 1000], samples[t : t + 1000]) else [t]
                except Exception as error:
                    wrong.append((t, repr(error)))
            connection.send(wrong)

        pipes = [context.Pipe() for _ in range(4)]
        processes = [context.Process(target=read, args=(child,)) for _, child in pipes]
        for process in processes:
            process.start()
        for parent, _ in pipes:
            assert parent.poll(120), "a forked process hangs"
            assert parent.recv() == [], "wrong frames from these on"
        for process in processes:
            process.join()
        np.testing.assert_array_equal(recording[:], samples)


def test_a_closed_recording_raises(archived) -> None:
    for workers in (1, 2):
        recording = spikey_cli.open(archived[0], workers=workers)
        recording.close()
        with pytest.raises(ValueError, match=r"probe\.spk: the archive is closed; open it again"):
            recording[:10]


def test_a_recording_is_pickled_by_its_path(tmp_path: Path, random: np.random.Generator) -> None:
    paths = write_session(tmp_path, random, 2, 1000)
    spikey_cli.compress(paths, tmp_path / "a.spk")
    with spikey_cli.open(tmp_path / "a.spk", [paths[1].name], predictor=default_predictor()) as recording:
        data = pickle.dumps(recording)
        with pickle.loads(data) as again:
            assert again.channel_names == recording.channel_names
            assert np.array_equal(again[:], recording[:])
