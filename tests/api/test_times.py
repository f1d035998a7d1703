"""Times of frames that files of acquisition systems state: the start, and where the clock jumps."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support import acquisition

import spikey_cli
from spikey_cli.api import times as module
from spikey_cli.api.times import Times, times_of
from spikey_cli.container.archive import ArchiveReader


def times_in(folder: Path, made: acquisition.Made, group: int = 0) -> Times | None:
    """The times of a group of a file, after it was compressed."""
    (folder / made.name).write_bytes(made.data)
    spikey_cli.compress([folder / made.name], folder / "a.spk", force=True)
    with ArchiveReader(folder / "a.spk") as reader:
        entries = [i for i, entry in enumerate(reader.directory.files) if entry.layout]
        return times_of(reader, [entries[group]], made.rates[group])[0]


def make(name: str, **options) -> acquisition.Made:
    return getattr(acquisition, name)(np.random.default_rng(3), **options)


@pytest.mark.parametrize(
    ("name", "start"),
    [
        ("edf", 0.0),
        ("bdf", 0.0),
        ("nsx", 1000 / 30_000),
        ("ptp_nsx", 10**9),
        ("old_nsx", None),
        ("ncs", 10**6),
        ("rhd", 0.0),
        ("rhs", 0.0),
        ("continuous", 5000 / 30_000),
        ("abf", None),
    ],
)
def test_even_times_have_a_start(name, start, tmp_path):
    found = times_in(tmp_path, make(name))
    if start is None:
        assert found is None
    else:
        assert found.is_regular
        assert found[0] == pytest.approx(start)


@pytest.mark.parametrize(
    ("name", "options", "group", "frame", "seconds"),
    [
        ("edf", {"jump": 2.25}, 0, 100, 3.25),
        ("edf", {"jump": 2.25}, 1, 20, 3.25),
        ("paused_nsx", {}, 0, 7, 1000 / 30_000 + 47 / 2000),
        ("paused_nsx", {}, 0, 127, 1000 / 30_000 + 207 / 2000),
        ("ptp_nsx", {"jump": 10**9}, 0, 100, 10**9 + 1.05),
        ("ncs", {"jump": 70_000}, 0, 3 * 512, 10**6 + 0.118),
        ("rhd", {"jump": 5000}, 0, 120, 5120 / 20_000),
        ("rhd", {"jump": 5000}, 1, 30, 5120 / 20_000),
        ("rhd", {"jump": -90}, 0, 120, 30 / 20_000),
        ("continuous", {"jump": 999}, 0, 1024, 7023 / 30_000),
    ],
)
def test_jumps_of_the_clock(name, options, group, frame, seconds, tmp_path):
    made = make(name, **options)
    found, rate = times_in(tmp_path, made, group), made.rates[group]
    assert not found.is_regular
    assert frame in found.first
    assert found[frame] == pytest.approx(seconds, abs=2e-6)
    assert found[frame + 1] == pytest.approx(seconds + 1 / rate, abs=2e-6)
    if name != "paused_nsx" and options["jump"] > 0:
        assert found[frame - 1] == pytest.approx(found[0] + (frame - 1) / rate, abs=2e-6)


def test_times_are_an_array():
    times = Times(10, 100.0, np.array([0, 4, 7]), np.array([5.0, 6.0, 6.02]))
    expected = np.array([5, 5.01, 5.02, 5.03, 6, 6.01, 6.02, 6.02, 6.03, 6.04])  # the run at 6 overlaps the next one
    np.testing.assert_allclose(np.asarray(times), expected)
    np.testing.assert_allclose(times[3:9:2], expected[3:9:2])
    np.testing.assert_allclose(times[[8, -1, 0]], expected[[8, -1, 0]])
    np.testing.assert_allclose(times[expected > 6], expected[expected > 6])
    assert times[-1] == pytest.approx(6.04)
    with pytest.raises(IndexError):
        times[10]


def test_a_clock_that_drifts(tmp_path):
    """Stamps that move away from the stated rate are followed, to a part of a frame."""
    made = make("ncs", records=100)
    data, stamps = bytearray(made.data), 10**12 + np.rint(16_001.3 * np.arange(100)).astype(np.int64)
    for record, stamp in enumerate(stamps.tolist()):
        at = made.header + 1044 * record
        data[at : at + 8] = stamp.to_bytes(8, "little")
    found = times_in(tmp_path, acquisition.Made(made.name, bytes(data), made.groups, made.rates, made.labels))
    assert not found.is_regular
    np.testing.assert_allclose(found[::512], stamps / 1e6, rtol=0, atol=module.TOLERANCE / 32_000 + 1e-9)


def test_the_number_of_runs_is_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "MAX_RUNS", 64)
    made = make("ncs", records=500)
    data, random = bytearray(made.data), np.random.default_rng(1)
    for record in range(500):
        at = made.header + 1044 * record
        data[at : at + 8] = random.bytes(8)
    found = times_in(tmp_path, acquisition.Made(made.name, bytes(data), made.groups, made.rates, made.labels))
    assert 1 < len(found.first) <= 64


def test_times_of_an_edf_that_states_none(tmp_path):
    made = make("edf")
    for change in (made.data.replace(b"EDF+C", b"     "), made.data.replace(b"+0.0\x14\x14", b"no time")):
        other = acquisition.Made(made.name, change, made.groups, made.rates, made.labels)
        assert times_in(tmp_path, other) is None


def test_groups_of_different_rates(tmp_path):
    made = make("rhd", jump=5000)
    (tmp_path / made.name).write_bytes(made.data)
    spikey_cli.compress([tmp_path / made.name], tmp_path / "a.spk")
    with ArchiveReader(tmp_path / "a.spk") as reader:
        found = times_of(reader, range(len(reader.directory.files)), 20_000.0)
    assert found[0] is None, "the file itself has no frames"
    assert [times.shape[0] for times in found[1:]] == [len(group) for group in made.groups]
    assert found[1].first.tolist() == [0, 120]


def test_files_that_were_recorded_together_are_read_together(tmp_path, monkeypatch):
    made = make("ncs", jump=70_000)
    for i in range(4):
        (tmp_path / f"CSC{i}.ncs").write_bytes(made.data)
    spikey_cli.compress(sorted(tmp_path.glob("*.ncs")), tmp_path / "a.spk")
    fetched = []
    fetch = module.Decoder.fetch_block
    monkeypatch.setattr(
        module.Decoder, "fetch_block", lambda self, i, *rest: fetched.append(i) or fetch(self, i, *rest)
    )
    with ArchiveReader(tmp_path / "a.spk") as reader:
        entries = [i for i, entry in enumerate(reader.directory.files) if entry.layout]
        found = times_of(reader, entries, 32_000.0)
        assert len(fetched) == 2 + len(reader.index.blocks)
    assert all(times.agrees_with(found[0]) and times.first.tolist() == [0, 1536] for times in found)
