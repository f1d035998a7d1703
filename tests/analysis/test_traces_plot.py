"""The plot of traces, as `spikey plot` draws it."""

from __future__ import annotations

import struct
import sys
from pathlib import Path

import pytest
from support.command import run

from spikey_cli.analysis import traces, traces_plot
from spikey_cli.analysis.traces import read_traces


def pixels(png: Path) -> tuple[int, int]:
    """Width and height of a PNG."""
    data = png.read_bytes()
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    width, height = struct.unpack(">II", data[16:24])
    return width, height


def test_the_plot_goes_beside_the_archive(plotted):
    printed = run("plot", plotted)
    assert printed == f"{plotted.with_suffix('.png')}: 16 channels of {plotted}, 0 s to 1 s\n"
    width, height = pixels(plotted.with_suffix(".png"))
    assert (width, height) == (2000, round(200 * (1.2 + 0.42 * 16)))
    assert "exists already" in run("plot", plotted, status=1)
    assert run("plot", "-f", "-q", "--channel", "short.wav", plotted) == ""


def test_channels_and_times_are_chosen(plotted, tmp_path):
    chosen = ["--channel", "wide.wav:18", "--channel", "short.wav", "--start", "0.9", "--stop", "9"]
    printed = run("plot", *chosen, "--out", tmp_path / "p.png", plotted)
    assert printed == f"{tmp_path / 'p.png'}: 2 channels of {plotted}, 0.9 s to 2.5 s\n"
    assert pixels(tmp_path / "p.png") == (2000, round(200 * (1.2 + 2 * 0.42)))


@pytest.mark.parametrize(("traces", "inches"), [(30, 30 / 3), (80, 12)])
def test_the_height_is_bounded(plotted, tmp_path, monkeypatch, traces, inches):
    monkeypatch.setattr(traces_plot, "_MAX_INCHES", 12)
    many = read_traces(plotted, ["wide.wav:1"], 0.5, 0.51) * traces
    (tmp_path / "many.png").write_bytes(traces_plot.draw_traces(many, "many"))
    assert pixels(tmp_path / "many.png")[1] == round(200 * (1.2 + inches))


@pytest.mark.parametrize(
    ("options", "status", "complaint"),
    [
        (
            ["--channel", "wide.wav:19"],
            1,
            "out.spk: holds no channel 'wide.wav:19'",
        ),
        (["--channel", "wide:3"], 1, "out.spk: holds no channel 'wide:3'; did you mean 'wide.wav:3'?"),
        (["--start", "3"], 1, "out.spk: no chosen channel has samples in the range from 3 s"),
        (["--start", "2", "--stop", "2"], 2, "the range is empty: 2 is not before 2 (--start, --stop)"),
        (["--out", "p.jpg"], 2, "'p.jpg' does not end in .png; pictures are PNG files"),
        (["--out", ""], 2, "'' does not end in .png"),
        (["--out", "absent/p.png"], 1, "absent/p.png: cannot write: No such file or directory; there is no folder"),
    ],
)
def test_errors_leave_no_file(plotted, tmp_path, monkeypatch, options, status, complaint):
    monkeypatch.chdir(tmp_path)
    assert complaint in run("plot", "--out", "p.png", *options, plotted, status=status)
    assert list(tmp_path.iterdir()) == []


def test_missing_matplotlib_is_named_before_decoding(plotted, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setattr(traces, "read_traces", None)
    assert "pip install matplotlib" in run("plot", "--out", tmp_path / "p.png", plotted, status=1)
    assert not (tmp_path / "p.png").exists()
