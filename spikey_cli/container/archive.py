"""The archive: an `.spk` file, from the first byte to the last.

    Header     32 bytes           what this is, and who wrote the streams
    Directory                     every file, its threads, and their topology; the model, where it is embedded
    Block      ...                residual streams of many threads over one stretch of time, or bytes kept verbatim
    Block      ...
    Index                         where each block lies and what is in it, and a checksum of each file
    Directory, Header             once more: damage at the front costs nothing
    Trailer    68 bytes           where the index lies, and a SHA-256 over all restored bytes

    Header     offset  size                          Trailer    offset  size
                    0     8  magic 89 "SPK" 0D 0A 1A 0A              0    32  SHA-256 of the files' SHA-256s, in order
                    8     1  major version, 3                       32     8  length of the archive
                    9     1  minor version, 1                       40     8  samples, or verbatim bytes, in all blocks
                   10     1  coder                                  48     4  number of blocks
                   11     1  reserved, 0                           52     4  length of the index
                   12     8  model: SHA-256, first 8 bytes          56     4  CRC-32 of the index
                   20     4  length of the directory                60     4  CRC-32 of bytes 0..59
                   24     4  CRC-32 of the directory                64     4  "SPKE"
                   28     4  CRC-32 of bytes 0..27

    Block      offset  size
                    0     4  "SPKB"
                    4     4  CRC-32 of the directory: whose block this is
                    8     4  its number, from 0
                   12     4  length of the table
                   16     4  length of the streams
                   20     4  CRC-32 of bytes 0..19 and the table
                   24        the table (see `tables`), then the streams, each under its own CRC-32 in the table

All numbers are little-endian. `docs/format.md` is the specification; `directory` and `tables` have what stands inside
the directory, the blocks and the index. `salvage` reads what is left of a damaged archive.
"""

from __future__ import annotations

import hashlib
import os
import struct
import zlib
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Self

from ..errors import ArchiveError, LimitError, system_fault
from ..io.layout import Bytes
from ..system.random_access import RandomAccess
from .block_table import (
    BlockTable,
    Index,
    IndexEntry,
    StreamEntry,
    pack_block_table,
    pack_index,
    samples_of,
    unpack_block_table,
    unpack_index,
)
from .directory import Directory, pack_directory, unpack_directory
from .limits import DEFAULT_LIMITS, Limits
from .parts import Part

if TYPE_CHECKING:
    from .parts import Stream

MAGIC = b"\x89SPK\r\n\x1a\n"
MAJOR, MINOR = 3, 1
BLOCK_MARK = b"SPKB"
END_MARK = b"SPKE"
NO_MODEL = bytes(8)
REMEDY = "restore the archive from a copy, or what is left of it with `spikey decompress --keep-going`"

_HEADER = struct.Struct("<8sBBBB8sII")
_CRC = struct.Struct("<I")
HEADER_BYTES = _HEADER.size + _CRC.size


@dataclass(frozen=True)
class _Layout:
    """What differs between the major versions that are read."""

    block: struct.Struct
    """Mark, [directory's checksum, number,] lengths of table and streams."""
    trailer: struct.Struct
    """SHA-256, length, [samples, blocks,] length and checksum of the index."""
    has_copies: bool
    """Whether directory and header stand before the trailer once more."""

    @property
    def block_header_bytes(self) -> int:
        """Bytes of a block before its table."""
        return self.block.size + _CRC.size

    @property
    def trailer_bytes(self) -> int:
        """Bytes of the trailer."""
        return self.trailer.size + _CRC.size + len(END_MARK)


LAYOUTS = {
    2: _Layout(struct.Struct("<4sII"), struct.Struct("<32sQII"), False),
    3: _Layout(struct.Struct("<4sIIII"), struct.Struct("<32sQQIII"), True),
}
_LAYOUT = LAYOUTS[MAJOR]


def _with_crc(packed: bytes) -> bytes:
    return packed + _CRC.pack(zlib.crc32(packed))


