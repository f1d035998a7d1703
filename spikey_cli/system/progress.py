"""Progress of long operations.

Numbers go to a callback. Messages go to the logger `spikey_cli`: level INFO for files, sessions, model and stages,
DEBUG for blocks.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol


class _Logger:
    """The logger `spikey_cli` of `logging`, in a process that has imported it: in any other nobody listens."""

    def info(self, message: str, *arguments: object) -> None:
        """Log at level INFO. An argument that is a function is called if somebody listens."""
        self._log("INFO", message, arguments)

    def debug(self, message: str, *arguments: object) -> None:
        """Log at level DEBUG."""
        self._log("DEBUG", message, arguments)

    def _log(self, level: str, message: str, arguments: tuple[object, ...]) -> None:
        if logging := sys.modules.get("logging"):
            logger, number = logging.getLogger("spikey_cli"), getattr(logging, level)
            if logger.isEnabledFor(number):
                values = [argument() if callable(argument) else argument for argument in arguments]
                logger.log(number, message, *values, stacklevel=3)


logger = _Logger()


class Progress(Protocol):
    """A callback for progress."""

    def __call__(self, done: int, total: int, ratio: float | None = None, /) -> object:
        """Take the bytes done, the total bytes and, during compression, the compression ratio so far."""


def stages(progress: Progress | None, count: int) -> list[Progress | None]:
    """Return one callback for each of `count` passes over the same bytes; together they report one operation."""

    def stage(i: int) -> Progress | None:
        if progress is None:
            return None
        return lambda done, total, ratio=None: progress(i * total + done, count * total, ratio)

    return [stage(i) for i in range(count)]


_waits: list[str] = []


@contextmanager
def waiting(what: str) -> Iterator[None]:
    """Name what this process does or waits for, as long as a block runs, to whoever shows progress."""
    _waits.append(what)
    try:
        yield
    finally:
        _waits.remove(what)


def waits_for() -> str:
    """What `waiting` named last and still waits for; empty if there is nothing."""
    return next(reversed([*_waits]), "")


@contextmanager
def timed(what: str) -> Iterator[None]:
    """Log the duration of a block that ends without an error, as "`what` in 1.25 s"."""
    start = time.perf_counter()
    yield
    logger.info("%s in %.2f s", what, time.perf_counter() - start)
