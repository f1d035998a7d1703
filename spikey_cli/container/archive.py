"""The archive: an `.spk` file, from the first byte to the last. `docs/format.md` is the specification.

    Header     40 bytes     version, coder, model, the size of the directory, and the archive's identity
    Directory  ...          every file, its channels, and their topology; the model, if it is embedded
    Block      ...          streams of many channels over one span of time, or of verbatim files
    Block      ...
    Index      ...          where each block lies and what it holds, and a checksum of each file
    Directory, Header       the same bytes once more: damage to the first copies loses nothing
    Trailer    56 bytes     the size of the index, and a SHA-256 over all restored bytes

    Header     offset  size                          Trailer    offset  size
                    0     8  magic 89 "SPK" 0D 0A 1A 0A              0    32  SHA-256 of the files' SHA-256s, in order
                    8     1  format version, 1                      32     8  size of the archive
                    9     1  coder                                  40     4  size of the index
                   10     1  effort                                 44     4  CRC-32 of the index
                   11     1  reserved, 0                            48     4  CRC-32 of bytes 0..47
                   12     8  model: SHA-256, first 8 bytes          52     4  "SPKE"
                   20     4  size of the directory
                   24     4  CRC-32 of the directory
                   28     8  identity
                   36     4  CRC-32 of bytes 0..35

    Block      offset  size
                    0     4  "SPKB"
                    4     8  identity of the archive
                   12     4  number of the block, from 0
                   16     4  size of the table
                   20     4  CRC-32 of the table and bytes 0..19
                   24        the table (see `block_table`), then the streams; the table has a CRC-32 of each

All numbers are little-endian. The identity is the beginning of a SHA-256 over bytes 0..27 of the header and the SHA-256
of the contents: the same inputs give the same archive; archives of the same names and other samples have another one.
"""

from __future__ import annotations

import hashlib
import os
import struct
import zlib
from collections.abc import Container, Iterator, Sequence
from typing import TYPE_CHECKING, BinaryIO, Self

from ..errors import ArchiveError, DamageError, LimitError, system_fault
from ..io.layout import Bytes
from ..system.random_access import RandomAccess
from ..system.remote import location, open_binary
from .block_table import BlockTable, StreamEntry, pack_block_table, unpack_block_table
from .directory import Directory, pack_directory, unpack_directory
from .index import Index, IndexEntry, pack_index, unpack_index
from .limits import DEFAULT_LIMITS, Limits
from .parts import Part

if TYPE_CHECKING:
    from .parts import Stream

MAGIC = b"\x89SPK\r\n\x1a\n"
VERSION = 1
"""Version of the format, which every later release must read."""
BLOCK_MARK = b"SPKB"
END_MARK = b"SPKE"
NO_MODEL = bytes(8)
"""Stands in the header for the model of an archive in which nothing is predicted."""
FROM_COPY = "restore it from a copy"
"""What to do about damage if nothing can be salvaged."""
REMEDY = f"{FROM_COPY}, or recover what is intact"

_START = struct.Struct("<8sBBBB8sII")
_HEADER = struct.Struct(f"<{_START.size}s8s")
_BLOCK = struct.Struct("<4s8sII")
_TRAILER = struct.Struct("<32sQII")
_CRC = struct.Struct("<I")
HEADER_BYTES = _HEADER.size + _CRC.size
BLOCK_HEADER_BYTES = _BLOCK.size + _CRC.size
TRAILER_BYTES = _TRAILER.size + _CRC.size + len(END_MARK)


class VersionError(ArchiveError):
    """An intact header states a version of the format that this release does not read."""


def _with_crc(packed: bytes) -> bytes:
    return packed + _CRC.pack(zlib.crc32(packed))


class FileDigest:
    """Checksums of the bytes of one file, which `update` takes in order."""

    __slots__ = ("_sha", "crc")  # an archive may have tens of thousands of files, most of them empty

    def __init__(self) -> None:
        self._sha: hashlib._Hash | None = None
        self.crc = 0
        """CRC-32 of the bytes so far."""

    def update(self, data: Bytes) -> None:
        """Take in the next bytes."""
        if self._sha is None:
            self._sha = hashlib.sha256()
        self._sha.update(data)
        self.crc = zlib.crc32(data, self.crc)

    @property
    def sha256(self) -> bytes:
        """SHA-256 of the bytes so far, 32 bytes."""
        return (self._sha or hashlib.sha256()).digest()


