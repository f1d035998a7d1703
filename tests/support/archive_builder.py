"""Takes an archive apart, and packs it again with correct checksums after a test has changed it."""

from __future__ import annotations

import itertools
import struct
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from spikey_cli.container.archive import (
    BLOCK_HEADER_BYTES,
    BLOCK_MARK,
    END_MARK,
    HEADER_BYTES,
    TRAILER_BYTES,
    ArchiveReader,
    archive_identity,
)
from spikey_cli.container.block_table import BlockTable, StreamEntry, pack_block_table
from spikey_cli.container.directory import Directory, pack_directory, put_names
from spikey_cli.container.index import Index, IndexEntry, pack_index
from spikey_cli.container.packing import pack, unpack
from spikey_cli.container.parts import Part
from spikey_cli.container.table_writer import Field, TableWriter


def with_crc(data: bytes) -> bytes:
    """The bytes, followed by their CRC-32."""
    return data + struct.pack("<I", zlib.crc32(data))


@dataclass
class Block:
    """The fields of a block."""

    number: int
    table: bytes
    streams: bytes
    identity: bytes | None = None
    """None: that of the archive."""

    def pack(self, identity: bytes) -> bytes:
        """Return the block, in an archive of this identity."""
        header = struct.pack("<4s8sII", BLOCK_MARK, self.identity or identity, self.number, len(self.table))
        return header + struct.pack("<I", zlib.crc32(header, zlib.crc32(self.table))) + self.table + self.streams


@dataclass
class ArchiveParts:
    """The packed parts of an archive. `pack` computes checksums and sizes."""

    start: bytes
    """Bytes 0 to 19 of the header."""
    directory: bytes
    blocks: list[Block]
    index: bytes
    sha256: bytes
    length: int | None = None
    """Size of the archive that the trailer states; None: the true one."""
    identity: bytes | None = None
    """None: the true one."""
    lengths: dict[str, int] = field(default_factory=dict)
    """Sizes of `directory` and `index` that header and trailer state, if not the true ones."""

    @classmethod
    def of(cls, data: bytes, folder: Path) -> ArchiveParts:
        """Take an archive apart; `folder` is for a temporary file."""
        path = folder / "parts.spk"
        path.write_bytes(data)
        with ArchiveReader(path) as reader:
            blocks = []
            for i, entry in enumerate(reader.index.blocks):
                table_bytes = struct.unpack_from("<I", data, entry.offset + 16)[0]
                at = entry.offset + BLOCK_HEADER_BYTES
                end = entry.offset + entry.length
                blocks.append(Block(i, data[at : at + table_bytes], data[at + table_bytes : end]))
        directory_bytes = struct.unpack_from("<I", data, 20)[0]
        trailer_at = len(data) - TRAILER_BYTES
        sha256, _, index_bytes = struct.unpack_from("<32sQI", data, trailer_at)
        index_at = trailer_at - HEADER_BYTES - directory_bytes - index_bytes
        return cls(
            data[:20],
            data[HEADER_BYTES : HEADER_BYTES + directory_bytes],
            blocks,
            data[index_at : index_at + index_bytes],
            sha256,
        )

    def pack(self) -> bytes:
        """Return the archive."""
        crc = zlib.crc32(self.directory)
        start = self.start + struct.pack("<II", self.lengths.get("directory", len(self.directory)), crc)
        identity = self.identity or archive_identity(start, self.sha256)
        header = with_crc(start + identity)
        front = header + self.directory + b"".join(block.pack(identity) for block in self.blocks)
        end = self.index + self.directory + header
        length = len(front) + len(end) + TRAILER_BYTES if self.length is None else self.length
        index = (self.lengths.get("index", len(self.index)), zlib.crc32(self.index))
        trailer = struct.pack("<32sQII", self.sha256, length, *index)
        return front + end + with_crc(trailer) + END_MARK


