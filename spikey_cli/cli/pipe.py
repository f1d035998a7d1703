"""Live streams on the command line: stdin, stdout, and live streams in files."""

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
from ..errors import DamageError, InputError, SpikeyError, system_fault
from ..system import signals
from ..system.remote import local_path, location, open_binary
from .options import chosen_predictor
from .report import Report, counted, report_failures, size, write_losses

if TYPE_CHECKING:
    from ..io.raw import RawFormat
    from ..streaming.pipe import Piped

PIPE = Path("-")

GRACE = 1.0
"""Seconds after a signal during which more data is read: Ctrl-C also ends the recorder, which may still write."""

_Write = Callable[[bytes], object]


def compress_stdin(
    target: Path,
    *,
    preset: str,
    raw: RawFormat | None,
    packet_frames: int | None,
    model: str | None,
    force: bool,
    report: Report,
) -> None:
    """Run `spikey compress - TARGET`.

    If stdin is not a file, it cannot be read again: what arrived of it is kept after a signal, a read error, or a full
    disk.
    """
    from ..api.inputs import check_replaceable
    from ..streaming.pipe import compress_pipe

    if target != PIPE:
        check_replaceable(target)
    predictor = chosen_predictor(model)
    source = _stdin()
    result: Piped | None = None
    is_recorder = _is_recorder(source)
    with signals.stop_requests() if is_recorder else closing(signals.StopRequest()) as request:
        if is_recorder:
            source = cast(BinaryIO, _InterruptibleReader(source.fileno(), request))

        def run(write: _Write) -> None:
            nonlocal result
            try:
                result = compress_pipe(
                    source,
                    write,
                    raw=raw,
                    packet_frames=packet_frames,
                    predictor=predictor,
                    preset=preset,
                    name="stdin",
                    keep_going=is_recorder,
                )
            except InputError:  # for example, the header of a WAV is incomplete
                if request.number is None:
                    raise
            if request.number is not None and not (result and result.frames):
                raise signals.Interrupted(request.number)
            if result and result.fault and not result.frames:
                raise result.fault

        # after an error in compress_pipe there is no result, and frames may have been written
        is_worth_keeping = (lambda: result is None or result.frames > 0) if is_recorder else None
        _write_to(target, run, force, is_worth_keeping)
    assert result is not None
    kept = f"{'the stream' if target == PIPE else target} holds the {counted(result.frames, 'frame')} received"
    if result.fault:
        raise type(result.fault)(f"{result.fault}; {kept}", parameter=result.fault.parameter)
    if request.number is not None:
        raise signals.Interrupted(request.number, kept)
    report.say(
        f"{target}: {counted(result.frames, 'frame')}, {size(result.source_bytes)} -> {size(result.stream_bytes)}, "
        f"ratio {result.source_bytes / result.stream_bytes:.4f}",
        err=True,
    )


def decompress_through(
    archive: str | Path, target: Path, *, keep_going: bool, model: str | None, force: bool, limits: Limits
) -> None:
    """Run `spikey decompress - TARGET`, or `spikey decompress ARCHIVE -` for a live stream in a file."""
    name = "stdin" if archive == PIPE else str(location(archive))
    with nullcontext(_stdin()) if archive == PIPE else open_binary(archive) as file:
        result = _decompress(file, name, target, keep_going, model, force, limits)
    report_failures([result.fault] if result.fault else [])


def decompress_live(
    archive: str | Path,
    folder: Path,
    *,
    keep_going: bool,
    model: str | None,
    force: bool,
    report: Report,
    limits: Limits,
) -> None:
    """Run `spikey decompress ARCHIVE DIR` for a live stream in a file; the restored file has the archive's name."""
    from ..streaming.pipe import live_suffix
    from ..system.whole_file import remove_empty

    target, name = folder / f"{local_path(archive).stem}{live_suffix(archive)}", str(location(archive))
    is_new = not folder.exists()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(system_fault(folder, "make the folder", error)) from error
    try:
        with open_binary(archive) as file:
            result = _decompress(file, name, target, keep_going, model, force, limits)
    finally:
        if is_new:
            remove_empty([folder])
    restored = f"{counted(result.frames, 'frame')}, {size(target.stat().st_size)}"
    report.say(f"{name}: live stream, {restored} restored as {target}")
    if result.fault:
        lost = {
            "file": target.name,
            "channels": [*range(result.format.channels)],
            "first_frame": result.frames,
            "stop_frame": None,  # the number of frames is not known
            "sample_rate": result.format.sample_rate,
        }
        fault = result.fault.reason if isinstance(result.fault, DamageError) else result.fault.message
        report_failures([result.fault, *write_losses(archive, folder, [fault], [lost], force)])


