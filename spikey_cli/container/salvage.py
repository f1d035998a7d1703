"""Salvage: reading what is intact of a damaged archive.

    header, directory    the first copies, or those before the trailer
    index                as stored, or rebuilt by searching for blocks; each block holds the archive's identity and its
                         own number
    blocks               those whose header and table match their checksum; in them, the streams that match theirs

Everything that is returned matches the same checksums as in an intact archive.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from ..errors import ArchiveError, DamageError, LimitError, printable
from .archive import (
    BLOCK_HEADER_BYTES,
    BLOCK_MARK,
    FROM_COPY,
    HEADER_BYTES,
    MAGIC,
    TRAILER_BYTES,
    ArchiveReader,
    VersionError,
)
from .index import Index, IndexEntry

_SEARCH_BYTES = 1 << 20
_MAX_HEADERS = 64
"""Maximum places that are tried for the second header: each may cost the inflation of a directory."""
_MAX_TABLE_BYTES = 64
"""Maximum bytes of tables that the search for blocks reads, as a multiple of the size of the archive."""


class SalvageReader(ArchiveReader):
    """Reads what is intact of an archive.

    It takes the same parameters as `ArchiveReader`, and raises ArchiveError if neither copy of the directory is intact,
    or an intact header states another version of the format.

    Attributes
    ----------
    faults : list of str
        What is damaged outside the blocks, one line each.
    """

    def _open(self) -> None:
        self.faults: list[str] = []
        self.remedy = FROM_COPY  # what is intact is recovered already
        directory_bytes = self._open_directory()
        self.first_block = HEADER_BYTES + directory_bytes
        try:
            self._read_end(directory_bytes)
        except ArchiveError as error:
            self.faults.append(self._reason(error))
            self.content_digest = b""  # what was read may be that of another archive
            self.index = Index(tuple(self._find_blocks()), (None,) * len(self.directory.files))
        try:
            self._check_copies(directory_bytes)
        except ArchiveError as error:
            if not self.faults:
                self.faults.append(self._reason(error))
        self._check_size()

    def _open_directory(self) -> int:
        """Read the first intact copy of header and directory; return the directory's size."""
        try:
            directory_bytes = self._read_header(0)
            self._read_directory(HEADER_BYTES, directory_bytes)
            return directory_bytes
        except (LimitError, VersionError):
            raise
        except ArchiveError as error:
            first_error = error
        for at in self._second_headers():
            try:
                directory_bytes = self._read_header(at)
                self._read_directory(at - directory_bytes, directory_bytes)
            except VersionError:
                raise
            except ArchiveError:
                continue
            self.faults.append(self._reason(first_error))
            return directory_bytes
        raise first_error

    def _second_headers(self) -> Iterator[int]:
        """Yield the possible offsets of the second header: before the trailer, then wherever its magic is, from the end
        backwards.
        """
        yield self.length - TRAILER_BYTES - HEADER_BYTES
        yield from reversed(deque(self._find(MAGIC, 1), _MAX_HEADERS))

    def _find(self, pattern: bytes, start: int) -> Iterator[int]:
        """Yield the offsets of a pattern, from offset `start` on."""
        at = start
        while at < self.length:
            data = self.read(at, min(_SEARCH_BYTES + len(pattern) - 1, self.length - at), "the archive")
            position = data.find(pattern)
            while position >= 0:
                yield at + position
                position = data.find(pattern, position + 1)
            at += _SEARCH_BYTES

    def _find_blocks(self) -> Iterator[IndexEntry]:
        """Yield the blocks whose header and table are intact, in order of time, each once."""
        end, last = 0, -1
        budget = _MAX_TABLE_BYTES * self.length
        covered = [0] * len(self.directory.files)
        for at in self._find(BLOCK_MARK + self.identity, self.first_block):
            if at < end:  # inside the previous block
                continue
            # a hostile file can plant many block marks, each claiming a table as long as the file
            budget -= self._table_bytes(at)
            if budget < 0:
                return
            try:
                number, length, table = self.read_block_header(at, "a block")
            except LimitError:
                raise
            except ArchiveError:
                continue
            if number > last and all(part.first_frame >= covered[part.file] for part in table.parts):
                last = number
                for part in table.parts:
                    covered[part.file] = part.first_frame + part.n_frames
                yield IndexEntry(at, length, table.parts, number)
            end = at + length

    def _table_bytes(self, at: int) -> int:
        """The size that the block header at offset `at` states for its table; 0 if the archive is not that long."""
        if self.length - at < BLOCK_HEADER_BYTES:
            return 0
        table_bytes = int.from_bytes(self.read(at + 16, 4, "a block"), "little")
        return table_bytes if table_bytes <= self.length - at else 0

    def _read_stream(self, at: int, count: int, what: str) -> bytes:
        try:
            return self.read(at, count, what)
        except ArchiveError:  # past the end of a truncated archive
            return b""

    def _reason(self, error: ArchiveError) -> str:
        """What is wrong, without the archive's name and the remedy."""
        if isinstance(error, DamageError):
            return error.reason
        return error.message.removeprefix(printable(f"{self.path}: ")).partition(";")[0]
