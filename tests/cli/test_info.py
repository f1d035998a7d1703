"""`spikey info`."""

from __future__ import annotations

import json

import numpy as np
import pytest
from support.command import run
from support.recordings import wav_bytes, write_session

import spikey_cli


def test_json_is_what_the_function_returns(archive):
    printed = json.loads(run("info", "--json", archive))
    assert printed == json.loads(json.dumps(spikey_cli.info(archive)))
    assert printed["samples"] == 60_000
    assert printed["source_bytes"] == 2 * (44 + 60_000)
    assert printed["archive_bytes"] == archive.stat().st_size
    assert printed["ratio"] == round(printed["source_bytes"] / printed["archive_bytes"], 4)
    assert printed["coder"] == "range"
    assert printed["model"]["name"].startswith("n1-")
    assert [file["quantizer"] for file in printed["files"]] == ["n1", "n1"]
    assert [channel["coding_pass"] for channel in printed["channels"]] == [0, 1]
    assert printed["channels"][1]["references"] == [{"name": "thread0.wav", "metric": None}], (
        "the model takes no metric"
    )
    assert printed["channels"][0]["later_references"] == ["thread1.wav"]
    assert printed["sessions"] == 1


def test_the_summary_and_all_references(archive):
    info = json.loads(run("info", "--json", archive))
    assert run("info", "--all", archive).splitlines() == [
        f"{archive}: Spikey archive, format {info['format']}",
        "  content    2 files, 2 channels at 19,531 Hz, 16 bit, 60,000 samples",
        "  duration   1.54 s",
        f"  size       120.09 kB -> {archive.stat().st_size / 1000:.2f} kB, ratio {info['ratio']:.4f}, "
        f"{info['bits_per_sample']:.4f} bits/sample",
        f"  coded      range, preset default, model {info['model']['name']}, 1 block",
        "  topology   1 session; 2 of 2 channels with references",
        "",
        "  file         channels  frames  bits      Hz  duration      size  quantizer",
        "  thread0.wav         1  30,000    16  19,531    1.54 s  60.04 kB  n1",
        "  thread1.wav         1  30,000    16  19,531    1.54 s  60.04 kB  n1",
        "",
        "  channel      coding pass  references   later references  long lag  order  quantizer",
        "  thread0.wav            0               thread1.wav                     8  n1",
        "  thread1.wav            1  thread0.wav                                  8  n1",
    ]


def test_quantizers_of_channels(tmp_path, random):
    noise = random.integers(-300, 300, 4000)
    lattice = np.floor(np.cumsum(random.normal(0, 3, 4000)).round() * 2.5 + 0.5)
    palette = random.choice([-99, -98, 50, 200], 4000)
    samples = np.stack([noise, 7 - noise, 12 * (noise // 12), np.full(4000, -3), lattice, palette], axis=1)
    spikey_cli.compress([spikey_cli.ArraySource(samples.astype(np.int16), "a.npy", 1000)], tmp_path / "a.spk")
    lines = run("info", "--all", tmp_path / "a.spk").splitlines()
    kinds = ["identity", "copy: -channel 0 + 7", "step 12 from -300", "constant -3", "lattice of step 2.5"]
    for line, kind in zip(lines[-6:], [*kinds, "palette of 4 values"], strict=True):
        assert line.endswith(f"  {kind}"), line


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    """An archive of 23 files of several kinds."""
    folder = tmp_path_factory.mktemp("many")
    write_session(folder, np.random.default_rng(1), 20, 100)
    (folder / "hours.wav").write_bytes(wav_bytes(np.zeros(10_000, np.int16), rate=1))
    (folder / "minute.wav").write_bytes(wav_bytes(np.zeros((600, 2), np.int16), sample_bytes=1, rate=10))
    (folder / "notes.txt").write_text("five")
    spikey_cli.compress([folder], folder.with_suffix(".spk"), recursive=True, verify=False)
    return folder.with_suffix(".spk")


def test_the_first_files_are_listed(many):
    lines = run("info", many).splitlines()
    assert (
        lines[1] == "  content    23 files, 23 channels at 1 / 10 / 19,531 Hz, 8 / 16 bit, 13,200 samples; "
        "1 kept verbatim"
    )
    assert lines[2] == "  duration   0.01 s to 2:46:40"
    assert "  hours.wav            1  10,000    16       1   2:46:40  20.04 kB  identity" in lines
    assert "  minute.wav           2     600     8      10   0:01:00   1.24 kB  identity" in lines
    assert "  notes.txt                                                    4 B  kept verbatim" in lines
    assert (len(lines), lines[-1]) == (7 + 1 + 20 + 1, "  and 3 more (--all)")


def test_all_files_are_listed(many):
    printed = run("info", "--all", many)
    assert all(f"thread{i}.wav " in printed for i in range(20))
    assert "more" not in printed


def test_an_archive_without_recordings(tmp_path):
    (tmp_path / "notes.txt").write_text("some notes")
    spikey_cli.compress([tmp_path / "notes.txt"], tmp_path / "out.spk")
    printed = run("info", tmp_path / "out.spk")
    assert "content    1 file, kept verbatim" in printed
    assert "topology" not in printed
    assert "bits/sample" not in printed


def test_files_of_times_are_not_verbatim(tmp_path, random):
    np.save(tmp_path / "times.npy", np.arange(100) / 30)
    np.save(tmp_path / "samples.npy", random.integers(-9, 9, (100, 2)).astype(np.int16))
    spikey_cli.compress(sorted(tmp_path.iterdir()), tmp_path / "out.spk")
    printed = run("info", tmp_path / "out.spk")
    assert "content    2 files, 2 channels at ? Hz, 16 bit, 200 samples\n" in printed


def test_files_with_events(tmp_path):
    for name in ("a.nev", "b.nev", "notes.txt"):
        (tmp_path / name).write_text(name)
    spikey_cli.compress(sorted(tmp_path.iterdir()), tmp_path / "out.spk")
    printed = run("info", tmp_path / "out.spk")
    assert "  events     in a.nev and 1 more file, kept as they are; spikey decompress --file restores" in printed
    assert json.loads(run("info", "--json", tmp_path / "out.spk"))["events"] == ["a.nev", "b.nev"]


def test_a_live_stream(live):
    printed = run("info", live)
    assert "Spikey live stream, format 1" in printed
    assert "2 channels at 1,000 Hz, 16 bit, raw" in printed
    info = json.loads(run("info", "--json", live))
    assert (info["channels"], info["archive_bytes"]) == (2, live.stat().st_size)
