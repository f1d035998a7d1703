"""The command `spikey analyze`."""

from __future__ import annotations

from pathlib import Path

import click

from .options import FORCE, MODEL, PATH, RECORDINGS, RECURSIVE, THREADS, chosen_predictor
from .report import Report, report_failures, reporting


@click.command(short_help="Measure the statistics of recordings.")
@RECORDINGS
@click.option("--out", type=PATH, required=True, metavar="DIR", help="Folder of the report.")
@click.option(
    "--seconds",
    type=click.FloatRange(min=0, min_open=True),
    metavar="SECONDS",
    help="Duration to read of each file; default: all.",
)
@MODEL
@RECURSIVE
@THREADS
@FORCE
@reporting
def analyze(
    inputs: tuple[Path, ...],
    out: Path,
    seconds: float | None,
    model: str | None,
    recursive: bool,
    workers: int | None,
    force: bool,
    report: Report,
) -> None:
    """Measure the statistics of recordings, and write a report with pictures.

    The report has the quantizers, code density, spectrum, whiteness and correlation of the residuals, entropies, the
    ideal ratio under the model, and what each part of the codec gives. Needs matplotlib. Example:

    \b
        spikey analyze --out report/ recordings/*.wav
    """
    from ..analysis.report import write_report
    from ..analysis.study import study
    from ..analysis.survey import survey
    from ..model.predictor import default_predictor
    from ..system.workers import open_workers

    predictor = chosen_predictor(model) or default_predictor()
    with write_report(out, force=force) as write, open_workers(workers) as pool:
        result = survey(inputs, pool, recursive=recursive)
        with report.progress("analysing") as progress:
            text = write(study(result, predictor, pool, seconds=seconds, progress=progress))
    report.say(*text.removesuffix("\n").split("\n"))
    report_failures(result.failures)