def content_digest(digests: Sequence[FileDigest]) -> bytes:
    """Return the SHA-256 of all files' SHA-256s, in the order of the directory; the trailer stores it."""
    return hashlib.sha256(b"".join(digest.sha256 for digest in digests)).digest()


def archive_identity(start: bytes, contents: bytes) -> bytes:
    """Return the 8 bytes by which header and blocks know that they belong together.

    Parameters
    ----------
    start : bytes
        The header before the identity.
    contents : bytes
        `content_digest` of the files.
    """
    return hashlib.sha256(start + contents).digest()[:8]


class ArchiveWriter:
    """Writes an archive to a seekable file: front to back, and the identity at the end.

    Parameters
    ----------
    file : binary file
        Where the archive goes, from its start.
    coder : int
        Number of the coder (see `core.coders`).
    effort : int
        How much the adaptation learns (see `codec.presets`).
    model : bytes
        First 8 bytes of the SHA-256 of the model's ONNX file, or NO_MODEL.
    directory : Directory
        All files; their blocks follow in order.
    may_use_lzma : bool
        Whether tables may be compressed by LZMA, which chunks must do without.

    Attributes
    ----------
    length : int
        Bytes written so far.
    digests : tuple of FileDigest
        One for each entry of the directory; those of groups stay empty. The caller updates the others with all bytes
        of their files before it calls `finish`.
    """

    def __init__(
        self,
        file: BinaryIO,
        coder: int,
        effort: int,
        model: bytes,
        directory: Directory,
        *,
        may_use_lzma: bool = True,
    ) -> None:
        self._file = file
        self._may_use_lzma = may_use_lzma
        self.length = 0
        self._blocks: list[IndexEntry] = []
        self._tables: list[tuple[int, int]] = []
        self.directory = directory
        self.digests = tuple(FileDigest() for _ in directory.files)
        self._packed = pack_directory(directory, may_use_lzma=may_use_lzma)
        crc = zlib.crc32(self._packed)
        self._start = _START.pack(MAGIC, VERSION, coder, effort, 0, model, len(self._packed), crc)
        self._write(bytes(HEADER_BYTES), self._packed)

    def _write(self, *pieces: bytes) -> None:
        for piece in pieces:
            self._file.write(piece)
            self.length += len(piece)

    def add_block(self, steps: int, parts: Sequence[Part], streams: Sequence[Sequence[Stream]]) -> None:
        """Append a block; `streams` holds those of each part, one for each channel."""
        offset = self.length
        every = [stream for part in streams for stream in part]
        entries = [StreamEntry(stream.method, len(stream.data), zlib.crc32(stream.data)) for stream in every]
        block_table = BlockTable.of(steps, parts, entries)
        table = pack_block_table(block_table, self.directory, may_use_lzma=self._may_use_lzma)
        self._tables.append((len(table), zlib.crc32(table)))
        self._write(bytes(BLOCK_HEADER_BYTES), table, *(stream.data for stream in every))
        self._blocks.append(IndexEntry(offset, self.length - offset, tuple(parts), len(self._blocks)))

    @property
    def content_digest(self) -> bytes:
        """SHA-256 of the SHA-256s of all files whose bytes `digests` has seen."""
        return content_digest([d for file, d in zip(self.directory.files, self.digests, strict=True) if file.is_file])

    def finish(self) -> int:
        """Write the rest; return the size of the archive. `digests` must have seen all bytes of all files."""
        files, contents = self.directory.files, self.content_digest
        identity = archive_identity(self._start, contents)
        header = _with_crc(_HEADER.pack(self._start, identity))
        crcs = tuple(digest.crc if file.is_file else None for file, digest in zip(files, self.digests, strict=True))
        listed = Index(tuple(self._blocks), crcs)
        index = pack_index(listed, self.directory, may_use_lzma=self._may_use_lzma)
        length = self.length + len(index) + len(self._packed) + HEADER_BYTES + TRAILER_BYTES
        trailer = _TRAILER.pack(contents, length, len(index), zlib.crc32(index))
        self._write(index, self._packed, header, _with_crc(trailer), END_MARK)
        self._write_at(0, header)
        for block, (table_bytes, table_crc) in zip(self._blocks, self._tables, strict=True):
            block_header = _BLOCK.pack(BLOCK_MARK, identity, block.number, table_bytes)
            self._write_at(block.offset, block_header + _CRC.pack(zlib.crc32(block_header, table_crc)))
        self._file.seek(self.length)
        return self.length

    def _write_at(self, offset: int, data: bytes) -> None:
        self._file.seek(offset)
        self._file.write(data)


