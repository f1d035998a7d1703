"""A second decoder of `.spk` archives in plain Python, from docs/format.md alone: its names, no line of the package.

`python tests/support/second_decoder.py ARCHIVE FOLDER [MODEL.onnx ...]` restores an archive, if its SHA-256 is right.
"""

import bz2
import lzma
import re
import struct
import sys
import zlib
from bisect import bisect_right
from functools import cache
from hashlib import sha256
from itertools import accumulate, chain, islice, pairwise
from pathlib import Path
from statistics import NormalDist
from types import SimpleNamespace
from typing import Any

DICTIONARY = b".wavRIFF$\0\0\0WAVEfmt \x10\0\0\0\1\0\1\0\x4b\x4c\0\0\x96\x98\0\0\2\0\x10\0data"
DEVICES = r"con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9¹²³]"
UNSAFE = re.compile(rf'[\0-\x1f\\:*?"<>|\ud800-\udfff]|(^|[/ .])(/|$)|(^|/)({DEVICES})([./]|$)', re.IGNORECASE)
(RAW, RICE, RANGE, HUFFMAN, BZIP2), (PACKED, CODED, STORED, XZ) = range(5), range(4)
REFUSALS = (ArithmeticError, LookupError, ValueError, EOFError, OSError, lzma.LZMAError, struct.error, zlib.error)


def demand(rule: object, otherwise: str) -> None:
    if not rule:
        raise ValueError(otherwise)


def signed(zigzag: int) -> int:
    return zigzag >> 1 ^ -(zigzag & 1)


def clip(x: int, limit: int) -> int:
    return min(max(x, -limit), limit)


