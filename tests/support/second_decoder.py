"""A second decoder of `.spk` archives, with NumPy for float32, written from docs/format.md alone and in its order.

`python tests/support/second_decoder.py ARCHIVE FOLDER [MODEL.onnx ...]` restores an archive if its SHA-256 matches.
"""

import lzma
import re
import struct
import sys
import zlib
from bisect import bisect_right
from collections.abc import Iterator
from functools import cache, reduce
from hashlib import sha256
from itertools import accumulate, chain, count, islice, pairwise, repeat
from operator import add
from pathlib import Path
from statistics import NormalDist
from types import SimpleNamespace
from typing import Any
from unicodedata import normalize

import numpy as np

DICTIONARY = (
    b"nosj.knuhc\x93NUMPY\1\0v\0{'descr': '<f4', 'fortran_order': False, 'shape': (), }{'descr': '<i2', "
    b"'fortran_order': False, 'shape': (" + b" " * 41 + b"\nypn.knuhcvaw.RIFF\0\0\0\0WAVEfmt "
    b"\x10\0\0\0\1\0\1\0\x4b\x4c\0\0\x96\x98\0\0\2\0\x10\0data\0\0\0\0"
)
LZMA2 = [{"id": lzma.FILTER_LZMA2, "dict_size": 2**20}]
DEVICES = r"con|prn|aux|nul|clock\$|conin\$|conout\$|(com|lpt)[0-9¹²³]"
F: Any = np.float32
SCALED = {4: "<i", 5: "<f", 6: "<d", 7: "<H", 8: "<I", 9: "<q"}  # sample types that are computed from integers
UNSAFE = re.compile(rf'[\0-\x1f\\:*?"<>|\ud800-\udfff]|(^|[/ .])(/|$)|(^|/)({DEVICES}) *([./]|$)', re.IGNORECASE)
(RICE, RANGE, HUFFMAN), (PACKED, CODED, STORED, XZ, ESCAPED, _, SPLIT, _, NUMBERS, FRAMES) = range(1, 4), range(10)
RECORDS, FLOAT64 = 10, 9
REFUSALS = (ArithmeticError, LookupError, ValueError, EOFError, OSError, lzma.LZMAError, struct.error, zlib.error)


def require(condition: object, otherwise: str) -> None:
    if not condition:
        raise ValueError(otherwise)


def unzigzag(n: int) -> int:
    return n >> 1 ^ -(n & 1)


def clip(x: Any, limit: Any) -> Any:
    return min(max(x, -limit), limit)


