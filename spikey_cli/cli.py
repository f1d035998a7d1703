"""The command `spikey`: thin commands over the functions of the package.

Exit status: 0 all done, 1 something failed (each failure is a line on stderr), 2 the command line makes no sense.
Only click is imported here; a command imports what it needs when it runs.
"""

from __future__ import annotations

import json
import math
import os
from dataclasses import asdict
from pathlib import Path

import click

from . import __version__, interruption
from .cli_options import (
    FORCE,
    MAX_EXPANSION,
    MEMORY,
    MODEL,
    PATH,
    QUIET,
    RECURSIVE,
    THREADS,
    complain,
    find_model,
    limits_of,
    megabytes,
    report_failures,
    report_losses,
    show_progress,
)
from .cli_pipe import PIPE, compress_stdin, decompress_live, decompress_stdin, test_live
from .cli_study import analyze, bench, topology, train
from .errors import SpikeyError


class _Commands(click.Group):
    """Commands in the order of their definition, and errors as lines instead of tracebacks."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except (SpikeyError, OSError, MemoryError) as error:
            interruption.check()
            complain(error)
        except Exception as error:
            interruption.check()
            if os.environ.get("SPIKEY_DEBUG"):
                raise
            complain(f"internal error, {type(error).__name__}: {error}; please report it (SPIKEY_DEBUG=1 shows more)")
        ctx.exit(1)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="spikey")
def main() -> None:
    """Lossless compression of multichannel electrode recordings in WAV.

    Every byte of every file comes back. Example:

    \b
        spikey compress recordings/*.wav out.spk
        spikey decompress out.spk restored/
    """


@main.command()
@click.argument("inputs", nargs=-1, type=PATH, metavar="IN.wav...")
@click.argument("archive", type=PATH, metavar="OUT.spk")
@click.option(
    "--coder",
    metavar="NAME",
    help="How samples are coded: range (smallest), rice (the default), huffman, bzip2 or raw. Pipes: range.",
)
@click.option("--raw", metavar="CHANNELS:RATE[:BITS]", help="What comes through a pipe, where it is no WAV.")
@click.option(
    "--packet",
    "packet_frames",
    type=click.IntRange(min=1),
    metavar="FRAMES",
    help="Frames that a pipe waits for: 1 for the least delay; by default a tenth of a second, or 65,536 samples.",
)
@MODEL
@click.option("--no-peers", is_flag=True, help="Keep threads apart: larger, but each is read without the others.")
@click.option(
    "--embed-model/--no-embed-model",
    default=None,
    help="Put the predictor into the archive, to be read where it is not installed; by default if it is large.",
)
@click.option("--no-verify", is_flag=True, help="Do not decode what was written to compare it.")
@click.option("--remove-source", is_flag=True, help="Delete the files once the archive is proven to give them back.")
@RECURSIVE
@THREADS
@FORCE
@QUIET
def compress(
    inputs: tuple[Path, ...],
    archive: Path,
    coder: str | None,
    raw: str | None,
    packet_frames: int | None,
    model: str | None,
    no_peers: bool,
    embed_model: bool | None,
    no_verify: bool,
    remove_source: bool,
    recursive: bool,
    workers: int | None,
    force: bool,
    quiet: bool,
) -> None:
    """Compress files into one archive.

    The archive takes its name once it was decoded and compared. Sources are kept, unless --remove-source is given and
    they are, byte for byte, what the finished archive holds. Files that are no WAV of 8, 16 or 24 bits are kept byte
    for byte, in less space where that is easy. Example:

    \b
        spikey compress -r recordings/ out.spk

    From a pipe comes one WAV, or interleaved samples, and goes as a live stream that waits for nothing. Example:

    \b
        record | spikey compress --raw 1024:19531 - out.spk
        spikey compress - - < in.wav | ssh host spikey decompress - in.wav
    """
    if PIPE in inputs or (archive == PIPE and not inputs):
        if len(inputs) > 1 or recursive or no_peers or coder not in (None, "range"):
            raise click.UsageError("through a pipe comes one recording, coded with range, its threads apart")
        if remove_source:
            raise click.UsageError("what comes through a pipe has no file that --remove-source could delete")
        compress_stdin(archive, raw=raw, packet_frames=packet_frames, model=model, force=force, quiet=quiet)
        return
    if not inputs:
        raise click.UsageError("Missing argument 'IN.wav...'.")
    if raw:
        raise click.UsageError("--raw tells of a pipe; name - as the input")
    if archive == PIPE:
        raise click.UsageError("an archive of files is no pipe; name a file, or - as the input too")
    coder = coder or "rice"
    if archive.suffix.lower() == ".wav":
        raise click.UsageError(f"{archive} would be the archive; name it, last, with the ending .spk")
    if remove_source and (force or no_verify):
        reason = "what it would replace may be all that is left of other sources" if force else "it has to be verified"
        raise click.UsageError(f"--remove-source does not go with {'--force' if force else '--no-verify'}: {reason}")
    from .coders import CODERS
    from .compressor import compress as run

    if coder not in CODERS:
        raise click.BadParameter(f"there is no {coder!r}; choose from {', '.join(CODERS)}", param_hint="--coder")
    with show_progress("compressing", quiet) as progress:
        done = run(
            inputs,
            archive,
            coder=coder,
            workers=workers,
            force=force,
            recursive=recursive,
            skip_failing=True,
            predictor=find_model(model),
            peers=not no_peers,
            embed_model=embed_model,
            verify=not no_verify,
            remove_source=remove_source,
            progress=progress,
        )
    if not quiet:
        click.echo(
            f"{archive}: {done.files} files, {megabytes(done.source_bytes)} -> {megabytes(done.archive_bytes)}, "
            f"ratio {done.ratio:.4f}" + (f"; {done.removed} sources deleted" if remove_source else "")
        )
    for warning in done.warnings:
        complain(f"warning: {warning}")
    report_failures(done.failures)


@main.command()
@click.argument("archive", type=PATH, metavar="ARCHIVE")
@click.argument("folder", type=PATH, metavar="DIR", required=False)
@click.option("--thread", "names", multiple=True, metavar="NAME", help="Only this thread or file; may be repeated.")
@click.option("--start", type=click.FloatRange(min=0), metavar="SECONDS", help="From here on, as new WAV files.")
@click.option("--stop", type=click.FloatRange(min=0), metavar="SECONDS", help="Up to here, as new WAV files.")
@click.option("--keep-going", is_flag=True, help="Salvage what is left of a damaged archive, and report what is lost.")
@MODEL
@MEMORY
@MAX_EXPANSION
@THREADS
@FORCE
@QUIET
def decompress(
    archive: Path,
    folder: Path | None,
    names: tuple[str, ...],
    start: float | None,
    stop: float | None,
    keep_going: bool,
    model: str | None,
    memory: int | None,
    max_expansion: int | None,
    workers: int | None,
    force: bool,
    quiet: bool,
) -> None:
    """Restore the files of an archive below a folder.

    Whole files come back byte for byte. A range of time, or single channels of a file that has several, are written as
    WAV files with a header of their own. Example:

    \b
        spikey decompress out.spk restored/
        spikey decompress --thread left.wav --start 1.5 --stop 2 out.spk piece/

    A file that is damaged is not restored; with --keep-going it is, silence stands for what is lost, and a report of
    that, ARCHIVE.lost.json, is written beside it.

    From a pipe comes a live stream, and goes as it was before, to a file or on through a pipe. Example:

    \b
        receive | spikey decompress - restored.wav
    """
    from .live.pipe import is_live

    limits = limits_of(memory, max_expansion)
    in_part = start is not None or stop is not None or bool(names)
    if keep_going and (in_part or archive == PIPE):
        raise click.UsageError("--keep-going salvages whole archives; leave out --thread, --start, --stop")
    live = archive == PIPE or is_live(archive)
    if live:
        if in_part:
            raise click.UsageError(
                "a live stream is read from its start to its end; leave out --thread, --start, --stop"
            )
        if archive == PIPE:
            decompress_stdin(folder or PIPE, model=model, force=force, limits=limits)
            return
    if folder is None:
        raise click.UsageError("Missing argument 'DIR'.")
    if live:
        decompress_live(archive, folder, model=model, force=force, quiet=quiet, limits=limits)
        return
    from .archive import ArchiveReader
    from .decompressor import decompress as run
    from .extractor import extract

    if in_part and start is None and stop is None:
        with ArchiveReader(archive, limits) as reader:
            in_part = not {file.name for file in reader.directory.files}.issuperset(names)
    if in_part:
        if start is not None and stop is not None and start >= stop:
            raise click.UsageError(f"--start {start} is not before --stop {stop}")
        written = extract(
            archive,
            folder,
            threads=names or None,
            start=start or 0.0,
            stop=math.inf if stop is None else stop,
            workers=workers,
            force=force,
            predictor=find_model(model),
            limits=limits,
        )
        if not quiet:
            click.echo(f"{archive}: {len(written)} files written below {folder}")
        return
    with show_progress("decompressing", quiet) as progress:
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
    if not quiet:
        click.echo(f"{archive}: {done.files} files, {megabytes(done.bytes)} restored below {folder}")
    if done.lost or done.faults:
        from .atomic import write_whole

        report = folder / f"{archive.name}.lost.json"
        told = {"archive": str(archive), "faults": done.faults, "lost": [asdict(one) for one in done.lost]}
        write_whole(report, (json.dumps(told, indent=1) + "\n").encode(), force=force)
    report_losses(archive, done.faults, done.lost)
    report_failures(done.failures, also=bool(done.faults or done.lost))


@main.command()
@click.argument("archive", type=PATH, metavar="ARCHIVE")
@MODEL
@MEMORY
@MAX_EXPANSION
@THREADS
@QUIET
def test(
    archive: Path,
    model: str | None,
    memory: int | None,
    max_expansion: int | None,
    workers: int | None,
    quiet: bool,
) -> None:
    """Decode an archive and check every file in it; write nothing. What is damaged is named.

    Example:

    \b
        spikey test out.spk
    """
    from .archive import REMEDY
    from .decompressor import verify
    from .live.pipe import is_live

    limits = limits_of(memory, max_expansion)
    if is_live(archive):
        test_live(archive, model=model, quiet=quiet, limits=limits)
        return

    with show_progress("testing", quiet) as progress:
        done = verify(
            archive,
            workers=workers,
            keep_going=True,
            predictor=find_model(model),
            progress=progress,
            limits=limits,
        )
    is_damaged = bool(done.failures or done.lost or done.faults)
    if not quiet:
        verdict = "it is damaged" if is_damaged else "all is well"
        click.echo(f"{archive}: {done.files} files, {megabytes(done.bytes)} decoded and compared: {verdict}")
    report_losses(archive, done.faults, done.lost)
    if done.faults or done.lost:
        complain(f"{archive}: is damaged; {REMEDY}")
    report_failures(done.failures, also=is_damaged)


@main.command()
@click.argument("archive", type=PATH, metavar="ARCHIVE")
@click.option("--json", "as_json", is_flag=True, help="Print everything, as JSON.")
@MEMORY
@MAX_EXPANSION
def info(archive: Path, as_json: bool, memory: int | None, max_expansion: int | None) -> None:
    """Tell what an archive holds; nothing is decoded.

    Example:

    \b
        spikey info --json out.spk
    """
    from .description import describe, summarise

    description = describe(archive, limits=limits_of(memory, max_expansion))
    click.echo(json.dumps(description, indent=2) if as_json else summarise(description))


for _command in (topology, analyze, train, bench):
    main.add_command(_command)
