"""Recordings that are being made, and cannot come again: what has come of them is kept, whatever ends them."""

from __future__ import annotations

import io
import os
import stat
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pytest
from support.command import run
from support.pipes import piped
from support.recordings import n1_samples, neural, wav_bytes

from spikey_cli.cli import pipe
from spikey_cli.errors import InputError
from spikey_cli.io.layout import RawFormat
from spikey_cli.streaming.pipe import compress_pipe, decompress_pipe
from spikey_cli.system import whole_file

FRAMES = 20_000


class Failing(io.BytesIO):
    """What can be read up to a place."""

    def __init__(self, data: bytes, at: int) -> None:
        super().__init__(data)
        self._at = at

    def read1(self, size: int | None = -1, /) -> bytes:
        if self.tell() >= self._at:
            raise OSError(5, "Input/output error")
        return super().read1(1000)


@pytest.fixture
def data(random: np.random.Generator) -> bytes:
    """Samples of two channels."""
    return n1_samples(neural(random, FRAMES, 2)).tobytes()


@pytest.fixture
def recorder(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Makes of a stream what the command takes from a recorder."""

    def come(source: BinaryIO) -> None:
        monkeypatch.setattr(pipe, "_stdin", lambda: source)
        monkeypatch.setattr(pipe, "_is_recorder", lambda source: True)
        monkeypatch.setattr(pipe, "_InterruptibleReader", lambda handle, request: source)
        source.fileno = lambda: 0  # type: ignore[method-assign]

    return come


class _Stream(io.BytesIO):
    """Bytes that a number of the system's can be given to."""


def test_a_source_that_fails_ends_the_stream_well(data: bytes) -> None:
    out: list[bytes] = []
    done = compress_pipe(Failing(data, 40_000), out.append, raw=RawFormat(2, 1000), name="stdin", keep_going=True)
    assert str(done.fault) == "stdin: cannot read: Input/output error; check what it comes from"
    assert done.frames == 10_000
    back: list[bytes] = []
    decompress_pipe(io.BytesIO(b"".join(out)), back.append)
    assert b"".join(back) == data[:40_000]
    with pytest.raises(InputError, match="Input/output error"):
        compress_pipe(Failing(data, 40_000), out.append, raw=RawFormat(2, 1000))


def test_a_recorder_that_fails_leaves_what_had_come(tmp_path: Path, data: bytes, recorder: Any) -> None:
    recorder(Failing(data, 40_000))
    printed = run("compress", "--raw", "2:1000", "-", tmp_path / "a.spk", status=1)
    assert "stdin: cannot read: Input/output error" in printed
    assert f"{tmp_path / 'a.spk'} holds the 10,000 frames received" in printed
    run("decompress", tmp_path / "a.spk", tmp_path)
    assert (tmp_path / "a.raw").read_bytes() == data[:40_000]


def test_a_recorder_that_fails_at_once_leaves_nothing(tmp_path: Path, data: bytes, recorder: Any) -> None:
    recorder(Failing(data, 0))
    printed = run("compress", "--raw", "2:1000", "-", tmp_path / "a.spk", status=1)
    assert "stdin: cannot read: Input/output error" in printed
    assert list(tmp_path.iterdir()) == []


class _Full(io.RawIOBase):
    """A file on a disk that has room for so many bytes."""

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
def test_a_full_disk_leaves_what_had_come(
    tmp_path: Path, data: bytes, recorder: Any, monkeypatch: pytest.MonkeyPatch, flushes: bool
) -> None:
    """Under the name that it was to have; or under the temporary one, where not even that can be had."""
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
def test_a_full_disk_takes_no_archive_away(
    tmp_path: Path, data: bytes, recorder: Any, monkeypatch: pytest.MonkeyPatch, force: list[str]
) -> None:
    """That is there, or comes while it is recorded: what breaks off stands beside it."""
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


def test_what_takes_the_name_meanwhile_takes_nothing_away(
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
def test_a_disk_that_does_not_take_what_was_written(
    tmp_path: Path, data: bytes, recorder: Any, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    """As file systems that find only then that there is no room."""
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


def test_a_file_can_be_read_again(tmp_path: Path, data: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is kept of what was made of it."""
    monkeypatch.setattr(pipe, "_stdin", lambda: Failing(data, 40_000))
    assert "Input/output error" in run("compress", "--raw", "2:1000", "-", tmp_path / "a.spk", status=1)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("stated", [0, 1000, 1001, 10_002])
def test_more_comes_than_the_header_knew_of(data: bytes, stated: int) -> None:
    """As where a recorder pipes a WAV, whose length it could not know."""
    wav = bytearray(wav_bytes(np.frombuffer(data, "<i2").reshape(-1, 2)) + bytes(70_000))
    wav[40:44] = stated.to_bytes(4, "little")
    for size in (len(wav), len(wav) - 1, 70_000, 66_000 + stated):
        assert piped(bytes(wav[:size])) == wav[:size], f"{stated} bytes told, {size} come"


def test_frames_that_no_pipe_takes_are_refused_at_once() -> None:
    with pytest.raises(InputError, match="frames of more than 65536 bytes go through no pipe; save it as a file"):
        compress_pipe(io.BytesIO(bytes(200_000)), lambda data: None, raw=RawFormat(65535, 100))


def test_a_pipe_replaces_archives_only(tmp_path: Path, recorder: Any, data: bytes) -> None:
    (tmp_path / "notes").write_text("of the day")
    recorder(_Stream(data))
    printed = run("compress", "-f", "--raw", "2:1000", "-", tmp_path / "notes", status=1)
    assert "is no archive, and would be lost" in printed
    assert (tmp_path / "notes").read_text() == "of the day"