class FileDigest:
    """Checksums of one file's bytes, fed in order."""

    def __init__(self) -> None:
        self._sha = hashlib.sha256()
        self.crc = 0
        """CRC-32 of the bytes so far."""

    def update(self, data: Bytes) -> None:
        """Add the next bytes."""
        self._sha.update(data)
        self.crc = zlib.crc32(data, self.crc)

    @property
    def sha256(self) -> bytes:
        """SHA-256 of the bytes so far, 32 bytes."""
        return self._sha.digest()


def content_digest(digests: Sequence[FileDigest]) -> bytes:
    """SHA-256 of all the files' SHA-256s, in the directory's order: what the trailer holds."""
    return hashlib.sha256(b"".join(digest.sha256 for digest in digests)).digest()


class ArchiveWriter:
    """Writes an archive from front to back, to any binary stream; it never seeks."""

    def __init__(self, file: BinaryIO, coder: int, model: bytes, directory: Directory) -> None:
        """Write header and directory. `model` is the first 8 bytes of the model's SHA-256, or NO_MODEL."""
        self._file = file
        self.length = 0
        """Bytes written so far."""
        self._samples = 0
        self._blocks: list[IndexEntry] = []
        self.directory = directory
        self.digests = tuple(FileDigest() for _ in directory.files)
        """One for each file; whoever reads the sources feeds them."""
        self._packed = pack_directory(directory)
        self._directory_crc = zlib.crc32(self._packed)
        self._header = _with_crc(
            _HEADER.pack(MAGIC, MAJOR, MINOR, coder, 0, model, len(self._packed), self._directory_crc)
        )
        self._write(self._header, self._packed)

    def _write(self, *pieces: bytes) -> None:
        for piece in pieces:
            self._file.write(piece)
            self.length += len(piece)

    def add_block(self, steps: int, parts: Sequence[Part], streams: Sequence[Sequence[Stream]]) -> None:
        """Append a block; `streams` holds those of each part, one a channel."""
        offset = self.length
        entries = tuple(
            tuple(StreamEntry(stream.method, len(stream.data), zlib.crc32(stream.data)) for stream in part)
            for part in streams
        )
        table = pack_block_table(BlockTable(steps, tuple(parts), entries))
        payload = [stream.data for part in streams for stream in part]
        numbers = (self._directory_crc, len(self._blocks), len(table), sum(map(len, payload)))
        header = _LAYOUT.block.pack(BLOCK_MARK, *numbers)
        self._write(header, _CRC.pack(zlib.crc32(table, zlib.crc32(header))), table, *payload)
        self._blocks.append(IndexEntry(offset, self.length - offset, tuple(parts)))
        self._samples += samples_of(parts, self.directory.files)

    def finish(self) -> int:
        """Write index and trailer, once all bytes of all files went through `digests`; returns the archive's length."""
        index = pack_index(Index(tuple(self._blocks), tuple(digest.crc for digest in self.digests)))
        length = self.length + len(index) + len(self._packed) + HEADER_BYTES + _LAYOUT.trailer_bytes
        numbers = (length, self._samples, len(self._blocks), len(index), zlib.crc32(index))
        trailer = _LAYOUT.trailer.pack(content_digest(self.digests), *numbers)
        self._write(index, self._packed, self._header, _with_crc(trailer), END_MARK)
        return self.length


