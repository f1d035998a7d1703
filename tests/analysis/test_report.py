"""The report of `spikey analyze`: its files, and what prevents it."""

from __future__ import annotations

import json

from support.command import run

from spikey_cli.analysis import report as module

PNG = b"\x89PNG\r\n\x1a\n"


def test_a_report_has_a_page_text_data_and_plots(recordings, tmp_path, monkeypatch):
    report = tmp_path / "report"
    printed = run("analyze", "-r", recordings, "--out", report)
    assert "note.txt: skipped" in printed
    assert (report / "report.txt").read_text() == printed
    page = (report / "report.html").read_text()
    for plot in report.glob("*.png"):
        assert plot.read_bytes().startswith(PNG)
        assert f"src='{plot.name}'" in page
    assert len(list(report.iterdir())) == 8
    assert json.loads((report / "report.json").read_text())["channels"] == 5
    assert "exists already" in run("analyze", "-r", recordings, "--out", report, status=1)
    monkeypatch.setattr(module, "draw_plots", lambda data: dict.fromkeys(module.PLOTS, PNG))  # drawing takes seconds
    run("analyze", "-r", recordings, "--out", report, "-f", "-q", "--seconds", "0.3")
    assert "The first 29,300 of 150,000 samples" in " ".join((report / "report.txt").read_text().split())


def test_without_recordings_no_report_is_left(recordings, tmp_path):
    printed = run("analyze", recordings / "note.txt", "--out", tmp_path / "report", status=1)
    assert "note.txt: neither it nor another input holds samples" in printed
    assert not list((tmp_path / "report").iterdir())
