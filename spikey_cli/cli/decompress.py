"""The command `spikey decompress`."""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..errors import InputError
from ..system.remote import is_url, local_path, location
from .options import ARCHIVE, FORCE, MODEL, NAME, PATH_TEXT, THREADS, chosen_predictor, complete_name, limited, refuse
from .pipe import PIPE, decompress_live, decompress_through
from .report import Report, counted, report_failures, report_losses, reporting, size, write_losses

if TYPE_CHECKING:
    from ..container.limits import Limits


@click.command()
@ARCHIVE
@click.argument("folder", type=PATH_TEXT, metavar="[DIR]", required=False)
@click.option(
    "-o",
    "--out",
    type=PATH_TEXT,
    metavar="DIR",
    help="Folder, instead of DIR; default: a new one, named after ARCHIVE.",
)
@click.option(
    "--file",
    "files",
    type=NAME,
    multiple=True,
    metavar="NAME",
    shell_complete=complete_name,
    help="Restore only this file; repeatable.",
)
@click.option(
    "--keep-going", is_flag=True, help="Restore what is intact in a damaged archive, and report what is lost."
)
@MODEL
@limited
@THREADS
@FORCE
@reporting
def decompress(
    archive: str | Path,
    folder: str | None,
    out: str | None,
    files: tuple[str, ...],
    keep_going: bool,
    model: str | None,
    limits: Limits,
    workers: int | None,
    force: bool,
    report: Report,
) -> None:
    """Restore the files of an archive below a folder, byte for byte.

    Without a folder, they are restored below a new one beside the archive, which has its name without .spk. Example:

    \b
        spikey decompress out.spk
        spikey decompress out.spk restored/
        spikey decompress --file left.wav out.spk restored/

    A damaged file is not restored. With --keep-going it is: lost samples are filled with zeros, and the report
    ARCHIVE.lost.json beside the files lists them. A live stream is restored up to the damage. For a range of time or
    single channels see `spikey extract`.

    With - as the archive, a live stream is read from stdin and restored to a file or, without one, to stdout. Example:

    \b
        receive | spikey decompress - restored.wav
    """
    from ..streaming.packets import is_live

    if folder and out:
        raise click.UsageError(f"the folder is given twice, as {folder} and as {out} (--out); leave out one of them")
    named = folder or out or ""
    target = Path(named) if named else None
    if archive == PIPE and named.endswith(("/", os.sep)):
        raise click.UsageError(f"stdin is restored to a file, and {named} is a folder; name the file")
    if archive == PIPE or is_live(archive):
        refuse("files", "workers", reason="a live stream is one file, decoded by one processor")
        if PIPE in (archive, target):
            decompress_through(archive, target or PIPE, keep_going=keep_going, model=model, force=force, limits=limits)
            return
        decompress_live(
            *(archive, target or _new_folder(archive)),
            keep_going=keep_going,
            model=model,
            force=force,
            report=report,
            limits=limits,
        )
        return
    if target == PIPE and (is_url(archive) or os.path.exists(archive)):
        raise click.UsageError("an archive of files is restored to a folder; `spikey extract` writes samples to stdout")
    target = target or _new_folder(archive)
    from ..api.decompress import decompress as run

    with report.progress("decompressing") as progress:
        result = run(
            archive,
            target,
            files=files or None,
            workers=workers,
            force=force,
            skip_failing=True,
            keep_going=keep_going,
            predictor=chosen_predictor(model),
            progress=progress,
            limits=limits,
        )
    incomplete = len({lost.file for lost in result.lost})
    summary = f"{location(archive)}: {counted(result.files, 'file')}, {size(result.bytes)} restored below {target}"
    report.say(f"{summary}, {counted(incomplete, 'file')} with gaps" if incomplete else summary)
    report_losses(location(archive), result.faults, result.lost)
    is_damaged = bool(result.faults or result.lost)
    failures = list(result.failures)
    if is_damaged:
        failures += write_losses(archive, target, result.faults, [asdict(lost) for lost in result.lost], force)
    report_failures(failures, is_damaged=is_damaged)


def _new_folder(archive: str | Path) -> Path:
    """The folder beside an archive that has its name without .spk; of a URL, in the working directory.

    Raises InputError if it exists, whatever it holds: it may be the recording that the archive was made of.
    """
    path = local_path(archive)
    folder = path.with_suffix("") if path.suffix in (".spk", ".spks") else path.with_name(f"{path.name}.restored")
    if os.path.lexists(folder):
        raise InputError(f"{folder}: exists already; name the folder to restore {path.name} to", parameter="folder")
    return folder