class Reader:
    """Bytes, or bits of bytes, the most significant first; whole bytes are read from the next one that is not begun."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def bits(self, width: int = 1) -> int:
        first, self.at = self.at, self.at + width
        demand(self.at <= 8 * len(self.data), "something ends too early")
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
        demand(8 * len(self.data) - self.at < 8, "something is longer than what it holds")


def find(message: bytes, *path: int) -> list[Any]:
    """The contents of all fields of a protobuf message that this path of field numbers leads to."""
    reader, found = Reader(message), list[Any]()
    while reader.at < 8 * len(message):
        number, kind = divmod(reader.uvarint(), 8)
        content: Any = reader.uvarint() if kind == 0 else reader.take({1: 8, 5: 4}.get(kind) or reader.uvarint())
        if number == path[0]:
            found += find(content, *path[1:]) if path[1:] else [content]
    return found


class Model:
    """An ONNX graph on big integers: a tensor is a list of integers and a shift, and has the values i / 2**shift."""

    def __init__(self, data: bytes, learning: int) -> None:
        self.learning = learning
        self.metadata = {find(pair, 1)[0]: find(pair, 2)[0] for pair in find(data, 14)}
        self.rows = {find(given, 1)[0]: find(given, 2, 1, 2, 1, 1)[0] for given in find(data, 7, 11)}
        self.nodes = [(find(node, 4)[0], find(node, 1), find(node, 2)[0]) for node in find(data, 7, 1)]
        raw = {find(tensor, 8)[0]: b"".join(find(tensor, 9) + find(tensor, 4)) for tensor in find(data, 7, 5)}
        floats = {name: [*chain(*struct.iter_unpack("<f", each))] for name, each in raw.items()}
        shift = next(by for by in range(150) if all((x * 2**by).is_integer() for x in chain(*floats.values())))
        self.constants = {name: ([int(x * 2**shift) for x in xs], shift) for name, xs in floats.items()}

    def run(self, output: bytes, **inputs: list[int]) -> list[int]:  # an output, for one lane
        tensors = self.constants | {name.encode(): (column, 0) for name, column in inputs.items()}
        for kind, names, name in self.nodes:
            if tensors.keys() >= set(names):  # else it is of another part of the graph
                shift = max(tensors[given][1] for given in names)
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


@cache
def power(sixteenths: int, octaves: int) -> int:  # 2**(octaves - sixteenths/16), as a shifted R
    return round(2 ** (30 - sixteenths % 16 / 16)) << octaves + 34 - (sixteenths >> 4) >> 64


@cache
def mass(i: int, tail: int) -> int:  # M
    phi, low, high = (round(2**24 * NormalDist().cdf(j / 32)) for j in (i, i >> 2, (i >> 2) + 1))
    wide = low + ((high - low) * (i & 3) >> 2)
    return phi + ((wide - phi) * round(2 ** (15 + (min(max(tail, 0), 31) - 31) / 4)) >> 16)


def below(distance: int, scale: int, tail: int) -> int:  # D
    z = clip(distance * power(min(max(scale, -64), 255), 23) >> 16, 2**18)
    low, high = mass(z >> 8, tail), mass((z >> 8) + 1, tail)
    return low + ((high - low) * (z & 255) >> 8)


class File:
    """A file of the directory. One that is kept verbatim is taken for one channel of 8 bits, without head and tail."""

    def __init__(self, entry: Reader, coder: int, model: Model) -> None:
        self.name, size = entry.take(entry.uvarint()).decode(errors="surrogateescape"), entry.uvarint()
        demand(not UNSAFE.search(self.name), f"{self.name!r} is not a safe name")
        self.verbatim, self.sample_bytes, self.signed = size == 0, max(size, 1), size > 1
        _, channels = (0, 1) if self.verbatim else (entry.uvarint(), entry.uvarint())
        self.channels = [SimpleNamespace(number=-1, wave=0, peers={}, column=[]) for _ in range(channels)]
        self.coder, self.model, self.frames = coder, model, entry.uvarint()
        self.head, self.tail = (b"" if self.verbatim else entry.take(entry.uvarint()) for _ in range(2))
        kind = 0 if self.verbatim else entry.number()
        demand(kind < 4 and size < 4, f"{self.name} has a grid of kind {kind}, and samples of {size} bytes")
        self.samples = range(-(256**size) // 2, 256**size // 2) if size > 1 else range(256)
        if kind == 1:
            self.samples = [int((65535 * i - 1023 * 32768) / 1023) for i in range(1024)]
        elif kind == 2:
            offset, step, count = signed(entry.uvarint()), entry.uvarint(), entry.uvarint()
            self.samples = range(offset, offset + step * count, step)
        elif kind == 3:
            count, first = entry.uvarint(), signed(entry.uvarint())
            self.samples = list(accumulate((entry.uvarint() + 1 for _ in range(count - 1)), initial=first))
        self.size, self.width = len(self.samples), max(1, (len(self.samples) - 1).bit_length())
        self.profile = [int(edge) for edge in model.metadata.get(b"adc_edges", b"").split()] if kind == 1 else []
        self.edges = self.profile or range(-32, 64 * self.size, 64)
        self.values = [a + b >> 1 for a, b in pairwise(self.profile)] if self.profile else range(0, 64 * self.size, 64)

    def ranked(self, rank: int, centre: int) -> int:  # the code of this rank around the centre
        demand(rank < self.size, "a rank is not less than the grid's size")
        nearest = min(max(bisect_right(self.edges, centre) - 1, 0), self.size - 1)
        both = min(nearest, self.size - 1 - nearest)
        if rank > 2 * both:
            return rank if nearest == both else self.size - 1 - rank
        return nearest + (rank + 1 >> 1) * (1 if (rank & 1) == (centre >= self.values[nearest]) else -1)


@cache
def likely(file: File, centre: int, scale: int) -> list[int]:  # the 64 nearest codes, the most likely first
    codes, edges = [file.ranked(rank, centre) for rank in range(64)], file.edges
    return sorted(codes, key=lambda c: below(edges[c] - centre, scale, 12) - below(edges[c + 1] - centre, scale, 12))


class Thread:  # of a block; it has lanes where it is coded, else codes
    def __init__(self, file: File, channel: Any, span: tuple[int, int], steps: int, method: int, data: bytes) -> None:
        self.file, self.channel, self.span, self.wave = file, channel, span, channel.wave
        self.lanes, self.leans, self.codes, self.weights = list[Any](), list[Any](), list[int](), [0] * 17
        self.stream = stream = Reader(lzma.decompress(data, lzma.FORMAT_XZ) if method == XZ else data)
        if method != CODED:
            self.codes = stream.packed(span[1], file.width)
            return
        demand(file.coder != RAW, "a stream is coded, in an archive without a coder")
        count, entries = -(-span[1] // steps), [(stream.bits(8), stream.bits(file.width))]
        for gain, code in islice(entries, count - 1):
            gain += signed(stream.rice(16, 9))
            entries.append((gain, file.ranked(stream.rice(2 * gain - 16, file.width), file.values[code])))
        stream.at += -stream.at % 8
        mean = sum(file.values[code] for _, code in entries) // count << 11
        ranks = iter(self.ranks(span[1] - count) if file.coder > RANGE else [])
        for i, (gain, code) in enumerate(entries):
            demand(0 <= gain <= 216, f"a lane has a gain of {gain}")
            lane = SimpleNamespace(gain=gain, codes=[code], values=[file.values[code]], mean=mean, square=2**23)
            lane.length, lane.z = span[1] // count + (i < span[1] % count), [0] * 4
            lane.latent = [0] * file.model.rows.get(b"latents", 0)
            lane.f = round(2 ** (30 + -gain % 8 / 8)) << 66 + (-gain >> 3) >> 64
            lane.g = round(2 ** (30 + gain % 8 / 8)) << 44 + (gain >> 3) >> 64
            lane.ranks = iter([*islice(ranks, lane.length - 1)])
            self.lanes.append(lane)
        if file.coder == RANGE:
            stream.data += bytes(4)  # of the word that a decoder reads more than there are
            self.offset, self.range = int.from_bytes(stream.take(8)), 2**64 - 1

    def ranks(self, count: int) -> list[int]:  # all of a thread, of the coders `huffman` and `bzip2`
        stream, code, words, ranks = self.stream, 0, dict[tuple[int, int], int](), list[int]()
        if self.file.coder == BZIP2:
            plain = bz2.decompress(stream.take(len(stream.data) - stream.at // 8))
            return [int.from_bytes(plain[i::count], "little") for i in range(count)]
        h = stream.number()
        for length in range(1, stream.number() + 1):
            many = stream.uvarint()
            demand(length <= 31 and len(words) + many <= 386, "a stream has too many codes, or too long ones")
            words |= {(length, code + i): len(words) + i for i in range(many)}
            code = code + many << 1
        further = iter(stream.packed(stream.uvarint(), self.file.width))
        for low in stream.packed(count, h):
            length, code = 1, stream.bits()
            while (length, code) not in words:
                length, code = length + 1, code << 1 | stream.bits()
            high = words[length, code]
            ranks.append(high << h | low if high < len(words) - 1 else next(further, self.file.size))
        return ranks

    def code(self, lane: Any, centre: int, scale: int, tail: int) -> int:  # the next one of a lane
        file = self.file
        if file.coder > RANGE:
            return file.ranked(next(lane.ranks), centre)
        if file.coder == RICE:
            rank, near = self.stream.rice(scale, file.width), min(max(centre >> 5, 0), 2047) << 5 | 16
            if file.profile and rank < 64:
                return likely(file, near, min(max(scale >> 3, 1), 11) * 8 + 4)[rank]
            return file.ranked(rank, near if file.profile else centre)
        b, o, edges = 0, 0, file.edges
        if file.size > 4096:
            b = min(max(0, (scale >> 4) - 5), 24)
            o = ((centre >> b) + 32 >> 6) - 2048
            edges = range(64 * o - 32, 64 * (o + 4096), 64)
        near, s, unit = centre >> b, scale - 16 * b, 2**24 - 4 * len(edges) + 4
        found = self.symbol(24, len(edges) - 1, lambda c: (below(edges[c] - near, s, tail) * unit >> 24) + 4 * c)
        if file.size > 4096 and not found:
            return self.symbol(file.width, 2**file.width, int)
        return (found + o << b) + self.symbol(b, 2**b, int)

    def symbol(self, bits: int, count: int, begin: Any) -> int:  # begin() tells where all but 0 begin
        step = self.range >> bits
        found = bisect_right(range(1, count), min(self.offset // step, 2**bits - 1), key=begin)
        low, high = begin(found) if found else 0, begin(found + 1) if found + 1 < count else 2**bits
        self.offset, self.range = self.offset - step * low, step * (high - low)
        while self.range < 2**32:
            self.offset, self.range = self.offset << 32 | self.stream.bits(32), self.range << 32
        return found

    def forecast(self, number: int, lane: Any) -> list[int]:
        """What the network gives for a lane: y0, y1 and y2. Latents may come here, as senders are of earlier waves."""
        model, recent = self.file.model, pairwise(lane.values[-self.file.model.rows[b"windows"] - 1 :])
        window = [clip((b - a) * lane.f + 2**29 >> 30, 1023) for a, b in recent]
        if b"latents" not in model.rows:
            return model.run(b"outputs", windows=window)
        lane.latent = latents = model.run(b"latent", windows=window, state=lane.latent)
        if b"messages" in model.rows:
            leans = self.leans[: int(model.metadata[b"middle_out_peers"])]
            messages = [[*lane.latent, *peer.lanes[number].latent, by, peer.lanes[number].z[-1]] for peer, by in leans]
            regions = [model.run(b"region", messages=message) for message in messages]
            latents = [sum(row) // len(regions) for row in zip(*regions, strict=True)] or [0] * len(latents)
            if model.metadata[b"middle_out_residual"] == b"1":
                latents = [clip(own + region, 1023) for own, region in zip(lane.latent, latents, strict=True)]
        return model.run(b"outputs", latents=latents)

    def step(self, t: int) -> None:
        """Code number t of all lanes that are longer than t. Up to step w there is nothing yet to learn from."""
        learnt, predicted = [0] * 17, t > self.file.model.rows.get(b"windows", t)
        for number, lane in ((number, lane) for number, lane in enumerate(self.lanes) if lane.length > t):
            before, (y0, y1, tail) = lane.values[-1], self.forecast(number, lane) if predicted else (0, 0, 12)
            n, scale = before + (y0 * lane.g + 2**15 >> 16), 2 * lane.gain - 32 + y1
            inverse, spread = power(min(max(scale, -64), 255), 23), power(-min(max(scale, -64), 255), 16)
            peers = [z for peer, _ in self.leans for z in peer.lanes[number].z[:-4:-1]]
            terms = [clip((before - (lane.mean >> 11)) * inverse >> 22, 1023), *lane.z[:-5:-1], *peers]
            p = clip(sum((w >> 8) * term for w, term in zip(self.weights, terms, strict=False)) >> 12, 16 * 1023)
            centre = min(max(n + (p * spread + 2**21 >> 22), self.file.values[0]), self.file.values[-1])
            octaves = ((((lane.square >> 15) * 256 + 128) ** 8).bit_length() - 128) >> 1  # round(4 log2(...)), exactly
            lane.codes.append(self.code(lane, centre, scale + octaves, tail))
            lane.values.append(self.file.values[lane.codes[-1]])
            if predicted:
                lane.z.append(clip((lane.values[-1] - n) * inverse >> 21, 1023))
                lane.mean += lane.values[-1] - (lane.mean >> 11)
                e = clip(lane.z[-1] - (p >> 4), 1023)
                lane.square += e * e - (lane.square >> 7)
                for i, term in enumerate(terms):
                    learnt[i] += clip(e, 768) * term
        n_lanes, model = len(self.lanes), self.file.model
        rate = max(3328 * min(n_lanes, 48) // n_lanes, 2**27 * model.learning // (t + 256) // n_lanes)
        self.weights = [clip(w + (new * rate >> 16), 2**24 - 1) for w, new in zip(self.weights, learnt, strict=True)]


def link(threads: list[Thread]) -> None:  # tell each of a block which others it leans on
    places, bundles, reach = {(thread.channel.number, thread.span): i for i, thread in enumerate(threads)}, [0], 0
    for i, thread in enumerate(threads):
        peers = sorted(thread.channel.peers.items(), key=lambda peer: (-peer[1], peer[0]))
        thread.leans = [(places.get((peer, thread.span), -1), metric) for peer, metric in peers]
        bundles.append(i if i > reach or i - bundles[-1] == 64 else bundles[-1])
        reach = max([reach, i, *(j for j, _ in thread.leans)])
    for thread, bundle in zip(threads, bundles[1:], strict=True):
        near = [(threads[j], metric) for j, metric in thread.leans if j >= 0 and bundles[j + 1] == bundle]
        thread.leans = [(peer, metric) for peer, metric in near if peer.wave < thread.wave and peer.lanes]


def decode_block(archive: Reader, whose: bytes, files: list[File]) -> list[int]:
    """Lengthen the columns of files by the codes that a block holds; gives what the index should say of it."""
    head, crc = archive.take(12 + len(whose)), archive.number(4)
    table_size, streams_size = struct.unpack("<II", head[-8:])
    table = Reader(archive.take(table_size))
    demand(zlib.crc32(head + table.data) == crc, "a block's table is damaged")
    demand(head[:-8] == b"SPKB" + whose, "a block is of another archive, or not where it should be")
    steps, parts, threads = table.uvarint(), list[list[int]](), list[Thread]()
    for _ in range(table.uvarint()):
        parts.append([table.uvarint() for _ in range(3)])
        file, span = files[parts[-1][0]], (parts[-1][1], parts[-1][2])
        for channel in file.channels:
            method, size, crc = table.number(), table.uvarint(), table.number(4)
            stream = archive.take(size)
            demand(zlib.crc32(stream) == crc, f"a stream of {file.name} is damaged")
            threads.append(Thread(file, channel, span, steps, method, stream))
    table.end()
    link(threads)
    coded = sorted((thread for thread in threads if thread.lanes), key=lambda thread: thread.wave)
    for t in range(1, max((thread.lanes[0].length for thread in coded), default=1)):
        for thread in coded:
            thread.step(t)
    for thread in threads:
        demand(thread.span[0] == len(thread.channel.column), "a part of a file is missing, or out of order")
        thread.channel.column += chain(thread.codes, *(lane.codes for lane in thread.lanes))
        thread.stream.end()
    return [len(head) + 4 + table_size + streams_size, len(parts), *chain(*parts)]


def read_files(directory: Reader, version: list[int], coder: int, name: bytes, models: list[bytes]) -> list[File]:
    """The files of a directory, and what it tells of their channels: number, wave, and peers with their metrics."""
    embedded = directory.take(directory.uvarint()) if version[0] > 2 else b""
    onnx = {bytes(8): b""} | {sha256(model).digest()[:8]: model for model in (*models, embedded)}
    demand(name in onnx, f"the model is missing whose SHA-256 begins with {name.hex()}")
    model = Model(onnx[name], version[1])
    files = [File(directory, coder, model) for _ in range(directory.uvarint())]
    names = {file.name.casefold() for file in files}
    folders = {folder.as_posix() for name in names for folder in Path(name).parents}
    demand(len(names) == len(files) and not names & folders, "two names are equal, or one is a folder of the other")
    channels = [*chain(*(file.channels for file in files if not file.verbatim))]
    for number, channel in enumerate(channels):
        channel.number, (channel.wave, later), peer = number, divmod(directory.number(), 5), number
        for _ in range(later):
            peer += directory.uvarint() + 1
            channel.peers[peer] = channels[peer].peers[number] = directory.number()
    directory.end()
    return files


def decode(data: bytes, models: list[bytes]) -> dict[str, bytes]:
    """The files of an archive; `models` are the ONNX files that it may name. Raises one of REFUSALS."""
    archive = Reader(data)
    header = archive.take(32)
    magic, major, _, coder, learning, model, size, directory_crc, crc = struct.unpack("<8s4B8sIII", header)
    demand(magic == b"\x89SPK\r\n\x1a\n" and major in (2, 3), f"no .spk archive of version 2 or 3, but {major}")
    demand(coder <= BZIP2 and learning <= major - 2, f"coder {coder} or learning {learning} is unknown")
    directory, checked = archive.take(size), zlib.crc32(header[:28]) == crc
    demand(checked and zlib.crc32(directory) == directory_crc, "the header or the directory is damaged")
    form = "<32sQIII4s" if major == 2 else "<32sQQIIII4s"
    trailer = data[-struct.calcsize(form) :]
    digest, *counts, index_size, index_crc, crc, mark = struct.unpack(form, trailer)
    demand(zlib.crc32(trailer[:-8]) == crc and mark == b"SPKE", "the archive's end is missing or damaged")
    copies = directory + header if major > 2 else b""
    end = len(data) - len(copies) - len(trailer)
    whole = zlib.crc32(data[end - index_size : end]) == index_crc and data[end:] == copies + trailer
    demand(whole, "the index is damaged, or directory and header do not stand behind it as in front")
    inflated = zlib.decompressobj(-15, zdict=DICTIONARY).decompress(directory)
    files = read_files(Reader(inflated), [major, learning], coder, model, models)
    index = list[list[int]]()
    while archive.at < 8 * (end - index_size):
        index.append(decode_block(archive, struct.pack("<II", directory_crc, len(index)) if major > 2 else b"", files))
    entries = [archive.uvarint() for _ in chain([index], *index)]
    demand(entries == [len(index), *chain(*index)], "the blocks are not those that the index tells of")
    counted = [len(data), sum(len(file.channels) * file.frames for file in files), len(index)]
    demand(counts == counted[: len(counts)], "the trailer counts other bytes, samples or blocks")
    for file in files:
        demand(len(file.channels[0].column) == file.frames, f"the last part of {file.name} is missing")
        codes = chain(*zip(*(channel.column for channel in file.channels), strict=True))
        body = b"".join(file.samples[code].to_bytes(file.sample_bytes, "little", signed=file.signed) for code in codes)
        file.content = file.head + body + file.tail
        demand(zlib.crc32(file.content) == archive.number(4), f"{file.name} is damaged")
    demand(archive.at == 8 * end, "the index is longer than what it holds")
    digests = b"".join(sha256(file.content).digest() for file in files)
    demand(sha256(digests).digest() == digest, "the files are not those of which the trailer tells")
    return {file.name: file.content for file in files}


if __name__ == "__main__":
    for name, content in decode(Path(sys.argv[1]).read_bytes(), [Path(p).read_bytes() for p in sys.argv[3:]]).items():
        Path(sys.argv[2], name).parent.mkdir(parents=True, exist_ok=True)
        Path(sys.argv[2], name).write_bytes(content)
