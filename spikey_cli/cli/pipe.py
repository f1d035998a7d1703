"""What the commands do with pipes, and with the live streams that go through them."""

from __future__ import annotations

import io
import os
import stat
import sys
from collections.abc import Callable
from contextlib import closing, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from ..container.limits import Limits
from ..errors import InputError, SpikeyError, system_fault
from ..system import signals
from .options import find_model
from .report import Report, counted, report_failures, size, write_losses

if TYPE_CHECKING:
    from ..io.layout import RawFormat
    from ..streaming.pipe import Piped

PIPE = Path("-")

GRACE = 1.0
"""Seconds behind a signal in which what a recorder still writes is taken: Ctrl-C ends it, too."""


def compress_stdin(
    target: Path, *, raw: RawFormat | None, packet_frames: int | None, model: str | None, force: bool, report: Report
) -> None:
    """`spikey compress - TARGET`. Whatever ends a recording that is being made, a signal, its recorder or a full disk,
    leaves what has come of it.
    """
    from ..api.inputs import check_replaced
    from ..streaming.pipe import compress_pipe

    if target != PIPE:
        check_replaced(target)
    predictor = find_model(model)
    source = _stdin()
    done: Piped | None = None
    is_recorder = _cannot_come_again(source)
    with signals.requested() if is_recorder else closing(signals.Request()) as request:
        if is_recorder:
            source = cast(BinaryIO, _UntilSignal(source.fileno(), request))

        def run(write: Callable[[bytes], object]) -> None:
            nonlocal done
            try:
                done = compress_pipe(
                    source,
                    write,
                    raw=raw,
                    packet_frames=packet_frames,
                    predictor=predictor,
                    name="stdin",
                    keep_going=is_recorder,
                )
            except InputError:  # of a WAV, for one, not even the header had come
                if request.number is None:
                    raise
            if request.number is not None and not (done and done.frames):
                raise signals.Interrupted(request.number)
            if done and done.fault and not done.frames:
                raise done.fault

        # an error that it ends with leaves `done` as it was
        is_worth_keeping = (lambda: done is None or done.frames > 0) if is_recorder else None
        _write_to(target, run, force, is_worth_keeping)
    assert done is not None
    kept = f"{'the stream' if target == PIPE else target} has the {counted(done.frames, 'frame')} that had come"
    if done.fault:
        raise type(done.fault)(f"{done.fault}; {kept}")
    if request.number is not None:
        raise signals.Interrupted(request.number, kept)
    report.say(
        f"{target}: {done.frames} frames, {size(done.source_bytes)} -> {size(done.stream_bytes)}, "
        f"ratio {done.source_bytes / done.stream_bytes:.4f}",
        err=True,
    )


def decompress_through(
    archive: Path, target: Path, *, keep_going: bool, model: str | None, force: bool, limits: Limits
) -> None:
    """`spikey decompress - TARGET`, and of a live stream that lies as a file `spikey decompress ARCHIVE -`."""
    source, name = (nullcontext(_stdin()), "stdin") if archive == PIPE else (archive.open("rb"), str(archive))
    with source as file:
        done = _decompress(file, name, target, keep_going, model, force, limits)
    report_failures([done.fault] if done.fault else [])


def decompress_live(
    archive: Path, folder: Path, *, keep_going: bool, model: str | None, force: bool, report: Report, limits: Limits
) -> None:
    """`spikey decompress ARCHIVE DIR` where the archive is a live stream: one file, named as it is."""
    from ..streaming.pipe import live_suffix

    target = folder / f"{archive.stem}{live_suffix(archive)}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(system_fault(folder, "make the folder", error)) from error
    with archive.open("rb") as file:
        done = _decompress(file, str(archive), target, keep_going, model, force, limits)
    told = f"{counted(done.frames, 'frame')}, {size(target.stat().st_size)}"
    report.say(f"{archive}: a live stream, {told} restored as {target}")
    if done.fault:
        lost = {
            "file": target.name,
            "channels": [*range(done.format.channels)],
            "first_frame": done.frames,
            "stop_frame": None,  # nothing tells how many there were
            "sample_rate": done.format.sample_rate,
        }
        report_failures([done.fault, *write_losses(archive, folder, [str(done.fault)], [lost], force)])


