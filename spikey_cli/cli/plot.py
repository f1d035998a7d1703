"""The command `spikey plot`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from .options import FORCE, MODEL, PATH, PICTURE, THREADS, find_model, limited
from .report import Report, counted, reporting

if TYPE_CHECKING:
    from ..container.limits import Limits

_TRACES = 16
"""Threads that are drawn where none are named."""


@click.command()
@click.argument("archive", type=PATH, metavar="ARCHIVE")
@click.option("--out", type=PICTURE, metavar="FILE.png", help="Where the picture goes; by default beside the archive.")
@click.option(
    "--thread",
    "names",
    multiple=True,
    metavar="NAME",
    help=f"A file, or FILE:CHANNEL of it; may be repeated. By default the first {_TRACES} threads.",
)
@click.option(
    "--start", type=click.FloatRange(min=0), default=0.0, metavar="SECONDS", help="From here on; 0 by default."
)
@click.option("--stop", type=click.FloatRange(min=0), metavar="SECONDS", help="Up to here; by default for a second.")
@MODEL
@limited
@THREADS
@FORCE
@reporting
def plot(
    archive: Path,
    out: Path | None,
    names: tuple[str, ...],
    start: float,
    stop: float | None,
    model: str | None,
    limits: Limits,
    workers: int | None,
    force: bool,
    report: Report,
) -> None:
    """Draw a range of traces of an archive, as PNG.

    Only what is drawn is decoded. Long ranges are drawn by their extremes: no spike is lost. Needs the extra `plot`.
    Example:

    \b
        spikey plot out.spk
        spikey plot --thread left.wav --start 1.5 --stop 2 --out left.png out.spk
    """
    stop = start + 1 if stop is None else stop
    if not start < stop:
        raise click.UsageError(f"--start {start:g} is not before --stop {stop:g}")
    from ..analysis.plotting import check_installed
    from ..analysis.traces import read_traces
    from ..analysis.traces_plot import draw_traces
    from ..system.whole_file import begun

    check_installed()
    target = out or archive.with_suffix(".png")
    with begun(target, force=force) as write:
        with report.progress("drawing") as progress:
            traces = read_traces(
                archive,
                names or None,
                start,
                stop,
                max_channels=_TRACES,
                workers=workers,
                predictor=find_model(model),
                limits=limits,
                progress=progress,
            )
        first, last = min(trace.start for trace in traces), max(trace.stop for trace in traces)
        drawn = f"{round(first, 4):g} s to {round(last, 4):g} s"
        write(draw_traces(traces, f"{archive.name}, {drawn}"))
    report.say(f"{target}: {counted(len(traces), 'thread')} of {archive}, {drawn}")
