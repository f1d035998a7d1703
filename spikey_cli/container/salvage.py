"""Salvage: what is left of a damaged archive.

    header, directory    the first ones, or those that stand before the trailer
    index                as it is; or found anew, block after block, each of which says whose and which it is
    blocks               those whose header and table are whole; in them, streams whose checksum is right

What is found is under the same checksums as in a whole archive: nothing is guessed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from ..errors import ArchiveError, LimitError
from .archive import BLOCK_MARK, HEADER_BYTES, LAYOUTS, MAGIC, MAJOR, ArchiveReader
from .block_table import Index, IndexEntry

_SEARCH_BYTES = 1 << 20
_HEADERS_TRIED = 64
"""Places where the header may stand once more that are looked at: each may cost the inflating of a directory."""
_TABLES_READ = 64
"""Tables that are read for blocks that may be none, in lengths of the archive."""


class SalvageReader(ArchiveReader):
    """Reads what can be read of an archive; `faults` tells what cannot.

    Raises ArchiveError where neither directory is whole: then nothing tells what the archive held.
    """

    def _open(self) -> None:
        self.faults: list[str] = []
        """What is damaged of the archive's frame, one line each."""
        directory_bytes = self._open_head()
        self.first_block = HEADER_BYTES + directory_bytes
        self.content_digest = b""
        try:
            self._read_end(directory_bytes)
        except ArchiveError as error:
            self.faults.append(_short(error))
            self.index = Index(tuple(self._find_blocks()), (None,) * len(self.directory.files))
        try:
            self._check_copies(directory_bytes)
        except ArchiveError as error:
            if not self.faults:
                self.faults.append(_short(error))
        self._check_claims()

    def _open_head(self) -> int:
        """Read the first header and directory that are whole; returns the directory's length."""
        try:
            directory_bytes = self._read_header(0)
            self._read_directory(HEADER_BYTES, directory_bytes)
            return directory_bytes
        except LimitError:
            raise
        except ArchiveError as error:
            first = error
        for at in self._second_headers():
            try:
                directory_bytes = self._read_header(at)
                self._read_directory(at - directory_bytes, directory_bytes)
            except ArchiveError:
                continue
            self.faults.append(_short(first))
            return directory_bytes
        raise first

    def _second_headers(self) -> Iterator[int]:
        """Where the header may stand once more: before the trailer, or wherever its magic is found, last ones first."""
        yield self.length - LAYOUTS[MAJOR].trailer_bytes - HEADER_BYTES
        yield from reversed(deque(self._find(MAGIC, 1), _HEADERS_TRIED))

    def _find(self, pattern: bytes, start: int) -> Iterator[int]:
        """Where a pattern stands, from byte `start` on."""
        at = start
        while at < self.length:
            data = self.read(at, min(_SEARCH_BYTES + len(pattern) - 1, self.length - at), "the archive")
            found = data.find(pattern)
            while found >= 0:
                yield at + found
                found = data.find(pattern, found + 1)
            at += _SEARCH_BYTES

    def _find_blocks(self) -> Iterator[IndexEntry]:
        """Blocks that are whole as far as their tables, in the order of time; each one once."""
        has_number = self.layout.has_copies
        pattern = BLOCK_MARK + (self.directory_crc.to_bytes(4, "little") if has_number else b"")
        behind, last = 0, -1
        spared = _TABLES_READ * self.length
        reached = [0] * len(self.directory.files)
        for at in self._find(pattern, self.first_block):
            if at < behind:  # it lies within a block that was read
                continue
            spared -= self._table_bytes(at)
            if spared < 0:  # marks are cheap: each of an enemy's could claim the whole archive for its table
                return
            try:
                number, length, table = self.read_block_header(at, "a block")
            except LimitError:
                raise
            except ArchiveError:
                continue  # what lies up to the next one belongs to no block that can be read
            is_next = number is None or number > last
            if is_next and all(part.first_frame >= reached[part.file] for part in table.parts):
                last = last if number is None else number
                for part in table.parts:
                    reached[part.file] = part.first_frame + part.n_frames
                yield IndexEntry(at, length, table.parts, number)
            behind = at + length

    def _table_bytes(self, at: int) -> int:
        """How many bytes the block at byte `at` says that its table has, if that many are there."""
        head = self.read(at, min(self.layout.block.size, self.length - at), "a block")
        if len(head) < self.layout.block.size:
            return 0
        table_bytes: int = self.layout.block.unpack(head)[-2]
        return table_bytes if table_bytes <= self.length - at else 0

    def _read_stream(self, at: int, count: int, what: str) -> bytes:
        try:
            return self.read(at, count, what)
        except ArchiveError:  # it lies behind the end; what is shorter than its entry says is not whole
            return b""


def _short(error: ArchiveError) -> str:
    """What is wrong, without the archive's name and the remedy."""
    return str(error).split(": damaged: ", 1)[-1].rsplit("; ", 1)[0]
