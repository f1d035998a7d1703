"""What commands print: results on stdout; failures, progress and log lines on stderr."""

from __future__ import annotations

import contextlib
import functools
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from ..errors import printable
from ..system.progress import waits_for
from ..system.remote import local_path, location
from .options import with_option

if TYPE_CHECKING:
    from ..errors import SpikeyError
    from ..system.progress import Progress

QUIET = click.option("-q", "--quiet", is_flag=True, help="Print errors and warnings only.")
_VERBOSE = click.option("-v", "--verbose", is_flag=True, help="Log each step and its time on stderr.")
_NO_PROGRESS = click.option(
    "--no-progress", is_flag=True, help="Show no progress bar. Without a terminal there is none."
)

_PATIENCE = 1.0
"""Seconds without progress after which a bar says what is waited for."""

_CLEAR_LINE = "\r\033[K"
_SHOW_CURSOR = "\033[?25h"


def echo(*lines: str, err: bool = False) -> None:
    """Print lines, with control characters escaped: a name must not write to the terminal, nor look like a line."""
    click.echo("\n".join(map(printable, lines)), err=err)


def echo_json(data: object) -> None:
    """Print data as JSON, all in ASCII without control characters."""
    import json

    click.echo(json.dumps(data, indent=2).replace("\x7f", "\\u007f"))


def complain(problem: object, *, kind: str = "") -> None:
    """Print a line on stderr. If `problem` is an error that an option remedies, the line names that option."""
    with contextlib.suppress(OSError):  # stderr is full or gone, and that stops no work
        click.echo(printable(f"spikey: {kind}{with_option(problem)}"), err=True)


def report_failures(failures: Sequence[SpikeyError], *, is_damaged: bool = False) -> None:
    """Print a line for each failure; exit with status 1 if there is one, or if an archive `is_damaged`."""
    for failure in failures:
        complain(failure)
    if failures or is_damaged:
        sys.exit(1)


def report_losses(archive: str | Path, faults: Sequence[str], lost: Sequence[object]) -> None:
    """Print a line for each fault of an archive and for each range of samples that is lost."""
    for line in (*(f"is damaged: {fault}" for fault in faults), *lost):
        complain(f"{archive}: {line}")


def write_losses(
    archive: str | Path, folder: Path, faults: Sequence[str], lost: Sequence[dict[str, Any]], force: bool
) -> list[SpikeyError]:
    """Write the report ARCHIVE.lost.json beside the restored files.

    Returns
    -------
    list of SpikeyError
        Why the report was not written: empty, or one error.
    """
    import json

    from ..errors import InputError
    from ..system.whole_file import write_whole

    content = {"archive": str(location(archive)), "faults": faults, "lost": lost}
    try:
        write_whole(
            folder / f"{local_path(archive).name}.lost.json",
            (json.dumps(content, indent=1) + "\n").encode(),
            force=force,
        )
    except InputError as error:
        return [error]
    return []


class Report(NamedTuple):
    """What a command prints while it works."""

    is_quiet: bool = False
    shows_progress: bool = False

    def say(self, *lines: str, err: bool = False) -> None:
        """Print lines of the result unless the command is quiet; on stderr if stdout carries data."""
        if not self.is_quiet:
            echo(*lines, err=err)

    @contextlib.contextmanager
    def progress(self, label: str) -> Iterator[Progress | None]:
        """A progress bar with the share done, the rate, the ratio so far and the time left.

        If nothing moves for a second, it says what is waited for.
        """
        if not self.shows_progress:
            yield None
            return
        bar = _Bar(label)
        ended = threading.Event()

        def tick() -> None:
            while not ended.wait(_PATIENCE):
                bar.tick()

        ticker = threading.Thread(target=tick, daemon=True)
        ticker.start()
        try:
            yield bar.show
        finally:
            ended.set()
            ticker.join()
            bar.end()


