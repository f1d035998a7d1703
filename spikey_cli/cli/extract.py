"""The command `spikey extract`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..errors import InputError
from .options import FORCE, MODEL, PATH, THREADS, find_model, limited
from .pipe import PIPE, binary_stdout
from .report import Report, counted, reporting

if TYPE_CHECKING:
    from ..container.limits import Limits


@click.command()
@click.argument("archive", type=PATH, metavar="ARCHIVE")
@click.argument("target", type=PATH, metavar="OUT.npy|OUT.wav")
@click.option(
    "--thread", "names", multiple=True, metavar="NAME", help="This thread, or those of a file; may be repeated."
)
@click.option("--start", type=click.FloatRange(min=0), metavar="SECONDS", help="From here on.")
@click.option("--stop", type=click.FloatRange(min=0), metavar="SECONDS", help="Up to here.")
@click.option("--first-frame", type=click.IntRange(min=0), metavar="N", help="From this sample of each thread on.")
@click.option("--stop-frame", type=click.IntRange(min=0), metavar="N", help="Up to the sample before this one.")
@MODEL
@limited
@THREADS
@FORCE
@reporting
def extract(
    archive: Path,
    target: Path,
    names: tuple[str, ...],
    start: float | None,
    stop: float | None,
    first_frame: int | None,
    stop_frame: int | None,
    model: str | None,
    limits: Limits,
    workers: int | None,
    force: bool,
    report: Report,
) -> None:
    """Write a stretch of chosen threads as an array, or as one WAV.

    The array has a row for each sample and a column for each thread, in the order in which they are named; in a WAV
    they are channels. They must agree in length, rate and width. Only what is needed is decoded. Example:

    \b
        spikey extract --thread left.wav --start 1.5 --stop 2 out.spk piece.npy
        spikey extract --thread probe.bin:7 --first-frame 30000 out.spk piece.wav

    With - as the output an NPY file goes through a pipe.
    """
    from ..api.extract import SUFFIXES
    from ..streaming.pipe import is_live

    if target != PIPE and target.suffix.lower() not in SUFFIXES:
        raise click.UsageError(f"{target} would be an array or a WAV; name it with the ending .npy or .wav")
    if (start, stop) != (None, None) and (first_frame, stop_frame) != (None, None):
        raise click.UsageError("--start and --stop are seconds, --first-frame and --stop-frame samples; give one kind")
    for first, last, what in ((start, stop, "--start"), (first_frame, stop_frame, "--first-frame")):
        if first is not None and last is not None and first >= last:
            raise click.UsageError(f"{what} {first} is not before {last}")
    if is_live(archive):
        raise InputError(
            f"{archive}: a live stream is read from its start to its end; decompress it, and compress that to extract"
        )
    from ..api.extract import extract as run

    out = binary_stdout() if target == PIPE else target
    with report.progress("extracting") as progress:
        samples, channels = run(
            archive,
            out,
            channels=names or None,
            start=start,
            stop=stop,
            first_frame=first_frame,
            stop_frame=stop_frame,
            workers=workers,
            force=force,
            predictor=find_model(model),
            limits=limits,
            progress=progress,
        )
    if not isinstance(out, Path):
        out.flush()
    report.say(f"{target}: {counted(samples, 'sample')} of {counted(channels, 'thread')}", err=target == PIPE)
