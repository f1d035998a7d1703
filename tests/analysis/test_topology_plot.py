"""The plot of a topology."""

from __future__ import annotations

import sys

from support.command import run

PNG = b"\x89PNG\r\n\x1a\n"


def test_a_topology_is_plotted(recordings, tmp_path):
    plot = tmp_path / "graph.png"
    run("topology", "-r", recordings, "--plot", plot)
    assert plot.read_bytes().startswith(PNG)
    assert 5_000 < plot.stat().st_size < 500_000
    assert "exists already" in run("topology", "-r", recordings, "--plot", plot, status=1)


def test_missing_matplotlib_is_named(recordings, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    printed = run("topology", recordings / "single.wav", "--plot", tmp_path / "graph.png", status=1)
    assert "pip install matplotlib" in printed
    assert not (tmp_path / "graph.png").exists()