class _Bar:
    """A progress bar on stderr, which several threads may change."""

    def __init__(self, label: str) -> None:
        self._lock = threading.Lock()
        self._started = self._moved = time.monotonic()
        self._ratio: float | None = None
        self._waiting = ""
        self._bar = click.progressbar(
            length=1, label=label, file=sys.stderr, width=0, show_eta=False, item_show_func=self._details, color=True
        )
        with contextlib.suppress(OSError):
            self._bar.render_progress()

    def show(self, done: int, total: int, ratio: float | None = None) -> None:
        """Show how much is done."""
        with self._lock, contextlib.suppress(OSError):
            bar = self._bar
            self._moved, self._waiting = time.monotonic(), ""
            self._ratio = ratio or self._ratio
            bar.length = max(total, 1)
            bar.pos = min(bar.pos, done)  # `done` decreases if compression restarts without a source
            bar.update(done - bar.pos, done)

    def tick(self) -> None:
        """Say what is waited for, if nothing has moved for a second; to be called every second."""
        with self._lock, contextlib.suppress(OSError):
            idle = time.monotonic() - self._moved
            if idle >= _PATIENCE:
                what = waits_for() or ("working" if self._bar.pos else "starting")
                self._waiting = f"{what} {clock(idle)}"
                self._bar.render_progress()

    def end(self) -> None:
        """Leave the bar as it is, or erase it if it is empty."""
        with contextlib.suppress(OSError):
            if self._bar.pos:
                self._bar.render_finish()
            else:
                click.echo(f"{_CLEAR_LINE}{_SHOW_CURSOR}", file=sys.stderr, nl=False, color=True)

    def _details(self, done: int | None) -> str | None:
        shown = []
        if done:
            shown.append(f"{done / 1e6 / max(time.monotonic() - self._started, 1e-3):.1f} MB/s")
            if self._ratio:
                shown.append(f"ratio {self._ratio:.3f}")
            if self._bar.eta_known and not self._bar.finished:
                shown.append(f"{clock(self._bar.eta)} left")
        return "  ".join([*shown, self._waiting]).rstrip() or None


@contextlib.contextmanager
def writing_picture(path: Path | None, force: bool) -> Iterator[Callable[[bytes], None] | None]:
    """A function that writes the picture; None without a path.

    Raises at once, before anything is measured, if Matplotlib is missing or the picture cannot be written.
    """
    if path is None:
        yield None
        return
    from ..analysis.plotting import check_installed
    from ..system.whole_file import begun

    check_installed()
    with begun(path, force=force) as write:
        yield write


def reporting(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options -q, -v and --no-progress, passed to the command as `report`."""

    @QUIET
    @_VERBOSE
    @_NO_PROGRESS
    @functools.wraps(command)
    def run(*arguments: Any, quiet: bool, verbose: bool, no_progress: bool, **options: Any) -> None:
        if quiet and verbose:
            raise click.UsageError("-q and -v exclude each other; give one of them")
        shows_progress = sys.stderr.isatty() and not quiet and not no_progress
        with _log(shows_progress) if verbose else contextlib.nullcontext():
            command(*arguments, report=Report(quiet, shows_progress), **options)

    return run


@contextlib.contextmanager
def _log(clears_progress: bool) -> Iterator[None]:
    """Print the package's log on stderr, and at the end the time and memory used."""
    import logging

    logger, handler = logging.getLogger("spikey_cli"), logging.StreamHandler(sys.stderr)
    start = _CLEAR_LINE if clears_progress else ""
    handler.format = lambda record: start + printable(record.getMessage())  # type: ignore[method-assign]
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    started = time.monotonic()
    try:
        yield
    finally:
        logger.info("%.2f s in total%s", time.monotonic() - started, _peak_memory())
        logger.setLevel(level)
        logger.removeHandler(handler)


def _peak_memory() -> str:
    try:
        import resource
    except ModuleNotFoundError:  # Windows
        return ""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return f", peak memory {peak / (1 << 20 if sys.platform == 'darwin' else 1 << 10):.0f} MiB"


def counted(number: int, noun: str) -> str:
    """A number and its noun, such as 1 file or 1,024 channels."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def clock(seconds: float) -> str:
    """A duration as h:mm:ss."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}"


def size(count: float) -> str:
    """A number of bytes with its unit, such as 1.23 MB."""
    if count < 1000:
        return f"{count:.0f} B"
    units = ["kB", "MB", "GB", "TB"]
    while (count := count / 1000) >= 999.995 and len(units) > 1:
        units.pop(0)
    return f"{count:.2f} {units[0]}"
