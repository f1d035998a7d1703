"""The container of `.spk` archives for `second_decoder.py`: from bytes to streams whose checksums hold.

Written from docs/format.md alone, with nothing from the package: the sections Archive to Trailer.
"""

from __future__ import annotations

import lzma
import math
import struct
import zlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import accumulate
from typing import Any

DICTIONARY = b".wavRIFF$\0\0\0WAVEfmt \x10\0\0\0\1\0\1\0\x4b\x4c\0\0\x96\x98\0\0\2\0\x10\0data"
DEVICES = {"CON", "PRN", "AUX", "NUL", *(port + digit for port in ("COM", "LPT") for digit in "0123456789")}
CODERS = ("raw", "rice", "range", "huffman", "bzip2")
PACKED, CODED, STORED, XZ = range(4)


class RefusedError(ValueError):
    """The archive is damaged, unsafe, of a version that is not known here, or its model is missing."""


def demand(rule: object, otherwise: str) -> None:
    """Refuse the archive where a rule does not hold."""
    if not rule:
        raise RefusedError(otherwise)


def intact(data: bytes, checksum: int, what: str) -> bytes:
    """The data, if its CRC-32 is this one."""
    demand(zlib.crc32(data) == checksum, f"{what} is damaged")
    return data


def inflate(inflater: Any, data: bytes, most: int) -> bytes:
    """What the data inflates to, which is one whole stream, of at most this many bytes."""
    try:
        plain: bytes = inflater.decompress(data, most)
    except (zlib.error, lzma.LZMAError, OSError) as error:
        raise RefusedError(f"a stream cannot be inflated: {error}") from None
    demand(inflater.eof and not inflater.unused_data, "a stream ends early or late, or inflates to too much")
    return plain


def signed(zigzag: int) -> int:
    """0, -1, 1, -2, 2, ... for 0, 1, 2, 3, 4, ..."""
    return zigzag >> 1 ^ -(zigzag & 1)


class Reader:
    """Bytes, from the first to the last."""

    def __init__(self, data: bytes, what: str) -> None:
        self.data, self.what, self.at = data, what, 0

    def take(self, count: int) -> bytes:
        demand(count <= len(self.data) - self.at, f"{self.what} ends too early")
        self.at += count
        return self.data[self.at - count : self.at]

    def number(self, size: int = 1) -> int:
        return int.from_bytes(self.take(size), "little")

    def uvarint(self) -> int:
        found = [self.number()]
        while found[-1] > 127 and len(found) < 9:
            found.append(self.number())
        demand(found == [0] or 0 < found[-1] < 128, f"{self.what} has a number that is not in its shortest form")
        return sum((byte & 127) << 7 * i for i, byte in enumerate(found))

    def end(self) -> None:
        demand(self.at == len(self.data), f"{self.what} is longer than what it holds")


class Bits:
    """Bits of a stream, the most significant of each byte first."""

    def __init__(self, data: bytes) -> None:
        self.bits, self.at = "".join(f"{byte:08b}" for byte in data), 0

    def number(self, width: int = 1) -> int:
        self.at += width
        demand(self.at <= len(self.bits), "a stream has fewer bits than its codes take")
        return int(self.bits[self.at - width : self.at] or "0", 2)

    def rice(self, k: int, width: int) -> int:
        zeros = next(i for i in range(25) if i == 24 or self.number())
        return zeros << k | self.number(k) if zeros < 24 else self.number(width)

    def end(self) -> None:
        demand(len(self.bits) - self.at < 8, "a stream has a byte more than its codes take")


