"""The command `spikey extract`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import click

from ..errors import InputError
from ..system.remote import location
from .options import (
    ARCHIVE,
    CHANNELS,
    FORCE,
    MODEL,
    PATH_TEXT,
    START,
    STOP,
    THREADS,
    check_range,
    chosen_predictor,
    limited,
    refuse,
)
from .pipe import PIPE, binary_stdout
from .report import Report, counted, reporting

if TYPE_CHECKING:
    from ..container.limits import Limits


@click.command(short_help="Write channels over a range of time, as array or WAV.")
@ARCHIVE
@click.argument("target", type=PATH_TEXT, metavar="OUT.npy|OUT.wav|DIR/")
@CHANNELS
@START
@STOP
@click.option("--first-frame", type=click.IntRange(min=0), metavar="N", help="Start of the range, as a frame number.")
@click.option("--stop-frame", type=click.IntRange(min=0), metavar="N", help="End of the range, as a frame number.")
@click.option("--microvolts", is_flag=True, help="Write microvolts as float32, if the inputs state their gains.")
@MODEL
@limited
@THREADS
@FORCE
@reporting
def extract(
    archive: str | Path,
    target: str,
    channels: tuple[str, ...],
    start: float | None,
    stop: float | None,
    first_frame: int | None,
    stop_frame: int | None,
    microvolts: bool,
    model: str | None,
    limits: Limits,
    workers: int | None,
    force: bool,
    report: Report,
) -> None:
    """Write a range of time of some channels as an array or as WAV files.

    Only the blocks and channels that are needed are decoded. The default is all channels and the whole recording.

    An array (.npy) has one row for each frame and one column for each channel, in the order of the --channel options;
    a WAV has one channel for each. The channels must have the same length, sample rate and sample width. Example:

    \b
        spikey extract --channel left.wav --start 1.5 --stop 2 out.spk piece.npy
        spikey extract --channel probe.bin:7 --first-frame 30000 out.spk piece.wav

    If the target is a folder, one WAV is written for each file, with the chosen channels of that file. Example:

    \b
        spikey extract --start 1.5 --stop 2 out.spk pieces/

    With - as the target, an array (.npy) is written to stdout.
    """
    from ..api.extract import SUFFIXES
    from ..streaming.packets import is_live

    is_stdout = target == str(PIPE)
    is_folder = target.endswith(("/", os.sep)) or os.path.isdir(target)
    if not (is_stdout or is_folder or target.lower().endswith(SUFFIXES)):
        raise click.UsageError(f"{target} must end in .npy or .wav, or in / for a folder of WAV files")
    if is_folder and microvolts:
        raise click.UsageError("--microvolts writes one file, not a folder")
    if (start, stop) != (None, None):
        refuse("first_frame", "stop_frame", reason="the range is in seconds (--start, --stop)")
    check_range(start, stop)
    check_range(first_frame, stop_frame, "--first-frame, --stop-frame")
    if is_live(archive):
        raise InputError(
            f"{location(archive)}: is a live stream, which has no index; decompress it, and compress the "
            "result to an archive"
        )
    from ..api.extract import extract as run

    out: str | BinaryIO = binary_stdout() if is_stdout else target
    with report.progress("extracting") as progress:
        result = run(
            archive,
            out,
            channels=channels or None,
            seconds=None if (start, stop) == (None, None) else (start, stop),
            frames=None if (first_frame, stop_frame) == (None, None) else (first_frame, stop_frame),
            microvolts=microvolts,
            workers=workers,
            force=force,
            predictor=chosen_predictor(model),
            limits=limits,
            progress=progress,
        )
    if not isinstance(out, str):
        out.flush()
    if is_folder:
        report.say(f"{location(archive)}: {counted(len(result.paths), 'file')} written below {target}")
        return
    ((frames, n_channels),) = result.shapes
    report.say(f"{target}: {counted(frames, 'frame')} of {counted(n_channels, 'channel')}", err=is_stdout)