class Reader:
    """Reads bytes, or bits of bytes, most significant first. Reading bytes skips the rest of a begun byte."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def bits(self, width: int = 1) -> int:
        first, self.at = self.at, self.at + width
        require(self.at <= 8 * len(self.data), "a structure ends too early")
        return (int.from_bytes(self.data[first // 8 : -(-self.at // 8)]) >> -self.at % 8) % 2**width

    def take(self, size: int) -> bytes:
        self.at += -self.at % 8
        return self.bits(8 * size).to_bytes(size)

    def number(self, size: int = 1) -> int:
        return int.from_bytes(self.take(size), "little")

    def uvarint(self) -> int:
        byte = self.number()
        return byte if byte < 128 else byte - 128 + (self.uvarint() << 7)

    def packed(self, count: int, width: int) -> list[int]:
        codes = Reader(self.take(-(-count * width // 8)))
        return [codes.bits(width) for _ in range(count)]

    def rice(self, scale: int, width: int) -> int:
        k = min(max(scale + 8 >> 4, 0), 24)
        zeros = next(i for i in range(25) if i == 24 or self.bits())
        return zeros << k | self.bits(k) if zeros < 24 else self.bits(width)

    def end(self) -> None:
        require(8 * len(self.data) - self.at < 8, "a structure is longer than its contents")


class Table(Reader):
    """Reads the fields of a table, which are compressed; `tail` reads what follows them."""

    def __init__(self, data: bytes) -> None:
        require(data[0] < 2, f"a table is compressed by method {data[0]}")
        deflate, xz = zlib.decompressobj(-15, zdict=DICTIONARY), lzma.LZMADecompressor(lzma.FORMAT_RAW, None, LZMA2)
        decompressor: Any = xz if data[0] else deflate
        super().__init__(decompressor.decompress(data[1:]))
        require(decompressor.eof, "a table ends too early")
        self.tail = Reader(decompressor.unused_data)

    def column(self, size: int) -> list[int]:
        numbers, left, shift = [0] * size, range(size), 0
        while left:
            plane = list(self.take(len(left)))
            for i, byte in zip(left, plane, strict=True):
                numbers[i] |= byte % 128 << shift
            left, shift = [i for i, byte in zip(left, plane, strict=True) if byte > 127], shift + 7  # type: ignore[assignment]
        return numbers

    def wide(self, size: int) -> list[int]:
        low = self.uvarint()
        return [a << low | b for a, b in zip(self.column(size), self.tail.packed(size, low), strict=True)]


def decode(data: bytes, models: list[bytes]) -> dict[str, bytes]:
    """Return the files of an archive. `models` are ONNX files that it may name. Raises one of REFUSALS."""
    archive = Reader(data)
    header = archive.take(40)
    start, coder, effort, reserved, model, size, directory_crc, identity, crc = struct.unpack("<9sBBB8sII8sI", header)
    known = start == b"\x89SPK\r\n\x1a\n\1" and RICE <= coder <= HUFFMAN and 1 <= effort <= 3 and reserved == 0
    require(known, f"not an archive of version 1 with a known coder: {header[:12]!r}")
    directory, trailer = archive.take(size), data[-56:]
    end = len(data) - len(directory + header + trailer)
    digest, archive_size, index_size, index_crc, trailer_crc, mark = struct.unpack("<32sQIII4s", trailer)
    require(sha256(header[:28] + digest).digest()[:8] == identity, "header and trailer are of different archives")
    parts = {header[:36]: crc, directory: directory_crc, data[end - index_size : end]: index_crc}
    for part, part_crc in (parts | {trailer[:-8]: trailer_crc}).items():
        require(zlib.crc32(part) == part_crc, "the header, the directory, the index or the trailer is damaged")
    require(data[end:-56] == directory + header and mark == b"SPKE", "the second directory or header differs")
    require(archive_size == len(data), "the trailer states another size")
    files = read_directory(directory, coder, effort, model, models)
    blocks = list[tuple[int, list[Part]]]()
    while archive.at < 8 * (end - index_size):
        blocks.append(decode_block(archive, struct.pack("<4s8sI", b"SPKB", identity, len(blocks)), files))
    index = Table(archive.take(index_size))
    sizes = index.wide(n_blocks := index.uvarint())
    parts_of = read_parts(index, index.column(n_blocks), files)
    require(blocks == list(zip(sizes, parts_of, strict=True)), "the blocks do not match the index")
    index.end()
    for file in files:
        require(len(file.channels[0].codes) == file.frames, f"the last part of {file.name} is missing")
    files = [file for file in files if not file.is_group]
    for file in files:
        content = file.records.content(file) if file.records else b"".join(chain(*zip(*file.samples(), strict=True)))
        file.content = file.header + content + file.trailer
        require(zlib.crc32(file.content) == index.tail.number(4), f"{file.name} is damaged")
    index.tail.end()
    digests = b"".join(sha256(file.content).digest() for file in files)
    require(sha256(digests).digest() == digest, "the files do not match the archive's SHA-256")
    return {file.name: file.content for file in files}


def samples_of(channel: Any, channels: list[Any]) -> list[int]:
    grid = channel.grid
    if isinstance(grid, Copy):
        return [grid.offset + (-x if grid.is_negated else x) for x in samples_of(channels[grid.source], channels)]
    if isinstance(grid, Lattice):
        return [grid.point(k) + r for k, r in zip(channel.codes, channel.residues, strict=True)]
    return [grid.samples[code] for code in channel.codes]


def read_directory(data: bytes, coder: int, effort: int, model: bytes, models: list[bytes]) -> list["File"]:
    """Return the files. Their channels have a number, a coding pass, and references."""
    table = Table(data)
    n_files = table.uvarint()
    shared, sizes, endings = table.column(n_files), table.column(n_files), [b""] * n_files
    for place in range(max(map(int.__sub__, sizes, shared), default=0)):
        for i in range(n_files):
            endings[i] = table.take(sizes[i] - shared[i] > place) + endings[i]
    encoded = accumulate(zip(shared, endings, strict=True), lambda name, new: name[: new[0]] + new[1], initial=b"")
    file_names = list(islice(encoded, 1, None))
    require(list(map(len, file_names)) == sizes, "a name has more in common with the one before than that has")
    table.end()
    directory = Table(table.tail.data)
    embedded = directory.take(directory.uvarint())
    onnx = {bytes(8): b""} | {sha256(each).digest()[:8]: each for each in (*models, embedded)}
    require(model in onnx, f"the model is missing whose SHA-256 begins with {model.hex()}")
    network = Network(onnx[model])
    types = directory.column(n_files)
    frames = accumulate(map(unzigzag, directory.wide(n_files - types.count(RECORDS))))
    n = n_files - types.count(0) - types.count(RECORDS)
    directory.column(n)  # sample rates
    widths = directory.column(n)
    require(all(widths), "a file has no channel")
    headers, trailers = ([*read_repeated(directory, n)] for _ in range(2))
    forms, files = zip(widths, headers, trailers, strict=True), list[File]()
    for name_bytes, kind in zip(file_names, types, strict=True):
        name, is_short = name_bytes.decode(errors="surrogateescape"), max(map(len, name_bytes.split(b"/"))) <= 255
        require(len(name_bytes) <= 4096 and name_bytes.count(b"/") < 64 and is_short, f"{name[:99]!r}... is too long")
        require(not UNSAFE.search(name), f"{name!r} is not a safe name")
        options = name, coder, effort, network
        if kind == RECORDS:
            files += read_records(directory, *options)
        else:
            size, form = next(frames), next(forms) if kind else (1, b"", b"")
            files.append(File(directory, *options, kind, size, *form))
    names = {normalize("NFD", normalize("NFD", file.name).casefold()) for file in files if not file.is_group}
    folders = {folder.as_posix() for name in names for folder in Path(name).parents}
    require(len(names) == n_files and not names & folders, "two names are equal, or one is a folder of the other")
    channels = [*chain(*(file.channels for file in files if not file.is_verbatim))]
    heads = directory.column(len(channels))
    distances = iter(directory.wide(sum((head >> 6) // 9 for head in heads)))
    for number, (channel, head) in enumerate(zip(channels, heads, strict=True)):
        channel.number, channel.coding_pass, n_earlier = number, head % 16, (head >> 6) // 9
        channel.order = 8 << (head >> 6) % 3
        channel.earlier = [(number + unzigzag(next(distances)), 0) for _ in range(n_earlier)]
        require(n_earlier <= 8, f"channel {number} has too many references")
    for channel, head in zip(channels, heads, strict=True):
        if head >> 4 & 1:
            channel.earlier = [(other, directory.number()) for other, _ in channel.earlier]
    places = iter(directory.wide(sum((head >> 6) // 3 % 3 for head in heads)))
    for channel, head in zip(channels, heads, strict=True):
        near = [other.number for other in channels if channel.number in dict(other.earlier)]
        for place in islice(places, (head >> 6) // 3 % 3):
            far = channel.number + unzigzag(max(place - len(near), 0))
            channel.later.append(near[place] if place < len(near) else far)
    for channel, lag in zip(
        [channel for channel, head in zip(channels, heads, strict=True) if head >> 5 & 1],
        directory.column(sum(head >> 5 & 1 for head in heads)),
        strict=True,
    ):
        channel.lag = lag + 32
        require(lag <= 4096 - 32, f"channel {channel.number} has too long a lag")
    for channel in channels:
        earlier, later = ([channels[i] for i in of] for of in (dict(channel.earlier), channel.later))
        is_earlier = [other.coding_pass < channel.coding_pass for other in (*earlier, *later)]
        require(is_earlier == [True] * len(earlier) + [False] * len(later), "a reference is to a wrong coding pass")
        require(all(i >= 0 for i in (*dict(channel.earlier), *channel.later)), "a reference is to a negative number")
    directory.end()
    directory.tail.end()
    for channel in channels:
        for number in (*dict(channel.earlier), *channel.later):
            one, other = channel.file, channels[number].file
            one.linked, other.linked = one.linked | {files.index(other)}, other.linked | {files.index(one)}
    return files


def read_repeated(directory: Table, n: int) -> Iterator[bytes]:  # headers or trailers
    item = b""
    for size in directory.column(n):
        item = directory.take(size - 1) if size else item
        yield item


Part = tuple[int, int, int]


def read_parts(table: Table, counts: list[int], files: list["File"]) -> list[list[Part]]:
    """Return the parts of blocks that have so many each."""
    n = sum(counts)
    columns, blocks = zip(*(table.column(n) for _ in range(3)), strict=True), list[list[Part]]()
    for size in counts:
        parts, expected = list[Part](), 0
        for distance, first, frames in islice(columns, size):
            file = expected + unzigzag(distance)
            require(0 <= file < len(files) and first < files[file].frames, "a part is out of range, or empty")
            parts.append((file, first, frames or files[file].frames - first))
            seen = {other for other, _, _ in parts}
            linked = files[file].linked - seen
            expected = min(linked) if linked else next(i for i in count(parts[0][0]) if i not in seen)
        blocks.append(parts)
    return blocks


def read_records(entry: Reader, *options: Any) -> list["File"]:
    """Return a file of records of the directory, and behind it its groups."""
    records = Records(entry)
    file = File(entry, *options, 0, records.number * records.kept_bytes, 1, records.header, records.trailer)
    file.records, file.unit = records, records.kept_bytes
    file.groups = [File(entry, *options, kind, frames, n, b"", b"") for kind, n, frames in records.groups]
    for group, unit in zip(file.groups, records.per_record, strict=True):
        group.owner, group.unit, group.is_group = file, unit, True
    return [file, *file.groups]


class Records:
    """The layout of a file of records."""

    def __init__(self, entry: Reader) -> None:
        self.header, self.trailer = (entry.take(entry.uvarint()) for _ in range(2))
        self.number, self.gaps, record = entry.uvarint(), dict[int, bytes](), 0
        for _ in range(entry.uvarint()):
            record += entry.uvarint()
            self.gaps[record] = entry.take(entry.uvarint())
        groups = [[entry.uvarint(), entry.uvarint(), entry.uvarint(), entry.number()] for _ in range(entry.uvarint())]
        self.fields = [(entry.uvarint() - 1, entry.uvarint(), entry.uvarint()) for _ in range(entry.uvarint())]
        self.kept = [(min(a, 8), a == FLOAT64, b) for group, a, b in self.fields if group < 0]
        require(all(a in (1, 2, 4, 8, FLOAT64) for group, a, _ in self.fields if group < 0), "a type of kept numbers")
        self.kept_bytes = sum(size * count for size, _, count in self.kept)
        channels = [sum(n for group, n, _ in self.fields if group == i) for i in range(len(groups))]
        require(self.number and min(channels, default=1) and sum(n for _, *n in self.fields for n in n), "no records")
        self.per_record, self.orders = [group[2] for group in groups], [group[3] for group in groups]
        require(all(0 < record < self.number for record in self.gaps), "a gap is not between records")
        self.groups: list[Any] = [
            (kind, n, self.number * per_record) for (kind, _, per_record, _), n in zip(groups, channels, strict=True)
        ]

    def content(self, file: "File") -> bytes:
        """Return the bytes of all records, with the gaps."""
        kept, pieces = iter(file.channels[0].codes), list[bytes]()
        samples = [[*map(list, group.samples())] for group in file.groups]
        for record in range(self.number):
            pieces.append(self.gaps.get(record, b""))
            first = [0] * len(samples)
            for group, a, b in self.fields:
                if group < 0:
                    pieces.append(bytes(islice(kept, min(a, 8) * b)))
                    continue
                start, per_record = record * self.per_record[group], self.per_record[group]
                own = [x[start : start + per_record] for x in samples[group][first[group] : first[group] + a]]
                first[group] += a
                for sample in chain(*(own if b else zip(*own, strict=True))):
                    flipped = sample[:-1] + bytes([sample[-1] ^ (0x80 if self.orders[group] & 2 else 0)])
                    pieces.append(flipped[::-1] if self.orders[group] & 1 else flipped)
        return b"".join(pieces)

    def numbers(self, stream: bytes, n_records: int) -> bytes:
        """Return the kept numbers of records."""
        inflate = zlib.decompressobj(-15)
        reader = Reader(inflate.decompress(stream))
        fields = [[*self.field(reader, size, is_float, count * n_records)] for size, is_float, count in self.kept]
        require(inflate.eof and not inflate.unused_data and len(reader.data) * 8 == reader.at, "the kept numbers")
        rows = [(iter(words), size, count) for words, (size, _, count) in zip(fields, self.kept, strict=True)]
        return b"".join(
            next(words).to_bytes(size, "little")
            for _ in range(n_records)
            for words, size, count in rows
            for _ in range(count)
        )

    def field(self, reader: Reader, size: int, is_float: bool, count: int) -> list[int]:
        form = reader.number()
        require(form < 3 or (form < 5 and is_float), f"kept numbers have the form {form}")
        words, modulus = list[int](), 256**size

        def planes() -> list[int]:
            data = reader.take(size * count)
            return [int.from_bytes(data[i::count], "little") for i in range(count)]

        if form < 3:
            words = planes()
            for _ in range(form):
                words = [word % modulus for word in accumulate(words)]
            return words
        gain, offset = struct.unpack("<dd", reader.take(16))
        ks = [word % modulus for word in accumulate(accumulate(planes()))]
        ks = [k - modulus if k >= modulus // 2 else k for k in ks]
        floats = [(float(k) / gain if form == 3 else float(k) * gain) + offset for k in ks]
        bits = [int.from_bytes(struct.pack("<d", x), "little") for x in floats]
        return [(a + b) % modulus for a, b in zip(bits, planes(), strict=True)]


class File:
    """A file of the directory. A verbatim file counts as one channel of 8-bit samples without header and trailer.

    So does a file of records, of its kept numbers; its groups follow it as files of samples.
    """

    def __init__(
        self,
        entry: Reader,
        name: str,
        coder: int,
        effort: int,
        network: "Network",
        size: int,
        frames: int,
        n_channels: int,
        header: bytes,
        trailer: bytes,
    ) -> None:
        self.name, self.is_verbatim, self.sample_type, size = name, size == 0, size, max(size, 1)
        self.records, self.groups, self.is_group, self.owner, self.unit = None, list[File](), False, self, 1
        self.channels = [
            SimpleNamespace(
                **{"file": self, "number": -1, "coding_pass": 0, "earlier": [], "later": [], "lag": 0, "order": 8},
                **{"codes": [], "escapes": {}, "frames": {}, "residues": [], "low_bits": {}},
            )
            for _ in range(n_channels)
        ]
        self.coder, self.effort, self.network, self.frames = coder, effort, network, frames
        self.header, self.trailer, self.linked = header, trailer, set[int]()
        self.width = {0: 1, 4: 4, 5: 4, 6: 8, 7: 2, 8: 4, 9: 8}.get(self.sample_type, size)
        data_size = frames * n_channels * self.width
        if header.startswith(b"RIFF") and len(header) >= 12:
            stated = [int.from_bytes(header[i : i + 4], "little") for i in (4, len(header) - 4)]
            sizes = zip(stated, (len(header) + data_size + len(trailer) - 8, data_size), strict=True)
            riff, data = (((a + b) % 2**32).to_bytes(4, "little") for a, b in sizes)
            self.header = header[:4] + riff + header[8:-4] + data
        if self.sample_type > 3:
            size, n_scalings = entry.number(), entry.uvarint()
            scalings = [read_scaling(entry, self.sample_type) for _ in range(n_scalings)]
            require(n_scalings in (1, n_channels) and 2 <= size <= 3, f"{self.name} has {n_scalings} scalings")
            for channel, scaling in zip(self.channels, scalings * (n_channels // n_scalings), strict=True):
                channel.scaling = scaling
        require(size < 4, f"{self.name} has samples of {size} bytes")
        self.sample_bytes = size
        everything = range(-(256**size) // 2, 256**size // 2) if size > 1 else range(256)
        kind = 0 if self.is_verbatim else entry.number()
        whole = self.grid(entry, kind, everything, -1) if kind != 4 else None
        for i in range(n_channels):
            self.channels[i].grid = whole or self.grid(entry, entry.number(), everything, i)

    def grid(self, entry: Reader, kind: int, everything: Any, channel: int) -> Any:
        """Return the quantizer of a channel, -1 being that of all, whose kind was read."""
        samples: Any = everything
        if kind == 1:
            samples = [int((65535 * i - 1023 * 32768) / 1023) for i in range(1024)]
        elif kind == 2:
            offset, step, count = unzigzag(entry.uvarint()), entry.uvarint(), entry.uvarint()
            samples = range(offset, offset + step * count, step)
        elif kind == 3:
            count, first = entry.uvarint(), unzigzag(entry.uvarint())
            samples = list(accumulate((entry.uvarint() + 1 for _ in range(count - 1)), initial=first))
        elif kind == 5 and channel >= 0:
            return Lattice(entry.uvarint(), entry.uvarint(), unzigzag(entry.uvarint()), entry.uvarint())
        elif kind == 6 and channel >= 0:
            copy = Copy(entry.uvarint(), unzigzag(entry.uvarint()), entry.uvarint())
            require(copy.source < channel and copy.is_negated < 2, f"{self.name} has a copy of a later channel")
            require(not isinstance(self.channels[copy.source].grid, Copy), f"{self.name} has a copy of a copy")
            return copy
        require(kind < 4, f"{self.name} has a quantizer of kind {kind}")
        profile = [int(edge) for edge in self.network.metadata.get(b"adc_edges", b"").split()] if kind == 1 else []
        return Grid(samples, profile)

    def samples(self) -> Any:
        """Return the bytes of the samples of each channel."""
        for channel in self.channels:
            yield map(self.sample, repeat(channel), count(), samples_of(channel, self.channels))

    def sample(self, channel: Any, frame: int, value: int) -> bytes:
        if frame in channel.frames:
            return channel.frames[frame]
        if self.sample_type > 3:
            sample = self.with_low_bits(channel, frame, value)
            return channel.escapes.get(frame, sample)
        return value.to_bytes(self.sample_bytes, "little", signed=self.sample_bytes > 1)

    def with_low_bits(self, channel: Any, frame: int, value: int) -> bytes:
        sample = scaled(value, channel.scaling, self.sample_type)
        if channel.scaling[0] != 11:
            return sample
        if frame in channel.low_bits:  # the first of a part
            channel.low = channel.low_bits[frame]
        above = value if value >= 0 else ~value
        width = 8 * self.width - (9 if self.width == 4 else 12) - above.bit_length() + 1 if above else 0
        low = channel.low.bits(width)
        if frame + 1 == self.frames or frame + 1 in channel.low_bits:
            channel.low.end()
        return (int.from_bytes(sample, "little") + low).to_bytes(len(sample), "little")


class Grid:
    """The codes of a channel's values."""

    def __init__(self, samples: Any, profile: list[int]) -> None:
        self.samples, self.size, self.profile = samples, len(samples), profile
        self.width = max(1, (self.size - 1).bit_length())
        self.edges = profile or range(-32, 64 * self.size, 64)
        self.values = [a + b >> 1 for a, b in pairwise(profile)] if profile else range(0, 64 * self.size, 64)

    def ranked(self, rank: int, mean: int) -> int:  # the code of this rank
        require(rank < self.size, "a rank is not less than the number of codes")
        nearest = min(max(bisect_right(self.edges, mean) - 1, 0), self.size - 1)
        both = min(nearest, self.size - 1 - nearest)
        if rank > 2 * both:
            return rank if nearest == both else self.size - 1 - rank
        return nearest + (rank + 1 >> 1) * (1 if (rank & 1) == (mean >= self.values[nearest]) else -1)


