"""`spikey topology`; tests/analysis has tests of what it prints."""

from __future__ import annotations

import sys

from support.command import run


def test_a_picture_that_cannot_be_written_fails_before_the_work(tmp_path, wavs, monkeypatch):
    from spikey_cli.analysis import survey

    monkeypatch.setattr(survey, "survey", None)
    (tmp_path / "old.png").write_bytes(b"old")
    printed = run("topology", "--plot", tmp_path / "old.png", *wavs, status=1)
    assert "old.png: exists already" in printed
    assert "--force" in printed
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert "pip install matplotlib" in run("topology", "--plot", tmp_path / "p.png", *wavs, status=1)
    assert not (tmp_path / "p.png").exists()
