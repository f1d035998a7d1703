"""Traces as a picture: what `spikey plot` reads, and what it draws."""

from __future__ import annotations

import struct
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from support.command import run
from support.recordings import neural, wav_bytes

import spikey_cli
from spikey_cli.analysis import traces
from spikey_cli.analysis.traces import COLUMNS, read_traces
from spikey_cli.codec import blocks
from spikey_cli.errors import InputError

RATE = 10_000


@pytest.fixture(scope="module")
def archive(tmp_path_factory) -> Path:
    """Twenty threads in two files, 2.5 s of the one and 1 s of the other."""
    folder = tmp_path_factory.mktemp("plot")
    random = np.random.default_rng(7)
    (folder / "wide.wav").write_bytes(wav_bytes(neural(random, 25_000, 19) - 500, rate=RATE))
    (folder / "short.wav").write_bytes(wav_bytes(neural(random, 1000) - 500, rate=1000))
    spikey_cli.compress([folder / "wide.wav", folder / "short.wav"], folder / "out.spk")
    return folder / "out.spk"


def pixels(png: Path) -> tuple[int, int]:
    """Width and height of a PNG."""
    data = png.read_bytes()
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    width, height = struct.unpack(">II", data[16:24])
    return width, height


def test_a_picture_beside_the_archive(archive):
    told = run("plot", archive)
    assert told == f"{archive.with_suffix('.png')}: 16 channels of {archive}, 0 s to 1 s\n"
    width, height = pixels(archive.with_suffix(".png"))
    assert (width, height) == (2000, round(200 * (1.2 + 0.42 * 16)))
    assert "exists already; give --force" in run("plot", archive, status=1)
    run("plot", "-f", "-q", archive)


def test_a_picture_of_what_is_asked_for(archive, tmp_path):
    chosen = ["--channel", "wide.wav:18", "--channel", "short.wav", "--start", "0.9", "--stop", "9"]
    told = run("plot", *chosen, "--out", tmp_path / "p.png", archive)
    assert told == f"{tmp_path / 'p.png'}: 2 channels of {archive}, 0.9 s to 2.5 s\n"
    assert pixels(tmp_path / "p.png") == (2000, round(200 * (1.2 + 2 * 0.42)))


def test_a_page_is_filled_and_prolonged_to_a_limit(archive, tmp_path):
    run("plot", "--channel", "wide.wav", "--out", tmp_path / "p.png", archive)
    run("plot", *["--channel", "wide.wav"], *["--channel", "short.wav"], "--out", tmp_path / "q.png", archive)
    assert pixels(tmp_path / "q.png")[1] > pixels(tmp_path / "p.png")[1]
    from spikey_cli.analysis.traces_plot import draw_traces

    many = read_traces(archive, ["wide.wav:1"], 0.5, 0.51) * 260
    (tmp_path / "many.png").write_bytes(draw_traces(many, "many"))
    assert pixels(tmp_path / "many.png")[1] == round(200 * 41.2)


def test_samples_as_they_are(archive):
    first, second = read_traces(archive, ["wide.wav:3", "short.wav"], 0.25, 0.5)
    with spikey_cli.open(archive, channels=["wide.wav:3"]) as recording:
        np.testing.assert_array_equal(first.low, recording[2500:5000, 0])
    np.testing.assert_array_equal(first.high, first.low)
    np.testing.assert_allclose(first.seconds, np.arange(2500, 5000) / RATE)
    assert (first.name, first.start, first.stop) == ("wide.wav:3", 0.25, 0.5)
    assert (second.name, second.low.size, second.stop) == ("short.wav", 250, 0.5)


