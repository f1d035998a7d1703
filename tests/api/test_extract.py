"""Stretches of chosen threads, as arrays and WAVs."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st
from support.command import run
from support.recordings import n1_samples, neural, wav_bytes

import spikey_cli
from spikey_cli.api import recording
from spikey_cli.codec import block_plan
from spikey_cli.errors import ArchiveError, InputError
from spikey_cli.io.wav_writer import WavFormat, write_wav

FRAMES, RATE = 9000, 10_000


@pytest.fixture(scope="module")
def samples() -> np.ndarray:
    """Of a.wav, b.wav, and the three of wide.wav, side by side."""
    return n1_samples(neural(np.random.default_rng(5), FRAMES, 5))


@pytest.fixture(scope="module")
def archive(tmp_path_factory, samples) -> Path:
    """Three files in blocks of 1500 frames and fewer."""
    folder = tmp_path_factory.mktemp("extract")
    files = {"a.wav": samples[:, 0], "b.wav": samples[:, 1], "wide.wav": samples[:, 2:]}
    for name, columns in files.items():
        (folder / name).write_bytes(wav_bytes(columns, rate=RATE))
    np.save(folder / "norate.npy", np.ascontiguousarray(samples[:, :2]))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(block_plan, "BLOCK_SAMPLES", 6000)
        patch.setattr(block_plan, "PART_FRAMES", 1500)
        patch.setattr(block_plan, "WIDE_FRAMES", 500)
        spikey_cli.compress([folder / name for name in (*files, "norate.npy")], folder / "out.spk")
    assert spikey_cli.info(folder / "out.spk")["blocks"] > 3
    return folder / "out.spk"


def test_an_array_of_threads_in_the_order_asked_for(tmp_path, archive, samples):
    out = tmp_path / "piece.npy"
    names = ["--channel", "wide.wav:2", "--channel", "a.wav", "--channel", "wide.wav"]
    printed = run("extract", *names, "--start", "0.25", "--stop", "0.5", archive, out)
    assert printed == f"{out}: 2,500 frames of 4 channels\n"
    piece = np.load(out)
    assert piece.dtype == np.int16
    np.testing.assert_array_equal(piece, samples[2500:5000, [4, 0, 2, 3]])


def test_frames_instead_of_seconds(tmp_path, archive, samples):
    run("extract", "--channel", "b.wav", "--first-frame", "17", "--stop-frame", "18", archive, tmp_path / "one.npy")
    np.testing.assert_array_equal(np.load(tmp_path / "one.npy"), samples[17:18, 1:2])
    run("extract", "--channel", "norate.npy", "--first-frame", "8000", archive, tmp_path / "end.npy")
    np.testing.assert_array_equal(np.load(tmp_path / "end.npy"), samples[8000:, :2])
    run("extract", "--channel", "b.wav", "--stop-frame", "1000000", archive, tmp_path / "all.npy")
    np.testing.assert_array_equal(np.load(tmp_path / "all.npy"), samples[:, 1:2])


def test_one_wav_of_threads_of_several_files(tmp_path, archive, samples):
    out = tmp_path / "piece.WAV"
    run("extract", "--channel", "b.wav", "--channel", "wide.wav:0", "--start", "0.4", archive, out)
    assert out.read_bytes() == wav_bytes(samples[4000:, [1, 2]], rate=RATE)


@pytest.mark.parametrize(("sample_bytes", "dtype"), [(1, np.uint8), (3, np.int32)])
def test_other_widths(tmp_path, random, sample_bytes, dtype):
    samples = random.integers(0, 256, (3000, 2)) * (1 if sample_bytes == 1 else 65_793) - (sample_bytes == 3) * 2**23
    (tmp_path / "w.wav").write_bytes(wav_bytes(samples, sample_bytes, 1000))
    spikey_cli.compress([tmp_path / "w.wav"], tmp_path / "out.spk")
    assert spikey_cli.extract(tmp_path / "out.spk", tmp_path / "w.npy", seconds=(1, 2)).shapes == ((1000, 2),)
    piece = np.load(tmp_path / "w.npy")
    assert piece.dtype == dtype
    np.testing.assert_array_equal(piece, samples[1000:2000])
    spikey_cli.extract(tmp_path / "out.spk", tmp_path / "back.wav", seconds=(1, 2))
    expected = wav_bytes(samples[1000:2000], sample_bytes, 1000)
    written = (tmp_path / "back.wav").read_bytes()
    assert written[written.index(b"data") + 8 :] == expected[expected.index(b"data") + 8 :]


def test_through_a_pipe(archive, samples):
    command = [sys.executable, "-m", "spikey_cli", "extract", "--channel", "a.wav", "--stop", "0.1", archive, "-"]
    done = subprocess.run(command, capture_output=True, check=True)
    np.testing.assert_array_equal(np.load(io.BytesIO(done.stdout)), samples[:1000, :1])
    assert done.stderr == b"-: 1,000 frames of 1 channel\n"


_BOUND = st.none() | st.integers(0, FRAMES + 5)


@given(first=_BOUND, stop=_BOUND, names=st.lists(st.sampled_from(["a.wav", "b.wav", "wide.wav:1"]), max_size=3))
def test_any_stretch_is_that_of_the_array(archive, samples, first, stop, names):
    out = io.BytesIO()
    columns = list(dict.fromkeys({"a.wav": 0, "b.wav": 1, "wide.wav:1": 3}[name] for name in names)) or [2, 3, 4]
    expected = samples[first:stop][:, columns]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recording, "_MIN_PIECE_SAMPLES", 2000)
        patch.setattr(recording, "_MAX_PIECE_SAMPLES", 3700)
        chosen = names or ["wide.wav"]
        if not expected.size:
            with pytest.raises(InputError, match="no sample lies there; its threads have 9,000 samples at 10,000 Hz"):
                spikey_cli.extract(archive, out, channels=chosen, frames=(first, stop))
            return
        spikey_cli.extract(archive, out, channels=chosen, frames=(first, stop))
    np.testing.assert_array_equal(np.load(io.BytesIO(out.getvalue())), expected)


def test_stretches_are_bounded_and_end_where_chunks_do(archive, monkeypatch):
    monkeypatch.setattr(recording, "_MIN_PIECE_SAMPLES", 3000)
    with spikey_cli.open(archive, channels=["a.wav"]) as opened:
        whole = list(opened.pieces(100, FRAMES))
        assert whole[0][0] == 100
        assert whole[-1][1] == FRAMES
        assert [stop for _, stop in whole[:-1]] == [first for first, _ in whole[1:]]
        ends = np.cumsum(opened.chunks[0])
        assert len(whole) > 1
        assert all(stop in ends for _, stop in whole)
        monkeypatch.setattr(recording, "_MAX_PIECE_SAMPLES", 700)
        assert max(stop - first for first, stop in opened.pieces(100, FRAMES)) <= 700


def test_it_tells_of_progress(archive):
    told: list[tuple[int, int]] = []
    spikey_cli.extract(
        archive, io.BytesIO(), channels=["a.wav"], progress=lambda done, total, ratio=None: told.append((done, total))
    )
    assert told[-1] == (2 * FRAMES, 2 * FRAMES)


def test_what_makes_no_sense_is_a_usage_error(tmp_path, archive):
    out = tmp_path / "a.npy"
    assert "must end in .npy or .wav" in run("extract", archive, tmp_path / "a.txt", status=2)
    assert "leave out --stop-frame" in run("extract", "--start", "1", "--stop-frame", "3", archive, out, status=2)
    assert "2 is not before 1 (" in run("extract", "--start", "2", "--stop", "1", archive, out, status=2)
    assert "5 is not before 5 (--first-frame, --stop-frame)" in run(
        "extract", "--first-frame", "5", "--stop-frame", "5", archive, out, status=2
    )
    assert not out.exists()
    with pytest.raises(ValueError, match="not both"):
        spikey_cli.extract(archive, out, seconds=(1, 2), frames=(None, 3))
    with pytest.raises(InputError, match=r"the suffix .npy or .wav"):
        spikey_cli.extract(archive, tmp_path / "a.txt")


def test_what_cannot_be_extracted_is_named(tmp_path, archive, samples):
    out = tmp_path / "a.npy"
    assert "holds no channel 'c.wav'" in run("extract", "--channel", "c.wav", archive, out, status=1)
    assert "differ in length, rate or width" in run("extract", archive, out, status=1)
    assert "have 9,000 samples at 10,000 Hz" in run(
        "extract", "--channel", "a.wav", "--start", "3", archive, out, status=1
    )
    live = tmp_path / "live.spk"
    encoder = spikey_cli.StreamEncoder(1, 1000)
    live.write_bytes(encoder.push(np.zeros((9, 1), np.int16)) + encoder.finish())
    assert "is a live stream, which has no index" in run("extract", live, out, status=1)
    (tmp_path / "some.txt").write_text("text")
    run("compress", tmp_path / "some.txt", tmp_path / "text.spk")
    assert "holds no channels" in run("extract", tmp_path / "text.spk", out, status=1)
    assert not out.exists()
    out.write_text("precious")
    assert "exists already; give --force" in run("extract", "--channel", "a.wav", archive, out, status=1)
    assert out.read_text() == "precious"
    run("extract", "-f", "--channel", "a.wav", archive, out)
    np.testing.assert_array_equal(np.load(out), samples[:, :1])


def test_damage_leaves_no_file(tmp_path, archive):
    data = bytearray(archive.read_bytes())
    data[len(data) // 2] ^= 16
    (tmp_path / "out.spk").write_bytes(data)
    with pytest.raises(ArchiveError, match="does not match its checksum"):
        spikey_cli.extract(tmp_path / "out.spk", tmp_path / "a.wav", channels=["a.wav", "b.wav", "wide.wav"])
    assert [path.name for path in tmp_path.iterdir()] == ["out.spk"]


def test_seconds_mean_nothing_without_a_rate(tmp_path, archive, samples):
    named = ["--channel", "norate.npy"]
    for bound in (("--start", "0.1"), ("--stop", "0.1")):
        printed = run("extract", *named, *bound, archive, tmp_path / "a.npy", status=1)
        assert "tells no rate, so that seconds mean nothing; count frames" in printed
        printed = run("extract", *named, *bound, archive, f"{tmp_path / 'back'}/", status=1)
        assert "norate.npy: tells no rate, so that seconds mean nothing; count frames" in printed
    assert "a WAV tells a rate, and the recording does not; write it as .npy" in run(
        "extract", *named, archive, tmp_path / "a.wav", status=1
    )
    assert "norate.npy: a WAV tells a rate" in run(
        "extract", "--channel", "norate.npy:0", archive, f"{tmp_path / 'back'}/", status=1
    )
    assert not list(tmp_path.iterdir())
    run("extract", *named, archive, tmp_path / "a.npy")
    np.testing.assert_array_equal(np.load(tmp_path / "a.npy"), samples[:, :2])


def test_a_range_of_a_file_that_is_no_wav_is_one(tmp_path, samples):
    (tmp_path / "run.bin").write_bytes(np.ascontiguousarray(samples).tobytes())
    run("compress", "--raw", f"5:{RATE}", tmp_path / "run.bin", tmp_path / "out.spk")
    run("extract", "--start", "0.5", "--stop", "0.6", tmp_path / "out.spk", f"{tmp_path / 'back'}/")
    piece, rate = soundfile.read(tmp_path / "back" / "run.bin.wav", dtype="int16")
    assert rate == RATE
    np.testing.assert_array_equal(piece, samples[5000:6000])


def test_two_files_that_would_be_one_are_refused(tmp_path, samples):
    np.save(tmp_path / "rec.npy", np.ascontiguousarray(samples[:, :2]))
    (tmp_path / "rec.npy.wav").write_bytes(wav_bytes(samples[:, 0], rate=RATE))
    inputs = [tmp_path / "rec.npy", tmp_path / "rec.npy.wav"]
    spikey_cli.compress([spikey_cli.FileSource(path, sample_rate=RATE) for path in inputs], tmp_path / "a.spk")
    words = ("extract", "-f", "--start", 0, "--stop", 0.01)
    assert "two files would be rec.npy.wav" in run(*words, tmp_path / "a.spk", f"{tmp_path / 'out'}/", status=1)
    assert not (tmp_path / "out").exists()
    run(*words, "--channel", "rec.npy", tmp_path / "a.spk", f"{tmp_path / 'out'}/")


@pytest.mark.parametrize(
    ("form", "frames", "reason"),
    [
        (WavFormat(0, 1, 2), 1, "tells a rate"),
        (WavFormat(2**31, 1, 2), 1, "a rate of 2,147,483,647 at most"),
        (WavFormat(1, 1025, 2), 1, "1,024 channels at most, not 1,025"),
        (WavFormat(1, 1024, 2), 2**21, "4 GiB at most"),
    ],
)
def test_what_no_wav_holds(form, frames, reason):
    assert reason in form.fault(frames)


def test_what_the_largest_wav_holds(tmp_path):
    """libsndfile takes what is not a fault: as many channels, and as high a rate."""
    for form in (WavFormat(2**31 - 1, 1, 2), WavFormat(1, 1024, 2)):
        assert not form.fault(3)
        with (tmp_path / "a.wav").open("wb") as file:
            write_wav(file, tmp_path / "a.wav", form, [np.ones((3, form.channels), np.int16)])
        piece, rate = soundfile.read(tmp_path / "a.wav", dtype="int16")
        assert (rate, piece.sum()) == (form.sample_rate, 3 * form.channels)
