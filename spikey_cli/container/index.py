"""The index: where the blocks lie, and a checksum of every file.

number of blocks, wide column of their sizes, column of their numbers of parts, parts of all blocks (see `part_table`)
not compressed: the CRC-32 of each file's bytes, 4 bytes
"""

from __future__ import annotations

import itertools
from typing import NamedTuple

import numpy as np

from ..errors import DamageError
from .directory import Directory
from .packing import MAX_EXCESS, MAX_EXPANSION, unpack
from .part_table import put_parts, read_parts
from .parts import Part
from .table_reader import TableReader
from .table_writer import TableWriter

_MIN_BLOCK_BYTES = 24  # a header
_CRC_BYTES = 4


class IndexEntry(NamedTuple):
    """Offset and size in bytes of a block, its parts, and its number.

    The number is the block's position in the index, unless earlier blocks of a salvaged archive are lost.
    """

    offset: int
    length: int
    parts: tuple[Part, ...]
    number: int


class Index(NamedTuple):
    """All blocks, and the CRC-32 of every file; None if the index of a salvaged archive is lost, and for groups."""

    blocks: tuple[IndexEntry, ...]
    file_crcs: tuple[int | None, ...]


def index_table(index: Index, directory: Directory) -> TableWriter:
    """Return the table of an index."""
    table = TableWriter()
    table.number(len(index.blocks))
    table.wide_column(block.length for block in index.blocks)
    table.column(len(block.parts) for block in index.blocks)
    put_parts(table, [block.parts for block in index.blocks], directory)
    table.tail.append(np.array([crc for crc in index.file_crcs if crc is not None], "<u4").tobytes())
    return table


def pack_index(index: Index, directory: Directory, *, may_use_lzma: bool = True) -> bytes:
    """Serialise an index."""
    return index_table(index, directory).packed(may_use_lzma=may_use_lzma)


def unpack_index(packed: bytes, directory: Directory, first_block: int, index_at: int) -> Index:
    """Parse an index.

    Parameters
    ----------
    packed : bytes
    directory : Directory
        The directory of the archive.
    first_block, index_at : int
        Offsets of the first block and of the index; blocks must fill the bytes between them.

    Raises
    ------
    DamageError
        The bytes are not an index, blocks do not fill the archive, or the parts of a file do not cover it once, in
        order of time.
    """
    data, tail = unpack(packed, MAX_EXCESS + MAX_EXPANSION * index_at, "the index")
    if data is None:
        raise DamageError("the index lists more parts than the blocks can hold")
    table = TableReader(data, tail)
    n_blocks = table.count("the number of blocks")
    lengths = table.wide_column(n_blocks, index_at - first_block, "the length of a block").tolist()
    counts = table.column(n_blocks, len(data), "the number of parts").tolist()
    parts = read_parts(table, counts, directory)
    table.end("the index")
    if lengths and min(lengths) < _MIN_BLOCK_BYTES:
        raise DamageError(f"a block of {min(lengths)} bytes is too short")
    offsets = [first_block, *itertools.accumulate(lengths, initial=first_block)][1:]
    if offsets[-1] != index_at:
        raise DamageError(f"the blocks end {abs(index_at - offsets[-1])} bytes from where the index begins")
    covered = [0] * len(directory.files)
    for part in itertools.chain(*parts):
        if part.first_frame != covered[part.file]:
            raise DamageError(f"the parts of {directory.files[part.file].name!r} are not in order")
        covered[part.file] += part.n_frames
    for file, frames in zip(directory.files, covered, strict=True):
        if frames != file.frames:
            raise DamageError(f"the blocks hold {frames} of the {file.frames} frames of {file.name!r}")
    n_files = sum(file.is_file for file in directory.files)
    if len(table.tail) != _CRC_BYTES * n_files:
        raise DamageError(f"the index has {len(table.tail)} bytes of checksums of {n_files} files")
    blocks = map(IndexEntry, offsets, lengths, parts, range(n_blocks))
    crcs = iter(np.frombuffer(table.tail, "<u4").tolist())
    return Index(tuple(blocks), tuple(next(crcs) if file.is_file else None for file in directory.files))