def read_scaling(entry: Reader, sample_type: int) -> list[Any]:
    kind = entry.number()
    require(kind < 12 and (kind == 0) == (SCALED[sample_type][1] not in "fd"), f"a scaling has the kind {kind}")
    if kind == 0:
        base, step = unzigzag(entry.uvarint()), entry.uvarint()
        require(1 <= step < 2**62 and abs(base) < 2**62, f"a scaling has a base of {base}, and a step of {step}")
        return [kind, step, base]
    gain, offset = numbers = struct.unpack("<dd", entry.take(16))
    if kind == 11:
        require(gain in [2.0**e for e in range(-100, 101)] and offset == 0, f"upper bits have a gain of {gain}")
        return [kind, gain, offset]
    form = (kind - 1) % 5
    sizes = [gain, offset, gain * offset if form == 3 else gain / (offset or 1)] if form > 2 else [gain, offset or 1]
    moderate = all(2.0**-60 <= abs(x) <= 2.0**60 for x in sizes) and (kind < 6 or all(float32(x) == x for x in numbers))
    require(moderate, f"a scaling has a gain of {gain}, and an offset of {offset}")
    return [kind, gain, offset]


def scaled(k: int, scaling: list[Any], sample_type: int) -> bytes:
    (kind, gain, offset), size = scaling, struct.calcsize(SCALED[sample_type])
    if kind == 0:
        return ((offset + k * gain) % 256**size).to_bytes(size, "little")
    if kind == 11:
        return struct.pack(SCALED[sample_type], k * gain if k >= 0 else -(~k * gain))
    r, form = float32 if kind > 5 else float, (kind - 1) % 5
    x = [r(k * gain) + offset, r(k / gain) + offset, r(k + offset) * gain, r(k * gain) * offset][min(form, 3)]
    x = r(k * gain) / offset if form == 4 else x
    return struct.pack(SCALED[sample_type], float32(r(x)) if sample_type == 5 else r(x))


