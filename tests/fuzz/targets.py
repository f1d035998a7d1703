"""The package's entrances for untrusted bytes, as functions of bytes; the fuzzers and the tests call them.

A target returns if the package accepts the bytes or raises SpikeyError. Any other exception is a failure.
A fuzzer cannot guess checksums. Some targets therefore take the parts of an archive or a stream and add the checksums.
"""

from __future__ import annotations

import contextlib
import io
import struct
import tempfile
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
from support.archive_builder import ArchiveParts, Block, packed, unpacked

import spikey_cli
from spikey_cli.api.chunk import decode_chunk
from spikey_cli.api.compress import write_archive
from spikey_cli.api.times import times_of
from spikey_cli.codec.coding_state import CodingState
from spikey_cli.codec.scan import scan
from spikey_cli.container.archive import NO_MODEL, ArchiveReader
from spikey_cli.container.limits import Limits
from spikey_cli.container.quantizer_table import unpack_quantizer
from spikey_cli.container.salvage import SalvageReader
from spikey_cli.core.coders import CODERS
from spikey_cli.core.converter import Bins
from spikey_cli.core.gain import INPUT_LIMIT
from spikey_cli.core.lane_headers import decode_lane_headers
from spikey_cli.core.lanes import cut
from spikey_cli.core.quantizer import N1, identity
from spikey_cli.errors import SpikeyError
from spikey_cli.io.formats import FORMATS, FileFormat, describe_channels, record_times
from spikey_cli.io.layout import MAX_CHANNELS, MAX_RATE, Layout
from spikey_cli.io.npy import parse as parse_npy
from spikey_cli.io.records import RecordLayout
from spikey_cli.io.sidecar import raw_format_beside
from spikey_cli.io.source import BytesSource
from spikey_cli.io.wav import parse, parse_start
from spikey_cli.model.certify import certify
from spikey_cli.model.graph import read_graph
from spikey_cli.model.predictor import Predictor, default_predictor
from spikey_cli.system.workers import Workers
from spikey_cli.topology.references import ReferenceGraph, ReferenceTable

LIMITS = Limits()
"""Limits for archives and live streams."""
CHUNK_BYTES = 1 << 20
"""Largest array of a chunk, in bytes."""


def _pieces(data: bytes, count: int) -> list[bytes]:
    """Split `data` into `count` pieces. The length of each stands before it in two bytes; missing pieces are empty."""
    pieces = []
    for _ in range(count):
        size = int.from_bytes(data[:2], "little")
        pieces.append(data[2 : 2 + size])
        data = data[2 + size :]
    return pieces


def pieces_of(*pieces: bytes) -> bytes:
    """The inverse of `_pieces`, for seeds."""
    return b"".join(len(piece).to_bytes(2, "little") + piece for piece in pieces)


@contextlib.contextmanager
def _archive(data: bytes) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="spikey-fuzz-") as folder:
        path = Path(folder) / "a.spk"
        path.write_bytes(data)
        yield path


def archive_parts_of(data: bytes) -> ArchiveParts:
    """Assemble an archive from pieces of `data`.

    The pieces: coder, reserved bytes and model; the unpacked tables of the directory, of the index and of two blocks,
    each with what is not compressed after it; behind those of a block its streams.
    """
    coder, names, table, tail, index, index_tail, *blocks = _pieces(data, 12)
    start = b"\x89SPK\r\n\x1a\n\1" + (coder or b"\2")[:11].ljust(11, b"\0")
    made = [Block(i, packed(blocks[at : at + 1], blocks[at + 1]), blocks[at + 2]) for i, at in enumerate((0, 3))]
    made = [block for block, at in zip(made, (0, 3), strict=True) if blocks[at]]
    return ArchiveParts(start, packed([names, table], tail), made, packed([index], index_tail), bytes(32))


def take_apart(parts: ArchiveParts) -> bytes:
    """The inverse of `archive_parts_of` for an archive of at most two blocks."""
    blocks = [piece for block in parts.blocks[:2] for piece in (*unpacked(block.table, 1), block.streams)]
    return pieces_of(parts.start[9:20], *unpacked(parts.directory, 2), *unpacked(parts.index, 1), *blocks)


def archive(data: bytes) -> None:
    """Describe and verify an archive with correct checksums, and read the times of its channels."""
    with _archive(archive_parts_of(data).pack()) as path:
        with contextlib.suppress(SpikeyError):
            spikey_cli.info(path, limits=LIMITS)
            spikey_cli.verify(path, workers=1, limits=LIMITS)
        with contextlib.suppress(SpikeyError), ArchiveReader(path, LIMITS) as reader:
            for times in times_of(reader, range(len(reader.directory.files)), 20_000.0):
                assert times is None or np.isfinite(times[[0, -1]]).all()


