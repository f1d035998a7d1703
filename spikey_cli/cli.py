"""The command `spikey`: thin commands over the functions of the package.

Exit status: 0 all done, 1 something failed (each failure is a line on stderr), 2 the command line makes no sense.
Only click is imported here; a command imports what it needs when it runs.
"""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from . import __version__
from .errors import MissingPackageError, SpikeyError

if TYPE_CHECKING:
    from .predictor import Predictor

_PATH = click.Path(path_type=Path)


class _Commands(click.Group):
    """Commands in the order of their definition, and errors as lines instead of tracebacks."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except SpikeyError as error:
            _complain(error)
        except (OSError, MemoryError) as error:
            _complain(error)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except Exception as error:
            if os.environ.get("SPIKEY_DEBUG"):
                raise
            _complain(f"internal error, {type(error).__name__}: {error}; please report it (SPIKEY_DEBUG=1 shows more)")
        ctx.exit(1)


def _complain(message: object) -> None:
    click.echo(f"spikey: {message}", err=True)


def _report_failures(failures: Sequence[SpikeyError]) -> None:
    for failure in failures:
        _complain(failure)
    if failures:
        sys.exit(1)


@contextmanager
def _progress(label: str, quiet: bool) -> Iterator[Callable[[int, int], None] | None]:
    """A progress bar on stderr, where that is a terminal."""
    if quiet or not sys.stderr.isatty():
        yield None
        return
    with click.progressbar(length=1, label=label, file=sys.stderr) as bar:

        def show(done: int, total: int) -> None:
            bar.length = max(total, 1)
            bar.update(done - bar.pos)

        yield show


def _find_model(name: str | None) -> Predictor | None:
    if name is None:
        return None
    from .predictor import find_model

    return find_model(name)


def _megabytes(count: object) -> str:
    return f"{int(str(count)) / 1e6:.2f} MB"


_threads = click.option(
    "--threads", "workers", type=click.IntRange(min=1), metavar="N", help="Processors to use; all of them by default."
)
_model = click.option(
    "--model", metavar="NAME", help="A predictor: FILE.onnx of your own (see `spikey train`), or a shipped one's name."
)
_force = click.option("-f", "--force", is_flag=True, help="Replace files that exist.")
_quiet = click.option("-q", "--quiet", is_flag=True, help="Print errors only.")


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
@click.argument("inputs", nargs=-1, required=True, type=_PATH, metavar="IN.wav...")
@click.argument("archive", type=_PATH, metavar="OUT.spk")
@click.option(
    "--coder",
    default="rice",
    show_default=True,
    metavar="NAME",
    help="How samples are coded: range (smallest), rice, huffman, bzip2 or raw.",
)
@_model
@click.option("--no-peers", is_flag=True, help="Keep threads apart: larger, but each is read without the others.")
@click.option("-r", "--recursive", is_flag=True, help="Take all files below folders.")
@_threads
@_force
@_quiet
def compress(
    inputs: tuple[Path, ...],
    archive: Path,
    coder: str,
    model: str | None,
    no_peers: bool,
    recursive: bool,
    workers: int | None,
    force: bool,
    quiet: bool,
) -> None:
    """Compress files into one archive.

    Sources are kept. Files that are no WAV of 8, 16 or 24 bits are kept byte for byte, in less space where that is
    easy. Example:

    \b
        spikey compress -r recordings/ out.spk
    """
    if archive.suffix.lower() == ".wav":
        raise click.UsageError(f"{archive} would be the archive; name it, last, with the ending .spk")
    from .coders import CODERS
    from .compressor import compress as run

    if coder not in CODERS:
        raise click.BadParameter(f"there is no {coder!r}; choose from {', '.join(CODERS)}", param_hint="--coder")
    with _progress("compressing", quiet) as progress:
        done = run(
            inputs,
            archive,
            coder=coder,
            workers=workers,
            force=force,
            recursive=recursive,
            skip_failing=True,
            predictor=_find_model(model),
            peers=not no_peers,
            progress=progress,
        )
    if not quiet:
        click.echo(
            f"{archive}: {done.files} files, {_megabytes(done.source_bytes)} -> {_megabytes(done.archive_bytes)}, "
            f"ratio {done.ratio:.4f}"
        )
    _report_failures(done.failures)


@main.command()
@click.argument("archive", type=_PATH, metavar="ARCHIVE")
@click.argument("folder", type=_PATH, metavar="DIR")
@click.option("--thread", "names", multiple=True, metavar="NAME", help="Only this thread or file; may be repeated.")
@click.option("--start", type=click.FloatRange(min=0), metavar="SECONDS", help="From here on, as new WAV files.")
@click.option("--stop", type=click.FloatRange(min=0), metavar="SECONDS", help="Up to here, as new WAV files.")
@_model
@_threads
@_force
@_quiet
def decompress(
    archive: Path,
    folder: Path,
    names: tuple[str, ...],
    start: float | None,
    stop: float | None,
    model: str | None,
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
    """
    from .archive import ArchiveReader
    from .decompressor import decompress as run
    from .extractor import extract

    with ArchiveReader(archive) as reader:
        whole_files = {file.name for file in reader.directory.files}
    if start is not None or stop is not None or not whole_files.issuperset(names):
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
            predictor=_find_model(model),
        )
        if not quiet:
            click.echo(f"{archive}: {len(written)} files written below {folder}")
        return
    with _progress("decompressing", quiet) as progress:
        done = run(
            archive,
            folder,
            files=names or None,
            workers=workers,
            force=force,
            skip_failing=True,
            predictor=_find_model(model),
            progress=progress,
        )
    if not quiet:
        click.echo(f"{archive}: {done.files} files, {_megabytes(done.bytes)} restored below {folder}")
    _report_failures(done.failures)