class ArchiveReader:
    """Reads an archive that can be seeked in. Every part is checked before it is believed.

    Raises ArchiveError, naming the archive, what is wrong and what to do. `directory`, `index`, `coder`, `model` and
    `content_digest` are there from the start; blocks are read one at a time.
    """

    def __init__(
        self,
        path: str | os.PathLike[str] | BinaryIO,
        limits: Limits = DEFAULT_LIMITS,
        *,
        called: str | os.PathLike[str] | None = None,
        remedy: str = REMEDY,
    ) -> None:
        """Open an archive, or take one that is open already, or lies in memory.

        `called` is the name that errors give it, and `remedy` what they say is to be done.
        """
        self.remedy = remedy
        self.limits = limits
        if isinstance(path, (str, os.PathLike)):
            self.path = Path(called or path)
            try:
                file: BinaryIO = open(path, "rb")  # noqa: SIM115 (close() closes it)
            except OSError as error:
                raise ArchiveError(system_fault(self.path, "read", error)) from error
        else:
            self.path = Path(called or "archive")
            file = path
        try:
            self._file = RandomAccess(file)
            self.length = self._file.size
            self._open()
        except BaseException:
            file.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file: to read it then is a ValueError, as of any file."""
        self._file.close()

    def damaged(self, what: str) -> ArchiveError:
        """The error for damage."""
        return ArchiveError(f"{self.path}: damaged: {what}; {self.remedy}")

    def read(self, offset: int, count: int, what: str) -> bytes:
        """Bytes of the archive. Raises ArchiveError where they are not there; `what` tells what they would be."""
        if offset < 0 or count > self.length - offset:
            raise self.damaged(f"{what} would run past the end of the archive")
        try:
            data = self._file.read(offset, count)
        except ValueError as error:
            raise ValueError(f"{self.path}: the archive is closed; open it again") from error
        except OSError as error:
            raise ArchiveError(system_fault(self.path, "read", error)) from error
        if len(data) != count:
            raise self.damaged(f"{what} is cut off")
        return data

    def _read_with_crc(self, offset: int, layout: struct.Struct, what: str) -> tuple:  # type: ignore[type-arg]
        data = self.read(offset, layout.size + _CRC.size, what)
        if _CRC.unpack_from(data, layout.size)[0] != zlib.crc32(data[: layout.size]):
            raise self.damaged(f"{what} does not match its checksum")
        return layout.unpack_from(data)

    def _open(self) -> None:
        directory_bytes = self._read_header(0)
        self._read_directory(HEADER_BYTES, directory_bytes)
        self.first_block = HEADER_BYTES + directory_bytes
        self._read_end(directory_bytes)
        self._check_copies(directory_bytes)
        self._check_claims()

    def _check_claims(self) -> None:
        """Refuse an archive that claims to hold more than the limits grant."""
        claimed, granted = sum(file.size for file in self.directory.files), self.limits.restored_bytes(self.length)
        if claimed > granted:
            raise LimitError(
                f"{self.path}: its {self.length} bytes claim to hold {claimed}, more than {self.limits.expansion} "
                "times as many; if you trust it, raise the limit with --max-expansion"
            )

    def _read_header(self, at: int) -> int:
        """Read the header at byte `at`; returns the length of the directory."""
        if self.read(at, min(len(MAGIC), self.length - at), "the header") != MAGIC:
            raise ArchiveError(
                f"{self.path}: not a Spikey archive of files; name an .spk file that `spikey compress` wrote (a live "
                "stream, which has no directory, is read by `spikey decompress`, `test` and `info`)"
            )
        version = self.read(at + len(MAGIC), 2, "the header")
        header = self._read_with_crc(at, _HEADER, "the header")
        _, major, minor, self.coder, reserved, self.model, directory_bytes, self.directory_crc = header
        if major < min(LAYOUTS):
            raise ArchiveError(
                f"{self.path}: format {version[0]}.{version[1]} is from before the first release, which reads "
                f"{MAJOR}.{MINOR}; restore it with the program that wrote it"
            )
        if major > MAJOR or reserved:
            raise ArchiveError(
                f"{self.path}: format {version[0]}.{version[1]} (flags {reserved}) is newer than this release "
                f"reads, {MAJOR}.{MINOR}; install a newer spikey-cli"
            )
        self.version = (major, minor)
        self.layout = LAYOUTS[major]
        return directory_bytes

    def _read_directory(self, at: int, length: int) -> None:
        packed = self.read(at, length, "the directory")
        if zlib.crc32(packed) != self.directory_crc:
            raise self.damaged("the directory does not match its checksum")
        try:
            self.directory = unpack_directory(packed, self.version[0], self.limits, self.length)
        except LimitError as error:
            raise LimitError(f"{self.path}: {error}") from error
        except ArchiveError as error:
            raise self.damaged(str(error)) from error

    def _read_end(self, directory_bytes: int) -> None:
        """Read trailer and index."""
        trailer_at = self.length - self.layout.trailer_bytes
        if trailer_at < 0 or self.read(self.length - len(END_MARK), len(END_MARK), "the trailer") != END_MARK:
            raise self.damaged("its end is missing")
        self.content_digest, length, *counts, index_bytes, index_crc = self._read_with_crc(
            trailer_at, self.layout.trailer, "the trailer"
        )
        if length != self.length:
            raise self.damaged(f"it has {self.length} bytes where it was written with {length}")
        copies = directory_bytes + HEADER_BYTES if self.layout.has_copies else 0
        index_at = trailer_at - copies - index_bytes
        index = self.read(index_at, index_bytes, "the index")
        if zlib.crc32(index) != index_crc:
            raise self.damaged("the index does not match its checksum")
        try:
            self.index = unpack_index(index, self.directory, self.first_block, index_at)
        except ArchiveError as error:
            raise self.damaged(str(error)) from error
        found = [
            sum(samples_of(block.parts, self.directory.files) for block in self.index.blocks),
            len(self.index.blocks),
        ]
        if counts and counts != found:
            raise self.damaged("the trailer counts other blocks or samples than the index")

    def _check_copies(self, directory_bytes: int) -> None:
        """That directory and header stand before the trailer as they stand in front."""
        if self.layout.has_copies:
            at = self.length - self.layout.trailer_bytes - HEADER_BYTES
            copies = (
                self.read(at, HEADER_BYTES, "the second header"),
                self.read(at - directory_bytes, directory_bytes, "the second directory"),
            )
            if copies != (self.read(0, HEADER_BYTES, "the header"), self.read(HEADER_BYTES, directory_bytes, "it")):
                raise self.damaged("the second header or directory is not as the first")

    def read_table(self, i: int) -> BlockTable:
        """The table of block `i`. Raises ArchiveError where it is damaged."""
        entry = self.index.blocks[i]
        number, length, table = self.read_block_header(entry.offset, f"block {i}")
        if length != entry.length or number not in (None, i if entry.number is None else entry.number):
            raise self.damaged(f"the header of block {i} is not the one that the index knows")
        if table.parts != entry.parts:
            raise self.damaged(f"block {i} does not hold what the index says")
        return table

    def read_block_header(self, at: int, what: str) -> tuple[int | None, int, BlockTable]:
        """The block at byte `at`: (its number, where it has one, its length, its table). Raises ArchiveError."""
        layout = self.layout.block
        head = self.read(at, self.layout.block_header_bytes, what)
        mark, *numbers = layout.unpack_from(head)
        table_bytes, payload_bytes = numbers[-2:]
        if mark != BLOCK_MARK:
            raise self.damaged(f"{what} does not begin where it should")
        packed = self.read(at + len(head), table_bytes, what)
        if zlib.crc32(packed, zlib.crc32(head[: layout.size])) != _CRC.unpack_from(head, layout.size)[0]:
            raise self.damaged(f"the table of {what} does not match its checksum")
        if len(numbers) > 2 and numbers[0] != self.directory_crc:
            raise self.damaged(f"{what} belongs to another archive")
        try:
            table = unpack_block_table(packed, self.directory, payload_bytes, self.limits.block_samples(self.length))
        except LimitError as error:
            raise LimitError(f"{self.path}: {what}: {error}") from error
        except ArchiveError as error:
            raise self.damaged(f"{what}: {error}") from error
        return numbers[1] if len(numbers) > 2 else None, len(head) + table_bytes + payload_bytes, table

    def read_streams(
        self, i: int, table: BlockTable, wanted: Container[int]
    ) -> Iterator[tuple[int, StreamEntry, bytes | None]]:
        """The `wanted` streams of block `i`, by their positions in it: (position, entry in the table, its bytes).

        The bytes are None where they do not match their checksum.
        """
        entries = [entry for part in table.streams for entry in part]
        at = self.index.blocks[i].offset + self.index.blocks[i].length - sum(entry.length for entry in entries)
        for position, entry in enumerate(entries):
            if position in wanted:
                data = self._read_stream(at, entry.length, f"a stream of block {i}")
                whole = len(data) == entry.length and zlib.crc32(data) == entry.crc
                yield position, entry, data if whole else None
            at += entry.length

    def _read_stream(self, at: int, count: int, what: str) -> bytes:
        return self.read(at, count, what)
