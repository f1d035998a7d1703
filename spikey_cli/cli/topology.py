"""The command `spikey topology`."""

from __future__ import annotations

from pathlib import Path

import click

from .options import FORCE, PICTURE, RECORDINGS, RECURSIVE, THREADS
from .report import echo, echo_json, report_failures, writing_picture


@click.command(short_help="Find which channels were recorded together.")
@RECORDINGS
@click.option("--plot", type=PICTURE, metavar="OUT.png", help="Draw the graph of the channels; needs matplotlib.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@RECURSIVE
@THREADS
@FORCE
def topology(
    inputs: tuple[Path, ...], plot: Path | None, as_json: bool, recursive: bool, workers: int | None, force: bool
) -> None:
    """Find which channels were recorded together, and measure how similar they are.

    Example:

    \b
        spikey topology --plot graph.png recordings/*.wav
    """
    from ..analysis.sessions import describe_sessions, summarise_sessions
    from ..analysis.survey import survey
    from ..system.workers import open_workers

    with writing_picture(plot, force) as write, open_workers(workers) as pool:
        result = survey(inputs, pool, recursive=recursive)
        description = describe_sessions(result)
        if as_json:
            echo_json(description)
        else:
            echo(*summarise_sessions(description))
        if write:
            from ..analysis.topology_plot import draw_topology

            write(draw_topology(result))
    report_failures(result.failures)