@main.command()
@click.argument("archive", type=_PATH, metavar="ARCHIVE")
@_model
@_threads
@_quiet
def test(archive: Path, model: str | None, workers: int | None, quiet: bool) -> None:
    """Decode an archive and check every file in it; write nothing.

    Example:

    \b
        spikey test out.spk
    """
    from .decompressor import verify

    with _progress("testing", quiet) as progress:
        done = verify(archive, workers=workers, skip_failing=True, predictor=_find_model(model), progress=progress)
    if not quiet:
        verdict = "some are damaged" if done.failures else "all is well"
        click.echo(f"{archive}: {done.files} files, {_megabytes(done.bytes)} decoded and compared: {verdict}")
    _report_failures(done.failures)


@main.command()
@click.argument("archive", type=_PATH, metavar="ARCHIVE")
@click.option("--json", "as_json", is_flag=True, help="Print everything, as JSON.")
def info(archive: Path, as_json: bool) -> None:
    """Tell what an archive holds; nothing is decoded.

    Example:

    \b
        spikey info --json out.spk
    """
    from .description import describe, summarise

    description = describe(archive)
    click.echo(json.dumps(description, indent=2) if as_json else summarise(description))


@main.command()
@click.argument("config", type=_PATH, metavar="CONFIG.yaml")
@click.argument("name")
@click.option("--data", type=_PATH, required=True, metavar="DIR", help="Recordings, and their sessions.csv if any.")
@click.option("--out", type=_PATH, default=Path("."), show_default=True, metavar="DIR", help="Where the model goes.")
@click.option("--steps", type=click.IntRange(min=1), metavar="N", help="In place of the configuration's.")
@_threads
@_force
@_quiet
def train(
    config: Path,
    name: str,
    data: Path,
    out: Path,
    steps: int | None,
    workers: int | None,
    force: bool,
    quiet: bool,
) -> None:
    """Train a predictor of your own on a folder of WAV files, and freeze it.

    The result, NAME-<hash>.onnx, goes to --model. Beside it are a card of what it reaches, and a folder NAME of logs;
    called again, a training that was cut off goes on. Needs the extra `train`. Example:

    \b
        spikey train examples/training/default.yaml mine --data recordings/
        spikey compress --model mine-*.onnx recordings/*.wav out.spk
    """
    try:
        import torch

        from .training.config import read_config
        from .training.train import train as run
    except ModuleNotFoundError as error:
        raise MissingPackageError(f"training needs {error.name}: pip install 'spikey-cli[train]'") from error
    if workers:
        torch.set_num_threads(workers)
    recipe = read_config(config)
    if steps:
        recipe = recipe.model_copy(update={"training": recipe.training.model_copy(update={"steps": steps})})
    run(recipe, data, name, out, force=force, report=(lambda line: None) if quiet else click.echo)


if __name__ == "__main__":
    main()
