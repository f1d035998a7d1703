"""The table of a block: its parts, and the method, size and checksum of each stream.

Numbers are uvarints (see `varint`) unless a size is given:

    steps (0 in a block of verbatim files), number of parts, then for each part:
      file, first frame, frames, then for each channel of the file:
        method (1 byte), size of the stream, CRC-32 of the stream (4 bytes)
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from ..core.varint import put_uvarint
from ..errors import DamageError
from .directory import Directory, FileEntry
from .limits import beyond_memory
from .parts import Part
from .table_reader import TableReader

MAX_BLOCK_SAMPLES = 1 << 25
"""Maximum samples of a block in the format, unless it is one frame of one file; `Limits` of a reader are lower."""

MAX_LANES = 1 << 17
"""Maximum lanes of a block."""


class StreamEntry(NamedTuple):
    """Method, size in bytes and CRC-32 of one stream."""

    method: int
    length: int
    crc: int


class BlockTable(NamedTuple):
    """What a block holds. `streams` has the entries of each part, one for each channel of its file."""

    steps: int
    """Maximum length of a lane; 0 in a block of verbatim files."""
    parts: tuple[Part, ...]
    streams: tuple[tuple[StreamEntry, ...], ...]


def count_samples(parts: Iterable[Part], files: Sequence[FileEntry]) -> int:
    """Total samples of the parts; a byte of a verbatim file counts as a sample."""
    return sum(part.n_frames * files[part.file].channels for part in parts)


def put_part(out: bytearray, part: Part) -> None:
    """Append a part to a table."""
    for number in (part.file, part.first_frame, part.n_frames):
        put_uvarint(out, number)


def read_part(table: TableReader, files: Sequence[FileEntry]) -> Part:
    """Read a part of one of `files`. Raises DamageError if it is out of range or empty."""
    file = table.number(len(files) - 1, "the file of a part")
    first = table.number(files[file].frames, "the first frame of a part")
    frames = table.number(files[file].frames - first, "the length of a part")
    if frames == 0:
        raise DamageError("a part is empty")
    return Part(file, first, frames)


def pack_block_table(table: BlockTable) -> bytes:
    """Serialise a block's table."""
    out = bytearray()
    put_uvarint(out, table.steps)
    put_uvarint(out, len(table.parts))
    for part, streams in zip(table.parts, table.streams, strict=True):
        put_part(out, part)
        for stream in streams:
            out.append(stream.method)
            put_uvarint(out, stream.length)
            out += stream.crc.to_bytes(4, "little")
    return bytes(out)


def unpack_block_table(
    packed: bytes, directory: Directory, payload_bytes: int, max_samples: int = MAX_BLOCK_SAMPLES
) -> BlockTable:
    """Parse a block's table.

    Parameters
    ----------
    packed : bytes
    directory : Directory
        The directory of the archive.
    payload_bytes : int
        Total size of the block's streams.
    max_samples : int
        Maximum samples that the reader allows, unless the block is one frame of one file.

    Raises
    ------
    DamageError
        The bytes are not a valid table.
    LimitError
        The block has more than `max_samples`.
    """
    reader = TableReader(packed)
    steps = reader.number(MAX_BLOCK_SAMPLES, "the number of steps")
    parts, streams = [], []
    samples = lanes = widest_frame = 0
    unclaimed = payload_bytes
    for _ in range(reader.count("the number of parts")):
        part = read_part(reader, directory.files)
        file = directory.files[part.file]
        if (file.layout is None) != (steps == 0) and not (steps and file.kept):
            raise DamageError("a block holds both channels and verbatim bytes")
        samples += part.n_frames * file.channels
        lanes += -(-part.n_frames // steps) * file.channels if steps and file.layout else 0
        widest_frame = max(widest_frame, file.channels)
        entries = []
        for _ in range(file.channels):
            method = reader.take(1, "a method")[0]
            length = reader.number(unclaimed, "the length of a stream")
            unclaimed -= length
            entries.append(StreamEntry(method, length, reader.crc()))
        parts.append(part)
        streams.append(tuple(entries))
    reader.end("the table")
    _check_records(parts, directory)
    if unclaimed:
        raise DamageError(f"{unclaimed} bytes belong to no stream")
    if lanes > MAX_LANES or samples > max(MAX_BLOCK_SAMPLES, widest_frame):
        raise DamageError(f"a block of {samples} samples in {lanes} lanes is larger than the format allows")
    if samples > max(max_samples, widest_frame):
        raise beyond_memory(f"it has a block of {samples} samples")
    return BlockTable(steps, tuple(parts), tuple(streams))


def _check_records(parts: Sequence[Part], directory: Directory) -> None:
    """Raise DamageError if the block lacks a part of some records, or kept numbers are before samples."""
    files = directory.files
    of_records: dict[int, list[tuple[int, int, int]]] = {}
    for part in parts:
        unit = files[part.file].unit
        if part.first_frame % unit or part.n_frames % unit:
            raise DamageError("a part holds a piece of a record")
        if files[part.file].records:
            range_ = part.first_frame // unit, part.n_frames // unit
            of_records.setdefault(directory.members[part.file].start, []).append((part.file, *range_))
    for first, own in of_records.items():
        expected = {i for i in directory.members[first] if files[i].frames}
        by_member = {i: [range_ for file, *range_ in own if file == i] for i in expected}
        if any(ranges != by_member[min(expected)] for ranges in by_member.values()):
            raise DamageError("a block holds different records of the groups of a file")
    is_kept = [files[part.file].layout is None for part in parts]
    if any(before > after for before, after in itertools.pairwise(is_kept)):
        raise DamageError("kept numbers stand before samples")