def unpacked(data: bytes, count: int) -> list[bytes]:
    """Unpack so many tables, one after another; the last item is what follows them."""
    tables = []
    for _ in range(count):
        table, data = unpack(data, 1 << 26, "a table")
        tables.append(table or b"")
    return [*tables, data]


def packed(tables: Sequence[bytes], tail: bytes = b"") -> bytes:
    """The inverse of `unpacked`."""
    return b"".join(pack([table]) for table in tables) + tail


def joined(fields: Iterable[Field]) -> bytes:
    """Serialise fields. Numbers may exceed what a decoder accepts."""
    out = bytearray()
    for one in fields:
        if isinstance(one, bytes):
            out += one
        elif isinstance(one, int):
            out += bytes(_uvarint(one))
        else:
            planes = itertools.zip_longest(*map(_uvarint, one))
            out += bytes(byte for plane in planes for byte in plane if byte is not None)
    return bytes(out)


def _uvarint(number: int) -> list[int]:
    return [number] if number < 0x80 else [number & 0x7F | 0x80, *_uvarint(number >> 7)]


def packed_table(table: TableWriter) -> bytes:
    """A table, with numbers that may exceed what a decoder accepts."""
    return packed([joined(table.fields)], b"".join(table.tail))


def with_names(directory: bytes, names: Sequence[bytes]) -> bytes:
    """The directory with other names."""
    table = TableWriter()
    table.number(len(names))
    put_names(table, names)
    return table.packed() + unpacked(directory, 1)[-1]


@dataclass
class Content:
    """The contents of an archive as objects. After a change, `parts` makes all tables agree with it."""

    start: bytes
    sha256: bytes
    directory: Directory
    crcs: tuple[int | None, ...]
    blocks: list[tuple[int, list[Part], list[list[tuple[int, bytes]]]]]
    """For each block its steps, its parts, and for each part the (method, stream) of each channel."""

    @classmethod
    def of(cls, path: Path) -> Content:
        """Take apart the archive at `path`."""
        with ArchiveReader(path) as reader:
            blocks = []
            for i in range(len(reader.index.blocks)):
                table = reader.read_table(i)
                read = reader.read_streams(i, table, range(table.methods.size))
                pairs = iter([(entry.method, data or b"") for _, entry, data in read])
                channels = [reader.directory.files[part.file].channels for part in table.parts]
                streams = [list(itertools.islice(pairs, n)) for n in channels]
                blocks.append((table.steps, list(table.parts), streams))
            crcs = reader.index.file_crcs
            return cls(path.read_bytes()[:20], reader.content_digest, reader.directory, crcs, blocks)

    def tables(self) -> list[BlockTable]:
        """The tables of all blocks."""
        return [
            BlockTable.of(
                steps, parts, [StreamEntry(m, len(data), zlib.crc32(data)) for part in streams for m, data in part]
            )
            for steps, parts, streams in self.blocks
        ]

    def index(self) -> Index:
        """The index of the blocks."""
        entries = []
        for number, table in enumerate(self.tables()):
            length = BLOCK_HEADER_BYTES + len(pack_block_table(table, self.directory)) + table.payload_bytes
            entries.append(IndexEntry(0, length, table.parts, number))
        return Index(tuple(entries), self.crcs)

    def parts(self) -> ArchiveParts:
        """The packed parts of the archive."""
        blocks = [
            Block(i, pack_block_table(table, self.directory), b"".join(data for part in streams for _, data in part))
            for i, (table, (_, _, streams)) in enumerate(zip(self.tables(), self.blocks, strict=True))
        ]
        index = pack_index(self.index(), self.directory)
        return ArchiveParts(self.start, pack_directory(self.directory), blocks, index, self.sha256)

    def copy(self) -> Content:
        """A copy that can be changed."""
        blocks = [(steps, list(parts), [list(part) for part in streams]) for steps, parts, streams in self.blocks]
        return replace(self, blocks=blocks)
