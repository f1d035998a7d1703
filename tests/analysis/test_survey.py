"""Surveys: channels, skipped files, and files of the same name."""

from __future__ import annotations

import pytest
from support import acquisition
from support.recordings import write_session

from spikey_cli.analysis.survey import survey
from spikey_cli.errors import InputError


def test_files_without_samples_are_skipped(recordings, workers):
    result = survey([recordings], workers, recursive=True)
    assert len(result.channels) == 5
    assert [line.split(": ")[1] for line in result.skipped] == [
        "skipped, because it is not a recording of 8, 16 or 24 bits"
    ]
    assert sorted(map(len, result.sessions)) == [1, 2, 2]


def test_files_of_the_same_name_go_by_their_paths(tmp_path, random, workers):
    files = [write_session(tmp_path / folder, random, 1)[0] for folder in ("a", "b")]
    result = survey(files, workers)
    assert [channel.name for channel in result.channels] == [str(file) for file in files]


def test_without_samples_the_first_failure_is_raised(recordings, tmp_path, workers):
    with pytest.raises(InputError, match=r"note\.txt: neither it nor another input holds samples"):
        survey([recordings / "note.txt"], workers)
    with pytest.raises(InputError, match=r"absent\.wav"):
        survey([tmp_path / "absent.wav", recordings / "note.txt"], workers)


def test_groups_of_a_file_of_records_are_recordings(tmp_path, random, workers):
    made = acquisition.edf(random, records=6)
    (tmp_path / made.name).write_bytes(made.data)
    result = survey([tmp_path / made.name], workers)
    assert [source.layout.n_frames for source in result.sources] == [300, 60]
    assert [channel.name for channel in result.channels] == [f"a.edf:{i}" for i in range(4)]
    assert sorted(file for session in result.sessions for file in session) == [0, 1]
