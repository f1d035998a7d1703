"""The command `spikey test`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..errors import DamageError
from ..system.remote import location
from .options import ARCHIVE, MODEL, THREADS, chosen_predictor, limited, refuse
from .pipe import test_live
from .report import Report, complain, counted, report_failures, report_losses, reporting, size

if TYPE_CHECKING:
    from ..container.limits import Limits


@click.command(short_help="Decode an archive and check it; write nothing.")
@ARCHIVE
@MODEL
@limited
@THREADS
@reporting
def test(archive: str | Path, model: str | None, limits: Limits, workers: int | None, report: Report) -> None:
    """Decode an archive and compare every file with its checksum; write nothing.

    Every damaged file is named. Example:

    \b
        spikey test out.spk
    """
    from ..streaming.packets import is_live

    if is_live(archive):
        refuse("workers", reason="a live stream is decoded by one processor")
        test_live(archive, model=model, report=report, limits=limits)
        return
    from ..api.decompress import verify
    from ..container.archive import REMEDY

    with report.progress("testing") as progress:
        result = verify(
            archive,
            workers=workers,
            keep_going=True,
            predictor=chosen_predictor(model),
            progress=progress,
            limits=limits,
        )
    name = location(archive)
    is_damaged = bool(result.lost or result.faults or any(isinstance(each, DamageError) for each in result.failures))
    verdict = "damaged" if is_damaged else "not completely" if result.failures else "OK"
    report.say(f"{name}: {counted(result.files, 'file')}, {size(result.bytes)} decoded and compared: {verdict}")
    report_losses(name, result.faults, result.lost)
    if result.faults or result.lost:
        reason = f"{counted(len(result.faults), 'fault')}, {counted(len(result.lost), 'range')} of lost samples"
        complain(DamageError(reason, path=name, remedy=REMEDY, parameter="keep_going"))
    report_failures(result.failures, is_damaged=is_damaged)
