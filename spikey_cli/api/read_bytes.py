"""Reads ranges of bytes of files that have no samples."""

from __future__ import annotations

from ..codec.blocks import Decoder, decode_block, restore_block
from ..container.parts import Part
from ..io.records import RecordLayout
from ..system.workers import Workers


def read_bytes(decoder: Decoder, file: int, first: int, stop: int) -> bytes:
    """Return bytes `first` to `stop` of a file without samples. Raises ArchiveError if they are damaged."""
    reader, one = decoder.reader, Workers(None, 1)
    records = reader.directory.files[file].records
    if records is not None:
        return _read_records(decoder, file, records, first, stop)
    wanted = [
        b
        for b, block in enumerate(reader.index.blocks)
        if any(part.file == file and overlap(part, first, stop) for part in block.parts)
    ]
    data = bytearray()
    fetched = (decoder.fetch_block(b, {file}, first, stop) for b in wanted)
    for parts in decoder.decode_blocks(decode_block, fetched, one, one):
        for decoded in parts:
            if decoded.verbatim is None:
                raise reader.damaged("bytes do not match their checksum", reader.directory.files[file].name)
            at = decoded.part.first_frame
            data += decoded.verbatim[max(first - at, 0) : stop - at]
    return bytes(data)


def read_kept(decoder: Decoder, file: int) -> bytes:
    """Return the kept numbers of the first record of a file; nothing if it has none. Raises ArchiveError if damaged."""
    reader, one = decoder.reader, Workers(None, 1)
    kept = reader.directory.files[file].kept
    for b, block in enumerate(reader.index.blocks) if kept else ():
        if any(part.file == file and part.first_frame == 0 for part in block.parts):
            fetched = decoder.fetch_block(b, {file: [0]}, 0, 1)
            ((decoded,),) = decoder.decode_blocks(decode_block, [fetched], one, one)
            if kept and decoded.verbatim is not None:
                return decoded.verbatim[: kept.bytes]
            raise reader.damaged("numbers do not match their checksum", reader.directory.files[file].name)
    return b""


def _read_records(decoder: Decoder, file: int, records: RecordLayout, first: int, stop: int) -> bytes:
    """Return bytes of a file of records without groups, whose records are their kept numbers."""
    reader, one = decoder.reader, Workers(None, 1)
    gap_bytes = sum(len(gap) for _, gap in records.gaps)
    low, high = first - len(records.header) - gap_bytes, stop - len(records.header)
    low -= low % records.record_bytes  # gaps may move records towards the end, by that many bytes at most
    wanted = [
        b
        for b, block in enumerate(reader.index.blocks)
        if any(part.file == file and overlap(part, low, high) for part in block.parts)
    ]
    data = bytearray(records.header[first:stop])
    fetched = (decoder.fetch_block(b, {file}, low, high) for b in wanted)
    for parts in decoder.decode_blocks(restore_block, fetched, one, one):
        for restored in parts:
            if restored.lost:
                raise reader.damaged("bytes do not match their checksum", reader.directory.files[file].name)
            at = records.offset(restored.part.first_frame)
            data += memoryview(restored.data)[max(first - at, 0) : max(stop - at, 0)]
    end = records.offset(records.n_records)
    return bytes(data + records.trailer[max(first - end, 0) : max(stop - end, 0)])


def overlap(part: Part, first: int, stop: int) -> bool:
    """Return whether a part has any of the frames `first` to `stop` - 1."""
    return part.first_frame < stop and part.first_frame + part.n_frames > first