def plain_archive(data: bytes) -> None:
    """Decompress an archive; nothing may be written outside the output folder."""
    with _archive(data) as path:
        with contextlib.suppress(SpikeyError):
            spikey_cli.decompress(path, path.parent / "back", workers=1, limits=LIMITS)
        assert {entry.name for entry in path.parent.iterdir()} <= {"a.spk", "back"}


def salvage(data: bytes) -> None:
    """Salvage an archive cut at either end, and the bytes as they are."""
    cut_at = int.from_bytes(data[:2], "little")
    whole = archive_parts_of(data[2:]).pack()
    for damaged in (whole[cut_at % (len(whole) + 1) :], whole[: cut_at % (len(whole) + 1)], data):
        with _archive(damaged) as path, contextlib.suppress(SpikeyError), SalvageReader(path, LIMITS) as reader:
            for i in range(len(reader.index.blocks)):
                table = reader.read_table(i)
                for _ in reader.read_streams(i, table, range(1 << 16)):
                    pass


def _samples_of(layout: Layout, data: bytes) -> bytes:
    """The bytes of the samples; header bytes, samples and trailer bytes must be the whole file."""
    samples = data[layout.data_offset : layout.data_offset + layout.n_frames * layout.frame_bytes]
    assert layout.header + samples + layout.trailer == data
    return samples


def wav(data: bytes) -> None:
    """Parse the header of a WAV: any layout found must cover the file."""
    layout = parse(io.BytesIO(data), len(data))
    if layout is not None:
        _samples_of(layout, data)
    start = parse_start(data)
    assert start is None or data.startswith(start.header)


def npy(data: bytes) -> None:
    """Parse the header of a NumPy file: any layout found must cover the file, and NumPy must read the same samples."""
    layout = parse_npy(io.BytesIO(data), len(data))
    if layout is not None:
        assert np.load(io.BytesIO(data)).tobytes() == _samples_of(layout, data)


def acquired(file_format: FileFormat, data: bytes) -> None:
    """Parse a file of an acquisition system: any layout found must cover the file, and its channels be described."""
    layout = file_format.parse(io.BytesIO(data), len(data), BytesSource(data, "file"))
    if isinstance(layout, RecordLayout):
        body = data[len(layout.header) : layout.offset(layout.n_records)]
        pieces = layout.split(body, 0, layout.n_records)
        joined = layout.join(pieces, 0, layout.n_records)
        assert layout.header + joined + layout.trailer == data
        times = record_times(
            layout.header, np.frombuffer(pieces[0], np.uint8).reshape(layout.n_records, layout.kept.bytes)
        )
        assert times is None or (times.shape == (layout.n_records,) and np.isfinite(times).all())
        channels = sum(each.channels for each in layout.layouts)
        assert len(describe_channels(layout.header, channels)) in (0, channels)
    elif layout is not None:
        _samples_of(layout, data)
        describe_channels(layout.header, layout.channels)


def sidecar(data: bytes) -> None:
    """Parse a file beside raw samples: a format found must be within the limits of a WAV; rate 0 is unknown."""
    with tempfile.TemporaryDirectory(prefix="spikey-fuzz-") as folder:
        for name, samples in (
            ("a.meta", "a.bin"),
            ("structure.oebin", "continuous/0/continuous.dat"),
            ("info.rhd", "amplifier.dat"),
            ("info.rhd", "amp-A-000.dat"),
            ("info.rhs", "board-DIGITAL-IN-01.dat"),
        ):
            (Path(folder) / name).write_bytes(data)
            found = raw_format_beside(Path(folder) / samples)
            assert found is None or (1 <= found.channels <= MAX_CHANNELS and 0 <= found.sample_rate <= MAX_RATE), found


def model(data: bytes) -> None:
    """Certify and load a model."""
    with contextlib.suppress(SpikeyError):
        certify(read_graph(data), INPUT_LIMIT)
    with contextlib.suppress(SpikeyError):
        Predictor(data)


def chunk_of(data: bytes) -> bytes:
    """A chunk whose files are pieces of `data`."""
    files = zip(("chunk.npy", "chunk.json"), _pieces(data, 2), strict=True)
    sources = [scan(BytesSource(file, name)) for name, file in files if file]
    made = io.BytesIO()
    if sources:
        write_archive(sources, made, CODERS["rice"], None, Workers(None, 1), may_use_lzma=False)
    return made.getvalue()


def chunk(data: bytes) -> None:
    """Decode a chunk of arbitrary files, and the bytes as they are; the array must not exceed its limit."""
    for encoded in (chunk_of(data), data):
        with contextlib.suppress(SpikeyError):
            array = decode_chunk(encoded, max_bytes=CHUNK_BYTES)
            assert array.nbytes <= CHUNK_BYTES, array.nbytes