def test_live(archive: str | Path, *, model: str | None, report: Report, limits: Limits) -> None:
    """Run `spikey test ARCHIVE` for a live stream."""
    from ..streaming.pipe import decompress_pipe

    with open_binary(archive) as file:
        predictor, name = chosen_predictor(model), str(location(archive))
        result = decompress_pipe(
            file, lambda data: None, predictor=predictor, name=name, limits=limits, keep_going=True
        )
    if result.fault:
        raise _with_salvage(result.fault, result.frames)
    report.say(f"{name}: live stream, {counted(result.frames, 'frame')} decoded and compared: OK")


def _decompress(
    source: BinaryIO, name: str, target: Path, keep_going: bool, model: str | None, force: bool, limits: Limits
) -> Piped:
    """Decompress a live stream. With `keep_going` the result has the fault; without, the fault is raised."""
    from ..streaming.pipe import decompress_pipe

    predictor = chosen_predictor(model)
    result: Piped | None = None

    def run(write: _Write) -> None:
        nonlocal result
        result = decompress_pipe(source, write, predictor=predictor, name=name, limits=limits, keep_going=True)
        if result.fault and not keep_going:
            raise result.fault if target == PIPE else _with_salvage(result.fault, result.frames)

    _write_to(target, run, force)
    assert result is not None
    return result


def _with_salvage(fault: SpikeyError, frames: int) -> SpikeyError:
    """The fault, and the remedy that restores the frames before it, if there are any."""
    if not frames:
        return fault
    return type(fault)(f"{fault.message}, or restore the {counted(frames, 'frame')} before", parameter="keep_going")


def _stdin() -> BinaryIO:
    if sys.stdin is None or sys.stdin.isatty():
        state = "closed" if sys.stdin is None else "a terminal"
        raise InputError(f"stdin: is {state}; pipe a recording into it, as in `spikey compress - out.spk < in.wav`")
    return sys.stdin.buffer


def _is_recorder(source: BinaryIO) -> bool:
    """Whether bytes come from a pipe or a device, so that they cannot be read again."""
    try:
        return not stat.S_ISREG(os.fstat(source.fileno()).st_mode)
    except OSError:  # not a file of the operating system
        return False


class _InterruptibleReader(io.RawIOBase):
    """Reads a file descriptor up to its end, or until a signal requests the end."""

    def __init__(self, handle: int, request: signals.StopRequest) -> None:
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
    """Stdout for binary data. Raises InputError if it is closed or a terminal."""
    if sys.stdout is None or sys.stdout.isatty():
        state = "closed" if sys.stdout is None else "a terminal"
        raise InputError(f"stdout: is {state}; name a file, or pipe the output into another program")
    return sys.stdout.buffer


def _write_to(
    target: Path,
    run: Callable[[_Write], object],
    force: bool,
    is_worth_keeping: Callable[[], bool] | None = None,
) -> None:
    """Let `run` write to stdout, or to a file that gets its name once it is complete.

    If `run` fails and what it wrote `is_worth_keeping`, the incomplete file is kept and the InputError names it.
    """
    if target == PIPE:
        out = binary_stdout()

        def write_through(data: bytes) -> None:
            out.write(data)
            out.flush()

        run(write_through)
        return
    from ..system.whole_file import WholeFile

    output = WholeFile(target, force=force)
    written = 0
    is_complete = False

    def write(data: bytes) -> None:
        nonlocal written
        file.write(data)
        if is_worth_keeping:
            file.flush()  # the data survives if this process is killed
        written += len(data)

    try:
        with output.writing() as file:
            run(write)
        is_complete = True
        output.commit()
    except Exception as error:
        if not (written and is_worth_keeping and is_worth_keeping()):
            raise
        cause = error.message if isinstance(error, SpikeyError) else f"{target}: {error!r}"
        state = "is complete" if is_complete else "is cut off; restore it with `spikey decompress --keep-going`"
        raise InputError(
            f"{cause}; what was received is in {output.keep()}, and {state}",
            parameter=getattr(error, "parameter", None),
        ) from error
    finally:
        output.discard()
