"""How far work is: what the caller of something that takes long may hear of it."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[int, int], None]
"""Told (bytes done, bytes in all) as work goes on."""


def stages(progress: Progress | None, count: int) -> list[Progress | None]:
    """One for each of `count` passes over the same bytes, that together tell of one whole."""

    def stage(i: int) -> Progress | None:
        if progress is None:
            return None
        return lambda done, total: progress(i * total + done, count * total)

    return [stage(i) for i in range(count)]
