"""An archive taken apart, to be changed and put together again with all its checksums right."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass, field
from pathlib import Path

from spikey_cli.archive import BLOCK_MARK, END_MARK, HEADER_BYTES, ArchiveReader


def sealed(data: bytes) -> bytes:
    """The bytes, and their CRC-32 behind them."""
    return data + struct.pack("<I", zlib.crc32(data))


@dataclass
class Block:
    """A block: what its header says, its table, its streams."""

    number: int
    table: bytes
    streams: bytes
    directory_crc: int | None = None
    """None: that of the directory."""

    def pack(self, directory_crc: int) -> bytes:
        """The block's bytes."""
        crc = directory_crc if self.directory_crc is None else self.directory_crc
        head = struct.pack("<4sIIII", BLOCK_MARK, crc, self.number, len(self.table), len(self.streams))
        return head + struct.pack("<I", zlib.crc32(self.table, zlib.crc32(head))) + self.table + self.streams


@dataclass
class Anatomy:
    """The parts of an archive of format 3. `pack` makes one of them."""

    start: bytes
    """Bytes 0 to 19 of the header."""
    directory: bytes
    blocks: list[Block]
    index: bytes
    sha256: bytes
    samples: int
    n_blocks: int
    length: int | None = None
    """None: what it is."""
    lengths: dict[str, int] = field(default_factory=dict)
    """What header and trailer say of the lengths of `directory` and `index`, where that is not what they are."""

    @classmethod
    def of(cls, data: bytes, folder: Path) -> Anatomy:
        """Take an archive apart; it is written into `folder` on the way."""
        path = folder / "anatomy.spk"
        path.write_bytes(data)
        with ArchiveReader(path) as reader:
            blocks = []
            for i, entry in enumerate(reader.index.blocks):
                table_bytes = struct.unpack_from("<I", data, entry.offset + 12)[0]
                at = entry.offset + 24
                end = entry.offset + entry.length
                blocks.append(Block(i, data[at : at + table_bytes], data[at + table_bytes : end]))
            directory_bytes = struct.unpack_from("<I", data, 20)[0]
            sha256, _, samples, n_blocks, index_bytes = struct.unpack_from("<32sQQII", data, len(data) - 68)
            index_at = len(data) - 68 - HEADER_BYTES - directory_bytes - index_bytes
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
        """The archive."""
        crc = zlib.crc32(self.directory)
        header = self.start + struct.pack("<II", self.lengths.get("directory", len(self.directory)), crc)
        front = sealed(header) + self.directory + b"".join(block.pack(crc) for block in self.blocks)
        end = self.index + self.directory + sealed(header)
        length = len(front) + len(end) + 68 if self.length is None else self.length
        index = (self.lengths.get("index", len(self.index)), zlib.crc32(self.index))
        trailer = struct.pack("<32sQQIII", self.sha256, length, self.samples, self.n_blocks, *index)
        return front + end + sealed(trailer) + END_MARK
