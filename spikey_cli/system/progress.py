"""How far work is, and what is done: what the caller of something that takes long may hear of it.

The number that moves goes to a callback. What is found and done goes, in words, to the logger `spikey_cli`: its level
INFO tells of files, sessions, model and stages, DEBUG of blocks too.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

logger = logging.getLogger("spikey_cli")


class Progress(Protocol):
    """Told of work as it goes on."""

    def __call__(self, done: int, total: int, ratio: float | None = None, /) -> object:
        """Bytes done, bytes in all; and, of what is compressed, bytes in over bytes out so far."""


def stages(progress: Progress | None, count: int) -> list[Progress | None]:
    """One for each of `count` passes over the same bytes, that together tell of one whole."""

    def stage(i: int) -> Progress | None:
        if progress is None:
            return None
        return lambda done, total, ratio=None: progress(i * total + done, count * total, ratio)

    return [stage(i) for i in range(count)]


@contextmanager
def timed(what: str) -> Iterator[None]:
    """Tell the logger how long the block took, where it comes to its end: "`what` in 1.25 s"."""
    begun = time.perf_counter()
    yield
    logger.info("%s in %.2f s", what, time.perf_counter() - begun)