def float32(x: float) -> float:  # the nearest float32; no operation of a scaling gives one that is too large
    return float(struct.unpack("<f", struct.pack("<f", x))[0])


class Lattice(Grid):
    """The points of a lattice; residues stand apart."""

    def __init__(self, numerator: int, denominator: int, shift: int, points: int) -> None:
        require(denominator < numerator < 4096 * denominator <= 2**32 and points > 0, "a lattice is out of range")
        super().__init__(range(points), [])
        self.residues = Grid(range(-(-numerator // denominator)), [])
        self.point = lambda k: (2 * (numerator * k + shift) + denominator) // (2 * denominator)


class Copy(Grid):
    """The values of an earlier channel, negated or not, plus an offset."""

    def __init__(self, source: int, offset: int, is_negated: int) -> None:
        super().__init__(range(1), [])
        self.source, self.offset, self.is_negated = source, offset, is_negated


def decode_block(archive: Reader, start: bytes, files: list[File]) -> tuple[int, list[Part]]:
    """Append a block's codes to the channels; return what the index must say of the block."""
    header, crc = archive.take(20), archive.number(4)
    packed = archive.take(int.from_bytes(header[16:], "little"))
    require(zlib.crc32(packed + header) == crc, "a block's table is damaged")
    table = Table(packed)
    require(header[:16] == start, "a block belongs to another archive, or is out of order")
    steps, channels, behind = table.uvarint(), list[BlockChannel](), list[BlockChannel]()
    (parts,) = read_parts(table, [table.uvarint()], files)
    are_frames = table.column(len(parts))
    require(max(are_frames, default=0) < 2, "whether a part is in frames is no truth value")
    n_streams = sum(1 if each else len(files[part[0]].channels) for part, each in zip(parts, are_frames, strict=True))
    methods, stream_sizes = table.column(n_streams), table.wide(n_streams)
    streams = zip(methods, stream_sizes, (table.tail.number(4) for _ in methods), strict=True)
    for part, in_frames in zip(parts, are_frames, strict=True):
        file, span = files[part[0]], part[1:]
        for channel in file.channels[: 1 if in_frames else None]:
            method, size, crc = next(streams)
            stream = archive.take(size)
            require(zlib.crc32(stream) == crc, f"a stream of {file.name} is damaged")
            require(in_frames == (method == FRAMES), f"a part of {file.name} is in frames and has other streams")
            if in_frames:
                require(not file.is_verbatim, f"{file.name} has no frames")
                frames = Reader(stream)
                for frame in range(span[0], sum(span)):
                    for each in file.channels:
                        each.frames[frame] = frames.take(file.width)
                frames.end()
                for each in file.channels:
                    channels.append(BlockChannel(file, Grid(range(1), []), each, span, steps, PACKED, b""))
                    each.residues += [0] * (span[1] if isinstance(each.grid, Lattice) else 0)
                break
            plain = method - 4 if method in (ESCAPED, ESCAPED + 1) else SPLIT if method == SPLIT + 1 else method
            is_split = isinstance(channel.grid, Lattice)
            if method == NUMBERS:
                require(file.records, f"{file.name} has no kept numbers")
                method = plain = STORED
                stream = file.records.numbers(stream, span[1] // file.unit)
            fits = plain == SPLIT if is_split else plain < SPLIT and (plain in (STORED, XZ)) == file.is_verbatim
            fits = fits and not (file.records and method == XZ)
            require(
                fits and (plain == method or file.sample_type > 3), f"a stream of {file.name} has the method {method}"
            )
            if plain != method:
                escaped = Reader(stream)
                channel.escapes |= read_escapes(escaped, span, struct.calcsize(SCALED[file.sample_type]))
                method, stream = plain, stream[-(-escaped.at // 8) :]
            if file.sample_type in (5, 6) and channel.scaling[0] == 11:
                both = Reader(stream)
                channel.low_bits[span[0]] = Reader(both.take(both.uvarint()))
                stream = both.data[both.at // 8 :]
            if is_split:
                both = Reader(stream)
                method, stream = both.number(), both.take(both.uvarint())
                residues, rest = both.number(), both.data[both.at // 8 :]
                require(max(method, residues) <= CODED, f"a stream of {file.name} has another method within")
                fixed = {"number": -1, "coding_pass": 0, "earlier": [], "later": [], "lag": 0, "order": 8}
                extra = SimpleNamespace(**fixed, codes=channel.residues)
                behind.append(BlockChannel(file, channel.grid.residues, extra, span, steps, residues, rest))
            channels.append(BlockChannel(file, channel.grid, channel, span, steps, method, stream))
    table.end()
    table.tail.end()
    check_records(parts, files)
    channels += behind
    find_references(channels)
    coded = sorted((channel for channel in channels if channel.lanes), key=lambda channel: channel.coding_pass)
    for t in range(1, max((channel.lanes[0].length for channel in coded), default=1)):
        for channel in coded:
            channel.step(t)
        for channel in coded:
            channel.learn(t)
    for channel in channels:
        require(channel.span[0] == len(channel.channel.codes), "a part of a file is missing, or out of order")
        channel.channel.codes += chain(channel.codes, *(lane.codes for lane in channel.lanes))
        for reader in (channel.stream, *(number.words for number in channel.numbers)):
            reader.end()
    return 24 + len(packed) + sum(stream_sizes), parts


def check_records(parts: list[Part], files: list[File]) -> None:
    records: dict[int, list[tuple[int, ...]]] = {}
    for number, *span in parts:
        file = files[number]
        require(not any(x % file.unit for x in span), "a part holds a piece of a record")
        if file.owner.records:
            records.setdefault(number, []).append(tuple(x // file.unit for x in span))
    for number, spans in records.items():
        own = [i for i, file in enumerate(files) if file.owner is files[number].owner and file.frames]
        require(all(records.get(i) == spans for i in own), "a block lacks a part of some records")
    is_kept = [files[number].is_verbatim for number, *_ in parts]
    require(is_kept == sorted(is_kept), "kept numbers stand before samples")


def read_escapes(stream: Reader, span: tuple[int, int], size: int) -> dict[int, bytes]:
    """Return the escaped samples of a channel by their frames."""
    inflate, escapes, frame = zlib.decompressobj(-15), dict[int, bytes](), span[0]
    runs = Reader(inflate.decompress(stream.take(stream.uvarint())))
    n_runs, rest = divmod(len(runs.data), 8 + size)
    require(inflate.eof and not inflate.unused_data and n_runs and not rest, "the escaped samples are malformed")
    gaps, lengths = ([runs.number(4) for _ in range(n_runs)] for _ in range(2))
    for gap, length in zip(gaps, lengths, strict=True):
        frame += gap + length
        require(length and frame <= sum(span), "an escaped sample is beyond its part")
        escapes |= dict.fromkeys(range(frame - length, frame), runs.take(size))
    return escapes


class Number:
    """What a range coder wrote, and a zero behind it."""

    def __init__(self, words: bytes) -> None:
        self.words = Reader(words + bytes(4))
        self.offset, self.range = int.from_bytes(self.words.take(8)), 2**64 - 1

    def symbol(self, bits: int, count: int, shares: Any) -> int:  # shares(i): the sum of all shares below i > 0
        step = self.range >> bits
        symbol = bisect_right(range(1, count), min(self.offset // step, 2**bits - 1), key=shares)
        low, high = shares(symbol) if symbol else 0, shares(symbol + 1) if symbol + 1 < count else 2**bits
        self.offset, self.range = self.offset - step * low, step * (high - low)
        while self.range < 2**32:
            self.offset, self.range = (self.offset << 32 | self.words.bits(32)) % 2**64, self.range << 32
        return symbol


class BlockChannel:
    """A channel of a block: lanes if its stream is coded, otherwise codes."""

    def __init__(
        self, file: File, grid: Grid, channel: Any, span: tuple[int, int], steps: int, method: int, data: bytes
    ) -> None:
        self.file, self.grid, self.channel, self.span, self.coding_pass = file, grid, channel, span, channel.coding_pass
        self.lanes, self.references, self.later, self.before = list[Any](), list[Any](), list[Any](), list[Any]()
        self.codes, self.weights, self.number, self.numbers = list[int](), None, 0, list[Number]()
        if method == XZ:
            xz = lzma.LZMADecompressor(lzma.FORMAT_XZ)
            data = xz.decompress(data)
            require(
                xz.eof and not xz.unused_data and xz.check == lzma.CHECK_NONE, f"{file.name} is no plain .xz stream"
            )
        require(method != CODED or grid.size > 1, "a single code is coded")
        self.stream = stream = Reader(data)
        if method != CODED:
            self.codes = stream.packed(span[1], grid.width) if grid.size > 1 else [0] * span[1]
            return
        n_lanes, headers = -(-span[1] // steps), [(stream.bits(8), stream.bits(grid.width))]
        for gain, code in islice(headers, n_lanes - 1):  # grows during the loop
            gain += unzigzag(stream.rice(16, 9))
            headers.append((gain, grid.ranked(stream.rice(2 * gain - 16, grid.width), grid.values[code])))
        stream.at += -stream.at % 8
        ranks = iter(self.huffman_ranks(span[1] - n_lanes) if file.coder == HUFFMAN else [])
        for i, (gain, code) in enumerate(headers):
            require(0 <= gain <= 216, f"a lane has a gain of {gain}")
            lane = SimpleNamespace(
                gain=gain,
                codes=[code],
                values=[grid.values[code]],
                slow=F(0),
                shares=np.array([1, 1, 1, 1, 1, 0], F) / F(5),
            )
            lane.length = span[1] // n_lanes + (i < span[1] % n_lanes)
            lane.d, lane.e, lane.z, lane.m, lane.level = [F(0)], [F(0)], [F(0)], [F(0)], [F(0), F(0)]
            square = round(2 ** (30 + 2 * gain % 8 / 8)) << 42 + (gain >> 2) >> 64
            lane.v = np.append(np.repeat(F(square) / F(4096) + F(0.02), 4), F(1))
            lane.usual, lane.since, lane.moved = F(square) / F(4096) + F(0.3), 8, list[int]()
            lane.latent = [0] * file.network.rows.get(b"latents", 0)
            lane.f = F(round(2 ** (30 + -gain % 8 / 8)) << 66 + (-gain >> 3) >> 64) / F(2**30)
            lane.g = F(round(2 ** (30 + gain % 8 / 8)) << 44 + (gain >> 3) >> 64) / F(2**22)
            lane.ranks = iter([*islice(ranks, lane.length - 1)])
            self.lanes.append(lane)
        if file.coder == RANGE:
            own = stream.number() if n_lanes > 1 else 0
            require(own < 2, "lanes neither share a number nor have their own")
            sizes = [stream.uvarint() for _ in self.lanes[1:]] if own else []
            self.numbers = [Number(stream.take(size)) for size in sizes]
            self.numbers.append(Number(stream.take(len(stream.data) - stream.at // 8)))
            for lane, number in zip(self.lanes, self.numbers * (1 if own else n_lanes), strict=True):
                lane.number = number

    def code(self, lane: Any, mean: int, scale: int, outlier_weight: int) -> int:  # the next one of a lane
        file, grid, b, o, edges = self.file, self.grid, 0, 0, self.grid.edges
        if file.coder == HUFFMAN:
            return grid.ranked(next(lane.ranks), mean)
        if file.coder == RICE:
            rank, rounded = self.stream.rice(scale, grid.width), min(max(mean >> 5, 0), 2047) << 5 | 16
            if grid.profile and rank < 64:
                return most_likely(grid, rounded, min(max(scale >> 3, 1), 11) * 8 + 4)[rank]
            return grid.ranked(rank, rounded if grid.profile else mean)
        if grid.size > 4096:
            b = min(max(0, (scale >> 4) - 5), 24)
            o = ((mean >> b) + 32 >> 6) - 2048
            edges = range(64 * o - 32, 64 * (o + 4096), 64)
        m, s, total = mean >> b, scale - 16 * b, 2**24 - 4 * len(edges) + 4
        shares = lambda c: (below(edges[c] - m, s, outlier_weight) * total >> 24) + 4 * c  # noqa: E731
        symbol = lane.number.symbol(24, len(edges) - 1, shares)
        if grid.size > 4096 and not symbol:
            return lane.number.symbol(grid.width, 2**grid.width, int)
        return (symbol + o << b) + lane.number.symbol(b, 2**b, int)

    def huffman_ranks(self, count: int) -> list[int]:
        stream, code, symbols, ranks = self.stream, 0, dict[tuple[int, int], int](), list[int]()
        h = stream.number()
        for length in range(1, stream.number() + 1):
            n_codes = stream.uvarint()
            allowed = length <= 31 and n_codes <= 2**length and len(symbols) + n_codes <= 386
            require(allowed and h <= self.grid.width, "a stream has too many codes, or too long ones")
            symbols |= {(length, code + i): len(symbols) + i for i in range(n_codes)}
            code = code + n_codes << 1
        escaped = iter(stream.packed(stream.uvarint(), self.grid.width))
        for low in stream.packed(count, h):
            length, code = 1, stream.bits()
            while (length, code) not in symbols:
                length, code = length + 1, code << 1 | stream.bits()
            high = symbols[length, code]
            ranks.append(high << h | low if high < len(symbols) - 1 else next(escaped, self.grid.size))
        return ranks

    def predict(self, number: int, lane: Any) -> list[int]:
        """Return y0, y1 and y2 for a lane. Senders of messages are in earlier passes and have their latents."""
        network, recent = self.file.network, lane.moved[-self.file.network.rows[b"windows"] :]
        window = [int(clip(F(moved) * lane.f, F(1023)) + F(1024.5)) - 1024 for moved in recent]
        if b"latents" not in network.rows:
            return network.run(b"outputs", windows=window)
        lane.latent = latents = network.run(b"latent", windows=window, state=lane.latent)
        if b"messages" in network.rows:
            first = self.references[: int(network.metadata[b"middle_out_peers"])]
            senders = [(other.lanes[number], metric) for other, metric in first]
            z = [int(clip(s.e[-1] * exp2(-clip(s.s, F(30))) * F(256), F(1023))) for s, _ in senders]
            messages = [[*lane.latent, *s.latent, metric, own] for (s, metric), own in zip(senders, z, strict=True)]
            regions = [network.run(b"region", messages=message) for message in messages]
            latents = [sum(row) // len(regions) for row in zip(*regions, strict=True)] or [0] * len(latents)
            if network.metadata[b"middle_out_residual"] == b"1":
                latents = [clip(own + region, 1023) for own, region in zip(lane.latent, latents, strict=True)]
        return network.run(b"outputs", latents=latents)

    def terms(self, number: int, lane: Any, t: int) -> list[tuple[float, float]]:
        """Return the terms of a lane, and their ridges over 15."""
        at = lambda numbers, i: numbers[i] if 0 < i < len(numbers) else F(0)  # noqa: E731
        others = [other.lanes[number] for other, _ in self.references]
        past = [(at(lane.d, t - i), F((9 + (i - 1) ** 2) / 1024)) for i in range(1, self.channel.order + 1)]
        past += [(lane.level[t], 16)]
        if self.file.network.rows:
            past += [(lane.n, 1), *((at(lane.e, t - i), 1) for i in (1, 2, 3))]
        past += [pair for other in others for pair in ((at(other.d, t - 1), 2), (other.level[t], 2))]
        if self.file.network.rows:
            past += [(at(other.e, t - i), 1) for other in others[:1] for i in (1, 2)]
        late = [other.lanes[number] for other in self.later]
        past += [pair for other in late for pair in ((at(other.d, t - 1), 2), (other.level[t], 2))]
        present = [(other.d[t], 1) for other in others]
        present += [(other.e[t], 1) for other in others[:1] if self.file.network.rows]
        if self.before:
            past += [(lane.m[t - 1], 2)]
            before = [other.lanes[number] for other in self.before]
            means = [
                F(0) + reduce(add, column, F(0)) * (F(1) / F(len(before)))
                for column in zip(*((o.d[t], o.level[t]) for o in before), strict=True)
            ]
            lane.m.append(means[0])
            present += [(means[0], 1), (means[1], 2)]
        if self.channel.lag:
            past += [(at(lane.d, t - self.channel.lag), 1), (at(lane.z, t - self.channel.lag), 1)]
        return past + [(F(0), 1)] * (-len(past) % 8 if present else 0) + present

    def step(self, t: int) -> None:
        """Decode code t of all lanes that are longer than t."""
        is_predicted = t > self.file.network.rows.get(b"windows", t)
        predictions = []
        for number, lane in ((number, lane) for number, lane in enumerate(self.lanes) if lane.length > t):
            y0, y1, outlier_weight = self.predict(number, lane) if is_predicted else (0, 0, 12)
            lane.n, lane.s = clip(F(y0) * lane.g, F(2**24)), F((2 * lane.gain - 32) / 16) + F(y1) / F(16)
            terms = self.terms(number, lane, t)
            if self.weights is None:
                self.ridge, n = F(15) * np.array([ridge for _, ridge in terms], F), len(terms) + 1
                self.weights, self.b, self.r = np.zeros(n - 1, F), np.zeros((n, n), F), np.zeros((n, n))
            lane.x = np.array([x for x, _ in terms], F)
            sums = np.zeros(8, F)
            for i in range(0, len(terms), 8):
                sums[: len(terms) - i] += self.weights[i : i + 8] * lane.x[i : i + 8]
            s = sums
            p = ((s[0] + s[4]) + (s[2] + s[6])) + ((s[1] + s[5]) + (s[3] + s[7]))
            mean = min(max(lane.values[-1] + int(p * F(64)), self.grid.values[0]), self.grid.values[-1])
            lane.t = F(0.5) * log2(lane.v)
            lane.t[4] += lane.s
            c = reduce(add, lane.shares[:5] * lane.t, lane.shares[5])
            lane.c = min(max(c, F(-6)), F(26))
            predictions.append((lane, mean, int(lane.c * F(16) + F(1024.5)) - 1024, outlier_weight))
        for lane, mean, scale, outlier_weight in predictions:
            lane.codes.append(self.code(lane, mean, scale, min(max(outlier_weight, 0), 31)))
            lane.values.append(self.grid.values[lane.codes[-1]])
            moved = lane.values[-1] - lane.values[-2]
            square = (F(moved) / F(64)) * (F(moved) / F(64))
            jumps = square > F(1024) * lane.usual
            lane.since = 0 if jumps else min(lane.since + 1, 8)
            lane.usual += (F(1) / F(128)) * (min(square + F(0.3), F(100) * lane.usual) - lane.usual)
            lane.moved.append(0 if jumps else moved)
            lane.d.append(F(lane.moved[-1]) / F(64))
            lane.e.append(lane.d[t] - lane.n)
            lane.mean = mean

    def learn(self, t: int) -> None:
        """Learn from code t of all lanes that are longer than t."""
        n_lanes, gradient = len(self.lanes), np.zeros(6, F)
        running = [lane for lane in self.lanes if lane.length > t]
        every = 1 if t < 512 else {1: 8, 2: 4 if n_lanes >= 4 else 2, 3: 1}[self.file.effort]
        for lane in running:
            x = F(lane.values[-1] - lane.values[0]) / F(64)
            lane.z.append(x - lane.slow if lane.since else lane.level[t])
            lane.slow += lane.z[t] * (F(1) / F(min(t + 2, 1024))) if lane.since else F(0)
            lane.level.append(x - lane.slow if lane.since else lane.level[t])
            r = F(lane.values[-1] - lane.mean) / F(64)
            q = r * r
            h, u, y = exp2(-lane.c), exp2(-clip(lane.s, F(30))), lane.v[2] + F(0.3)
            f = min((q + F(0.02)) * (h * h), F(9)) - F(1) if lane.since else F(0)
            gradient += f * np.append(lane.t - reduce(add, lane.t, F(0)) * (F(1) / F(5)), F(1))
            seen = np.minimum(q + F(0.02), F(100) * lane.v)
            seen[4] = min(q * (u * u) + F(0.001), F(25))
            lane.v += (
                bool(lane.since)
                * np.maximum(F(1) / F(t + 3), np.array([1 / 8, 1 / 32, 1 / 128, 1 / 512, 1 / 512], F))
                * (seen - lane.v)
            )
            if t % every == 0 and lane.since == 8:
                weight = F(2.0 ** -(int(np.frexp(y * F(1.41421354))[1]) - 1)) * F(every)
                if q > F(9) * y:
                    weight *= F(3) * np.sqrt(y / q)
                row = np.append(lane.x, lane.d[t])
                self.b += np.outer(row * weight, row)
        if not running:
            return
        rate = min(F(0.0007) + F(0.14) / F(t + 50), F(0.035) / F(n_lanes))
        for lane in self.lanes:
            lane.shares += rate * gradient
        if t % 32 == 0 or t + 1 >= self.due:
            self.r, self.b = self.r + self.b, self.b * F(0)
        if t + 1 >= self.due:
            solution = solve(self.r, self.ridge.astype(float))
            if (abs(solution) < 65536).all():
                self.weights = solution.astype(F)
            longest = 64 if self.file.effort == 3 else 256
            gap = min(max(self.due // 8, 2), longest)
            self.due += gap
            self.due += -(self.due + 37 * self.number) % gap if gap == longest else 0
            self.r *= 1 - gap / 8192 if n_lanes == 1 else 1


def solve(r: Any, ridge: Any) -> Any:
    """Solve the normal equations: the rows of `r`, of which the last is the target's."""
    n = len(ridge)
    a, b, inverse = r[:n, :n] + np.diag(ridge), r[n, :n].copy(), np.zeros(n)
    for j in range(n):
        inverse[j], column = 1 / max(a[j, j], ridge[j]), a[:, j].copy()
        for i in range(j + 1, n):
            a[i, j] = column[i] * inverse[j]
            a[i, j + 1 : i + 1] -= a[i, j] * column[j + 1 : i + 1]
            b[i] -= a[i, j] * b[j]
    b *= inverse
    for k in range(n - 1, 0, -1):
        b[:k] -= a[k, :k] * b[k]
    return b


def log2(x: Any) -> Any:  # log2'
    bits = np.asarray(x, F).view(np.int32)
    m = (bits & 0x7FFFFF | 0x3F800000).view(F) - F(1)
    return F((bits >> 23) - 127) + m * (F(1.34375) - F(0.34375) * m)


def exp2(x: Any) -> Any:  # exp2'
    e = int(x + F(128)) - 128
    m = x - F(e)
    return F(2.0**e) * (F(1) + m * (F(0.65625) + F(0.34375) * m))


@cache
def most_likely(grid: Grid, mean: int, scale: int) -> list[int]:  # the 64 nearest codes by falling likelihood
    codes, edges = [grid.ranked(rank, mean) for rank in range(64)], grid.edges
    return sorted(codes, key=lambda c: below(edges[c] - mean, scale, 12) - below(edges[c + 1] - mean, scale, 12))


@cache
def power(sixteenths: int, octaves: int) -> int:  # 2**(octaves - sixteenths/16), as a shifted R
    return round(2 ** (30 - sixteenths % 16 / 16)) << octaves + 34 - (sixteenths >> 4) >> 64


@cache
def mixture(i: int, outlier_weight: int) -> int:  # M
    phi, low, high = (round(2**24 * NormalDist().cdf(j / 32)) for j in (i, i >> 2, (i >> 2) + 1))
    wide = low + ((high - low) * (i & 3) >> 2)
    return phi + ((wide - phi) * round(2 ** (15 + (min(max(outlier_weight, 0), 31) - 31) / 4)) >> 16)


def below(distance: int, scale: int, outlier_weight: int) -> int:  # D
    z = clip(distance * power(min(max(scale, -64), 255), 23) >> 16, 2**18)
    low, high = mixture(z >> 8, outlier_weight), mixture((z >> 8) + 1, outlier_weight)
    return low + ((high - low) * (z & 255) >> 8)


def find_references(channels: list[BlockChannel]) -> None:
    positions = {(channel.channel.number, channel.span): i for i, channel in enumerate(channels)}
    groups, reach, linked = [0], 0, [{i} for i in range(len(channels))]
    for i, channel in enumerate(channels):
        for number in (*dict(channel.channel.earlier), *channel.channel.later):
            if (j := positions.get((number, channel.span))) is not None:
                linked[i].add(j)
                linked[j].add(i)
    for i, others in enumerate(linked):  # groups[i + 1]: first channel of the dependency group of channel i
        groups.append(i if i > reach or i - groups[-1] == 256 else groups[-1])
        reach = max(reach, *others)
    for channel, group in zip(channels, groups[1:], strict=True):
        earlier = [(positions.get((number, channel.span), -1), metric) for number, metric in channel.channel.earlier]
        linked_ones = [(channels[j], metric) for j, metric in earlier if j >= 0 and groups[j + 1] == group]
        channel.references = [pair for pair in linked_ones if pair[0].lanes]
        later = [positions.get((number, channel.span), -1) for number in channel.channel.later]
        channel.later = [channels[j] for j in later if j >= 0 and groups[j + 1] == group and channels[j].lanes]
    joint = list(range(len(channels)))  # the first channel of each channel's joint group, once links have spread it
    for _ in channels:
        joint = [min(joint[j] for j in others if groups[j + 1] == groups[i + 1]) for i, others in enumerate(linked)]
    for channel, own in zip(channels, joint, strict=True):
        beside = [other for other, theirs in zip(channels, joint, strict=True) if theirs == own and other.lanes]
        beside.sort(key=lambda other: other.coding_pass)
        before = [other for other in beside if other.coding_pass < channel.coding_pass]
        channel.before = before if len(before) >= 2 else []
        channel.number = beside.index(channel) if channel.lanes else 0
        channel.due = 8 if len(channel.lanes) >= 4 else 16


def fields(message: bytes, *path: int) -> list[Any]:
    """Return the contents of all fields of a protobuf message at this path of field numbers."""
    reader, contents = Reader(message), list[Any]()
    while reader.at < 8 * len(message):
        number, kind = divmod(reader.uvarint(), 8)
        content: Any = reader.uvarint() if kind == 0 else reader.take({1: 8, 5: 4}.get(kind) or reader.uvarint())
        if number == path[0]:
            contents += fields(content, *path[1:]) if path[1:] else [content]
    return contents


class Network:
    """An ONNX graph on integers: a tensor is a list of integers and a shift, and has the values i / 2**shift."""

    def __init__(self, data: bytes) -> None:
        self.metadata = {fields(pair, 1)[0]: fields(pair, 2)[0] for pair in fields(data, 14)}
        self.rows = {fields(value, 1)[0]: fields(value, 2, 1, 2, 1, 1)[0] for value in fields(data, 7, 11)}
        self.nodes = [(fields(node, 4)[0], fields(node, 1), fields(node, 2)[0]) for node in fields(data, 7, 1)]
        raw = {fields(tensor, 8)[0]: b"".join(fields(tensor, 9) + fields(tensor, 4)) for tensor in fields(data, 7, 5)}
        floats = {name: [*chain(*struct.iter_unpack("<f", each))] for name, each in raw.items()}
        shift = next(by for by in range(150) if all((x * 2**by).is_integer() for x in chain(*floats.values())))
        self.constants = {name: ([int(x * 2**shift) for x in xs], shift) for name, xs in floats.items()}

    def run(self, output: bytes, **inputs: list[int]) -> list[int]:  # an output, for one lane
        tensors = self.constants | {name.encode(): (column, 0) for name, column in inputs.items()}
        for kind, names, name in self.nodes:
            if tensors.keys() >= set(names):  # otherwise it belongs to another part of the graph
                shift = max(tensors[each][1] for each in names)
                x, *more = (xs if by == shift else [i << shift - by for i in xs] for xs, by in map(tensors.get, names))
                if kind == b"MatMul":
                    (y,), rows = more, range(0, len(x), len(more[0]))
                    tensors[name] = [sum(map(int.__mul__, x[i : i + len(y)], y)) for i in rows], 2 * shift
                elif kind == b"Add":
                    tensors[name] = [i + j for i, j in zip(x, more[0], strict=True)], shift
                elif kind == b"Clip":
                    tensors[name] = [min(max(i, more[0][0]), more[1][0]) for i in x], shift
                elif kind == b"Floor":
                    tensors[name] = [i >> shift for i in x], 0
        return [i >> tensors[output][1] for i in tensors[output][0]]


if __name__ == "__main__":
    for name, content in decode(Path(sys.argv[1]).read_bytes(), [Path(p).read_bytes() for p in sys.argv[3:]]).items():
        Path(sys.argv[2], name).parent.mkdir(parents=True, exist_ok=True)
        Path(sys.argv[2], name).write_bytes(content)
