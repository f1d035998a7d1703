"""The command `spikey diff`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..errors import InputError
from ..system.remote import location
from .options import ARCHIVE, MODEL, PATH, THREADS, chosen_predictor, limited
from .report import Report, counted, echo, report_failures, reporting, size

if TYPE_CHECKING:
    from ..container.limits import Limits


@click.command(short_help="Compare an archive with a folder; write nothing.")
@ARCHIVE
@click.argument("folder", type=PATH, metavar="DIR")
@MODEL
@limited
@THREADS
@reporting
def diff(
    archive: str | Path, folder: Path, model: str | None, limits: Limits, workers: int | None, report: Report
) -> None:
    """Compare the files of an archive with those below a folder; write nothing.

    Each difference is a line: a file that is missing in the folder, one that is not in the archive, or the first byte
    and sample that differ. The exit status is 0 if there is none, and otherwise 1. Example:

    \b
        spikey diff out.spk recordings/
    """
    from ..api.diff import diff as run
    from ..streaming.packets import is_live

    name = location(archive)
    if is_live(archive):
        raise InputError(f"{name}: is a live stream, not an archive of files; decompress it, and compare the result")
    with report.progress("comparing") as progress:
        result = run(
            archive,
            folder,
            workers=workers,
            predictor=chosen_predictor(model),
            limits=limits,
            progress=progress,
        )
    for difference in result.differences:
        echo(str(difference))
    found = counted(len(result.differences), "difference") if result.differences else "no difference"
    if result.failures:
        found = f"{found}, and not all was compared" if result.differences else "not all was compared"
    report.say(f"{name}: {counted(result.files, 'file')}, {size(result.bytes)} equal to {folder}; {found}")
    report_failures(result.failures)
    if result.differences:
        sys.exit(1)
