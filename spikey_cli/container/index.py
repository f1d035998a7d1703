"""The index: where the blocks lie, and a checksum of every file.

Numbers are uvarints (see `varint`) unless a size is given:

    number of blocks, then for each block: size, number of parts, and for each part file, first frame, frames;
    then for each file the CRC-32 of its bytes (4 bytes)
"""

from __future__ import annotations

from typing import NamedTuple

from ..core.varint import put_uvarint
from ..errors import DamageError
from .block_table import put_part, read_part
from .directory import Directory
from .parts import Part
from .table_reader import TableReader

_MIN_BLOCK_BYTES = 26  # header, and a table of two numbers


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


def pack_index(index: Index) -> bytes:
    """Serialise an index."""
    out = bytearray()
    put_uvarint(out, len(index.blocks))
    for block in index.blocks:
        put_uvarint(out, block.length)
        put_uvarint(out, len(block.parts))
        for part in block.parts:
            put_part(out, part)
    for crc in index.file_crcs:
        out += crc.to_bytes(4, "little") if crc is not None else b""
    return bytes(out)


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
    reader = TableReader(packed)
    blocks = []
    offset = first_block
    covered = [0] * len(directory.files)
    for number in range(reader.count("the number of blocks")):
        length = reader.number(index_at - offset, "the length of a block")
        if length < _MIN_BLOCK_BYTES:
            raise DamageError(f"a block of {length} bytes is too short")
        parts = tuple(read_part(reader, directory.files) for _ in range(reader.count("the number of parts")))
        for part in parts:
            if part.first_frame != covered[part.file]:
                raise DamageError(f"the parts of {directory.files[part.file].name!r} are not in order")
            covered[part.file] += part.n_frames
        blocks.append(IndexEntry(offset, length, parts, number))
        offset += length
    if offset != index_at:
        raise DamageError(f"{index_at - offset} bytes before the index belong to no block")
    for file, frames in zip(directory.files, covered, strict=True):
        if frames != file.frames:
            raise DamageError(f"the blocks hold {frames} of the {file.frames} frames of {file.name!r}")
    crcs = tuple(reader.crc() if file.is_file else None for file in directory.files)
    reader.end("the index")
    return Index(tuple(blocks), crcs)
