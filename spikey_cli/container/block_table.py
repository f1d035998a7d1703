"""The tables of blocks, and the index, as bytes and as objects.

Numbers are unsigned LEB128 (see `varint`) unless a size stands beside them.

    Block table  steps (0 in a block of verbatim bytes), number of parts, then of each part:
                   file, first frame, frames; of each of the file's channels:
                     method (1 byte), length of the stream, CRC-32 of the stream (4 bytes)

    Index        number of blocks, then of each block: its length, number of parts, of each part file, first frame,
                 frames; then of each file the CRC-32 of its bytes (4 bytes)
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from ..core.varint import put_uvarint
from ..errors import ArchiveError
from .directory import Directory, FileEntry
from .limits import beyond_memory
from .parts import Part
from .table_reader import Cursor

MAX_BLOCK_SAMPLES = 1 << 25
"""Samples of a block, at most, or one frame of one file: what formats allow, and readers only within their limits."""

MAX_LANES = 1 << 17
"""Lanes a block, at most."""

_LEAST_BLOCK_BYTES = 18
"""No block is smaller, in any version: its header, and a table of two numbers."""


@dataclass(frozen=True, slots=True)
class StreamEntry:
    """Method, length in bytes and CRC-32 of one stream."""

    method: int
    length: int
    crc: int


@dataclass(frozen=True)
class BlockTable:
    """What a block holds: its parts, and for each part the streams of its channels."""

    steps: int
    parts: tuple[Part, ...]
    streams: tuple[tuple[StreamEntry, ...], ...]


@dataclass(frozen=True, slots=True)
class IndexEntry:
    """Where a block lies (bytes), and its parts."""

    offset: int
    length: int
    parts: tuple[Part, ...]
    number: int | None = None
    """The block's number, where it is not its place in the index: blocks before it are lost."""


@dataclass(frozen=True)
class Index:
    """All blocks, and the CRC-32 of every file; None where it is lost."""

    blocks: tuple[IndexEntry, ...]
    file_crcs: tuple[int | None, ...] = field(repr=False)


def samples_of(parts: Iterable[Part], files: Sequence[FileEntry]) -> int:
    """Samples of the parts of WAV files, and bytes of those of verbatim ones."""
    return sum(part.n_frames * files[part.file].channels for part in parts)


def _put_parts(out: bytearray, part: Part) -> None:
    for number in (part.file, part.first_frame, part.n_frames):
        put_uvarint(out, number)


def _unpack_part(cursor: Cursor, files: Sequence[FileEntry]) -> Part:
    file = cursor.number(len(files) - 1, "the file of a part")
    first = cursor.number(files[file].frames, "the first frame of a part")
    frames = cursor.number(files[file].frames - first, "the length of a part")
    if frames == 0:
        raise ArchiveError("a part is empty")
    return Part(file, first, frames)


def pack_block_table(table: BlockTable) -> bytes:
    """A block's table as it stands in the archive."""
    out = bytearray()
    put_uvarint(out, table.steps)
    put_uvarint(out, len(table.parts))
    for part, streams in zip(table.parts, table.streams, strict=True):
        _put_parts(out, part)
        for stream in streams:
            out.append(stream.method)
            put_uvarint(out, stream.length)
            out += stream.crc.to_bytes(4, "little")
    return bytes(out)


def unpack_block_table(
    packed: bytes, directory: Directory, payload_bytes: int, most_samples: int = MAX_BLOCK_SAMPLES
) -> BlockTable:
    """The reverse of `pack_block_table`, whose streams take `payload_bytes` in all.

    Raises ArchiveError where it is none, or has more than `most_samples`.
    """
    cursor = Cursor(packed)
    steps = cursor.number(MAX_BLOCK_SAMPLES, "the number of steps")
    parts, streams = [], []
    samples = lanes = left = 0
    left = payload_bytes
    for _ in range(cursor.count("the number of parts")):
        part = _unpack_part(cursor, directory.files)
        file = directory.files[part.file]
        if (file.layout is None) != (steps == 0):
            raise ArchiveError("threads and verbatim bytes stand in one block")
        samples += part.n_frames * file.channels
        lanes += -(-part.n_frames // steps) * file.channels if steps else 0
        entries = []
        for _ in range(file.channels):
            method = cursor.take(1, "a method")[0]
            length = cursor.number(left, "the length of a stream")
            left -= length
            entries.append(StreamEntry(method, length, int.from_bytes(cursor.take(4, "a checksum"), "little")))
        parts.append(part)
        streams.append(tuple(entries))
    cursor.end("the table")
    if left:
        raise ArchiveError(f"{left} bytes belong to no stream")
    if lanes > MAX_LANES or samples > max(
        MAX_BLOCK_SAMPLES, max((directory.files[p.file].channels for p in parts), default=0)
    ):
        raise ArchiveError(f"a block of {samples} samples in {lanes} lanes is larger than the format allows")
    if samples > max(most_samples, max((directory.files[p.file].channels for p in parts), default=0)):
        raise beyond_memory(f"it has a block of {samples} samples")
    return BlockTable(steps, tuple(parts), tuple(streams))


def pack_index(index: Index) -> bytes:
    """The index as it stands in the archive."""
    out = bytearray()
    put_uvarint(out, len(index.blocks))
    for block in index.blocks:
        put_uvarint(out, block.length)
        put_uvarint(out, len(block.parts))
        for part in block.parts:
            _put_parts(out, part)
    for crc in index.file_crcs:
        assert crc is not None
        out += crc.to_bytes(4, "little")
    return bytes(out)


def unpack_index(packed: bytes, directory: Directory, first_block: int, index_at: int) -> Index:
    """The reverse of `pack_index`: blocks lie one after another from byte `first_block` to byte `index_at`.

    Raises ArchiveError where they do not, or where a file's parts are not all of it, once, in the order of time.
    """
    cursor = Cursor(packed)
    blocks = []
    offset = first_block
    reached = [0] * len(directory.files)
    for _ in range(cursor.count("the number of blocks")):
        length = cursor.number(index_at - offset, "the length of a block")
        if length < _LEAST_BLOCK_BYTES:
            raise ArchiveError(f"a block of {length} bytes is none")
        parts = tuple(_unpack_part(cursor, directory.files) for _ in range(cursor.count("the number of parts")))
        for part in parts:
            if part.first_frame != reached[part.file]:
                raise ArchiveError(f"the parts of {directory.files[part.file].name!r} are not in order")
            reached[part.file] += part.n_frames
        blocks.append(IndexEntry(offset, length, parts))
        offset += length
    if offset != index_at:
        raise ArchiveError(f"{index_at - offset} bytes before the index belong to no block")
    for file, frames in zip(directory.files, reached, strict=True):
        if frames != file.frames:
            raise ArchiveError(f"of {file.name!r} there are {frames} frames of {file.frames}")
    crcs = tuple(int.from_bytes(cursor.take(4, "a checksum"), "little") for _ in directory.files)
    cursor.end("the index")
    return Index(tuple(blocks), crcs)
