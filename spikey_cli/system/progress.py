"""Progress of long operations.

Numbers go to a callback. Messages go to the logger `spikey_cli`: level INFO for files, sessions, model and stages,
DEBUG for blocks.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

logger = logging.getLogger("spikey_cli")


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


@contextmanager
def timed(what: str) -> Iterator[None]:
    """Log the duration of a block that ends without an error, as "`what` in 1.25 s"."""
    start = time.perf_counter()
    yield
    logger.info("%s in %.2f s", what, time.perf_counter() - start)
