"""Recordings through pipes: of the package, and of the command."""

from __future__ import annotations

import io

import numpy as np
import pytest
from support.pipes import piped
from support.pipes import run_piped as run
from support.recordings import n1_samples, neural, wav_bytes

from spikey_cli.errors import InputError
from spikey_cli.io.layout import RawFormat
from spikey_cli.streaming.pipe import compress_pipe


@pytest.mark.parametrize("trailer", [b"", b"LIST\x04\x00\x00\x00abcd", b"\0"])
@pytest.mark.parametrize("sample_bytes", [1, 2, 3])
def test_wavs_through_a_pipe(random, sample_bytes, trailer):
    samples = np.cumsum(random.integers(-3, 4, (500, 3)), axis=0) % 200
    wav = wav_bytes(samples, sample_bytes, header=b"junk\x04\x00\x00\x00wxyz", trailer=trailer)
    assert piped(wav) == wav
    assert piped(wav, packet_frames=1) == wav
    assert piped(wav[:-2]) == wav[:-2], "cut off inside a frame"


@pytest.mark.parametrize("size", [0, 0xFFFFFFFF, 0x7FFFFFFF])
def test_a_wav_whose_length_was_not_known(random, size):
    wav = bytearray(wav_bytes(n1_samples(neural(random, 3000))))
    wav[40:44] = size.to_bytes(4, "little")
    assert piped(bytes(wav)) == wav


def test_raw_samples_through_a_pipe(random):
    data = n1_samples(neural(random, 3000, 4)).tobytes()
    assert piped(data, raw=RawFormat(4, 19531)) == data
    assert piped(data + b"abc", raw=RawFormat(4, 19531), packet_frames=7) == data + b"abc"
    assert piped(b"", raw=RawFormat(4, 19531)) == b""


def test_no_wav_through_a_pipe(random):
    for data in (b"", b"RIFF", b"hello" * 100, wav_bytes(np.zeros(10))[:30], random.bytes(200_000)):
        with pytest.raises(InputError, match="--raw"):
            compress_pipe(io.BytesIO(data), lambda data: None)


def test_pipes_on_the_command_line(tmp_path, random):
    wav = wav_bytes(n1_samples(neural(random, 5000, 2)))
    live = run("compress", "-", "-", stdin=wav)
    assert live.exit_code == 0, live.stderr
    assert run("decompress", "-", stdin=live.stdout_bytes).stdout_bytes == wav
    assert run("compress", "-", stdin=wav).stdout_bytes == live.stdout_bytes
    saved = tmp_path / "saved.spk"
    assert run("compress", "-q", "-", saved, stdin=wav).exit_code == 0
    assert saved.read_bytes() == live.stdout_bytes
    assert run("test", saved).exit_code == 0
    assert run("decompress", saved, tmp_path / "out").exit_code == 0
    assert (tmp_path / "out" / "saved.wav").read_bytes() == wav
    assert run("decompress", "-", tmp_path / "named.wav", stdin=live.stdout_bytes).exit_code == 0
    assert (tmp_path / "named.wav").read_bytes() == wav
    assert run("decompress", saved, "-").stdout_bytes == wav
    raw = run("compress", "--raw", "2:19531", "--packet", "5", "-", stdin=wav[44:]).stdout_bytes
    (tmp_path / "raw.spk").write_bytes(raw)
    assert run("decompress", tmp_path / "raw.spk", tmp_path / "out").exit_code == 0
    assert (tmp_path / "out" / "raw.raw").read_bytes() == wav[44:]


def test_pipes_that_make_no_sense(tmp_path):
    wav = wav_bytes(np.zeros(10))
    (tmp_path / "a.wav").write_bytes(wav)
    for words in (
        ("compress", "-", tmp_path / "a.wav", tmp_path / "out.spk"),
        ("compress", "--coder", "rice", "-", tmp_path / "out.spk"),
        ("compress", "--raw", "2", "-", tmp_path / "out.spk"),
        ("compress", "--threads", "2", "-", tmp_path / "out.spk"),
        ("compress", "--embed-model", "-", tmp_path / "out.spk"),
        ("compress", "--no-verify", "-", tmp_path / "out.spk"),
        ("compress", "--packet", "9", tmp_path / "a.wav", tmp_path / "out.spk"),
        ("compress", "--raw", "2:100", tmp_path / "a.wav", tmp_path / "out.spk"),
        ("compress", tmp_path / "a.wav", "-"),
        ("compress", tmp_path / "out.spk"),
        ("decompress", "--file", "a.wav", "-", tmp_path / "out.wav"),
        ("decompress", "--threads", "2", "-", tmp_path / "out.wav"),
        ("decompress", tmp_path / "out.spk"),
    ):
        assert run(*words, stdin=wav).exit_code == 2, words
    cut = run("compress", "-", stdin=wav).stdout_bytes[:-5]
    failed = run("decompress", "-", tmp_path / "cut.wav", stdin=cut)
    assert failed.exit_code == 1
    assert "end is missing" in failed.stderr
    assert "keep going to restore the 10 frames before (--keep-going)" in failed.stderr
    through = run("decompress", "-", stdin=cut)
    assert (through.exit_code, through.stdout_bytes) == (1, wav)
    assert "--keep-going" not in through.stderr
    assert list(tmp_path.iterdir()) == [tmp_path / "a.wav"]