def _decompress(
    source: BinaryIO, name: str, target: Path, keep_going: bool, model: str | None, force: bool, limits: Limits
) -> Piped:
    """What is told of a fault by what is returned, is there with `keep_going` only; else it is raised."""
    from ..streaming.pipe import decompress_pipe

    predictor = find_model(model)
    done: Piped | None = None

    def run(write: Callable[[bytes], object]) -> None:
        nonlocal done
        done = decompress_pipe(source, write, predictor=predictor, name=name, limits=limits, keep_going=True)
        if done.fault and not keep_going:
            raise done.fault if target == PIPE else _with_advice(done.fault, done, "--keep-going")

    _write_to(target, run, force)
    assert done is not None
    return done


def _with_advice(fault: SpikeyError, done: Piped, option: str) -> SpikeyError:
    """The same fault, and how the frames that come before it are to be had."""
    return (
        type(fault)(f"{fault}; {option} restores the {counted(done.frames, 'frame')} before") if done.frames else fault
    )


def test_live(archive: Path, *, model: str | None, report: Report, limits: Limits) -> None:
    """`spikey test ARCHIVE` where the archive is a live stream."""
    from ..streaming.pipe import decompress_pipe

    with archive.open("rb") as file:
        predictor, name = find_model(model), str(archive)
        done = decompress_pipe(file, lambda data: None, predictor=predictor, name=name, limits=limits, keep_going=True)
    if done.fault:
        raise _with_advice(done.fault, done, "`spikey decompress --keep-going`")
    report.say(f"{archive}: a live stream of {done.frames} frames, decoded and compared: all is well")


def _stdin() -> BinaryIO:
    if sys.stdin is None:  # it was closed by whoever started us
        raise InputError("stdin: is closed; pipe a recording into it, as in `spikey compress - out.spk < in.wav`")
    if sys.stdin.isatty():
        raise InputError("stdin: is a terminal; pipe a recording into it, as in `spikey compress - out.spk < in.wav`")
    return sys.stdin.buffer


def _cannot_come_again(source: BinaryIO) -> bool:
    """Whether bytes come from a recorder, or whatever else is no file that is still there afterwards."""
    try:
        return not stat.S_ISREG(os.fstat(source.fileno()).st_mode)
    except OSError:  # it is none of the system's
        return False


class _UntilSignal(io.RawIOBase):
    """What can be read of a file of the system, up to its end, or to a request to end."""

    def __init__(self, handle: int, request: signals.Request) -> None:
        self._handle = handle
        self._request = request

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        if not self._request.more_comes(self._handle, GRACE):
            return 0
        view = memoryview(buffer)
        data = os.read(self._handle, len(view))
        view[: len(data)] = data
        return len(data)


def binary_stdout() -> BinaryIO:
    """Stdout, for what is not for people. Raises InputError where it is a terminal."""
    if sys.stdout is None:
        raise InputError("stdout: is closed; name a file, or pipe it on")
    if sys.stdout.isatty():
        raise InputError("stdout: is a terminal; name a file, or pipe it on")
    return sys.stdout.buffer


def _write_to(
    target: Path,
    run: Callable[[Callable[[bytes], object]], object],
    force: bool,
    is_worth_keeping: Callable[[], bool] | None = None,
) -> None:
    """Let `run` write to stdout, or to a file that is there once it is whole; or, of what cannot come again, where what
    was written `is_worth_keeping`, wherever it can be, with an InputError that tells.
    """
    if target == PIPE:
        out = binary_stdout()

        def put(data: bytes) -> None:
            out.write(data)
            out.flush()

        run(put)
        return
    from ..system.whole_file import WholeFile

    whole = WholeFile(target, force=force)
    written = 0
    is_whole = False

    def write(data: bytes) -> None:
        nonlocal written
        file.write(data)
        if is_worth_keeping:
            file.flush()  # a kill leaves what had come
        written += len(data)

    try:
        with whole.writing() as file:
            run(write)
        is_whole = True
        whole.commit()
    except Exception as error:
        if not (written and is_worth_keeping and is_worth_keeping()):
            raise
        told = error if isinstance(error, SpikeyError) else f"{target}: {error!r}"
        state = "is whole" if is_whole else "breaks off; `spikey decompress --keep-going` restores it"
        raise InputError(f"{told}; what had come stands in {whole.keep()}, and {state}") from error
    finally:
        whole.discard()
