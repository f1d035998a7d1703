"""The command with pipes and live streams."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from support.pipes import run_piped as run
from support.recordings import n1_samples, neural, wav_bytes
from support.streams import PacketStream


@pytest.fixture
def stream(random: np.random.Generator) -> PacketStream:
    return PacketStream.of(random)


def test_pipes(tmp_path, random):
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


def test_presets(tmp_path, random):
    wav, sizes = wav_bytes(n1_samples(neural(random, 20_000, 2))), []
    for option, name in (("-1", "fast"), ("-q", "default"), ("-9", "best")):
        live = tmp_path / f"{name}.spk"
        assert run("compress", option, "-", live, stdin=wav).exit_code == 0
        assert json.loads(run("info", "--json", live).stdout)["preset"] == name
        assert run("decompress", live, "-").stdout_bytes == wav
        sizes.append(live.stat().st_size)
    assert sizes == sorted(sizes, reverse=True), "a longer adaptation does not make the stream smaller"


def test_a_stream_that_is_cut_off(tmp_path):
    wav = wav_bytes(np.zeros(10))
    cut = run("compress", "-", stdin=wav).stdout_bytes[:-5]
    failed = run("decompress", "-", tmp_path / "cut.wav", stdin=cut)
    assert failed.exit_code == 1
    assert "end is missing" in failed.stderr
    assert "or restore the 10 frames before (--keep-going)" in failed.stderr
    through = run("decompress", "-", stdin=cut)
    assert (through.exit_code, through.stdout_bytes) == (1, wav)
    assert "--keep-going" not in through.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_file(tmp_path: Path, stream: PacketStream) -> None:
    damaged, out = tmp_path / "a.spk", tmp_path / "out"
    damaged.write_bytes(stream.data[: stream.ends[11] + 3])
    strict = run("decompress", damaged, out)
    assert strict.exit_code == 1
    assert ", or restore the 1,200 frames before (--keep-going)" in strict.stderr
    assert not out.exists()
    tested = run("test", damaged)
    assert tested.exit_code == 1
    assert ", or restore the 1,200 frames before (spikey decompress --keep-going)" in tested.stderr

    kept = run("decompress", "--keep-going", damaged, out)
    assert kept.exit_code == 1
    assert "1,200 frames" in kept.stdout
    assert (out / "a.wav").read_bytes() == stream.restored(1200)
    report = json.loads((out / "a.spk.lost.json").read_text())
    lost = {"file": "a.wav", "channels": [0, 1], "first_frame": 1200, "stop_frame": None, "sample_rate": 19531}
    assert report == {"archive": str(damaged), "faults": ["its end is missing after 1200 frames"], "lost": [lost]}

    (out / "a.wav").unlink()
    again = run("decompress", "--keep-going", damaged, out)
    assert again.exit_code == 1
    assert report["faults"][0] in again.stderr, "the fault was not printed because a report exists"
    assert "a.spk.lost.json: exists already" in again.stderr
    assert run("decompress", "--keep-going", "-f", damaged, out).stderr == kept.stderr


def test_a_damaged_pipe(tmp_path: Path, stream: PacketStream) -> None:
    cut = stream.data[: stream.ends[11] + 3]
    kept = run("decompress", "--keep-going", "-", tmp_path / "b.wav", stdin=cut)
    assert kept.exit_code == 1
    assert "stdin: is damaged: its end is missing after 1200 frames" in kept.stderr
    assert list(tmp_path.iterdir()) == [tmp_path / "b.wav"]
    assert (tmp_path / "b.wav").read_bytes() == stream.restored(1200)
    through = run("decompress", "--keep-going", "-", stdin=cut)
    assert (through.exit_code, through.stdout_bytes) == (1, stream.restored(1200))
