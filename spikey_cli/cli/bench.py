"""The command `spikey bench`."""

from __future__ import annotations

import json
import sys
from contextlib import nullcontext
from pathlib import Path

import click

from .options import FORCE, PATH, PICTURE
from .report import QUIET, Report, echo, writing_picture


@click.command(short_help="Compare Spikey with other codecs.")
@click.argument("files", nargs=-1, required=True, type=PATH, metavar="IN.wav...")
@click.option(
    "--settings",
    default="default,fast,rice,best",
    show_default=True,
    metavar="NAMES",
    help="Presets of Spikey, and coders at the default preset; another model follows a colon, as in range:n1-peers.",
)
@click.option(
    "--rivals",
    default="all",
    show_default=True,
    metavar="NAMES",
    help="Other codecs, by the first words of their names; or none.",
)
@click.option("--repeats", default=3, show_default=True, type=click.IntRange(min=1), metavar="N", help="Measured runs.")
@click.option("--json", "json_file", type=PATH, metavar="OUT.json", help="Write all figures as JSON.")
@click.option("--plot", type=PICTURE, metavar="OUT.png", help="Draw the Pareto front; needs matplotlib.")
@FORCE
@QUIET
def bench(
    files: tuple[Path, ...],
    settings: str,
    rivals: str,
    repeats: int,
    json_file: Path | None,
    plot: Path | None,
    force: bool,
    quiet: bool,
) -> None:
    """Measure Spikey and other installed codecs on the same files.

    Whole processes are timed in both directions, by the clock and in processor time; of Python packages, and of Spikey
    if there are fewer samples than an implant records in a second, the coding alone. Each figure is the median of
    several runs, after one that is not counted; the codecs take turns. Every result is decoded and compared. Real time
    is 1024 channels at 19,531 Hz.
    Example:

    \b
        spikey bench --rivals "flac -8,wavpack" --plot front.png recordings/*.wav
    """
    from ..bench.report import as_json, run_bench, summarise
    from ..system.whole_file import begun

    report = Report(is_quiet=quiet or not sys.stderr.isatty())
    with writing_picture(plot, force) as draw, begun(json_file, force=force) if json_file else nullcontext() as write:
        result = run_bench(files, settings.split(","), rivals, repeats, lambda line: report.say(line, err=True))
        echo(*summarise(result))
        if write:
            write((json.dumps(as_json(result), indent=1) + "\n").encode())
        if draw:
            from ..bench.plot import draw_benchmark

            draw(draw_benchmark(result.rows))
