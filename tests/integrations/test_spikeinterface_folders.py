"""Session folders of SpikeGLX and Open Ephys in archives, as recordings equal to those of SpikeInterface's readers."""

from __future__ import annotations

import shutil
import warnings
from pathlib import Path

import numpy as np
import pytest
from support import acquisition
from support.optional import deferred
from support.sidecars import (
    BOARD,
    PROBE,
    write_inputs_of_spikeglx,
    write_neuropixels_spikeglx,
    write_node_of_open_ephys,
)

import spikey_cli

extractors = deferred("spikeinterface.extractors", needs="spikeinterface")
spikey_spikeinterface = deferred("spikey_cli.integrations.spikeinterface", needs="spikeinterface")

AP, LF = "run_g0_imec0/run_g0_t0.imec0.ap.bin", "run_g0_imec0/run_g0_t0.imec0.lf.bin"


@pytest.fixture(scope="module")
def samples() -> np.ndarray:
    random = np.random.default_rng(1)
    steps = random.normal(scale=9, size=(1200, 7))
    samples = np.rint(np.cumsum(steps, axis=0) * 0.3).astype(np.int16)
    samples[:, -1] = 64 * (np.arange(1200) // 300 % 2)
    return samples


@pytest.fixture(scope="module")
def spikeglx(tmp_path_factory: pytest.TempPathFactory, samples: np.ndarray) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("spikeglx")
    run = write_neuropixels_spikeglx(folder, samples)
    spikey_cli.compress([run], folder / "a.spk", recursive=True)
    return run, folder / "a.spk"


@pytest.fixture(scope="module")
def open_ephys(tmp_path_factory: pytest.TempPathFactory, samples: np.ndarray) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("openephys")
    node = write_node_of_open_ephys(folder, samples)
    spikey_cli.compress([node], folder / "a.spk", recursive=True)
    return node, folder / "a.spk"


def assert_equal(archived, original) -> None:
    np.testing.assert_array_equal(archived.get_traces(), original.get_traces())
    assert archived.sampling_frequency == original.sampling_frequency
    assert list(archived.channel_ids) == list(original.channel_ids)
    np.testing.assert_array_equal(archived.get_channel_gains(), original.get_channel_gains())
    np.testing.assert_array_equal(archived.get_channel_offsets(), original.get_channel_offsets())
    np.testing.assert_allclose(archived.get_times(), original.get_times())
    assert archived.has_probe() == original.has_probe()
    if original.has_probe():
        assert archived.get_probe().to_dict(array_as_list=True) == original.get_probe().to_dict(array_as_list=True)
        np.testing.assert_array_equal(
            archived.get_property("inter_sample_shift"), original.get_property("inter_sample_shift")
        )


def read(archive: Path, *channels: str):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return spikey_spikeinterface.read_spikey(archive, channels or None)


def read_original(program: str, folder: Path, stream: str, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return getattr(extractors, f"read_{program}")(folder, stream_id=stream, **options)


@pytest.mark.parametrize(
    ("channels", "stream"),
    [(f"{AP}:signals", "imec0.ap"), (f"{LF}:signals", "imec0.lf"), (f"{AP}:sync", "imec0.ap-SYNC")],
)
def test_a_run_of_spikeglx(spikeglx, channels, stream):
    run, archive = spikeglx
    assert_equal(read(archive, channels), read_original("spikeglx", run, stream))


def test_inputs_of_spikeglx(tmp_path, samples):
    run = write_inputs_of_spikeglx(tmp_path, samples)
    spikey_cli.compress([run], tmp_path / "a.spk", recursive=True)
    nidq = "run_g0_t0.nidq.bin"
    assert_equal(read(tmp_path / "a.spk"), read_original("spikeglx", run, "nidq"))
    words = read(tmp_path / "a.spk", f"{nidq}:XD0")
    np.testing.assert_array_equal(words.get_traces(), samples[:, -1:])
    assert list(words.get_property("channel_name")) == ["XD0"]
    assert words.sampling_frequency == 25_000.5


@pytest.mark.parametrize(
    ("folder", "stream", "stream_id"),
    [
        (BOARD, "signals", "0"),
        (BOARD, "ADC", "2"),
        (PROBE, "signals", "1"),
        (PROBE, "sync", f"Record Node 101#{PROBE}SYNC"),
    ],
)
def test_a_record_node_of_open_ephys(open_ephys, folder, stream, stream_id):
    node, archive = open_ephys
    original = read_original("openephys", node, stream_id)
    assert original.has_probe() == (folder == PROBE and stream == "signals")
    assert_equal(read(archive, f"experiment1/recording1/continuous/{folder}/continuous.dat:{stream}"), original)


def test_the_default_is_the_first_stream(tmp_path, samples):
    node = write_node_of_open_ephys(tmp_path, samples)
    shutil.rmtree(node / "experiment1" / "recording1" / "continuous" / BOARD)
    spikey_cli.compress([node / "experiment1" / "recording1"], tmp_path / "a.spk", recursive=True)
    recording = read(tmp_path / "a.spk")
    assert list(recording.channel_ids) == [f"CH{i}" for i in range(6)]
    np.testing.assert_array_equal(recording.get_traces(), samples[:, :6])


def test_the_recording_is_pickled_and_sliced(spikeglx, samples):
    import pickle

    recording = pickle.loads(pickle.dumps(read(spikeglx[1], f"{AP}:signals")))
    selected = recording.select_channels(recording.channel_ids[2:4])
    np.testing.assert_array_equal(selected.get_traces(0, 100, 200), samples[100:200, 2:4])


def test_metadata_that_the_reader_does_not_know(tmp_path, samples):
    run = write_neuropixels_spikeglx(tmp_path, samples)
    for meta in run.rglob("*.meta"):
        meta.write_text(meta.read_text().replace("NP1000", "unheard of"))
    spikey_cli.compress([run], tmp_path / "a.spk", recursive=True)
    with pytest.warns(UserWarning, match="no probe of"):
        recording = spikey_spikeinterface.read_spikey(tmp_path / "a.spk", [f"{AP}:signals"])
    assert recording.sampling_frequency == 30000.27
    np.testing.assert_allclose(recording.get_channel_gains(), 1e6 * 0.6 / 512 / np.tile([250, 500], 3))


def test_files_that_describe_themselves(tmp_path):
    made = acquisition.rhd(np.random.default_rng(1), records=4)
    (tmp_path / made.name).write_bytes(made.data)
    spikey_cli.compress([tmp_path / made.name], tmp_path / "a.spk")
    recording = read(tmp_path / "a.spk")
    np.testing.assert_array_equal(recording.get_traces(), made.groups[0])
    np.testing.assert_array_equal(recording.get_channel_gains(), [0.195] * 3)
    assert list(recording.get_property("channel_name")) == made.labels[:3]
    analog = read(tmp_path / "a.spk", "a.rhd:auxiliary input")
    assert analog.sampling_frequency == 5000
    np.testing.assert_array_equal(analog.get_traces(), made.groups[1])


def test_the_start_that_a_file_states(tmp_path):
    made = acquisition.continuous(np.random.default_rng(1))
    (tmp_path / made.name).write_bytes(made.data)
    spikey_cli.compress([tmp_path / made.name], tmp_path / "a.spk")
    recording = read(tmp_path / "a.spk")
    assert not recording.has_time_vector()
    assert recording.get_times()[0] == pytest.approx(5000 / 30_000)


def test_times_where_the_clock_jumps(tmp_path):
    made = acquisition.continuous(np.random.default_rng(1), jump=3000)
    (tmp_path / made.name).write_bytes(made.data)
    spikey_cli.compress([tmp_path / made.name], tmp_path / "a.spk")
    recording = read(tmp_path / "a.spk")
    expected = np.concatenate([5000 + np.arange(1024), 9024 + np.arange(1024)]) / 30_000
    np.testing.assert_allclose(recording.get_times(), expected)
    recording = read(tmp_path / "a.spk")  # the times above were cached
    assert recording.sample_index_to_time(1024) == pytest.approx(9024 / 30_000)
    assert recording.time_to_sample_index(9024.5 / 30_000) == 1024
    np.testing.assert_allclose(recording.get_times(start_frame=1000, end_frame=1050), expected[1000:1050])
    np.testing.assert_allclose(recording.frame_slice(1000, 1050).get_times(), expected[1000:1050])


def test_files_that_state_different_times(tmp_path):
    for number, jump in ((1, 0), (2, 500)):
        made = acquisition.continuous(np.random.default_rng(1), jump=jump)
        (tmp_path / f"100_CH{number}.continuous").write_bytes(made.data)
    spikey_cli.compress(sorted(tmp_path.glob("*.continuous")), tmp_path / "a.spk")
    with pytest.warns(UserWarning, match="different times"):
        recording = spikey_spikeinterface.read_spikey(tmp_path / "a.spk")
    assert recording.get_times()[0] == 0.0
    assert read(tmp_path / "a.spk", "100_CH2.continuous").has_time_vector()


@pytest.mark.parametrize("is_old", [False, True])
def test_synchronized_times_of_open_ephys(tmp_path, samples, is_old):
    node = write_node_of_open_ephys(tmp_path, samples)
    stream = node / "experiment1" / "recording1" / "continuous" / PROBE
    times = (7000 + np.arange(len(samples)) * 1.0001 + 500 * (np.arange(len(samples)) >= 700)) / 30_000
    if is_old:
        (stream / "sample_numbers.npy").rename(stream / "timestamps.npy")
        np.save(stream / "synchronized_timestamps.npy", times)
    else:
        np.save(stream / "timestamps.npy", times)
    spikey_cli.compress([node], tmp_path / "a.spk", recursive=True)
    recording = read(tmp_path / "a.spk", f"experiment1/recording1/continuous/{PROBE}/continuous.dat:signals")
    original = read_original("openephys", node, "1", load_sync_timestamps=True)
    np.testing.assert_array_equal(recording.get_times(), times)
    np.testing.assert_array_equal(recording.get_times(), original.get_times())
    assert recording.get_start_time() == times[0]


def test_sample_numbers_of_open_ephys(tmp_path, samples):
    """Before version 0.6, and without synchronization, there are sample numbers alone."""
    node = write_node_of_open_ephys(tmp_path, samples)
    stream = node / "experiment1" / "recording1" / "continuous" / PROBE
    (stream / "sample_numbers.npy").unlink()
    numbers = 7000 + np.arange(len(samples)) + 500 * (np.arange(len(samples)) >= 700)
    np.save(stream / "timestamps.npy", numbers)
    spikey_cli.compress([node], tmp_path / "a.spk", recursive=True)
    recording = read(tmp_path / "a.spk", f"experiment1/recording1/continuous/{PROBE}/continuous.dat:signals")
    np.testing.assert_array_equal(recording.get_times(), numbers / 30_000)


@pytest.mark.parametrize("by_channel", [False, True])
def test_a_folder_of_intan(tmp_path, by_channel):
    acquisition.write_intan_folder(tmp_path / "run", by_channel)
    spikey_cli.compress([tmp_path / "run"], tmp_path / "a.spk", recursive=True)
    recording = read(tmp_path / "a.spk")
    original = extractors.read_intan(tmp_path / "run" / "info.rhd", stream_id="0")
    np.testing.assert_array_equal(recording.get_traces(), original.get_traces())
    assert recording.sampling_frequency == original.sampling_frequency
    assert list(recording.get_property("channel_name")) == list(original.channel_ids)
    np.testing.assert_array_equal(recording.get_channel_gains(), original.get_channel_gains())
    np.testing.assert_array_equal(recording.get_channel_offsets(), original.get_channel_offsets())
    np.testing.assert_array_equal(recording.get_times(), original.get_times())
    analog = read(tmp_path / "a.spk", "board-ANALOG-IN-1.dat" if by_channel else "analogin.dat")
    original = extractors.read_intan(tmp_path / "run" / "info.rhd", stream_id="3")
    np.testing.assert_array_equal(analog.get_traces(), original.get_traces())
    np.testing.assert_allclose(analog.get_channel_gains(), original.get_channel_gains())


def test_a_folder_of_intan_whose_clock_jumps(tmp_path):
    acquisition.write_intan_folder(tmp_path / "run", by_channel=True, jump=5000)
    spikey_cli.compress([tmp_path / "run"], tmp_path / "a.spk", recursive=True)
    expected = (np.arange(384) + 5000 * (np.arange(384) >= 192)) / 20_000
    np.testing.assert_allclose(read(tmp_path / "a.spk").get_times(), expected)


def test_uneven_times_are_written_again(tmp_path):
    made = acquisition.ncs(np.random.default_rng(1), jump=70_000)
    (tmp_path / made.name).write_bytes(made.data)
    spikey_cli.compress([tmp_path / made.name], tmp_path / "a.spk")
    recording = read(tmp_path / "a.spk")
    spikey_spikeinterface.write_spikey(recording, tmp_path / "b.spk")
    again = read(tmp_path / "b.spk")
    np.testing.assert_array_equal(again.get_traces(), recording.get_traces())
    np.testing.assert_array_equal(again.get_times(), read(tmp_path / "a.spk").get_times())
    assert again.get_times()[3 * 512] - again.get_times()[0] == pytest.approx(0.118, abs=2e-6)
