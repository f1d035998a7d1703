"""Splits by sessions, and recordings that cannot be trained on."""

from __future__ import annotations

import numpy as np
import pytest
from support.recordings import n1_samples, neural, wav_bytes, write_session
from support.training_cases import config, ignore

from spikey_cli.errors import InputError
from spikey_cli.training.fit import fit
from spikey_cli.training.recordings import load_recordings, read_split

pytestmark = pytest.mark.slow


def test_unsuitable_recordings_are_named(tmp_path, random):
    (tmp_path / "short.wav").write_bytes(wav_bytes(n1_samples(neural(random, 10)[:, 0])))
    (tmp_path / "empty.wav").write_bytes(wav_bytes(np.zeros(0)))
    (tmp_path / "other.wav").write_bytes(wav_bytes(neural(random, 500)[:, 0]))
    short = load_recordings([tmp_path / "short.wav"])
    with pytest.raises(InputError, match=r"no recording is longer than 13 samples"):
        fit(config(), short, short, None, ignore)
    with pytest.raises(InputError, match=r"empty\.wav: holds no samples"):
        load_recordings([tmp_path / "short.wav", tmp_path / "empty.wav"])
    with pytest.raises(InputError, match=r"have 2 quantizers"):
        load_recordings([tmp_path / "short.wav", tmp_path / "other.wav"])


class TestSplit:
    def test_sessions_are_found_without_a_list(self, tmp_path, random):
        for i in range(6):
            write_session(tmp_path / f"s{i}", random, 2, 9000)
        split = read_split(tmp_path, 0)
        assert (len(split.train), len(split.val)) == (5, 1)
        for session in split.train + split.val:
            assert len(session) == 2
            assert session[0].parent == session[1].parent

    def test_sessions_are_held_out_undivided(self, recordings):
        training, held_out = read_split(recordings, 0).hold_out(0.1, 3)
        assert (len(training), len(held_out)) == (2, 1)
        assert sorted(training + held_out) == sorted(read_split(recordings, 0).train)

    @pytest.mark.parametrize(
        ("listing", "reason"),
        [
            ("file,session,split\na/thread0.wav,a,train\na/thread1.wav,a,val\n", "in both splits"),
            ("file,session,split\na/thread0.wav,a,train\n", "1 sessions for training and 0 for validation"),
            ("name,split\nx,train\n", "lacks a column"),
        ],
    )
    def test_invalid_lists_are_refused(self, recordings, listing, reason):
        (recordings / "sessions.csv").write_text(listing)
        with pytest.raises(InputError, match=reason):
            read_split(recordings, 0)

    def test_an_empty_folder_is_refused(self, tmp_path):
        with pytest.raises(InputError, match=r"holds no WAV files"):
            read_split(tmp_path, 0)