QUANTIZERS = (
    N1,
    identity(2),
    identity(3),
    identity(1),
    unpack_quantizer(b"\2\0\1\1", 2)[0],
    unpack_quantizer(b"\3\2\0\7", 1)[0],
)


def coder(name: str, data: bytes) -> None:
    """Decode streams with a coder: every code must be within its quantizer."""
    if len(data) < 4:
        return
    n_channels = 1 + data[0] % 3
    quantizers = [QUANTIZERS[(data[1] + i) % len(QUANTIZERS)] for i in range(n_channels)]
    lengths = [1 + (data[2] * (i + 1)) % 72 for i in range(n_channels)]
    steps = 1 + data[3] % 48
    streams = [piece or b"\0" for piece in _pieces(data[4:], n_channels)]
    lanes = cut(lengths, steps)
    predictor = default_predictor() if data[0] & 64 else None
    bins = Bins.of(quantizers, predictor.profile if predictor else None)
    gains, initial_codes, used = decode_lane_headers(lanes, bins.size, streams)
    decoder = CODERS[name].decoder(lanes, bins, [s[n:] for s, n in zip(streams, used, strict=True)])
    codes = np.zeros(sum(lengths), dtype=np.int32)
    reference_graph = ReferenceGraph.independent(n_channels)
    table = ReferenceTable.of(reference_graph, range(n_channels))
    CodingState(lanes, bins, gains, initial_codes, predictor, table).run(decoder, codes)
    decoder.finish()
    at = 0
    for length, quantizer in zip(lengths, quantizers, strict=True):
        channel_codes = codes[at : at + length]
        assert channel_codes.min() >= 0, channel_codes.min()
        assert channel_codes.max() < quantizer.size, (channel_codes.max(), quantizer.size)
        at += length


def live_stream(data: bytes) -> bytes:
    """Assemble a live stream from pieces of `data`: the description, then a tag and a payload for each packet."""
    fields, description, *rest = _pieces(data, 14)
    model = default_predictor().digest[:8] if fields[:1] != b"\xff" else NO_MODEL
    fixed = b"\x89SPS\r\n\x1a\n\1" + (fields[1:4] or b"\2\2").ljust(3, b"\0") + model
    fixed += struct.pack("<I", len(description))
    crc = zlib.crc32(description, zlib.crc32(fixed))
    out = [fixed, struct.pack("<I", crc), description]
    for tag, payload in zip(rest[::2], rest[1::2], strict=True):
        if not tag:
            break
        packet = bytearray(tag)
        size = len(payload)
        while size > 0x7F:
            packet.append(size & 0x7F | 0x80)
            size >>= 7
        packet.append(size)
        packet += payload
        crc = zlib.crc32(packet, crc)
        out += [bytes(packet), struct.pack("<I", crc)]
    return b"".join(out)


def live(data: bytes) -> None:
    """Decode a live stream with correct checksums, and the bytes as they are."""
    for stream in (live_stream(data), data):
        with contextlib.suppress(SpikeyError):
            decoder = spikey_cli.StreamDecoder(limits=LIMITS)
            decoder.push(stream)
            decoder.close()


def round_trip(data: bytes) -> None:
    """Compress two files with any coder and restore them; every byte must come back."""
    if not data:
        return
    name = list(CODERS)[data[0] % len(CODERS)]
    first, second = data[1 : 1 + len(data) // 2], data[1 + len(data) // 2 :]
    with tempfile.TemporaryDirectory(prefix="spikey-fuzz-") as folder:
        source, back = Path(folder) / "in", Path(folder) / "back"
        source.mkdir()
        files = {"a.wav": first, "b.wav": second}
        for file, content in files.items():
            (source / file).write_bytes(content)
        spikey_cli.compress([source], Path(folder) / "a.spk", recursive=True, coder=name, workers=1)
        spikey_cli.decompress(Path(folder) / "a.spk", back, workers=1)
        assert {path.name: path.read_bytes() for path in back.iterdir()} == files


def _coder_target(name: str) -> Callable[[bytes], None]:
    return lambda data: coder(name, data)


TARGETS: dict[str, Callable[[bytes], None]] = {
    "archive": archive,
    "plain_archive": plain_archive,
    "salvage": salvage,
    "chunk": chunk,
    "wav": wav,
    "npy": npy,
    **{f"format_{each.name.replace(' ', '_')}": partial(acquired, each) for each in FORMATS if each.describe},
    "sidecar": sidecar,
    "model": model,
    **{f"coder_{name}": _coder_target(name) for name in CODERS},
    "live": live,
    "round_trip": round_trip,
}
"""All targets by name. Regressions are named after them."""
