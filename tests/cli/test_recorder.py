"""Recordings that arrive through a pipe while they are acquired: what has arrived is kept, whatever ends them."""

from __future__ import annotations

import io
import os
import stat
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pytest
from support.command import run
from support.pipes import FailingSource
from support.recordings import n1_samples, neural

from spikey_cli.cli import pipe
from spikey_cli.system import whole_file

FRAMES = 20_000


@pytest.fixture
def data(random: np.random.Generator) -> bytes:
    """Samples of two channels."""
    return n1_samples(neural(random, FRAMES, 2)).tobytes()


@pytest.fixture
def recorder(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Makes the command read a source as if it were a recorder."""

    def install(source: BinaryIO) -> None:
        monkeypatch.setattr(pipe, "_stdin", lambda: source)
        monkeypatch.setattr(pipe, "_is_recorder", lambda source: True)
        monkeypatch.setattr(pipe, "_InterruptibleReader", lambda handle, request: source)
        source.fileno = lambda: 0  # type: ignore[method-assign]

    return install


class _Stream(io.BytesIO):
    """A source whose `fileno` can be replaced."""


def test_a_recorder_that_fails(tmp_path: Path, data: bytes, recorder: Any) -> None:
    recorder(FailingSource(data, 40_000))
    printed = run("compress", "--raw", "2:1000", "-", tmp_path / "a.spk", status=1)
    assert "stdin: cannot read: Input/output error" in printed
    assert f"{tmp_path / 'a.spk'} holds the 10,000 frames received" in printed
    run("decompress", tmp_path / "a.spk", tmp_path)
    assert (tmp_path / "a.raw").read_bytes() == data[:40_000]


def test_a_recorder_that_fails_before_any_frame(tmp_path: Path, data: bytes, recorder: Any) -> None:
    recorder(FailingSource(data, 0))
    printed = run("compress", "--raw", "2:1000", "-", tmp_path / "a.spk", status=1)
    assert "stdin: cannot read: Input/output error" in printed
    assert list(tmp_path.iterdir()) == []


class _Full(io.RawIOBase):
    """A file on a disk with room for `room` bytes."""

    def __init__(self, file: Any, room: int) -> None:
        self._file, self._room = file, room

    def write(self, data: Any) -> int:
        view = memoryview(data)[: self._room]
        self._file.write(view)
        self._room -= len(view)
        if len(view) < len(data):
            self._file.flush()
            raise OSError(28, "No space left on device")
        return len(view)


@pytest.mark.parametrize("flushes", [True, False])
def test_a_full_disk_keeps_what_was_written(
    tmp_path: Path, data: bytes, recorder: Any, monkeypatch: pytest.MonkeyPatch, flushes: bool
) -> None:
    """Under the name of the target, or under the temporary name if renaming fails too."""
    writing = whole_file.WholeFile.writing

    def fills(self: whole_file.WholeFile) -> Any:
        return _filling(writing(self))

    monkeypatch.setattr(whole_file.WholeFile, "writing", fills)
    if not flushes:

        def fsync(handle: int) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(whole_file.os, "fsync", fsync)
    recorder(_Stream(data))
    printed = run("compress", "--raw", "2:1000", "--packet", "1000", "-", tmp_path / "a.spk", status=1)
    (kept,) = tmp_path.iterdir()
    assert (kept == tmp_path / "a.spk") is flushes
    assert "a.spk: cannot write: No space left on device" in printed
    assert f"what was received is in {kept}, and is cut off; restore it with `spikey decompress" in printed
    monkeypatch.undo()
    run("decompress", "--keep-going", kept, tmp_path / "back", status=1)
    (back,) = (tmp_path / "back").glob("*.raw")
    assert back.stat().st_size >= 4 * 5000
    assert data.startswith(back.read_bytes())


@pytest.mark.parametrize("force", [[], ["-f"]])
def test_a_full_disk_keeps_an_existing_archive(
    tmp_path: Path, data: bytes, recorder: Any, monkeypatch: pytest.MonkeyPatch, force: list[str]
) -> None:
    """An archive that exists before, or appears meanwhile, stays; the incomplete stream is kept beside it."""
    writing = whole_file.WholeFile.writing
    old = tmp_path / "a.spk"
    before = b"\x89SPK\r\n\x1a\nprecious"

    def fills(self: whole_file.WholeFile) -> Any:
        old.write_bytes(before)
        return _filling(writing(self))

    if force:
        old.write_bytes(before)
    monkeypatch.setattr(whole_file.WholeFile, "writing", fills)
    recorder(_Stream(data))
    printed = run("compress", *force, "--raw", "2:1000", "--packet", "1000", "-", old, status=1)
    assert old.read_bytes() == before
    (kept,) = set(tmp_path.iterdir()) - {old}
    assert f"what was received is in {kept}, and is cut off" in printed


def test_a_file_that_takes_the_name_meanwhile_is_kept(
    tmp_path: Path, data: bytes, recorder: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = whole_file.WholeFile.commit

    def late(self: whole_file.WholeFile) -> None:
        self.path.write_bytes(b"another")
        commit(self)

    monkeypatch.setattr(whole_file.WholeFile, "commit", late)
    recorder(_Stream(data))
    printed = run("compress", "--raw", "2:1000", "-", tmp_path / "a.spk", status=1)
    assert (tmp_path / "a.spk").read_bytes() == b"another"
    (kept,) = set(tmp_path.iterdir()) - {tmp_path / "a.spk"}
    assert "a.spk: exists already" in printed
    assert f"; what was received is in {kept}, and is complete" in printed
    run("decompress", kept, "-")


@pytest.mark.parametrize("what", ["file", "folder"])
def test_a_disk_that_fails_at_fsync(
    tmp_path: Path, data: bytes, recorder: Any, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    """Some file systems report a full disk only at fsync."""
    fsync = whole_file.os.fsync

    def fails(handle: int) -> None:
        if stat.S_ISDIR(os.fstat(handle).st_mode) is (what == "folder"):
            raise OSError(5, "Input/output error")
        fsync(handle)

    monkeypatch.setattr(whole_file.os, "fsync", fails)
    recorder(_Stream(data))
    printed = run("compress", "--raw", "2:1000", "-", tmp_path / "a.spk", status=1)
    (kept,) = tmp_path.iterdir()
    assert (kept == tmp_path / "a.spk") is (what == "folder")
    assert f"what was received is in {kept}, and is complete" in printed
    monkeypatch.undo()
    run("decompress", kept, tmp_path / "back")
    (back,) = (tmp_path / "back").iterdir()
    assert back.read_bytes() == data


class _filling:  # noqa: N801 (a context manager in the place of a function)
    def __init__(self, writing: Any) -> None:
        self._writing = writing

    def __enter__(self) -> _Full:
        return _Full(self._writing.__enter__(), 12_000)

    def __exit__(self, *error: Any) -> Any:
        return self._writing.__exit__(*error)


def test_a_regular_file_that_fails(tmp_path: Path, data: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """A regular file can be compressed again: nothing is kept."""
    monkeypatch.setattr(pipe, "_stdin", lambda: FailingSource(data, 40_000))
    assert "Input/output error" in run("compress", "--raw", "2:1000", "-", tmp_path / "a.spk", status=1)
    assert list(tmp_path.iterdir()) == []


def test_force_overwrites_archives_only(tmp_path: Path, recorder: Any, data: bytes) -> None:
    (tmp_path / "notes").write_text("of the day")
    recorder(_Stream(data))
    printed = run("compress", "-f", "--raw", "2:1000", "-", tmp_path / "notes", status=1)
    assert "exists and is not an archive, so it is not overwritten" in printed
    assert (tmp_path / "notes").read_text() == "of the day"
