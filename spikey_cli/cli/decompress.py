"""The commands `spikey decompress` and `spikey test`."""

from __future__ import annotations

import math
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from .options import FORCE, MODEL, PATH, THREADS, find_model, limited
from .pipe import PIPE, decompress_live, decompress_through, test_live
from .report import Report, complain, counted, report_failures, report_losses, reporting, size, write_losses

if TYPE_CHECKING:
    from ..container.limits import Limits


@click.command()
@click.argument("archive", type=PATH, metavar="ARCHIVE")
@click.argument("folder", type=PATH, metavar="DIR", required=False)
@click.option("--thread", "names", multiple=True, metavar="NAME", help="Only this thread or file; may be repeated.")
@click.option("--start", type=click.FloatRange(min=0), metavar="SECONDS", help="From here on, as new WAV files.")
@click.option("--stop", type=click.FloatRange(min=0), metavar="SECONDS", help="Up to here, as new WAV files.")
@click.option("--keep-going", is_flag=True, help="Salvage what is left of a damaged archive, and report what is lost.")
@MODEL
@limited
@THREADS
@FORCE
@reporting
def decompress(
    archive: Path,
    folder: Path | None,
    names: tuple[str, ...],
    start: float | None,
    stop: float | None,
    keep_going: bool,
    model: str | None,
    limits: Limits,
    workers: int | None,
    force: bool,
    report: Report,
) -> None:
    """Restore the files of an archive below a folder.

    Whole files come back byte for byte. A range of time, or single channels of a file that has several, are written as
    WAV files with a header of their own. Example:

    \b
        spikey decompress out.spk restored/
        spikey decompress --thread left.wav --start 1.5 --stop 2 out.spk piece/

    A file that is damaged is not restored; with --keep-going it is, silence stands for what is lost, and a report of
    that, ARCHIVE.lost.json, is written beside it. Of a live stream all that comes before the damage is restored.

    From a pipe comes a live stream, and goes as it was before, to a file or on through a pipe. Example:

    \b
        receive | spikey decompress - restored.wav
    """
    from ..streaming.pipe import is_live

    in_part = start is not None or stop is not None or bool(names)
    if keep_going and in_part:
        raise click.UsageError("--keep-going salvages whole archives; leave out --thread, --start, --stop")
    live = archive == PIPE or is_live(archive)
    if live:
        if in_part:
            raise click.UsageError(
                "a live stream is read from its start to its end; leave out --thread, --start, --stop"
            )
        if archive == PIPE and workers is not None:
            raise click.UsageError("a live stream is decoded by one thread of execution; leave out --threads")
        if PIPE in (archive, folder):
            decompress_through(archive, folder or PIPE, keep_going=keep_going, model=model, force=force, limits=limits)
            return
    if folder is None:
        raise click.UsageError("Missing argument 'DIR'.")
    if folder == PIPE and archive.exists():
        raise click.UsageError("an archive of files goes to a folder; spikey extract writes samples to stdout")
    if live:
        decompress_live(archive, folder, keep_going=keep_going, model=model, force=force, report=report, limits=limits)
        return
    from ..api.decompress import decompress as run
    from ..api.extract import extract_files
    from ..container.archive import ArchiveReader

    if in_part and start is None and stop is None:
        with ArchiveReader(archive, limits) as reader:
            in_part = not {file.name for file in reader.directory.files}.issuperset(names)
    if in_part:
        if start is not None and stop is not None and start >= stop:
            raise click.UsageError(f"--start {start} is not before --stop {stop}")
        written = extract_files(
            archive,
            folder,
            channels=names or None,
            start=start or 0.0,
            stop=math.inf if stop is None else stop,
            workers=workers,
            force=force,
            predictor=find_model(model),
            limits=limits,
        )
        report.say(f"{archive}: {counted(len(written), 'file')} written below {folder}")
        return
    with report.progress("decompressing") as progress:
        done = run(
            archive,
            folder,
            files=names or None,
            workers=workers,
            force=force,
            skip_failing=True,
            keep_going=keep_going,
            predictor=find_model(model),
            progress=progress,
            limits=limits,
        )
    with_gaps = len({one.file for one in done.lost})
    gaps = f", and {counted(with_gaps, 'file')} with gaps" if with_gaps else ""
    report.say(f"{archive}: {counted(done.files, 'file')}, {size(done.bytes)} restored below {folder}{gaps}")
    report_losses(archive, done.faults, done.lost)
    failures = list(done.failures)
    if done.lost or done.faults:
        failures += write_losses(archive, folder, done.faults, [asdict(one) for one in done.lost], force)
    report_failures(failures, also=bool(done.faults or done.lost))


@click.command()
@click.argument("archive", type=PATH, metavar="ARCHIVE")
@MODEL
@limited
@THREADS
@reporting
def test(
    archive: Path,
    model: str | None,
    limits: Limits,
    workers: int | None,
    report: Report,
) -> None:
    """Decode an archive and check every file in it; write nothing. What is damaged is named.

    Example:

    \b
        spikey test out.spk
    """
    from ..api.decompress import verify
    from ..container.archive import REMEDY
    from ..streaming.pipe import is_live

    if is_live(archive):
        test_live(archive, model=model, report=report, limits=limits)
        return

    with report.progress("testing") as progress:
        done = verify(
            archive,
            workers=workers,
            keep_going=True,
            predictor=find_model(model),
            progress=progress,
            limits=limits,
        )
    is_damaged = bool(done.failures or done.lost or done.faults)
    verdict = "it is damaged" if is_damaged else "all is well"
    report.say(f"{archive}: {counted(done.files, 'file')}, {size(done.bytes)} decoded and compared: {verdict}")
    report_losses(archive, done.faults, done.lost)
    if done.faults or done.lost:
        complain(f"{archive}: is damaged; {REMEDY}")
    report_failures(done.failures, also=is_damaged)
