"""The parts of blocks, as they stand in the index and in a block's table.

Three columns, for the parts of all blocks, in order:

    file           zigzag: the number of the file - the number that is expected
    first frame
    frames         0: all up to the end of the file

Within a block, file 0 is expected first. After a part of file f, it is the lowest file without a part in the block
that is linked with f, by any of their channels; if there is none, the lowest one above the file of the first part.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..core.varint import unzigzag, zigzag
from ..errors import DamageError
from .directory import Directory
from .parts import Part
from .table_reader import TableReader
from .table_writer import TableWriter

_MAX_DISTANCE = 1 << 33


class _ExpectedFiles:
    """The file that is expected next in one block."""

    def __init__(self, linked: Sequence[Sequence[int]]) -> None:
        self.next = 0
        self._linked = linked
        self._seen: set[int] = set()
        self._lowest: int | None = None
        self._pending: dict[int, int] = {}

    def add(self, file: int) -> None:
        """Take the file of the next part."""
        self._seen.add(file)
        if self._lowest is None:
            self._lowest = file
        if self._linked:
            others, i = self._linked[file], self._pending.get(file, 0)
            while i < len(others) and others[i] in self._seen:
                i += 1
            self._pending[file] = i
            if i < len(others):
                self.next = others[i]
                return
        while self._lowest in self._seen:
            self._lowest += 1
        self.next = self._lowest


def put_parts(table: TableWriter, blocks: Sequence[Sequence[Part]], directory: Directory) -> None:
    """Append the parts of some blocks."""
    distances = []
    for parts in blocks:
        expected = _ExpectedFiles(directory.linked_files)
        for part in parts:
            distances.append(zigzag(part.file - expected.next))
            expected.add(part.file)
    every = [part for parts in blocks for part in parts]
    table.column(distances)
    table.column(part.first_frame for part in every)
    sizes = {part.file: directory.files[part.file].frames for part in every}
    table.column(0 if part.first_frame + part.n_frames == sizes[part.file] else part.n_frames for part in every)


def read_parts(table: TableReader, counts: Sequence[int], directory: Directory) -> list[tuple[Part, ...]]:
    """Read the parts of blocks that have so many each. Raises DamageError if one is out of range or empty."""
    files = directory.files
    total = sum(counts)
    distances = iter(table.column(total, _MAX_DISTANCE, "the file of a part").tolist())
    firsts = iter(table.column(total, (1 << 63) - 1, "the first frame of a part").tolist())
    lengths = iter(table.column(total, (1 << 63) - 1, "the length of a part").tolist())
    blocks = []
    for count in counts:
        expected = _ExpectedFiles(directory.linked_files)
        parts = []
        for _ in range(count):
            file = expected.next + unzigzag(next(distances))
            if not 0 <= file < len(files):
                raise DamageError(f"a part is of file {file} of {len(files)}")
            expected.add(file)
            first, frames = next(firsts), next(lengths)
            left = files[file].frames - first
            if left <= 0 or frames > left:
                raise DamageError(f"a part of {files[file].name!r} is empty, or ends after the file")
            parts.append(Part(file, first, frames or left))
        blocks.append(tuple(parts))
    return blocks
