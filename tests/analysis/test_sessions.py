"""The topology as text and as JSON data, as `spikey topology` prints it."""

from __future__ import annotations

import json

from support.command import run


def test_a_topology_as_text_and_as_json(recordings):
    printed = run("topology", "-r", recordings)
    assert printed.startswith("channels: 5, files: 5, sessions of several channels: 2, independent channels: 1\n")
    description = json.loads(run("topology", "--json", *sorted(recordings.glob("*/*.wav"))))
    assert [len(session) for session in description["sessions"]] == [2, 2]
    assert {channel["coding_pass"] for session in description["sessions"] for channel in session} == {0, 1}


def test_files_that_cannot_be_read_are_reported_after_the_others(recordings, tmp_path):
    assert "absent.wav" in run("topology", tmp_path / "absent.wav", status=1)
    printed = run("topology", recordings / "single.wav", tmp_path / "absent.wav", status=1)
    assert "absent.wav" in printed
    assert "single.wav, pass 0: independent" in printed
