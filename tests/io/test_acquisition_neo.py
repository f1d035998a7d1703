"""Other readers find the same samples, rates and gains: neo and pyedflib, in generated and in real files."""

from __future__ import annotations

import gc
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import acquisition
from support.optional import deferred

import spikey_cli
from spikey_cli.api.times import Times, times_of
from spikey_cli.codec.scan import scan
from spikey_cli.container.archive import ArchiveReader
from spikey_cli.io.formats import describe_channels
from spikey_cli.io.layout import samples_from_bytes
from spikey_cli.io.reading import ChannelInfo
from spikey_cli.io.source import FileSource

rawio = deferred("neo.rawio", needs="neo")

pytestmark = pytest.mark.filterwarnings("ignore")  # neo leaves files open


@pytest.fixture(autouse=True)
def close_files():
    """Close the files that neo left open, before another test is blamed for them."""
    yield
    gc.collect()


READERS = {
    "nsx": "BlackrockRawIO",
    "paused_nsx": "BlackrockRawIO",
    "ptp_nsx": "BlackrockRawIO",
    "ncs": "NeuralynxRawIO",
    "rhd": "IntanRawIO",
    "new_rhd": "IntanRawIO",
    "rhs": "IntanRawIO",
    "continuous": "OpenEphysRawIO",
    "abf": "AxonRawIO",
    "float_abf": "AxonRawIO",
}


SUFFIXES = {"DC amplifier": "_DC", "stimulation": " words"}
"""What neo adds to the names of these channels; it reads stimulation as currents."""


def found(path: Path) -> list[tuple[ChannelInfo, np.ndarray]]:
    """The channels of a file, and their samples."""
    source = scan(FileSource(path))
    groups = source.groups or (source,)
    columns = []
    for group in groups:
        data = group.read_frames(0, group.layout.n_frames)
        columns += list(samples_from_bytes(data, group.channels, group.layout.sample_type).T)
    header = source.records.header if source.records else source.layout.header
    return list(zip(describe_channels(header, len(columns)), columns, strict=True))


