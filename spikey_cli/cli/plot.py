"""The command `spikey plot`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..system.names import name_of_path
from ..system.remote import local_path, location
from .options import (
    ARCHIVE,
    CHANNELS,
    FORCE,
    MODEL,
    PICTURE,
    START,
    STOP,
    THREADS,
    check_range,
    chosen_predictor,
    limited,
)
from .report import Report, counted, reporting

if TYPE_CHECKING:
    from ..container.limits import Limits

_DEFAULT_CHANNELS = 16
_DEFAULT_SECONDS = 1.0


@click.command()
@ARCHIVE
@click.option("--out", type=PICTURE, metavar="FILE.png", help="Name of the picture; default: ARCHIVE with .png.")
@CHANNELS
@START
@STOP
@MODEL
@limited
@THREADS
@FORCE
@reporting
def plot(
    archive: str | Path,
    out: Path | None,
    channels: tuple[str, ...],
    start: float | None,
    stop: float | None,
    model: str | None,
    limits: Limits,
    workers: int | None,
    force: bool,
    report: Report,
) -> None:
    """Draw a range of traces of an archive, as PNG.

    The default is the first 16 channels, and one second from --start, or from the beginning. Only the blocks and
    channels that are drawn are decoded. A long range is drawn as the minimum and maximum of each column, so that every
    spike is visible. Needs matplotlib. Example:

    \b
        spikey plot out.spk
        spikey plot --channel left.wav --start 1.5 --stop 2 --out left.png out.spk
    """
    start = start or 0.0
    stop = start + _DEFAULT_SECONDS if stop is None else stop
    check_range(start, stop)
    from ..analysis.plotting import check_installed
    from ..analysis.traces import read_traces
    from ..analysis.traces_plot import draw_traces
    from ..system.whole_file import begun

    check_installed()
    local = local_path(archive)
    target = out or local.with_suffix(".png")
    with begun(target, force=force) as write:
        with report.progress("drawing") as progress:
            traces = read_traces(
                archive,
                channels or None,
                start,
                stop,
                max_channels=_DEFAULT_CHANNELS,
                workers=workers,
                predictor=chosen_predictor(model),
                limits=limits,
                progress=progress,
            )
        first, last = min(trace.start for trace in traces), max(trace.stop for trace in traces)
        seconds = f"{round(first, 4):g} s to {round(last, 4):g} s"
        write(draw_traces(traces, f"{name_of_path(local.name)}, {seconds}"))
    report.say(f"{target}: {counted(len(traces), 'channel')} of {location(archive)}, {seconds}")
