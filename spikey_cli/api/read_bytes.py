"""Reads ranges of bytes of files that have no samples."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from ..codec.blocks import FetchedBlock, decode_block, restore_block
from ..codec.decoder import Decoder
from ..errors import DamageError
from ..io.records import RecordLayout
from ..system.workers import Workers


def read_bytes(decoder: Decoder, file: int, first: int, stop: int) -> bytes:
    """Return bytes `first` to `stop` of a file without samples. Raises ArchiveError if they are damaged."""
    reader, one = decoder.reader, Workers(None, 1)
    records = reader.directory.files[file].records
    if records is not None:
        return _read_records(decoder, file, records, first, stop)
    data = bytearray()
    for parts in decoder.decode_blocks(decode_block, _fetched(decoder, [file], first, stop), one, one):
        for decoded in parts:
            if decoded.verbatim is None:
                raise _damaged(decoder, file, "bytes")
            at = decoded.part.first_frame
            data += decoded.verbatim[max(first - at, 0) : stop - at]
    return bytes(data)


def read_kept(decoder: Decoder, files: Collection[int], first: int, stop: int) -> Iterator[tuple[int, int, bytes]]:
    """Read the kept numbers of records `first` to `stop` - 1 of files of which records keep as many bytes.

    Yields
    ------
    file : int
    record : int
        The first one of a block.
    numbers : bytes
        Those of all records of the file in the block.

    Raises
    ------
    ArchiveError
        They are damaged.
    """
    one, (width,) = Workers(None, 1), {decoder.reader.directory.files[file].unit for file in files}
    fetched = _fetched(decoder, files, first * width, stop * width)
    for parts in decoder.decode_blocks(decode_block, fetched, one, one):
        for decoded in parts:
            if decoded.verbatim is None:
                raise _damaged(decoder, decoded.part.file, "numbers")
            yield decoded.part.file, decoded.part.first_frame // width, decoded.verbatim


def _read_records(decoder: Decoder, file: int, records: RecordLayout, first: int, stop: int) -> bytes:
    """Return bytes of a file of records without groups, whose records are their kept numbers."""
    one = Workers(None, 1)
    gap_bytes = sum(len(gap) for _, gap in records.gaps)
    low, high = first - len(records.header) - gap_bytes, stop - len(records.header)
    low -= low % records.record_bytes  # gaps may move records towards the end, by that many bytes at most
    data = bytearray(records.header[first:stop])
    for parts in decoder.decode_blocks(restore_block, _fetched(decoder, [file], low, high), one, one):
        for restored in parts:
            if restored.lost:
                raise _damaged(decoder, file, "bytes")
            at = records.offset(restored.part.first_frame)
            data += memoryview(restored.data)[max(first - at, 0) : max(stop - at, 0)]
    end = records.offset(records.n_records)
    return bytes(data + records.trailer[max(first - end, 0) : max(stop - end, 0)])


def _fetched(decoder: Decoder, files: Collection[int], first: int, stop: int) -> Iterator[FetchedBlock]:
    """Fetch the blocks that have any of the frames `first` to `stop` - 1 of files; of records without their groups."""
    for b, block in enumerate(decoder.reader.index.blocks):
        wanted = {part.file: [0] for part in block.parts if part.file in files and part.overlaps(first, stop)}
        if wanted:
            yield decoder.fetch_block(b, wanted, first, stop)


def _damaged(decoder: Decoder, file: int, what: str) -> DamageError:
    name = decoder.reader.directory.files[file].name
    return decoder.reader.damaged(f"{what} do not match their checksum", name)
