"""What commands have in common: options, progress, and how they tell of failures."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..errors import SpikeyError

if TYPE_CHECKING:
    from ..limits import Limits
    from ..predictor import Predictor

PATH = click.Path(path_type=Path)
THREADS = click.option(
    "--threads", "workers", type=click.IntRange(min=1), metavar="N", help="Processors to use; all of them by default."
)
MODEL = click.option(
    "--model", metavar="NAME", help="A predictor: FILE.onnx of your own (see `spikey train`), or a shipped one's name."
)
FORCE = click.option("-f", "--force", is_flag=True, help="Replace files that exist.")
MEMORY = click.option(
    "--memory",
    type=click.IntRange(min=1),
    metavar="MIB",
    help="Memory that an archive may ask for, 64 MiB by default; more where you trust it.",
)
MAX_EXPANSION = click.option(
    "--max-expansion",
    type=click.IntRange(min=1),
    metavar="N",
    help="Bytes restored for each byte of the archive, 8192 by default, and as much more time to decode it.",
)
QUIET = click.option("-q", "--quiet", is_flag=True, help="Print errors only.")
RECURSIVE = click.option("-r", "--recursive", is_flag=True, help="Take all files below folders.")


def complain(message: object) -> None:
    """A line on stderr."""
    click.echo(f"spikey: {message}", err=True)


def report_failures(failures: Sequence[SpikeyError], *, also: bool = False) -> None:
    """A line for each failure, and exit status 1 where there is one, or where it is due `also` without."""
    for failure in failures:
        complain(failure)
    if failures or also:
        sys.exit(1)


def report_losses(archive: Path, faults: Sequence[str], lost: Sequence[object]) -> None:
    """A line for each fault of an archive, and for each stretch that is lost in it."""
    for what in (*(f"damaged: {fault}" for fault in faults), *lost):
        complain(f"{archive}: {what}")


@contextmanager
def show_progress(label: str, quiet: bool) -> Iterator[Callable[[int, int], None] | None]:
    """A progress bar on stderr, where that is a terminal."""
    if quiet or not sys.stderr.isatty():
        yield None
        return
    with click.progressbar(length=1, label=label, file=sys.stderr) as bar:

        def show(done: int, total: int) -> None:
            bar.length = max(total, 1)
            bar.update(done - bar.pos)

        yield show


def find_model(name: str | None) -> Predictor | None:
    """The predictor that --model names."""
    if name is None:
        return None
    from ..predictor import find_model as find

    return find(name)


def limits_of(memory: int | None, max_expansion: int | None) -> Limits:
    """What --memory and --max-expansion grant."""
    from ..limits import DEFAULT_LIMITS, Limits

    return Limits(
        DEFAULT_LIMITS.memory if memory is None else memory << 20,
        DEFAULT_LIMITS.expansion if max_expansion is None else max_expansion,
    )


def megabytes(count: object) -> str:
    """A count of bytes for people."""
    return f"{int(str(count)) / 1e6:.2f} MB"