@pytest.mark.parametrize(("start", "stop"), [(0.0, 2.5), (0.1003, 2.0), (1.0, 99.0)])
def test_no_extreme_of_a_long_range_is_lost(archive, start, stop):
    (trace,) = read_traces(archive, ["wide.wav:7"], start, stop)
    samples, _ = soundfile.read(archive.parent / "wide.wav", dtype="int16")
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
    """Columns that lie in two blocks take the extremes of both; blocks that nothing is drawn of stay packed."""
    samples = random.integers(-300, 300, 400_000)
    (tmp_path / "long.wav").write_bytes(wav_bytes(samples, rate=100_000))
    monkeypatch.setattr("spikey_cli.codec.block_plan.BLOCK_SAMPLES", 1 << 16)
    monkeypatch.setattr("spikey_cli.codec.block_plan.PART_FRAMES", 1 << 16)
    spikey_cli.compress([tmp_path / "long.wav"], tmp_path / "out.spk")
    fetched: list[int] = []
    honest = blocks.Decoder.fetch_block
    monkeypatch.setattr(
        blocks.Decoder, "fetch_block", lambda self, i, *rest: fetched.append(i) or honest(self, i, *rest)
    )
    told: list[tuple[int, int]] = []
    (trace,) = read_traces(
        tmp_path / "out.spk", None, 0.7, 2.0, progress=lambda done, total, *_: told.append((done, total))
    )
    n_blocks = spikey_cli.info(tmp_path / "out.spk")["blocks"]
    assert fetched == [1, 2, 3]
    assert n_blocks == 7
    assert [total for _, total in told] == [130_000] * 3
    assert told[-1][0] == 130_000
    columns = np.arange(130_000) * COLUMNS // 130_000
    least = np.full(COLUMNS, 1000)
    np.minimum.at(least, columns, samples[70_000:200_000])
    np.testing.assert_array_equal(trace.low, least)


def test_threads_that_are_not_drawn_stay_packed(archive, monkeypatch):
    wanted = []
    honest = blocks.Decoder.fetch_block

    def watched(self, i, files, *rest):
        wanted.append(files)
        return honest(self, i, files, *rest)

    monkeypatch.setattr(blocks.Decoder, "fetch_block", watched)
    read_traces(archive, ["wide.wav:5", "wide.wav:2"])
    assert wanted == [{0: [5, 2]}]


@pytest.mark.parametrize(
    ("options", "status", "complaint"),
    [
        (
            ["--channel", "wide.wav:19"],
            1,
            "out.spk: holds no channel 'wide.wav:19'; `spikey info --all` lists its files",
        ),
        (["--channel", "wide:3"], 1, "out.spk: holds no channel 'wide:3'; did you mean 'wide.wav:3'? `spikey info"),
        (["--start", "3"], 1, "out.spk: no chosen channel has samples in the range from 3 s"),
        (["--start", "2", "--stop", "2"], 2, "the range is empty: 2 is not before 2 (--start, --stop)"),
        (["--out", "p.jpg"], 2, "'p.jpg' does not end in .png; pictures are PNG files"),
        (["--out", ""], 2, "'' does not end in .png"),
        (["--out", "absent/p.png"], 1, "absent/p.png: cannot write: No such file or directory; there is no folder"),
    ],
)
def test_errors(archive, tmp_path, monkeypatch, options, status, complaint):
    monkeypatch.chdir(tmp_path)
    assert complaint in run("plot", "--out", "p.png", *options, archive, status=status)
    assert list(tmp_path.iterdir()) == [], "nothing is left"


def test_archives_without_anything_to_draw(tmp_path):
    (tmp_path / "notes.txt").write_text("notes")
    spikey_cli.compress([tmp_path / "notes.txt"], tmp_path / "notes.spk")
    assert "holds only files kept verbatim" in run("plot", tmp_path / "notes.spk", status=1)
    (tmp_path / "a.wav").write_bytes(wav_bytes(np.arange(100), rate=0))
    spikey_cli.compress([tmp_path / "a.wav"], tmp_path / "a.spk")
    with pytest.raises(InputError, match=r"a\.wav has no sample rate"):
        read_traces(tmp_path / "a.spk")


def test_missing_matplotlib_is_named_before_anything_is_decoded(archive, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setattr(traces, "read_traces", None)
    assert "pip install 'spikey-cli[plot]'" in run("plot", "--out", tmp_path / "p.png", archive, status=1)
    assert not (tmp_path / "p.png").exists()