class ArchiveReader:
    """Reads an archive from a seekable file, and checks everything that it reads.

    Parameters
    ----------
    path : path, URL or binary file
        The archive. The reader closes it, also if opening fails. Of a URL only the ranges needed are read.
    limits : Limits
        Bounds on what the archive may demand.
    called : path, optional
        The name of the archive in error messages.
    remedy : str
        What the messages of damage suggest.

    Attributes
    ----------
    version : int
        Version of the format.
    coder : int
        Number of the coder.
    effort : int
        How much the adaptation learns.
    model : bytes
        First 8 bytes of the SHA-256 of the model, or NO_MODEL.
    identity : bytes
        8 bytes, which all blocks carry.
    directory : Directory
    index : Index
    content_digest : bytes
        SHA-256 of the files' SHA-256s.
    length : int
        Size of the archive in bytes.
    first_block : int
        Offset of the first block.

    Raises
    ------
    ArchiveError
        The file is not an archive, is damaged, or has a format version that this release does not read.
    LimitError
        It demands more than `limits` allow.
    """

    def __init__(
        self,
        path: str | os.PathLike[str] | BinaryIO,
        limits: Limits = DEFAULT_LIMITS,
        *,
        called: str | os.PathLike[str] | None = None,
        remedy: str = REMEDY,
    ) -> None:
        self.remedy = remedy
        self.limits = limits
        if isinstance(path, (str, os.PathLike)):
            self.path = location(called or path)
            try:
                file = open_binary(path)
            except OSError as error:
                raise ArchiveError(system_fault(self.path, "read", error)) from error
        else:
            self.path = location(called or "archive")
            file = path
        try:
            try:
                self._file = RandomAccess(file)
            except OSError as error:
                raise ArchiveError(system_fault(self.path, "read", error)) from error
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
        """Close the file. Reading from it afterwards raises ValueError."""
        self._file.close()

    def damaged(self, reason: str, file: str = "") -> DamageError:
        """Return the error for damage to the archive, or to one file in it.

        Raises ArchiveError instead if the archive is at a URL and has changed since it was opened.
        """
        self._file.check_after_damage()
        parameter = "keep_going" if self.remedy == REMEDY else None
        return DamageError(reason, path=self.path, file=file, remedy=self.remedy, parameter=parameter)

    def read(self, offset: int, count: int, what: str) -> bytes:
        """Read `count` bytes, which are `what`. Raises ArchiveError if the archive does not have them."""
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
        self._check_size()

    def _check_size(self) -> None:
        """Refuse an archive that would restore to more bytes than the limits allow."""
        restored, allowed = sum(file.size for file in self.directory.files), self.limits.restored_bytes(self.length)
        if restored > allowed:
            raise LimitError(
                f"{self.path}: its {self.length} bytes claim to hold {restored}, more than {self.limits.expansion} "
                "times as many; if you trust it, raise the limit",
                parameter="expansion",
            )

    def _read_header(self, at: int) -> int:
        """Read the header at offset `at`; return the size of the directory."""
        if self.read(at, min(len(MAGIC), self.length - at), "the header") != MAGIC:
            raise ArchiveError(f"{self.path}: not a Spikey archive of files; name an .spk file that `compress` wrote")
        self._start, self.identity = self._read_with_crc(at, _HEADER, "the header")
        _, version, self.coder, self.effort, reserved, self.model, directory_bytes, self._directory_crc = _START.unpack(
            self._start
        )
        if version != VERSION or reserved:
            raise VersionError(
                f"{self.path}: its format is version {version}{' with extensions' * bool(reserved)}, an older draft or "
                f"a newer version, and this release reads version {VERSION}; use the release that wrote it"
            )
        self.version = version
        return directory_bytes

    def _read_directory(self, at: int, length: int) -> None:
        packed = self.read(at, length, "the directory")
        if zlib.crc32(packed) != self._directory_crc:
            raise self.damaged("the directory does not match its checksum")
        try:
            self.directory = unpack_directory(packed, self.limits, self.length)
        except LimitError as error:
            raise error.within(self.path) from error
        except DamageError as error:
            raise self.damaged(error.reason) from error

    def _read_end(self, directory_bytes: int) -> None:
        """Read trailer and index."""
        trailer_at = self.length - TRAILER_BYTES
        if trailer_at < 0 or self.read(self.length - len(END_MARK), len(END_MARK), "the trailer") != END_MARK:
            raise self.damaged("its end is missing")
        self.content_digest, length, index_bytes, index_crc = self._read_with_crc(trailer_at, _TRAILER, "the trailer")
        if length != self.length:
            raise self.damaged(f"it has {self.length} bytes, but was written with {length}")
        if archive_identity(self._start, self.content_digest) != self.identity:
            raise self.damaged("its beginning and its end are not of the same archive")
        index_at = trailer_at - HEADER_BYTES - directory_bytes - index_bytes
        index = self.read(index_at, index_bytes, "the index")
        if zlib.crc32(index) != index_crc:
            raise self.damaged("the index does not match its checksum")
        try:
            self.index = unpack_index(index, self.directory, self.first_block, index_at)
        except DamageError as error:
            raise self.damaged(error.reason) from error

    def _check_copies(self, directory_bytes: int) -> None:
        """Check that the second directory and header equal the first."""
        front = self.read(0, HEADER_BYTES + directory_bytes, "the directory")
        at = self.length - TRAILER_BYTES - len(front)
        if self.read(at, len(front), "the second directory") != front[HEADER_BYTES:] + front[:HEADER_BYTES]:
            raise self.damaged("the second header or directory differs from the first")

    def read_table(self, i: int) -> BlockTable:
        """Read the table of block `i` of the index. Raises ArchiveError if it is damaged."""
        entry = self.index.blocks[i]
        number, length, table = self.read_block_header(entry.offset, f"block {i}")
        if (number, length) != (entry.number, entry.length):
            raise self.damaged(f"the header of block {i} does not match the index")
        if table.parts != entry.parts:
            raise self.damaged(f"the parts of block {i} do not match the index")
        return table

    def read_block_header(self, at: int, what: str) -> tuple[int, int, BlockTable]:
        """Read the block header at offset `at`: its number, its size, its table. Raises ArchiveError if damaged."""
        header = self.read(at, BLOCK_HEADER_BYTES, what)
        mark, identity, number, table_bytes = _BLOCK.unpack_from(header)
        if mark != BLOCK_MARK:
            raise self.damaged(f"{what} does not begin where it should")
        packed = self.read(at + BLOCK_HEADER_BYTES, table_bytes, what)
        if zlib.crc32(header[: _BLOCK.size], zlib.crc32(packed)) != _CRC.unpack_from(header, _BLOCK.size)[0]:
            raise self.damaged(f"the table of {what} does not match its checksum")
        if identity != self.identity:
            raise self.damaged(f"{what} belongs to another archive")
        try:
            table = unpack_block_table(packed, self.directory, self.limits.block_samples(self.length))
        except LimitError as error:
            raise error.within(f"{self.path}: {what}") from error
        except DamageError as error:
            raise self.damaged(f"{what}: {error.reason}") from error
        return number, BLOCK_HEADER_BYTES + table_bytes + table.payload_bytes, table

    def read_streams(
        self, i: int, table: BlockTable, wanted: Container[int]
    ) -> Iterator[tuple[int, StreamEntry, bytes | None]]:
        """Read some streams of block `i` of the index.

        Parameters
        ----------
        i : int
        table : BlockTable
            The table of the block.
        wanted : container of int
            Positions in the block of the streams to read.

        Yields
        ------
        tuple of (int, StreamEntry, bytes or None)
            The position of a stream, its entry in the table, and its bytes; None if they do not match their checksum.
        """
        at = self.index.blocks[i].offset + self.index.blocks[i].length - table.payload_bytes
        entries = zip(table.methods.tolist(), table.lengths.tolist(), table.crcs.tolist(), strict=True)
        for position, (method, length, crc) in enumerate(entries):
            if position in wanted:
                data = self._read_stream(at, length, f"a stream of block {i}")
                is_intact = len(data) == length and zlib.crc32(data) == crc
                yield position, StreamEntry(method, length, crc), data if is_intact else None
            at += length

    def _read_stream(self, at: int, count: int, what: str) -> bytes:
        return self.read(at, count, what)
