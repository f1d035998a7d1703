"""The archive: an `.spk` file, from the first byte to the last.

    Header     32 bytes           what this is, and who wrote the streams
    Directory                     every file, its threads, and their topology
    Block      ...                residual streams of many threads over one stretch of time, or bytes kept verbatim
    Block      ...
    Index                         where each block lies and what is in it, and a checksum of each file
    Trailer    56 bytes           where the index lies, and a SHA-256 over all restored bytes

    Header     offset  size                          Trailer    offset  size
                    0     8  magic 89 "SPK" 0D 0A 1A 0A              0    32  SHA-256 of the files' SHA-256s, in order
                    8     1  major version, 2                       32     8  length of the archive
                    9     1  minor version, 0                       40     4  length of the index
                   10     1  coder                                  44     4  CRC-32 of the index
                   11     1  reserved, 0                            48     4  CRC-32 of bytes 0..47
                   12     8  model: SHA-256, first 8 bytes          52     4  "SPKE"
                   20     4  length of the directory
                   24     4  CRC-32 of the directory
                   28     4  CRC-32 of bytes 0..27

    Block      offset  size
                    0     4  "SPKB"
                    4     4  length of the table
                    8     4  length of the streams
                   12     4  CRC-32 of bytes 0..11 and the table
                   16        the table (see `tables`), then the streams, each under its own CRC-32 in the table

All numbers are little-endian. `docs/format.md` is the specification; the tables inside the directory, the blocks and
the index are in `tables`.
"""

from __future__ import annotations

import hashlib
import os
import struct
import zlib
from collections.abc import Container, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from .blocks import Part
from .errors import ArchiveError, system_fault
from .streams import Stream
from .tables import (
    BlockTable,
    Directory,
    FileEntry,
    Index,
    IndexEntry,
    StreamEntry,
    pack_block_table,
    pack_directory,
    pack_index,
    unpack_block_table,
    unpack_directory,
    unpack_index,
)

__all__ = [
    "ArchiveReader",
    "ArchiveWriter",
    "BlockTable",
    "Directory",
    "FileEntry",
    "IndexEntry",
    "Part",
    "StreamEntry",
]

MAGIC = b"\x89SPK\r\n\x1a\n"
MAJOR, MINOR = 2, 0
BLOCK_MARK = b"SPKB"
END_MARK = b"SPKE"
NO_MODEL = bytes(8)

_HEADER = struct.Struct("<8sBBBB8sII")
_TRAILER = struct.Struct("<32sQII")
_BLOCK = struct.Struct("<4sII")
_CRC = struct.Struct("<I")
HEADER_BYTES = _HEADER.size + _CRC.size
TRAILER_BYTES = _TRAILER.size + _CRC.size + len(END_MARK)
BLOCK_HEADER_BYTES = _BLOCK.size + _CRC.size


def _sealed(packed: bytes) -> bytes:
    return packed + _CRC.pack(zlib.crc32(packed))


class FileDigest:
    """Checksums of one file's bytes, fed in order."""

    def __init__(self) -> None:
        self._sha = hashlib.sha256()
        self.crc = 0
        """CRC-32 of the bytes so far."""

    def update(self, data: bytes) -> None:
        """Add the next bytes."""
        self._sha.update(data)
        self.crc = zlib.crc32(data, self.crc)

    @property
    def sha256(self) -> bytes:
        """SHA-256 of the bytes so far, 32 bytes."""
        return self._sha.digest()


def seal(digests: Sequence[FileDigest]) -> bytes:
    """SHA-256 of all the files' SHA-256s, in the directory's order: what the trailer holds."""
    return hashlib.sha256(b"".join(digest.sha256 for digest in digests)).digest()


class ArchiveWriter:
    """Writes an archive from front to back, to any binary stream; it never seeks."""

    def __init__(self, file: BinaryIO, coder: int, model: bytes, directory: Directory) -> None:
        """Write header and directory. `model`: the first 8 bytes of the model's SHA-256, or NO_MODEL."""
        self._file = file
        self._length = 0
        self._blocks: list[IndexEntry] = []
        self.directory = directory
        self.digests = tuple(FileDigest() for _ in directory.files)
        """One for each file; whoever reads the sources feeds them."""
        packed = pack_directory(directory)
        self._write(
            _sealed(_HEADER.pack(MAGIC, MAJOR, MINOR, coder, 0, model, len(packed), zlib.crc32(packed))), packed
        )

    def _write(self, *pieces: bytes) -> None:
        for piece in pieces:
            self._file.write(piece)
            self._length += len(piece)

    def add_block(self, steps: int, parts: Sequence[Part], streams: Sequence[Sequence[Stream]]) -> None:
        """Append a block; `streams` holds those of each part, one a channel."""
        offset = self._length
        entries = tuple(
            tuple(StreamEntry(stream.method, len(stream.data), zlib.crc32(stream.data)) for stream in part)
            for part in streams
        )
        table = pack_block_table(BlockTable(steps, tuple(parts), entries))
        payload = [stream.data for part in streams for stream in part]
        header = _BLOCK.pack(BLOCK_MARK, len(table), sum(map(len, payload)))
        self._write(header, _CRC.pack(zlib.crc32(table, zlib.crc32(header))), table, *payload)
        self._blocks.append(IndexEntry(offset, self._length - offset, tuple(parts)))

    def finish(self) -> int:
        """Write index and trailer, once all bytes of all files went through `digests`; returns the archive's length."""
        index = pack_index(Index(tuple(self._blocks), tuple(digest.crc for digest in self.digests)))
        length = self._length + len(index) + TRAILER_BYTES
        trailer = _TRAILER.pack(seal(self.digests), length, len(index), zlib.crc32(index))
        self._write(index, _sealed(trailer), END_MARK)
        return self._length


