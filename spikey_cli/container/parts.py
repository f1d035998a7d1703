"""Parts and streams: what a block holds of a file, and the bytes that code one channel of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

PACKED, CODED, STORED, XZ = range(4)
"""How a stream is written: codes packed as they are, codes predicted and coded; bytes as they are, bytes as .xz."""


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch of one file, all its channels: frames `first_frame` to `first_frame + n_frames`."""

    file: int
    first_frame: int
    n_frames: int


def positions_by_file(parts: Iterable[Part]) -> list[list[int]]:
    """Positions in `parts` of those of each file, in their order: what one worker takes, since a file is one stream."""
    found: dict[int, list[int]] = {}
    for position, part in enumerate(parts):
        found.setdefault(part.file, []).append(position)
    return list(found.values())


@dataclass(frozen=True)
class Stream:
    """The bytes of one thread in one block, and how they were written (PACKED or CODED)."""

    method: int
    data: bytes
