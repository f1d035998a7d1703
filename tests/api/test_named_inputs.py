"""Which files go into an archive: what is left out is told, and what stands under the archive's name is not lost."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from support.command import run
from support.recordings import n1_samples, neural, wav_bytes, write_session

import spikey_cli
from spikey_cli.errors import InputError

needs_posix = pytest.mark.skipif(os.name == "nt", reason="Windows has no such files")


def names(archive: Path) -> list[str]:
    return sorted(str(file["name"]) for file in spikey_cli.info(archive)["files"])


@pytest.fixture
def folder(tmp_path: Path, random: np.random.Generator) -> Path:
    """A folder with one file in it."""
    write_session(tmp_path / "in", random, 1, 500)
    return tmp_path / "in"


@needs_posix
def test_what_is_no_file_of_a_folder_is_named(tmp_path: Path, folder: Path) -> None:
    (tmp_path / "session2").mkdir()
    (tmp_path / "session2" / "b.wav").write_bytes(wav_bytes(np.zeros(9)))
    (folder / "session2").symlink_to(tmp_path / "session2")
    (folder / "gone.wav").symlink_to(tmp_path / "nowhere")
    (folder / "linked.wav").symlink_to(tmp_path / "session2" / "b.wav")
    os.mkfifo(folder / "fifo")
    printed = run("compress", "-r", folder, tmp_path / "a.spk", status=1)
    assert f"{folder / 'session2'}: is a link to a folder, and not followed; name that folder too" in printed
    assert f"{folder / 'gone.wav'}: cannot read: No such file" in printed
    assert f"{folder / 'fifo'}: is a pipe, a device or the like" in printed
    assert names(tmp_path / "a.spk") == ["linked.wav", "thread0.wav"]
    with pytest.raises(InputError, match="is a link to a folder"):
        spikey_cli.compress([folder], tmp_path / "b.spk", recursive=True)


def test_one_bad_folder_leaves_the_others(tmp_path: Path, folder: Path) -> None:
    (tmp_path / "empty").mkdir()
    printed = run("compress", "-r", tmp_path / "empty", folder, tmp_path / "a.spk", status=1)
    assert "empty: holds no files; name a folder that does" in printed
    assert names(tmp_path / "a.spk") == ["thread0.wav"]
    printed = run("compress", folder, folder / "thread0.wav", tmp_path / "b.spk", status=1)
    assert "in: is a folder; give -r to take the files in it" in printed
    assert names(tmp_path / "b.spk") == ["thread0.wav"]
    run("compress", "-r", tmp_path / "empty", tmp_path / "c.spk", status=1)
    assert not (tmp_path / "c.spk").exists()


@pytest.mark.skipif(os.name == "nt" or not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root reads all")
def test_a_folder_that_cannot_be_read_leaves_the_others(tmp_path: Path, folder: Path) -> None:
    (folder / "lost+found").mkdir(mode=0)
    printed = run("compress", "-r", folder, tmp_path / "a.spk", status=1)
    assert "lost+found: cannot read the folder" in printed
    assert names(tmp_path / "a.spk") == ["thread0.wav"]


@pytest.mark.skipif(sys.platform != "linux", reason="other file systems take Unicode only")
def test_a_name_that_is_no_unicode_leaves_the_others(tmp_path: Path, folder: Path) -> None:
    with open(os.fsencode(folder) + b"/elec\xe9.wav", "wb") as file:
        file.write(wav_bytes(np.zeros(9)))
    printed = run("compress", "-r", folder, tmp_path / "a.spk", status=1)
    assert "is no Unicode; rename it" in printed
    assert names(tmp_path / "a.spk") == ["thread0.wav"]


def test_what_was_left_of_a_recording_is_named(tmp_path: Path, folder: Path) -> None:
    (folder / ".a.spk.00aa11bb.part").write_bytes(b"\x89SPK\r\n\x1a\nof an archive, which can be made again")
    (folder / ".b.spk.00aa11bb.part").write_bytes(b"\x89SPS\r\n\x1a\nof a recorder")
    printed = run("compress", "-r", folder, tmp_path / "a.spk", status=1)
    assert f"{folder / '.b.spk.00aa11bb.part'}: is what was left of a recording; restore it with" in printed
    assert ".a.spk.00aa11bb.part" not in printed
    assert names(tmp_path / "a.spk") == ["thread0.wav"]


@needs_posix
def test_what_comes_through_a_pipe_is_no_file(tmp_path: Path) -> None:
    """As of `spikey compress <(command) out.spk`: its size is told as 0."""
    read_end, write_end = os.pipe()
    os.write(write_end, b"some bytes")
    os.close(write_end)
    printed = run("compress", f"/dev/fd/{read_end}", tmp_path / "a.spk", status=1)
    os.close(read_end)
    assert "is a pipe, a device or the like; pipe it in, as in `spikey compress -`" in printed
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not os.path.exists("/proc/version"), reason="no file here has more bytes than its size")
def test_a_file_that_has_more_than_it_says_is_named(tmp_path: Path) -> None:
    assert "holds more than its size of 0 tells" in run("compress", "/proc/version", tmp_path / "a.spk", status=1)
    (tmp_path / "empty").touch()
    run("compress", tmp_path / "empty", tmp_path / "a.spk")


def test_only_archives_are_replaced(tmp_path: Path, folder: Path) -> None:
    meta = tmp_path / "run.meta"
    meta.write_text("typeThis=imec\n")
    printed = run("compress", "-f", folder / "thread0.wav", meta, status=1)
    assert f"{meta}: is no archive, and would be lost; name another archive, last, or delete this file" in printed
    assert meta.read_text() == "typeThis=imec\n"
    with pytest.raises(InputError, match="is no archive, and would be lost"):
        spikey_cli.compress([folder / "thread0.wav"], meta, force=True)
    for before in (b"", b"\x89SPK\r\n\x1a\nand what an older one had", b"\x89SPS\r\n\x1a\nor a live stream"):
        (tmp_path / "a.spk").write_bytes(before)
        run("compress", "-f", folder / "thread0.wav", tmp_path / "a.spk")
        assert names(tmp_path / "a.spk") == ["thread0.wav"]


def test_an_archive_is_not_both_input_and_archive(tmp_path: Path, folder: Path) -> None:
    run("compress", folder / "thread0.wav", tmp_path / "a.spk")
    before = (tmp_path / "a.spk").read_bytes()
    (tmp_path / "new.wav").write_bytes(wav_bytes(np.zeros(9)))
    printed = run("compress", "-f", tmp_path / "new.wav", tmp_path / "a.spk", tmp_path / "a.spk", status=1)
    assert "a.spk: is an input, and would be the archive too; name another archive, last" in printed
    assert (tmp_path / "a.spk").read_bytes() == before


@needs_posix
def test_no_pipe_or_device_is_replaced(tmp_path: Path, folder: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    for force in ([], ["-f"]):
        printed = run("compress", *force, folder / "thread0.wav", tmp_path / "fifo", status=1)
        assert "fifo: is a device or a pipe, which a file would take the place of; name a file" in printed
    assert (tmp_path / "fifo").is_fifo()


def test_samples_that_are_kept_as_they_are_are_named(tmp_path: Path, random: np.random.Generator) -> None:
    samples = n1_samples(neural(random, 500, 2))
    folder = tmp_path / "in"
    folder.mkdir()
    for name, array in (("fortran", np.asfortranarray(samples)), ("big", samples.astype(">i2"))):
        np.save(folder / f"{name}.npy", array)
    np.save(folder / "spike_times.npy", np.arange(9))
    np.save(folder / "predicted.npy", np.ascontiguousarray(samples))
    (folder / "float.wav").write_bytes(wav_bytes(samples).replace(b"fmt \x10\0\0\0\1", b"fmt \x10\0\0\0\3"))
    done = spikey_cli.compress([folder], tmp_path / "a.spk", recursive=True)
    told = "\n".join(done.warnings)
    assert f"{folder / 'float.wav'}: kept byte for byte" in told
    assert f"{folder / 'big.npy'} and 1 more: kept byte for byte" in told
    assert len(done.warnings) == 2, told


def test_stdin_that_is_closed_is_named(tmp_path: Path) -> None:
    code = "import sys; sys.stdin = None; from spikey_cli.__main__ import run; run()"
    command = [sys.executable, "-c", code, "compress", "--raw", "2:1000", "-", str(tmp_path / "a.spk")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.splitlines()) == (
        1,
        ["spikey: stdin: is closed; pipe a recording into it, as in `spikey compress - out.spk < in.wav`"],
    )
