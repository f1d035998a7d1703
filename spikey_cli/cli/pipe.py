"""What the commands do with pipes, and with the live streams that go through them."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from ..errors import InputError, system_fault
from ..limits import Limits
from .options import find_model
from .report import Report, size

if TYPE_CHECKING:
    from ..layout import RawFormat

PIPE = Path("-")


def compress_stdin(
    target: Path, *, raw: RawFormat | None, packet_frames: int | None, model: str | None, force: bool, report: Report
) -> None:
    """`spikey compress - TARGET`."""
    from ..live.pipe import compress_pipe

    predictor = find_model(model)

    def run(write: Callable[[bytes], object]) -> None:
        done = compress_pipe(_stdin(), write, raw=raw, packet_frames=packet_frames, predictor=predictor, name="stdin")
        ratio = done.source_bytes / done.stream_bytes
        report.say(
            f"{target}: {done.frames} frames, {size(done.source_bytes)} -> {size(done.stream_bytes)}, "
            f"ratio {ratio:.4f}",
            err=True,
        )

    _write_to(target, run, force)


def decompress_stdin(target: Path, *, model: str | None, force: bool, limits: Limits) -> None:
    """`spikey decompress - TARGET`."""
    from ..live.pipe import decompress_pipe

    predictor = find_model(model)
    _write_to(
        target, lambda write: decompress_pipe(_stdin(), write, predictor=predictor, name="stdin", limits=limits), force
    )


def decompress_live(
    archive: Path, folder: Path, *, model: str | None, force: bool, report: Report, limits: Limits
) -> None:
    """`spikey decompress ARCHIVE DIR` where the archive is a live stream: one file, named as it is."""
    from ..live.pipe import decompress_pipe, live_suffix

    predictor = find_model(model)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(system_fault(folder, "make the folder", error)) from error
    target = folder / f"{archive.stem}{live_suffix(archive)}"
    with archive.open("rb") as file:
        _write_to(
            target,
            lambda write: decompress_pipe(file, write, predictor=predictor, name=str(archive), limits=limits),
            force,
        )
    report.say(f"{archive}: a live stream, {size(target.stat().st_size)} restored as {target}")


def test_live(archive: Path, *, model: str | None, report: Report, limits: Limits) -> None:
    """`spikey test ARCHIVE` where the archive is a live stream."""
    from ..live.pipe import decompress_pipe

    with archive.open("rb") as file:
        predictor = find_model(model)
        done = decompress_pipe(file, lambda data: None, predictor=predictor, name=str(archive), limits=limits)
    report.say(f"{archive}: a live stream of {done.frames} frames, decoded and compared: all is well")


def _stdin() -> BinaryIO:
    if sys.stdin.isatty():
        raise InputError("stdin: is a terminal; pipe a recording into it, as in `spikey compress - out.spk < in.wav`")
    return sys.stdin.buffer


def binary_stdout() -> BinaryIO:
    """Stdout, for what is not for people. Raises InputError where it is a terminal."""
    if sys.stdout.isatty():
        raise InputError("stdout: is a terminal; name a file, or pipe it on")
    return sys.stdout.buffer


def _write_to(target: Path, run: Callable[[Callable[[bytes], object]], object], force: bool) -> None:
    """Let `run` write to stdout, or to a file that is there once it is whole."""
    if target == PIPE:
        out = binary_stdout()

        def put(data: bytes) -> None:
            out.write(data)
            out.flush()

        run(put)
        return
    from ..atomic import WholeFile

    whole = WholeFile(target, force=force)
    try:
        with whole.writing() as file:
            run(file.write)
        whole.commit()
    finally:
        whole.discard()
