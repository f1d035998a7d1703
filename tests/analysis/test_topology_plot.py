"""The plot of a topology."""

from __future__ import annotations

import itertools
import sys

import pytest
from support.command import run
from support.recordings import write_session

from spikey_cli.analysis import topology_plot
from spikey_cli.analysis.survey import survey

PNG = b"\x89PNG\r\n\x1a\n"


def test_a_topology_is_plotted(recordings, tmp_path):
    plot = tmp_path / "graph.png"
    run("topology", "-r", recordings, "--plot", plot)
    assert plot.read_bytes().startswith(PNG)
    assert 5_000 < plot.stat().st_size < 500_000
    assert "exists already" in run("topology", "-r", recordings, "--plot", plot, status=1)


def test_names_are_whole_and_do_not_overlap(tmp_path, random, workers, monkeypatch):
    pytest.importorskip("matplotlib")
    figures = []
    monkeypatch.setattr(topology_plot, "png_bytes", figures.append)
    names = set()
    for session, count in (("of_many", 20), ("of_some", 6), ("of_two", 2), ("alone", 1)):
        for i, path in enumerate(write_session(tmp_path / session, random, count, 2000)):
            path.rename(path.with_name(f"a_long_name_of_channel_{i:02}.wav"))
            names.add(f"{session}/a_long_name_of_channel_{i:02}.wav")
    topology_plot.draw_topology(survey([tmp_path], workers, recursive=True))
    (figure,) = figures
    figure.draw_without_rendering()
    (axes,) = figure.axes
    assert {text.get_text() for text in axes.texts} == names
    level = [text.get_window_extent() for text in axes.texts if not text.get_text().startswith("of_many")]
    assert not any(a.overlaps(b) for a, b in itertools.combinations(level, 2))
    assert all(figure.bbox.contains(*corner) for box in level for corner in (box.min, box.max))
    turned = {text.get_rotation() for text in axes.texts if text.get_text().startswith("of_many")}
    assert len(turned) > 9
    assert all(degrees <= 90 or degrees >= 270 for degrees in turned), "none is upside down"


def test_missing_matplotlib_is_named(recordings, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    printed = run("topology", recordings / "single.wav", "--plot", tmp_path / "graph.png", status=1)
    assert "pip install matplotlib" in printed
    assert not (tmp_path / "graph.png").exists()
