"""What a block holds: parts of files, and one stream for each channel of a part."""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum
from typing import NamedTuple


class Method(IntEnum):
    """How a stream is written; the numbers stand in archives."""

    PACKED = 0
    """Codes in as many bits as the quantizer needs."""
    CODED = 1
    """Codes that are predicted and entropy coded."""
    STORED = 2
    """Bytes of a verbatim file, unchanged."""
    XZ = 3
    """Bytes of a verbatim file as one `.xz` stream."""
    ESCAPED_PACKED = 4
    """Escaped samples (see `core.escapes`), then as PACKED."""
    ESCAPED_CODED = 5
    """Escaped samples, then as CODED."""
    SPLIT = 6
    """Two streams of methods PACKED or CODED: the points of a lattice, and the residues (see `codec.lattices`)."""
    ESCAPED_SPLIT = 7
    """Escaped samples, then as SPLIT."""
    NUMBERS = 8
    """Kept numbers of records (see `core.numbers`)."""
    FRAMES = 9
    """The bytes of all frames of a part, in the stream of its first channel; the streams of the others are empty."""


class Part(NamedTuple):
    """Frames `first_frame` to `first_frame + n_frames` of one file, all its channels."""

    file: int
    """Index of the file in the directory."""
    first_frame: int
    n_frames: int

    def overlaps(self, first: int, stop: int) -> bool:
        """Return whether it has any of the frames `first` to `stop` - 1."""
        return self.first_frame < stop and self.first_frame + self.n_frames > first


class Stream(NamedTuple):
    """The bytes that hold one channel of a part, or one part of a verbatim file."""

    method: int
    """One of `Method`; of an archive that is read, any byte."""
    data: bytes


def positions_by_file(parts: Iterable[Part]) -> list[list[int]]:
    """Group positions in `parts` by file, in order.

    One worker takes one group, because a file is read and written front to back.
    """
    groups: dict[int, list[int]] = {}
    for position, part in enumerate(parts):
        groups.setdefault(part.file, []).append(position)
    return list(groups.values())
