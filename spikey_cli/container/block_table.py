"""The table of a block: its parts, and the method, size and checksum of each stream.

steps (0 in a block of verbatim files), number of parts, the parts (see `part_table`)
column of which parts are in frames, which have one stream
column of the methods of all streams, wide column of their sizes
not compressed: the CRC-32 of each stream, 4 bytes
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from ..errors import DamageError
from .directory import Directory
from .limits import beyond_memory
from .packing import MAX_EXCESS, MAX_EXPANSION, unpack
from .part_table import put_parts, read_parts
from .parts import Method, Part
from .table_reader import TableReader
from .table_writer import TableWriter

MAX_BLOCK_SAMPLES = 1 << 25
"""Maximum samples of a block in the format, unless it is one frame of one file; `Limits` of a reader are lower."""

MAX_LANES = 1 << 17
"""Maximum lanes of a block."""

_CRC_BYTES = 4


class StreamEntry(NamedTuple):
    """Method, size in bytes and CRC-32 of one stream."""

    method: int
    length: int
    crc: int


class BlockTable(NamedTuple):
    """What a block holds; its streams are those of all channels of its parts, in order."""

    steps: int
    """Maximum length of a lane; 0 in a block of verbatim files."""
    parts: tuple[Part, ...]
    methods: np.ndarray
    lengths: np.ndarray
    crcs: np.ndarray
    """Method, size in bytes and CRC-32 of each stream: int64 of shape (streams,)."""

    @classmethod
    def of(cls, steps: int, parts: Sequence[Part], streams: Iterable[StreamEntry]) -> BlockTable:
        """Return the table of these streams."""
        columns = np.array(list(streams), np.int64).reshape(-1, len(StreamEntry._fields))
        return cls(steps, tuple(parts), *columns.T)

    @property
    def payload_bytes(self) -> int:
        """Size of all streams."""
        return int(self.lengths.sum())


def block_table(table: BlockTable, directory: Directory) -> TableWriter:
    """Return the table of a block."""
    out = TableWriter()
    out.number(table.steps)
    out.number(len(table.parts))
    put_parts(out, [table.parts], directory)
    channels = [directory.files[part.file].channels for part in table.parts]
    first = np.cumsum([0, *channels])[: len(channels)]
    out.column((table.methods[first] == Method.FRAMES).astype(np.int64))
    listed = _are_listed(table.methods, table.lengths)
    out.column(table.methods[listed])
    out.wide_column(table.lengths[listed])
    out.tail.append(table.crcs[listed].astype("<u4").tobytes())
    return out


def _are_listed(methods: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Return which streams the table lists: of a part in frames, that of its first channel."""
    return (methods != Method.FRAMES) | (lengths > 0)


def pack_block_table(table: BlockTable, directory: Directory, *, may_use_lzma: bool = True) -> bytes:
    """Serialise a block's table."""
    return block_table(table, directory).packed(may_use_lzma=may_use_lzma)


def unpack_block_table(packed: bytes, directory: Directory, max_samples: int = MAX_BLOCK_SAMPLES) -> BlockTable:
    """Parse a block's table.

    Parameters
    ----------
    packed : bytes
    directory : Directory
        The directory of the archive.
    max_samples : int
        Maximum samples that the reader allows, unless the block is one frame of one file.

    Raises
    ------
    DamageError
        The bytes are not a valid table.
    LimitError
        The block has more than `max_samples`.
    """
    data, tail = unpack(packed, MAX_EXCESS + MAX_EXPANSION * len(packed), "the table")
    if data is None:
        raise DamageError("the table lists more parts than it has checksums")
    reader = TableReader(data, tail)
    steps = reader.number(MAX_BLOCK_SAMPLES, "the number of steps")
    (parts,) = read_parts(reader, [reader.count("the number of parts")], directory)
    are_frames = reader.column(len(parts), 1, "whether a part is in frames").tolist()
    samples = n_streams = lanes = widest_frame = 0
    for part, is_frames in zip(parts, are_frames, strict=True):
        file = directory.files[part.file]
        if (file.layout is None) != (steps == 0) and not (steps and file.kept):
            raise DamageError("a block holds both channels and verbatim bytes")
        n_streams += 1 if is_frames else file.channels
        samples += part.n_frames * file.channels
        lanes += -(-part.n_frames // steps) * file.channels if steps and file.layout else 0
        widest_frame = max(widest_frame, file.channels)
    if len(tail) < _CRC_BYTES * n_streams:
        raise DamageError(f"the table has no room for the checksums of {n_streams} streams")
    methods = reader.column(n_streams, 0xFF, "a method")
    lengths = reader.wide_column(n_streams, (1 << 32) - 1, "the length of a stream")
    reader.end("the table")
    if len(reader.tail) != _CRC_BYTES * n_streams:
        raise DamageError(f"the table has {len(reader.tail)} bytes of checksums of {n_streams} streams")
    _check_records(parts, directory)
    if lanes > MAX_LANES or samples > max(MAX_BLOCK_SAMPLES, widest_frame):
        raise DamageError(f"a block of {samples} samples in {lanes} lanes is larger than the format allows")
    if samples > max(max_samples, widest_frame):
        raise beyond_memory(f"it has a block of {samples} samples")
    crcs = np.frombuffer(reader.tail, "<u4").astype(np.int64)
    return BlockTable(steps, parts, *_with_frames(parts, are_frames, np.stack([methods, lengths, crcs]), directory))


def _with_frames(
    parts: Sequence[Part], are_frames: Sequence[int], listed: np.ndarray, directory: Directory
) -> np.ndarray:
    """Return the methods, lengths and checksums of the streams of all channels."""
    columns, at = [], 0
    for part, is_frames in zip(parts, are_frames, strict=True):
        file = directory.files[part.file]
        own = listed[:, at : at + (1 if is_frames else file.channels)]
        at += own.shape[1]
        if is_frames and (file.layout is None or own[1, 0] != part.n_frames * file.frame_bytes):
            raise DamageError("a part in frames has a stream of another size")
        if ((own[0] == Method.FRAMES) != is_frames).any():
            raise DamageError("a part in frames has another stream, or another part one of frames")
        columns.append(own)
        if is_frames:
            columns.append(np.tile([[int(Method.FRAMES)], [0], [0]], file.channels - 1))
    return np.concatenate([np.zeros((3, 0), np.int64), *columns], axis=1)


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
