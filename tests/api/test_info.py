"""What `spikey info` tells."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
from support.command import run
from support.recordings import neural, wav_bytes, write_session


def test_info(tmp_path, session):
    run("compress", *session, tmp_path / "out.spk")
    told = json.loads(run("info", "--json", tmp_path / "out.spk"))
    assert told["samples"] == 60_000
    assert told["source_bytes"] == 2 * (44 + 60_000)
    assert told["archive_bytes"] == (tmp_path / "out.spk").stat().st_size
    assert told["ratio"] == round(told["source_bytes"] / told["archive_bytes"], 4)
    assert told["coder"] == "rice"
    assert told["model"]["name"].startswith("n1-")
    assert [file["quantizer"] for file in told["files"]] == ["n1", "n1"]
    assert [channel["coding_pass"] for channel in told["channels"]] == [0, 1]
    assert told["channels"][1]["peers"][0]["name"] == "thread0.wav"
    assert told["sessions"] == 1
    metric = told["channels"][1]["peers"][0]["metric"]
    size = (tmp_path / "out.spk").stat().st_size
    assert run("info", "--all", tmp_path / "out.spk").splitlines() == [
        f"{tmp_path / 'out.spk'}: Spikey archive, format 3.1",
        "  content    2 files, 2 channels at 19,531 Hz, 16 bit, 60,000 samples",
        "  duration   1.54 s",
        f"  size       120.09 kB -> {size / 1000:.2f} kB, ratio {told['ratio']:.4f}, "
        f"{told['bits_per_sample']:.4f} bits/sample",
        f"  coded      rice, model {told['model']['name']}, 1 block",
        "  topology   1 session; 2 of 2 channels with peers",
        "",
        "  file         channels  frames  bits      Hz  duration      size  quantizer",
        "  thread0.wav         1  30,000    16  19,531    1.54 s  60.04 kB  n1",
        "  thread1.wav         1  30,000    16  19,531    1.54 s  60.04 kB  n1",
        "",
        "  channel      coding pass  peers (metric, 1 to 255)",
        f"  thread0.wav            0  thread1.wav ({metric})",
        f"  thread1.wav            1  thread0.wav ({metric})",
    ]


def test_info_of_much(tmp_path, random):
    """The first files only, unless all are asked for; verbatim ones among them; minutes and hours."""
    folder = tmp_path / "in"
    write_session(folder, random, 20, 100)
    (folder / "hours.wav").write_bytes(wav_bytes(np.zeros(10_000, np.int16), rate=1))
    (folder / "minute.wav").write_bytes(wav_bytes(np.zeros((600, 2), np.int16), sample_bytes=1, rate=10))
    (folder / "notes.txt").write_text("five")
    run("compress", "-r", folder, tmp_path / "out.spk")
    printed = run("info", tmp_path / "out.spk").splitlines()
    assert (
        printed[1] == "  content    23 files, 23 channels at 1 / 10 / 19,531 Hz, 8 / 16 bit, 13,200 samples; "
        "1 kept verbatim"
    )
    assert printed[2] == "  duration   0.01 s to 2:46:40"
    assert "  hours.wav            1  10,000    16       1   2:46:40  20.04 kB  identity" in printed
    assert "  minute.wav           2     600     8      10   0:01:00   1.24 kB  identity" in printed
    assert "  notes.txt                                                    4 B  kept verbatim" in printed
    assert (len(printed), printed[-1]) == (7 + 1 + 20 + 1, "  and 3 more (--all)")
    everything = run("info", "--all", tmp_path / "out.spk")
    assert all(f"thread{i}.wav " in everything for i in range(20))
    assert "more" not in everything


def test_info_of_files_kept_verbatim(tmp_path):
    (tmp_path / "notes.txt").write_text("some notes")
    run("compress", tmp_path / "notes.txt", tmp_path / "out.spk")
    printed = run("info", tmp_path / "out.spk")
    assert "content    1 file, kept verbatim" in printed
    assert "topology" not in printed
    assert "bits/sample" not in printed


def test_info_of_a_live_stream(tmp_path, random):
    wav = wav_bytes(neural(random, 500, 3), rate=20_000)
    done = subprocess.run(
        [sys.executable, "-m", "spikey_cli", "compress", "-q", "-", tmp_path / "live.spk"],
        input=wav,
        capture_output=True,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    printed = run("info", tmp_path / "live.spk")
    assert "Spikey live stream, format 1.1" in printed
    assert "3 channels at 20,000 Hz, 16 bit, wav" in printed
    told = json.loads(run("info", "--json", tmp_path / "live.spk"))
    assert (told["channels"], told["archive_bytes"]) == (3, (tmp_path / "live.spk").stat().st_size)
    (tmp_path / "live.spk").write_bytes((tmp_path / "live.spk").read_bytes()[:30])
    assert "its header is cut off" in run("info", tmp_path / "live.spk", status=1)
