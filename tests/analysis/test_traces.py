"""Traces of an archive: extremes of columns, and what is decoded for them."""

from __future__ import annotations

import numpy as np
import pytest
import soundfile
from support.recordings import wav_bytes

import spikey_cli
from spikey_cli.analysis.traces import COLUMNS, read_traces
from spikey_cli.codec.decoder import Decoder
from spikey_cli.errors import InputError

RATE = 10_000


def test_a_short_range_is_not_reduced(plotted):
    first, second = read_traces(plotted, ["wide.wav:3", "short.wav"], 0.25, 0.5)
    with spikey_cli.open(plotted, channels=["wide.wav:3"]) as recording:
        np.testing.assert_array_equal(first.low, recording[2500:5000, 0])
    np.testing.assert_array_equal(first.high, first.low)
    np.testing.assert_allclose(first.seconds, np.arange(2500, 5000) / RATE)
    assert (first.name, first.start, first.stop) == ("wide.wav:3", 0.25, 0.5)
    assert (second.name, second.low.size, second.stop) == ("short.wav", 250, 0.5)


@pytest.mark.parametrize(("start", "stop"), [(0.0, 2.5), (0.1003, 2.0), (1.0, 99.0)])
def test_a_long_range_keeps_its_extremes(plotted, start, stop):
    (trace,) = read_traces(plotted, ["wide.wav:7"], start, stop)
    samples, _ = soundfile.read(plotted.parent / "wide.wav", dtype="int16")
    samples = samples[round(start * RATE) : round(stop * RATE), 7]
    assert trace.low.size == COLUMNS < samples.size
    columns = np.arange(samples.size) * COLUMNS // samples.size
    for column in range(COLUMNS):
        here = samples[columns == column]
        assert (trace.low[column], trace.high[column]) == (here.min(), here.max()), column
    assert np.all(np.diff(trace.seconds) > 0)
    assert trace.start < trace.seconds[0]
    assert trace.seconds[-1] < trace.stop


def test_a_range_over_several_blocks(tmp_path, random, monkeypatch):
    """A column in two blocks has the extremes of both; blocks outside the range are not decoded."""
    samples = random.integers(-300, 300, 400_000)
    (tmp_path / "long.wav").write_bytes(wav_bytes(samples, rate=100_000))
    monkeypatch.setattr("spikey_cli.codec.block_plan.BLOCK_SAMPLES", 1 << 16)
    monkeypatch.setattr("spikey_cli.codec.block_plan.PART_FRAMES", 1 << 16)
    spikey_cli.compress([tmp_path / "long.wav"], tmp_path / "out.spk")
    fetched: list[int] = []
    fetch_block = Decoder.fetch_block
    monkeypatch.setattr(Decoder, "fetch_block", lambda self, i, *rest: fetched.append(i) or fetch_block(self, i, *rest))
    reported: list[tuple[int, int]] = []
    (trace,) = read_traces(
        tmp_path / "out.spk", None, 0.7, 2.0, progress=lambda done, total, *_: reported.append((done, total))
    )
    n_blocks = spikey_cli.info(tmp_path / "out.spk")["blocks"]
    assert fetched == [1, 2, 3]
    assert n_blocks == 7
    assert [total for _, total in reported] == [130_000] * 3
    assert reported[-1][0] == 130_000
    columns = np.arange(130_000) * COLUMNS // 130_000
    least = np.full(COLUMNS, 1000)
    np.minimum.at(least, columns, samples[70_000:200_000])
    np.testing.assert_array_equal(trace.low, least)


def test_only_the_chosen_channels_are_decoded(plotted, monkeypatch):
    requested = []
    fetch_block = Decoder.fetch_block

    def recorded(self, i, files, *rest):
        requested.append(files)
        return fetch_block(self, i, files, *rest)

    monkeypatch.setattr(Decoder, "fetch_block", recorded)
    read_traces(plotted, ["wide.wav:5", "wide.wav:2"])
    assert requested == [{0: [5, 2]}]


def test_archives_without_times_are_refused(tmp_path):
    (tmp_path / "notes.txt").write_text("notes")
    spikey_cli.compress([tmp_path / "notes.txt"], tmp_path / "notes.spk")
    with pytest.raises(InputError, match=r"notes\.spk: there is nothing to plot"):
        read_traces(tmp_path / "notes.spk")
    (tmp_path / "a.wav").write_bytes(wav_bytes(np.arange(100), rate=0))
    spikey_cli.compress([tmp_path / "a.wav"], tmp_path / "a.spk")
    with pytest.raises(InputError, match=r"a\.wav has no sample rate") as error:
        read_traces(tmp_path / "a.spk")
    assert error.value.parameter == "sample_rate"
