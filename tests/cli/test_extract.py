"""`spikey extract`: channels and ranges of time as arrays, WAV files and folders of WAV files."""

from __future__ import annotations

import io
import subprocess
import sys

import numpy as np
import pytest
import soundfile
from support.command import run
from support.recordings import wav_bytes

import spikey_cli


@pytest.fixture(scope="module")
def mixed(tmp_path_factory, wavs, wide):
    """An archive of two mono files, and of a file of three channels at another rate."""
    path = tmp_path_factory.mktemp("mixed") / "mixed.spk"
    spikey_cli.compress([*wavs, wide], path)
    return path


def test_a_range_of_every_file_to_a_folder(tmp_path, mixed, wavs, wide):
    folder = tmp_path / "new" / "pieces"
    printed = run("extract", "--start", "0.5", "--stop", "0.75", mixed, f"{folder}/")
    assert printed == f"{mixed}: 3 files written below {folder}/\n"
    for path, rate in ((wide, 10_000), (wavs[1], 19_531)):
        original, _ = soundfile.read(path, dtype="int16")
        piece, written_rate = soundfile.read(folder / path.name, dtype="int16")
        assert written_rate == rate
        np.testing.assert_array_equal(piece, original[round(0.5 * rate) : round(0.75 * rate)])


def test_single_channels_to_a_folder_that_exists(tmp_path, mixed, wavs, wide):
    run("extract", "--channel", "wide.wav:1", "--channel", wavs[0].name, mixed, tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"wide.wav", wavs[0].name}
    piece, _ = soundfile.read(tmp_path / "wide.wav", dtype="int16")
    np.testing.assert_array_equal(piece, soundfile.read(wide, dtype="int16")[0][:, 1])


@pytest.mark.parametrize(("sample_bytes", "offset"), [(1, 0), (3, -2_000_000)])
def test_other_widths_to_a_folder(tmp_path, random, sample_bytes, offset):
    samples = random.integers(0, 256, (3000, 2)) * (1 if sample_bytes == 1 else 15_000) + offset
    (tmp_path / "w.wav").write_bytes(wav_bytes(samples, sample_bytes, 1000))
    spikey_cli.compress([tmp_path / "w.wav"], tmp_path / "out.spk")
    run("extract", "--start", "1", "--stop", "2", tmp_path / "out.spk", f"{tmp_path / 'back'}/")
    written = (tmp_path / "back" / "w.wav").read_bytes()
    expected = wav_bytes(samples[1000:2000], sample_bytes, 1000)
    assert written[written.index(b"data") + 8 :] == expected[expected.index(b"data") + 8 :]


def test_ranges_and_names_that_hold_nothing(tmp_path, mixed):
    assert "holds no channel 'x'" in run("extract", "--channel", "x", mixed, f"{tmp_path / 'd'}/", status=1)
    run("extract", "--start", "99", mixed, f"{tmp_path / 'd'}/", status=1)
    assert not (tmp_path / "d").exists()


def test_targets_that_are_neither_array_nor_wav_nor_folder(tmp_path, mixed):
    assert "must end in .npy or .wav, or in / for a folder" in run("extract", mixed, tmp_path / "a.txt", status=2)


def test_frames_to_a_folder(tmp_path, mixed, wide):
    run("extract", "--channel", "wide.wav", "--first-frame", "7", "--stop-frame", "107", mixed, tmp_path)
    piece, _ = soundfile.read(tmp_path / "wide.wav", dtype="int16")
    np.testing.assert_array_equal(piece, soundfile.read(wide, dtype="int16")[0][7:107])


def test_seconds_and_frames_exclude_each_other(tmp_path, mixed):
    printed = run("extract", "--stop", "1", "--first-frame", "3", mixed, tmp_path / "a.npy", status=2)
    assert "the range is in seconds (--start, --stop); leave out --first-frame" in printed


def test_an_array_to_stdout(mixed, wide):
    command = [sys.executable, "-m", "spikey_cli", "extract", "--channel", "wide.wav", "--stop", "0.1", str(mixed), "-"]
    done = subprocess.run(command, capture_output=True, check=True)
    original, _ = soundfile.read(wide, dtype="int16")
    np.testing.assert_array_equal(np.load(io.BytesIO(done.stdout)), original[:1000])
    assert done.stderr == b"-: 1,000 frames of 3 channels\n"


def test_one_file(tmp_path, mixed):
    printed = run("extract", "--channel", "wide.wav:1", "--first-frame", "5", mixed, tmp_path / "a.npy")
    assert printed == f"{tmp_path / 'a.npy'}: 19,995 frames of 1 channel\n"


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--start", "1", "--stop-frame", "3"], "leave out --stop-frame"),
        (["--start", "2", "--stop", "1"], "2 is not before 1 ("),
        (["--first-frame", "5", "--stop-frame", "5"], "5 is not before 5 (--first-frame, --stop-frame)"),
    ],
)
def test_impossible_ranges_are_refused(tmp_path, mixed, options, reason):
    assert reason in run("extract", *options, mixed, tmp_path / "a.npy", status=2)
    assert list(tmp_path.iterdir()) == []


def test_a_live_stream_is_refused(tmp_path, live):
    assert "is a live stream, which has no index" in run("extract", live, tmp_path / "a.npy", status=1)


def test_errors_name_the_option(tmp_path, mixed):
    printed = run("extract", mixed, tmp_path / "a.npy", status=1)
    assert "choose channels that agree (--channel" in printed
    printed = run("extract", "--channel", "wide.wav", "--start", "99", mixed, tmp_path / "a.npy", status=1)
    assert "(--start" in printed
