"""Takes an archive apart, and packs it again with correct checksums after a test has changed it."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable
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
from spikey_cli.container.block_table import BlockTable, StreamEntry, count_samples, pack_block_table
from spikey_cli.container.directory import DICTIONARY, Directory, pack_directory
from spikey_cli.container.index import Index, IndexEntry, pack_index
from spikey_cli.container.parts import Part
from spikey_cli.container.quantizer_table import pack_quantizer
from spikey_cli.container.scaling_table import pack_scaling
from spikey_cli.container.topology_table import pack_topology

Token = int | bytes
"""A field of a table: a number, stored as a uvarint, or bytes."""


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
        sizes = (self.number, len(self.table), len(self.streams))
        header = struct.pack("<4s8sIII", BLOCK_MARK, self.identity or identity, *sizes)
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
    samples: int
    n_blocks: int
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
        sha256, _, samples, n_blocks, index_bytes = struct.unpack_from("<32sQQII", data, trailer_at)
        index_at = trailer_at - HEADER_BYTES - directory_bytes - index_bytes
        return cls(
            data[:20],
            data[HEADER_BYTES : HEADER_BYTES + directory_bytes],
            blocks,
            data[index_at : index_at + index_bytes],
            sha256,
            samples,
            n_blocks,
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
        trailer = struct.pack("<32sQQIII", self.sha256, length, self.samples, self.n_blocks, *index)
        return front + end + with_crc(trailer) + END_MARK


def inflated(directory: bytes) -> bytes:
    """Inflate a directory."""
    return zlib.decompressobj(-15, zdict=DICTIONARY).decompress(directory)


def deflated(tables: bytes) -> bytes:
    """Deflate a directory."""
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15, 9, zdict=DICTIONARY)
    return deflate.compress(tables) + deflate.flush()


def joined(tokens: Iterable[Token]) -> bytes:
    """Serialise tokens. Numbers may exceed what a decoder accepts."""
    out = bytearray()
    for token in tokens:
        if isinstance(token, bytes):
            out += token
            continue
        while token > 0x7F:
            out.append(token & 0x7F | 0x80)
            token >>= 7
        out.append(token)
    return bytes(out)


def directory_tokens(directory: Directory) -> list[Token]:
    """The tokens of an inflated directory."""
    tokens: list[Token] = [len(directory.model), directory.model, len(directory.files)]
    for file in directory.files:
        tokens += [len(file.name.encode()), file.name.encode()]
        layout = file.layout
        if layout is None:
            tokens += [0, file.size]
            continue
        tokens += [int(layout.sample_type), layout.sample_rate, layout.channels, layout.n_frames]
        tokens += [len(layout.header), layout.header, len(layout.trailer), layout.trailer]
        if file.scaling:
            tokens += [bytes([byte]) for byte in pack_scaling(file.scaling)]
        tokens += [bytes([byte]) for byte in pack_quantizer(file.quantizer)]
    return [*tokens, *(bytes([byte]) for byte in pack_topology(directory.topology))]


def table_tokens(table: BlockTable) -> list[Token]:
    """The tokens of a block's table."""
    tokens: list[Token] = [table.steps, len(table.parts)]
    for part, streams in zip(table.parts, table.streams, strict=True):
        tokens += [part.file, part.first_frame, part.n_frames]
        for stream in streams:
            tokens += [bytes([stream.method]), stream.length, stream.crc.to_bytes(4, "little")]
    return tokens


def index_tokens(index: Index) -> list[Token]:
    """The tokens of an index."""
    tokens: list[Token] = [len(index.blocks)]
    for block in index.blocks:
        tokens += [block.length, len(block.parts)]
        for part in block.parts:
            tokens += [part.file, part.first_frame, part.n_frames]
    return [*tokens, *(crc.to_bytes(4, "little") for crc in index.file_crcs if crc is not None)]


@dataclass
class Content:
    """The contents of an archive as objects. After a change, `parts` makes all tables agree with it."""

    start: bytes
    sha256: bytes
    directory: Directory
    crcs: tuple[int, ...]
    blocks: list[tuple[int, list[Part], list[list[tuple[int, bytes]]]]]
    """For each block its steps, its parts, and for each part the (method, stream) of each channel."""

    @classmethod
    def of(cls, path: Path) -> Content:
        """Take apart the archive at `path`."""
        with ArchiveReader(path) as reader:
            blocks = []
            for i in range(len(reader.index.blocks)):
                table = reader.read_table(i)
                n_streams = sum(map(len, table.streams))
                data = iter([data or b"" for _, _, data in reader.read_streams(i, table, range(n_streams))])
                streams = [[(entry.method, next(data)) for entry in part] for part in table.streams]
                blocks.append((table.steps, list(table.parts), streams))
            crcs = tuple(crc or 0 for crc in reader.index.file_crcs)
            return cls(path.read_bytes()[:20], reader.content_digest, reader.directory, crcs, blocks)

    def tables(self) -> list[BlockTable]:
        """The tables of all blocks."""
        return [
            BlockTable(
                steps,
                tuple(parts),
                tuple(tuple(StreamEntry(m, len(data), zlib.crc32(data)) for m, data in part) for part in streams),
            )
            for steps, parts, streams in self.blocks
        ]

    def index(self) -> Index:
        """The index of the blocks."""
        entries = []
        for number, table in enumerate(self.tables()):
            payload_bytes = sum(stream.length for part in table.streams for stream in part)
            length = BLOCK_HEADER_BYTES + len(pack_block_table(table)) + payload_bytes
            entries.append(IndexEntry(0, length, table.parts, number))
        return Index(tuple(entries), self.crcs)

    def parts(self) -> ArchiveParts:
        """The packed parts of the archive."""
        blocks = [
            Block(i, pack_block_table(table), b"".join(data for part in streams for _, data in part))
            for i, (table, (_, _, streams)) in enumerate(zip(self.tables(), self.blocks, strict=True))
        ]
        files = self.directory.files
        samples = sum(
            count_samples([part], files) for _, parts, _ in self.blocks for part in parts if part.file < len(files)
        )
        index = pack_index(self.index())
        directory = pack_directory(self.directory)
        return ArchiveParts(self.start, directory, blocks, index, self.sha256, samples, len(blocks))

    def copy(self) -> Content:
        """A copy that can be changed."""
        blocks = [(steps, list(parts), [list(part) for part in streams]) for steps, parts, streams in self.blocks]
        return replace(self, blocks=blocks)
