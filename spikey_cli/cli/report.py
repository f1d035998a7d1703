"""How commands tell of their work: results on stdout; failures, progress and what is done, on stderr."""

from __future__ import annotations

import functools
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from ..errors import SpikeyError
    from ..system.progress import Progress

QUIET = click.option("-q", "--quiet", is_flag=True, help="Print errors only.")
_VERBOSE = click.option("-v", "--verbose", is_flag=True, help="Tell on stderr what is found and done, and its time.")
_NO_PROGRESS = click.option("--no-progress", is_flag=True, help="Draw no progress bar; there is one on terminals only.")

_CLEAR_LINE = "\r\033[K"
_SHOW_CURSOR = "\033[?25h"


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


def write_losses(
    archive: Path, folder: Path, faults: Sequence[str], lost: Sequence[dict[str, Any]], force: bool
) -> list[SpikeyError]:
    """Write what is lost of an archive beside what was restored of it, as ARCHIVE.lost.json.

    Returns why it was not written, where it was not, as where it is there already, unless `force`.
    """
    from ..errors import InputError
    from ..system.whole_file import write_whole

    told = {"archive": str(archive), "faults": faults, "lost": lost}
    try:
        write_whole(folder / f"{archive.name}.lost.json", (json.dumps(told, indent=1) + "\n").encode(), force=force)
    except InputError as error:
        return [error]
    return []


@dataclass(frozen=True)
class Report:
    """How loud a command was told to be."""

    is_quiet: bool = False
    draws_progress: bool = False

    def say(self, line: str, *, err: bool = False) -> None:
        """A line of the result, unless the command is quiet; on stderr where stdout has other work."""
        if not self.is_quiet:
            click.echo(line, err=err)

    @contextmanager
    def progress(self, label: str) -> Iterator[Progress | None]:
        """A bar with the share that is done, its rate, the ratio so far, and the time left."""
        if not self.draws_progress:
            yield None
            return
        begun = time.monotonic()
        reached: float | None = None

        def tell(done: int | None) -> str | None:
            if not done:
                return None
            told = [f"{done / 1e6 / max(time.monotonic() - begun, 1e-3):.1f} MB/s"]
            if reached:
                told.append(f"ratio {reached:.3f}")
            if bar.eta_known and not bar.finished:
                told.append(f"{clock(bar.eta)} left")
            return "  ".join(told)

        bar = click.progressbar(
            length=1, label=label, file=sys.stderr, width=0, show_eta=False, item_show_func=tell, color=True
        )

        def show(done: int, total: int, ratio: float | None = None) -> None:
            nonlocal reached
            reached = ratio or reached
            bar.length = max(total, 1)
            bar.pos = min(bar.pos, done)  # it goes back where compression begins again without a source
            bar.update(done - bar.pos, done)

        bar.render_progress()
        try:
            yield show
        finally:
            if bar.pos:
                bar.render_finish()
            else:  # nothing was done: nothing is to be seen
                click.echo(f"{_CLEAR_LINE}{_SHOW_CURSOR}", file=sys.stderr, nl=False, color=True)


def reporting(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options -q, -v and --no-progress, and the argument `report` that they make."""

    @QUIET
    @_VERBOSE
    @_NO_PROGRESS
    @functools.wraps(command)
    def run(*arguments: Any, quiet: bool, verbose: bool, no_progress: bool, **options: Any) -> None:
        if quiet and verbose:
            raise click.UsageError("-q and -v exclude each other; give one of them")
        draws = sys.stderr.isatty() and not quiet and not no_progress
        with _told(verbose, draws):
            command(*arguments, report=Report(quiet, draws), **options)

    return run


@contextmanager
def _told(verbose: bool, over_a_bar: bool) -> Iterator[None]:
    """What the package logs goes to stderr, where it is wanted."""
    if not verbose:
        yield
        return
    import logging

    logger, handler = logging.getLogger("spikey_cli"), logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter(f"{_CLEAR_LINE if over_a_bar else ''}%(message)s"))
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    begun = time.monotonic()
    try:
        yield
    finally:
        logger.info("%.2f s in all%s", time.monotonic() - begun, _peak_memory())
        logger.setLevel(level)
        logger.removeHandler(handler)


def _peak_memory() -> str:
    try:
        import resource
    except ModuleNotFoundError:  # Windows
        return ""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return f", peak memory {peak / (1 << 20 if sys.platform == 'darwin' else 1 << 10):.0f} MiB"


def counted(number: int, thing: str) -> str:
    """A number of things, as 1 file or 1,024 threads."""
    return f"{number:,} {thing}{'' if number == 1 else 's'}"


def clock(seconds: float) -> str:
    """A time for people, as h:mm:ss."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}"


def size(count: float) -> str:
    """A count of bytes for people, as 1.23 MB."""
    if count < 1000:
        return f"{count:.0f} B"
    units = ["kB", "MB", "GB", "TB"]
    while (count := count / 1000) >= 999.995 and len(units) > 1:
        units.pop(0)
    return f"{count:.2f} {units[0]}"