class ArchiveReader:
    """Reads an archive that can be seeked in. Every part is checked before it is believed.

    Raises ArchiveError, naming the archive, what is wrong and what to do. `directory`, `index`, `coder`, `model` and
    `seal` are there from the start; blocks are read one at a time.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        called: str | os.PathLike[str] | None = None,
        remedy: str = "restore the archive from a copy",
    ) -> None:
        """Open an archive; `called` is the name that errors give it, and `remedy` what they say is to be done."""
        self.path = Path(called or path)
        self.remedy = remedy
        try:
            self._file: BinaryIO = open(path, "rb")  # noqa: SIM115 (close() closes it)
        except OSError as error:
            raise ArchiveError(system_fault(self.path, "read", error)) from error
        try:
            self._open()
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> ArchiveReader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _damaged(self, what: str) -> ArchiveError:
        return ArchiveError(f"{self.path}: damaged: {what}; {self.remedy}")

    def _read(self, offset: int, count: int, what: str) -> bytes:
        if offset < 0 or count > self.length - offset:
            raise self._damaged(f"{what} would run past the end of the archive")
        try:
            self._file.seek(offset)
            data = self._file.read(count)
        except OSError as error:
            raise ArchiveError(system_fault(self.path, "read", error)) from error
        if len(data) != count:
            raise self._damaged(f"{what} is cut off")
        return data

    def _read_sealed(self, offset: int, layout: struct.Struct, what: str) -> tuple:  # type: ignore[type-arg]
        data = self._read(offset, layout.size + _CRC.size, what)
        if _CRC.unpack_from(data, layout.size)[0] != zlib.crc32(data[: layout.size]):
            raise self._damaged(f"{what} does not match its checksum")
        return layout.unpack_from(data)

    def _open(self) -> None:
        self.length = os.fstat(self._file.fileno()).st_size
        if self._read(0, min(self.length, len(MAGIC)), "the header") != MAGIC:
            raise ArchiveError(
                f"{self.path}: not a Spikey archive, or a live stream; name an .spk file that `spikey compress` wrote "
                "of files, or restore a live stream with `spikey decompress`"
            )
        version = self._read(len(MAGIC), 2, "the header")
        header = self._read_sealed(0, _HEADER, "the header")
        _, major, minor, self.coder, reserved, self.model, directory_bytes, directory_crc = header
        if major < MAJOR:
            raise ArchiveError(
                f"{self.path}: format {version[0]}.{version[1]} is from before the first release, which reads "
                f"{MAJOR}.{MINOR}; restore it with the program that wrote it"
            )
        if major > MAJOR or reserved:
            raise ArchiveError(
                f"{self.path}: format {version[0]}.{version[1]} (flags {reserved}) is newer than this release reads, "
                f"{MAJOR}.{MINOR}; install a newer spikey-cli"
            )
        self.version = (major, minor)
        packed = self._read(HEADER_BYTES, directory_bytes, "the directory")
        if zlib.crc32(packed) != directory_crc:
            raise self._damaged("the directory does not match its checksum")
        trailer_at = self.length - TRAILER_BYTES
        if trailer_at < 0 or self._read(self.length - len(END_MARK), len(END_MARK), "the trailer") != END_MARK:
            raise self._damaged("its end is missing")
        self.seal, length, index_bytes, index_crc = self._read_sealed(trailer_at, _TRAILER, "the trailer")
        if length != self.length:
            raise self._damaged(f"it has {self.length} bytes where it was written with {length}")
        self.index_at = trailer_at - index_bytes
        index = self._read(self.index_at, index_bytes, "the index")
        if zlib.crc32(index) != index_crc:
            raise self._damaged("the index does not match its checksum")
        try:
            self.directory = unpack_directory(packed)
            self.index = unpack_index(index, self.directory, HEADER_BYTES + directory_bytes, self.index_at)
        except ArchiveError as error:
            raise self._damaged(str(error)) from error

    def read_table(self, i: int) -> BlockTable:
        """The table of block `i`. Raises ArchiveError where it is damaged."""
        entry = self.index.blocks[i]
        what = f"block {i}"
        head = self._read(entry.offset, BLOCK_HEADER_BYTES, what)
        mark, table_bytes, payload_bytes = _BLOCK.unpack_from(head)
        if mark != BLOCK_MARK or BLOCK_HEADER_BYTES + table_bytes + payload_bytes != entry.length:
            raise self._damaged(f"the header of {what} is not the one that the index knows")
        packed = self._read(entry.offset + BLOCK_HEADER_BYTES, table_bytes, what)
        if zlib.crc32(packed, zlib.crc32(head[: _BLOCK.size])) != _CRC.unpack_from(head, _BLOCK.size)[0]:
            raise self._damaged(f"the table of {what} does not match its checksum")
        try:
            table = unpack_block_table(packed, self.directory, payload_bytes)
        except ArchiveError as error:
            raise self._damaged(f"{what}: {error}") from error
        if table.parts != entry.parts:
            raise self._damaged(f"{what} does not hold what the index says")
        return table

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
                data = self._read(at, entry.length, f"a stream of block {i}")
                yield position, entry, data if zlib.crc32(data) == entry.crc else None
            at += entry.length