def neo_channels(reader: Any) -> list[tuple[tuple[str, str], float, float, np.ndarray, str]]:
    """Name and id, rate, gain, samples and unit of each channel, all segments one after another."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        reader.parse_header()
        channels = []
        for stream in range(reader.signal_streams_count()):
            own = reader.header["signal_channels"]
            own = own[own["stream_id"] == reader.header["signal_streams"][stream]["id"]]
            segments = [
                reader.get_analogsignal_chunk(0, i, stream_index=stream) for i in range(reader.segment_count(0))
            ]
            samples = np.concatenate(segments)
            channels += [
                (
                    (str(one["name"]), str(one["id"])),
                    float(one["sampling_rate"]),
                    float(one["gain"]),
                    samples[:, i],
                    str(one["units"]),
                )
                for i, one in enumerate(own)
            ]
    return channels


def assert_same(ours: list[tuple[ChannelInfo, np.ndarray]], theirs: list[Any]) -> None:
    assert theirs
    by_name = {info.name + SUFFIXES.get(info.stream, ""): (info, samples) for info, samples in ours}
    for names, rate, gain, samples, unit in theirs:
        known = [name for name in names if name in by_name]
        if not known:  # words that neo takes apart
            assert names[1].upper().startswith("DI") or names[1].endswith("_STIM"), names
            continue
        info, own = by_name[known[0]]
        assert info.sample_rate == pytest.approx(rate)
        samples = samples.astype(np.int64) - 32768 if samples.dtype == np.uint16 else samples
        # neo leaves out samples of NCS files that are not valid
        np.testing.assert_array_equal(own[: samples.size], samples)
        assert samples.size > 0.7 * own.size
        if info.gain is not None and unit == info.unit:
            # Intan's own reader negates the DC amplifiers, and neo does not
            assert (abs(info.gain) if info.stream == "DC amplifier" else info.gain) == pytest.approx(gain)


@pytest.mark.parametrize("name", READERS)
def test_neo_reads_the_same(name, tmp_path):
    # neo's reader of RHD fails at sensors of temperature
    options = {"n_temperatures": 0} if name.endswith("rhd") else {}
    made = acquisition.FORMATS[name](np.random.default_rng(3), **options)
    path = tmp_path / made.name
    path.write_bytes(made.data)
    by_folder = name in ("ncs", "continuous")
    reader = getattr(rawio, READERS[name])(
        **{"dirname" if by_folder else "filename": str(tmp_path if by_folder else path)}
    )
    assert_same(found(path), neo_channels(reader))


@pytest.mark.recordings
@pytest.mark.parametrize(
    ("name", "reader"),
    [("abf_axon1.abf", "AxonRawIO"), ("blackrock.ns2", "BlackrockRawIO"), ("intan_rhd_b.rhd", "IntanRawIO")],
)
def test_neo_reads_the_same_of_native_files(name, reader, tmp_path):
    folder = acquisition.native_folder()
    if folder is None:
        pytest.skip("the native files are not installed: set SPIKEY_NATIVE to their folder")
    by_neo, ours = getattr(rawio, reader)(filename=str(folder / name)), found(folder / name)
    assert_same(ours, neo_channels(by_neo))
    spikey_cli.compress([folder / name], tmp_path / "a.spk", verify=False)
    with ArchiveReader(tmp_path / "a.spk") as archive:
        entry = next(i for i, entry in enumerate(archive.directory.files) if entry.layout)
        (stated,) = times_of(archive, [entry], ours[0][0].sample_rate)
    if stated is not None:  # ABF states none
        assert stated.is_regular
        assert stated[0] == by_neo.get_signal_t_start(0, 0, 0)


def times(folder: Path, made: acquisition.Made) -> Times:
    """The times of the first channels of a file that is written into a folder and compressed."""
    (folder / made.name).write_bytes(made.data)
    spikey_cli.compress([folder / made.name], folder / "a.spk")
    with ArchiveReader(folder / "a.spk") as reader:
        entry = next(i for i, entry in enumerate(reader.directory.files) if entry.layout)
        return times_of(reader, [entry], made.rates[0])[0]


@pytest.mark.parametrize(
    ("name", "options"), [("paused_nsx", {}), ("ptp_nsx", {"jump": 10**9}), ("ncs", {"jump": 70_000})]
)
def test_neo_starts_segments_at_the_same_times(name, options, tmp_path):
    made = acquisition.FORMATS[name](np.random.default_rng(3), **options)
    found = times(tmp_path, made)
    place = {"dirname": str(tmp_path)} if name == "ncs" else {"filename": str(tmp_path / made.name)}
    reader = getattr(rawio, READERS[name])(**place, gap_tolerance_ms=0.1)
    reader.parse_header()
    sizes = [reader.get_signal_size(0, i, 0) for i in range(reader.segment_count(0))]
    starts = np.array([reader.get_signal_t_start(0, i, 0) for i in range(len(sizes))])
    assert len(sizes) == len(found.first) > 1
    np.testing.assert_array_equal(found.first, np.cumsum([0, *sizes[:-1]]))
    np.testing.assert_allclose(found.seconds - found.seconds[0], starts - starts[0], rtol=0, atol=1e-9)
    if name != "ncs":  # of which neo counts from the first
        np.testing.assert_allclose(found.seconds, starts)


def test_neo_places_continuous_records_at_the_same_times(tmp_path):
    made = acquisition.continuous(np.random.default_rng(3), records=4, jump=3000)
    found = times(tmp_path, made)
    reader = rawio.OpenEphysRawIO(dirname=str(tmp_path))
    reader.parse_header()
    assert reader.get_signal_t_start(0, 0, 0) == pytest.approx(found[0])
    samples = reader.get_analogsignal_chunk(0, 0, stream_index=0)[:, 0]  # zeros where the clock jumps
    at = np.rint((found[:] - found[0]) * 30_000).astype(int)
    np.testing.assert_array_equal(samples[at[: 3 * 1024]], made.groups[0][: 3 * 1024, 0])
    assert at[3 * 1024] == 3 * 1024 + 3000


def test_neo_reads_the_same_time_stamps_of_intan(tmp_path):
    made = acquisition.rhd(np.random.default_rng(3), n_temperatures=0, jump=5000)
    found = times(tmp_path, made)
    reader = rawio.IntanRawIO(filename=str(tmp_path / made.name), ignore_integrity_checks=True)
    reader.parse_header()
    np.testing.assert_allclose(found[:], reader.get_intan_timestamps() / 20_000)


@pytest.mark.parametrize("by_channel", [False, True])
def test_neo_reads_the_same_of_folders_of_intan(by_channel, tmp_path):
    folder = tmp_path / "run"
    files = acquisition.write_intan_folder(folder, by_channel)
    spikey_cli.compress([folder], tmp_path / "a.spk", recursive=True)
    ours = []
    for name in files:
        with spikey_cli.open(tmp_path / "a.spk", [name]) as recording:
            ours += zip(recording.channel_info, recording[:].T, strict=True)
    by_name = {info.name: (info, samples) for info, samples in ours}
    theirs = neo_channels(rawio.IntanRawIO(filename=str(folder / "info.rhd")))
    assert {"A-000", "A-001", "A-002", "A-AUX1", "A-VDD1", "ANALOG-IN-1"} <= {names[1] for names, *_ in theirs}
    for (_, name), rate, gain, samples, unit in theirs:
        if name.startswith("DIGITAL"):  # of which neo takes words apart
            continue
        info, own = by_name[name]
        np.testing.assert_array_equal(own, samples)
        assert (info.gain, info.unit) == (pytest.approx(gain), unit)
        # auxiliary inputs and supply voltages are repeated in these files, which neo overlooks
        assert info.sample_rate == (rate if name.startswith(("A-00", "ANALOG")) else 20_000)
