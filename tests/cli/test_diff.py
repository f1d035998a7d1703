"""`spikey diff`."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from support.command import run
from support.recordings import wav_bytes


@pytest.fixture
def folder(tmp_path: Path, wavs: list[Path]) -> Path:
    """A copy of the recordings of `archive`."""
    folder = tmp_path / "in"
    folder.mkdir()
    for path in wavs:
        (folder / path.name).write_bytes(path.read_bytes())
    return folder


def test_equal(archive, folder):
    before = sorted(folder.iterdir())
    printed = run("diff", archive, folder)
    assert printed == f"{archive}: 2 files, 120.09 kB equal to {folder}; no difference\n"
    assert run("diff", "-q", archive, folder) == ""
    assert sorted(folder.iterdir()) == before, "nothing is written"


def test_every_difference_is_named(archive, folder):
    first, second = folder / "thread0.wav", folder / "thread1.wav"
    data = bytearray(first.read_bytes())
    data[44 + 2 * 1000 + 1] ^= 1
    first.write_bytes(data)
    second.unlink()
    (folder / "notes").mkdir()
    (folder / "notes" / "a.txt").touch()
    printed = run("diff", archive, folder, status=1)
    assert printed.splitlines() == [
        "notes/a.txt: is not in the archive",
        "thread0.wav: differs from byte 2045 on: frame 1000 at 0.0512 s, channel 0",
        "thread1.wav: is missing in the folder",
        f"{archive}: 0 files, 0 B equal to {folder}; 3 differences",
    ]
    assert len(run("diff", "-q", archive, folder, status=1).splitlines()) == 3


def test_files_of_other_lengths(archive, folder):
    first, second = folder / "thread0.wav", folder / "thread1.wav"
    size = first.stat().st_size
    first.write_bytes(first.read_bytes()[:-3])
    second.write_bytes(second.read_bytes() + b"more")
    printed = run("diff", archive, folder, status=1)
    assert f"thread0.wav: has {size - 3} bytes, and {size} in the archive, of which they are the first" in printed
    assert f"thread1.wav: has {size + 4} bytes, and {size} in the archive, which are the first of them" in printed


def test_bytes_outside_the_samples(tmp_path):
    """The archive lies in the folder, and is no difference."""
    wav, text, archive = (tmp_path / name for name in ("a.wav", "b.txt", "out.spk"))
    data = bytearray(wav_bytes(np.arange(3000) % 50, trailer=b"LIST\x04\0\0\0note"))
    wav.write_bytes(data)
    text.write_text("some text")
    run("compress", wav, text, archive)
    assert "no difference" in run("diff", archive, tmp_path)
    data[-1] ^= 1
    wav.write_bytes(data)
    text.write_text("some test")
    assert run("diff", archive, tmp_path, status=1).splitlines()[:2] == [
        f"a.wav: differs from byte {len(data) - 1} on",
        "b.txt: differs from byte 7 on",
    ]


def test_damage_is_not_a_difference(damaged, folder):
    printed = run("diff", damaged, folder, status=1)
    assert "is damaged" in printed
    assert "differs" not in printed
    assert f"equal to {folder}; not all was compared\n" in printed
    assert "no difference" not in printed
    (folder / "more.txt").touch()
    assert "; 1 difference, and not all was compared\n" in run("diff", damaged, folder, status=1)


def test_what_is_no_folder_or_no_archive(archive, live, folder, tmp_path):
    assert "cannot read the folder: Not a directory" in run("diff", archive, folder / "thread0.wav", status=1)
    assert "cannot read the folder: No such file" in run("diff", archive, tmp_path / "absent", status=1)
    assert "is a live stream, not an archive of files" in run("diff", live, folder, status=1)


def test_a_pipe_is_not_read(archive, folder):
    (folder / "thread1.wav").unlink()
    os.mkfifo(folder / "thread1.wav")
    assert run("diff", archive, folder, status=1).splitlines()[0] == "thread1.wav: is no file in the folder"