def packed(reader: Reader, count: int, width: int) -> list[int]:
    bits = Bits(reader.take(-(-count * width // 8)))
    return [bits.number(width) for _ in range(count)]


@dataclass
class File:
    """A file of the directory; one kept verbatim has one channel, of samples of 0 bytes."""

    name: str
    sample_bytes: int
    channels: int
    frames: int
    head: bytes = b""
    tail: bytes = b""
    grid: int = 0
    values: Sequence[int] = ()
    threads: Sequence[tuple[int, int, list[tuple[int, int]]]] = ()  # number, wave, peers with metrics in their order
    checksum: int = 0
    body: bytearray = field(default_factory=bytearray)


@dataclass
class Part:
    """A part of a file, in a block of so many steps; of each channel, a method and a stream."""

    file: File
    first: int
    frames: int
    steps: int
    streams: list[tuple[int, bytes]]


@dataclass
class Archive:
    """What an archive says, and the parts in each of its blocks."""

    coder: str
    model: bytes
    embedded: bytes
    files: list[File]
    blocks: list[list[Part]]
    digest: bytes


def read_archive(data: bytes) -> Archive:
    """All of the container: every checksum of the archive's own bytes holds when this returns."""
    demand(data[:8] == b"\x89SPK\r\n\x1a\n", "this is no .spk archive")
    demand(len(data) >= 32 + 68, "the archive ends too early")
    major, _, coder, reserved, model, directory_size, directory_crc, crc = struct.unpack_from("<4B8sIII", data, 8)
    demand(major in (2, 3), f"the archive is of major version {major}, not 2 or 3")
    intact(data[:28], crc, "the header")
    demand(coder < len(CODERS), f"coder {coder} is unknown")
    demand(reserved == 0, "a reserved byte is not 0")
    trailer = struct.Struct("<32sQIII4s" if major == 2 else "<32sQQIIII4s")
    digest, size, *counts, index_size, index_crc, crc, end = trailer.unpack(data[-trailer.size :])
    demand(end == b"SPKE", "the end of the archive is missing")
    intact(data[-trailer.size : -8], crc, "the trailer")
    demand(size == len(data), f"the archive has {len(data)} bytes, not {size}")
    blocks_at = 32 + directory_size
    copies = data[32:blocks_at] + data[:32] if major > 2 else b""
    index_end = len(data) - trailer.size - len(copies)
    index_at = index_end - index_size
    demand(blocks_at <= index_at, "directory and index overlap")
    demand(data[index_end : -trailer.size] == copies, "directory and header do not stand at the end as in front")
    directory = intact(data[32:blocks_at], directory_crc, "the directory")
    embedded, files = read_directory(directory, major)
    index = Reader(intact(data[index_at:index_end], index_crc, "the index"), "the index")
    blocks = list(read_blocks(index, files, data[:index_at], blocks_at, None if major == 2 else directory_crc))
    samples = sum(part.file.channels * part.frames for block in blocks for part in block)
    demand(counts in ([], [samples, len(blocks)]), "the trailer counts other samples or blocks")
    return Archive(CODERS[coder], model, embedded, files, blocks, digest)


def read_directory(deflated: bytes, major: int) -> tuple[bytes, list[File]]:
    """The embedded model, and the files, with their threads' waves and peers."""
    reader = Reader(inflate(zlib.decompressobj(-15, zdict=DICTIONARY), deflated, 2**26), "the directory")
    model = reader.take(reader.uvarint()) if major > 2 else b""
    demand(len(model) <= 2**20, "the model is too long")
    files = [read_file(reader) for _ in range(reader.uvarint())]
    demand(len({file.name.casefold() for file in files}) == len(files), "two names are equal but for case")
    threads = range(sum(file.channels for file in files if file.sample_bytes))
    waves: list[int] = []
    peers: dict[int, dict[int, int]] = defaultdict(dict)
    for thread in threads:
        wave, later = divmod(reader.number(), 5)
        demand(wave < 16, f"thread {thread} has wave {wave}")
        waves.append(wave)
        peer = thread
        for _ in range(later):
            peer += reader.uvarint() + 1
            demand(peer < len(threads), f"thread {thread} has a peer that is not there")
            peers[thread][peer] = peers[peer][thread] = reader.number()
        demand(len(peers[thread]) <= 4, f"thread {thread} has more than 4 peers")
    reader.end()
    ranked = ((n, waves[n], sorted(peers[n].items(), key=lambda peer: (-peer[1], peer[0]))) for n in threads)
    for file in files:
        file.threads = [next(ranked) for _ in range(file.channels) if file.sample_bytes]
    return model, files


def read_file(reader: Reader) -> File:
    """An entry of the directory."""
    raw = reader.take(reader.uvarint())
    name = raw.decode(errors="replace")
    demand(name.encode() == raw, f"{name!r} is not a safe name: it is not UTF-8")
    for part in name.split("/"):
        odd = any(letter in '\\:*?"<>|' or letter < " " for letter in part)
        device = part.partition(".")[0].upper() in DEVICES
        demand(part[-1:] not in ("", " ", ".") and not device and not odd, f"{name!r} is not a safe name")
    sample_bytes = reader.uvarint()
    demand(sample_bytes <= 3, f"{name}: samples of {sample_bytes} bytes")
    rate, channels = (reader.uvarint(), reader.uvarint()) if sample_bytes else (0, 1)
    frames = reader.uvarint()
    demand(rate < 2**32 and 0 < channels < 2**16 and frames <= 2**56, f"{name}: rate, channels or frames out of range")
    if not sample_bytes:
        return File(name, 0, 1, frames)
    head, tail = (reader.take(reader.uvarint()) for _ in range(2))
    demand(len(head) <= 65536 and len(tail) <= 65536, f"{name}: its head or tail is too long")
    return File(name, sample_bytes, channels, frames, head, tail, *read_grid(reader, sample_bytes))


def read_grid(reader: Reader, sample_bytes: int) -> tuple[int, Sequence[int]]:
    """The grid's kind, and its values."""
    kind, count = reader.number(), 256**sample_bytes
    lowest = 0 if sample_bytes == 1 else -count // 2
    values: Sequence[int] = range(lowest, lowest + count)
    demand(kind < 4 and (kind != 1 or sample_bytes == 2), f"a grid of kind {kind} of samples of {sample_bytes} bytes")
    if kind == 1:
        values = [math.trunc((65535 * i - 1023 * 32768) / 1023) for i in range(1024)]
    elif kind == 2:
        offset, step, size = signed(reader.uvarint()), reader.uvarint(), reader.uvarint()
        demand(step > 0, "a grid has a step of 0")
        values = range(offset, offset + step * size, step)
    elif kind == 3:
        size, first = reader.uvarint(), signed(reader.uvarint())
        demand(0 < size <= 4096, f"a palette has {size} values")
        values = list(accumulate((reader.uvarint() + 1 for _ in range(size - 1)), initial=first))
    demand(0 < len(values) <= 2**24, "a grid has no values, or too many")
    demand(lowest <= values[0] and values[-1] < lowest + count, "a grid has values that its samples cannot have")
    return kind, values


def read_blocks(
    index: Reader, files: list[File], data: bytes, at: int, directory_crc: int | None
) -> Iterator[list[Part]]:
    """The parts of each block; the blocks lie in the data from `at` on. Gives the files their checksums."""
    head = struct.Struct("<4sIII" if directory_crc is None else "<4sIIIII")
    reached = [0] * len(files)
    for n in range(index.uvarint()):
        block = Reader(data[at : (at := at + index.uvarint())], "a block")
        magic, *whose, table_size, streams_size, crc = head.unpack(block.take(head.size))
        table = Reader(block.take(table_size), "a block's table")
        intact(block.data[: head.size - 4] + table.data, crc, "a block's table")
        demand(whose in ([], [directory_crc, n]), "a block is of another archive, or out of order")
        demand(magic == b"SPKB" and block.at + streams_size == len(block.data), "a block is not where it should be")
        steps, count = table.uvarint(), table.uvarint()
        demand(steps <= 2**25, f"a block of {steps} steps")
        demand(index.uvarint() == count, "a block and the index differ")
        parts = []
        for _ in range(count):
            number, first, frames = place = [table.uvarint() for _ in range(3)]
            demand([index.uvarint() for _ in range(3)] == place, "a block and the index differ")
            demand(number < len(files) and frames, "a part of no file, or of no frames")
            file = files[number]
            demand(first == reached[number], f"a part of {file.name} is missing, or out of order")
            reached[number] += frames
            demand(bool(steps) == bool(file.sample_bytes), "a block of files of both kinds, or of lanes without codes")
            rows = [(table.number(), table.uvarint(), table.number(4)) for _ in range(file.channels)]
            streams = [
                (method, intact(block.take(size), crc, f"a stream of {file.name}")) for method, size, crc in rows
            ]
            known = all(method in ((PACKED, CODED) if steps else (STORED, XZ)) for method, _ in streams)
            demand(known, f"a stream of {file.name} is of an unknown method, or of one for other files")
            parts.append(Part(file, first, frames, steps, streams))
        demand(sum(part.file.channels * part.frames for part in parts) <= 2**25, "a block has too many samples")
        lanes = sum(part.file.channels * -(-part.frames // steps) for part in parts if steps)
        demand(lanes <= 2**17, "a block has too many lanes")
        table.end()
        block.end()
        yield parts
    demand(at == len(data), "the last block does not end where the index begins")
    demand(reached == [file.frames for file in files], "the last part of a file is missing")
    for file in files:
        file.checksum = index.number(4)
    index.end()


def stored(part: Part) -> bytes:
    """The bytes of a part of a file that is kept as it is."""
    ((method, stream),) = part.streams
    plain = inflate(lzma.LZMADecompressor(lzma.FORMAT_XZ), stream, part.frames + 1) if method == XZ else stream
    demand(len(plain) == part.frames, f"a stream of {part.file.name} has not as many bytes as its part")
    return plain


def restore(archive: Archive) -> dict[str, bytes]:
    """The files, once all their bodies are decoded."""
    files = {file.name: intact(file.head + file.body + file.tail, file.checksum, file.name) for file in archive.files}
    digests = b"".join(sha256(content).digest() for content in files.values())
    demand(sha256(digests).digest() == archive.digest, "the files are not those of which the trailer tells")
    return files
