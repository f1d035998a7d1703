"""Blocks of samples to blocks of streams, and back.

    read_block    source -> bytes                        fetch_block     archive -> streams, in `decoder`
    encode_block  bytes -> codes -> streams              decode_block    streams -> codes
                                                         restore_block   streams -> codes -> bytes

Blocks are read one after another; several blocks can be encoded or decoded at the same time.
"""

from __future__ import annotations

import itertools
import pickle
from collections.abc import Mapping, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np

from ..container.archive import FileDigest
from ..container.directory import Directory
from ..container.parts import Method, Part, Stream, positions_by_file
from ..core.beside import Beside
from ..core.channel_quantizers import Copy
from ..core.coders import Coder
from ..core.escapes import Escapes, pack_escapes, unpack_escapes
from ..core.low_bits import STRIDE, LowBits
from ..core.numbers import pack_numbers, unpack_numbers
from ..core.quantizer import SampleFormat
from ..core.scaling import ScalingKind
from ..core.transpose import transposed
from ..core.varint import get_uvarint, put_uvarint
from ..errors import DamageError, InputError
from ..io.layout import Bytes, samples_to_bytes, zero_fill, zero_sample
from ..io.records import KeptNumbers, RecordLayout
from ..model.predictor import Predictor
from ..system.workers import Workers
from ..topology.references import ReferenceGraph
from .block_plan import steps_for
from .lattices import Lattices
from .presets import DEFAULT_PRESET, PRESETS, Preset
from .scan import ScannedSource
from .streams import decode_channels, encode_channels

_FRAMES_AT_ONCE = STRIDE
"""Frames that are converted to bytes at a time, which bounds the memory for intermediate arrays."""

_XZ_PRESET = 3
_XZ_MEMORY = 64 << 20


class SourceBlock(NamedTuple):
    """The samples of a block, and what encoding them takes. It can be pickled, to little more than its bytes."""

    parts: Sequence[Part]
    pieces: Sequence[bytes]
    """The bytes of each part."""
    formats: Sequence[SampleFormat | KeptNumbers | None]
    """What each part holds: samples; then, behind them, kept numbers. None in a block of verbatim files."""
    reference_graph: ReferenceGraph

    def __reduce_ex__(self, protocol: int) -> tuple[object, ...]:  # type: ignore[override]
        pieces = [_in_pickle(data, protocol) for data in self.pieces]
        return SourceBlock, (self.parts, pieces, self.formats, self.reference_graph)


class CodedBlock(NamedTuple):
    """The streams of a block."""

    parts: Sequence[Part]
    steps: int
    """Length of the longest lane; 0 in a block of verbatim files."""
    streams: Sequence[Sequence[Stream]]
    """Streams of the channels of each part."""


def _in_pickle(data: Bytes, protocol: int) -> object:
    """Wrap bytes so that they are pickled without a copy, if the protocol allows that."""
    return bytes(data) if protocol < 5 else pickle.PickleBuffer(data)


class FileChangedError(InputError):
    """The scan of a file did not find one of its samples' values."""

    def __init__(self, file: int) -> None:
        super().__init__(f"file {file} changed while it was read; compress it again when nothing writes to it")
        self.file = file
        """Index of the file in the directory."""


def read_block(
    sources: Sequence[ScannedSource],
    digests: Sequence[FileDigest],
    directory: Directory,
    parts: Sequence[Part],
    workers: Workers,
) -> SourceBlock:
    """Read the parts of a block, and add their bytes to the digests of their files.

    Blocks must be read in order.

    Parameters
    ----------
    sources : sequence of ScannedSource
    digests : sequence of FileDigest
        One for each file; updated.
    directory : Directory
    parts : sequence of Part
    workers : Workers

    Raises
    ------
    SourceChangedError
        If a part cannot be read.
    """

    def read_file(positions: list[int]) -> list[bytes]:
        file_parts = [parts[position] for position in positions]
        first = directory.members[file_parts[0].file].start
        records = sources[first].records
        if records is None:
            pieces = [sources[part.file].read_frames(part.first_frame, part.n_frames) for part in file_parts]
            for data in pieces:
                digests[first].update(data)
            return pieces
        split: dict[int, list[bytes]] = {}  # by the first record
        for part in file_parts:
            unit = directory.files[part.file].unit
            record = part.first_frame // unit
            if record not in split:
                data, split[record] = sources[first].read_records(record, part.n_frames // unit)
                digests[first].update(data)
        return [split[part.first_frame // directory.files[part.file].unit][part.file - first] for part in file_parts]

    by_file = positions_by_file(Part(directory.members[part.file].start, *part[1:]) for part in parts)
    pieces = [b""] * len(parts)
    for positions, read in zip(by_file, workers.map(read_file, by_file), strict=True):
        for position, data in zip(positions, read, strict=True):
            pieces[position] = data
    formats = [sources[part.file].format or directory.files[part.file].kept for part in parts]
    return SourceBlock(parts, pieces, formats, directory.reference_graph(parts))


def encode_block(
    block: SourceBlock,
    coder: Coder,
    predictor: Predictor | None,
    workers: Workers,
    preset: Preset = PRESETS[DEFAULT_PRESET],
    *,
    may_use_lzma: bool = True,
) -> CodedBlock:
    """Encode a block.

    Parameters
    ----------
    block : SourceBlock
    coder : Coder
    predictor : Predictor or None
        None: the adaptation alone.
    workers : Workers
    preset : Preset, optional
    may_use_lzma : bool, optional
        Whether verbatim files may be compressed.

    Returns
    -------
    CodedBlock

    Raises
    ------
    FileChangedError
        If the scan of a file did not find one of its samples' values.
    SelfTestError
        If the predictor fails its self-test.
    """
    formats = [each for each in block.formats if isinstance(each, SampleFormat)]
    n_samples = len(formats)
    kept = list(zip(block.formats, block.pieces, strict=True))[n_samples:]
    packed = [[stream] for stream in workers.map(partial(_pack_verbatim, may_use_lzma=may_use_lzma), kept)]
    if not formats:
        return CodedBlock(block.parts, 0, packed)
    formatted = list(zip(block.parts, formats, block.pieces, strict=False))
    channels, beside = zip(*itertools.chain.from_iterable(workers.map(_read_channels, formatted)), strict=True)
    quantizers = [each.quantizer.of_channel(i) for each in formats for i in range(each.channels)]
    steps = steps_for([codes.size for codes in channels], preset.lanes)
    lattices = Lattices.of(quantizers)
    points, residues = lattices.split(channels)
    first_channels = list(itertools.accumulate((each.channels for each in formats), initial=0))
    not_coded: set[int] = set()
    while True:
        coded = encode_channels(
            [*points, *residues],
            lattices.quantizers,
            block.reference_graph.subset(range(len(channels))).extended(len(residues)),
            steps,
            coder,
            predictor,
            workers,
            preset.effort,
            not_coded,
        )
        streams = list(map(_with_beside, lattices.join_streams(coded), beside))
        part_streams = [streams[first:stop] for first, stop in itertools.pairwise(first_channels)]
        in_frames = [
            i
            for i, each in enumerate(part_streams)
            if sum(_ENTRY_BYTES + len(stream.data) for stream in each) > _ENTRY_BYTES + len(block.pieces[i])
        ]
        # no other channel may depend on one of a part in frames: encode again if one may
        own = {channel for i in in_frames for channel in range(first_channels[i], first_channels[i + 1])}
        own |= {len(points) + k for k, i in enumerate(lattices.positions) if i in own}
        if all(coded[i].method == Method.PACKED for i in own):
            break
        not_coded |= own
    for i in in_frames:
        empty = [Stream(Method.FRAMES, b"")] * (formats[i].channels - 1)
        part_streams[i] = [Stream(Method.FRAMES, bytes(block.pieces[i])), *empty]
    return CodedBlock(block.parts, steps, part_streams + packed)


def _has_frames(stream: Stream) -> bool:
    return stream.method == Method.FRAMES


def _channels_of_frames(part: Part, sample_format: SampleFormat, data: bytes) -> list[tuple[np.ndarray | None, Beside]]:
    """Return the codes of each channel and what stands beside them; None if the frames are damaged."""
    damaged: list[tuple[np.ndarray | None, Beside]] = [(None, Beside())] * sample_format.channels
    if len(data) != part.n_frames * sample_format.frame_bytes:
        return damaged
    try:
        return list(zip(*sample_format.codes(data), strict=True))
    except InputError:
        return damaged


def _read_channels(formatted: tuple[Part, SampleFormat, bytes]) -> list[tuple[np.ndarray, Beside]]:
    """Return the codes of each channel, and what stands beside them."""
    part, sample_format, data = formatted
    try:
        codes, beside = sample_format.codes(data)
        return list(zip(codes, beside, strict=True))
    except InputError as error:
        raise FileChangedError(part.file) from error


_ESCAPED = {
    Method.PACKED: Method.ESCAPED_PACKED,
    Method.CODED: Method.ESCAPED_CODED,
    Method.SPLIT: Method.ESCAPED_SPLIT,
}
_ENTRY_BYTES = 5
"""Bytes of a stream in a block's table, about."""
_NO_CODES, _NO_POINTS = Stream(Method.PACKED, b""), Stream(Method.SPLIT, bytes(3))
"""Streams of channels whose codes stand elsewhere."""
_UNESCAPED: dict[int, Method] = {escaped: method for method, escaped in _ESCAPED.items()}


def _with_beside(stream: Stream, beside: Beside) -> Stream:
    if beside.low_bits:
        size = bytearray()
        put_uvarint(size, len(beside.low_bits.packed))
        stream = Stream(stream.method, bytes(size) + beside.low_bits.packed + stream.data)
    if beside.escapes:
        stream = Stream(_ESCAPED[Method(stream.method)], pack_escapes(beside.escapes) + stream.data)
    return stream


def _without_beside(
    stream: Stream, part: Part, sample_format: SampleFormat, channel: int
) -> tuple[Stream, Escapes | None, bytes | None]:
    """Return what `_with_beside` took, low bits as they are stored; an empty stream for one that is damaged."""
    scaling, method, escapes, low_bits = sample_format.scaling, _UNESCAPED.get(stream.method), None, None
    if scaling is None:
        return stream, None, None
    try:
        if method is not None:
            escapes, used = unpack_escapes(stream.data, part.n_frames, sample_format.sample_type.dtype)
            stream = Stream(method, stream.data[used:])
        if scaling.channels[channel].kind == ScalingKind.UPPER_BITS and not _has_frames(stream):
            size, at = get_uvarint(stream.data, 0)
            low_bits = stream.data[at : at + size]
            stream = Stream(stream.method, stream.data[at + size :])
    except DamageError:
        return Stream(stream.method if method is None else method, b""), None, None
    return stream, escapes, low_bits


def _parse_low_bits(packed: bytes, codes: np.ndarray, sample_format: SampleFormat, channel: int) -> LowBits | None:
    """Return the low bits of a channel with these codes; None if they are damaged."""
    quantizer = sample_format.quantizer.of_channel(channel)
    pieces = (codes[first : first + STRIDE] for first in range(0, codes.size, STRIDE))
    integers = (quantizer.to_samples(piece, np.int32) for piece in pieces)
    return LowBits.parse(packed, integers, sample_format.sample_type)


def _pack_verbatim(kept: tuple[object, bytes], *, may_use_lzma: bool) -> Stream:
    numbers, data = kept
    if isinstance(numbers, KeptNumbers):
        packed = pack_numbers(data, numbers)
        return Stream(Method.NUMBERS, packed) if len(packed) < len(data) else Stream(Method.STORED, data)
    if not may_use_lzma:
        return Stream(Method.STORED, data)
    import lzma  # here and below: most archives hold nothing verbatim

    packed = lzma.compress(data, check=lzma.CHECK_NONE, preset=_XZ_PRESET)
    return Stream(Method.XZ, packed) if len(packed) < len(data) else Stream(Method.STORED, data)


def _unpack_verbatim(method: int, data: bytes, size: int, kept: object) -> bytes | None:
    if isinstance(kept, KeptNumbers) and method != Method.STORED:
        try:
            return unpack_numbers(data, kept, size // kept.bytes) if method == Method.NUMBERS else None
        except DamageError:
            return None
    if method == Method.XZ:
        import lzma

        try:
            decompressor = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_XZ_MEMORY)
            data = decompressor.decompress(data, size + 1)
            if not decompressor.eof or decompressor.unused_data or decompressor.check != lzma.CHECK_NONE:
                return None
        except lzma.LZMAError:
            return None
    elif method != Method.STORED:
        return None
    return data if len(data) == size else None


class DecodedPart(NamedTuple):
    """A decoded part: codes of the requested channels, or the bytes of a verbatim file."""

    part: Part
    codes: dict[int, np.ndarray | None]
    """By channel: int32 of shape (frames,), or None if its stream is damaged."""
    beside: dict[int, Beside]
    """By channel: what its codes do not give."""
    verbatim: bytes | None = None
    """None if the part is not verbatim, or its stream is damaged."""

    def samples(self, sample_format: SampleFormat, channels: Sequence[int]) -> tuple[np.ndarray, list[int]]:
        """Return the samples of some channels.

        Parameters
        ----------
        sample_format : SampleFormat
            Format of the file.
        channels : sequence of int

        Returns
        -------
        samples : array of shape (frames, channels) and the file's dtype
            Zero fill for channels whose streams are damaged.
        damaged : list of int
            These channels.
        """
        samples = np.empty((self.part.n_frames, len(channels)), sample_format.sample_type.dtype)
        for first in range(0, len(samples), _FRAMES_AT_ONCE):
            samples[first : first + _FRAMES_AT_ONCE] = self._frames(sample_format, channels, first)
        return samples, self._damaged(channels)

    def restored(self, sample_format: SampleFormat | None) -> RestoredPart:
        """Return the bytes of the part; all channels must be decoded."""
        if sample_format is None:
            if self.verbatim is None:
                return RestoredPart(self.part, zero_fill(self.part.n_frames, 0), [0])
            return RestoredPart(self.part, self.verbatim, [])
        data = bytearray(self.part.n_frames * sample_format.frame_bytes)
        for first in range(0, self.part.n_frames, _FRAMES_AT_ONCE):
            frames = self._frames(sample_format, range(sample_format.channels), first)
            at, size = first * sample_format.frame_bytes, len(frames) * sample_format.frame_bytes
            data[at : at + size] = samples_to_bytes(frames, sample_format.sample_type)
        return RestoredPart(self.part, data, self._damaged(range(sample_format.channels)))

    def _damaged(self, channels: Sequence[int]) -> list[int]:
        return [channel for channel in channels if self.codes[channel] is None]

    def _frames(self, sample_format: SampleFormat, channels: Sequence[int], first: int) -> np.ndarray:
        """Return samples of these channels from frame `first` of the part on, of shape (frames, channels)."""
        n_frames = min(_FRAMES_AT_ONCE, self.part.n_frames - first)
        samples = np.empty((len(channels), n_frames), sample_format.sample_type.dtype)
        for own, channel in zip(samples, channels, strict=True):
            codes = self.codes[channel]
            if codes is None:
                own[:] = zero_sample(sample_format.sample_type)
            else:
                chosen = codes[first : first + n_frames]
                sample_format.put_samples(channel, chosen, self.beside[channel], first, own)
        return transposed(samples)


class RestoredPart(NamedTuple):
    """A part as the bytes of its file."""

    part: Part
    data: Bytes
    lost: Sequence[int]
    """Channels whose streams are damaged, which have zero fill; a verbatim file has the one channel 0."""

    def __reduce_ex__(self, protocol: int) -> tuple[object, ...]:  # type: ignore[override]
        return RestoredPart, (self.part, _in_pickle(self.data, protocol), self.lost)


class FetchedBlock(NamedTuple):
    """The streams of a block, and what decoding them takes. It can be pickled, to little more than its bytes.

    Positions number the channels of all parts of the block, in order.
    """

    steps: int
    """Length of the longest lane; 0 in a block of verbatim files."""
    channels: Sequence[tuple[Part, int]]
    """Part and channel of each position."""
    chosen: Sequence[int]
    """Positions of the requested channels."""
    needed: Sequence[int]
    """Positions of the channels to decode: those requested and every channel they reference."""
    streams: Sequence[Stream]
    """Stream of each position in `needed`."""
    formats: Mapping[int, SampleFormat | KeptNumbers]
    """What each file holds: samples, or kept numbers; verbatim files are not listed."""
    records: Mapping[int, tuple[int, RecordLayout]]
    """Of each file that belongs to a file of records: the number of that file, and its layout."""
    reference_graph: ReferenceGraph
    """References among the positions in `needed`."""
    max_lanes: int
    """About the largest number of lanes to decode together."""

    def source_of(self, position: int) -> int | None:
        """Return the position of the channel of which this one is a copy."""
        return source_position(self.channels, self.formats, position)


def source_position(
    channels: Sequence[tuple[Part, int]], formats: Mapping[int, SampleFormat | KeptNumbers], position: int
) -> int | None:
    """Return the position of the channel of the same part of which this one is a copy; None if it is no copy."""
    part, channel = channels[position]
    own = formats.get(part.file)
    quantizer = own.quantizer.of_channel(channel) if isinstance(own, SampleFormat) else None
    return position - channel + quantizer.source if isinstance(quantizer, Copy) else None


def decode_block(
    block: FetchedBlock, coder: Coder, predictor: Predictor | None, workers: Workers, effort: int
) -> list[DecodedPart]:
    """Decode the requested channels of a block.

    Parameters
    ----------
    block : FetchedBlock
    coder : Coder
    predictor : Predictor or None
    workers : Workers
    effort : int
        How much the adaptation learns; see `presets`.

    Returns
    -------
    list of DecodedPart
        In the order of the block.

    Raises
    ------
    SelfTestError
        If the predictor fails its self-test.
    """
    places = [block.channels[position] for position in block.needed]
    formats = {file: each for file, each in block.formats.items() if isinstance(each, SampleFormat)}
    n_samples = sum(part.file in formats for part, _ in places)  # kept numbers stand behind samples
    verbatim = [
        DecodedPart(part, {}, {}, _unpack_verbatim(*stream, part.n_frames, block.formats.get(part.file)))
        for (part, _), stream in zip(places[n_samples:], block.streams[n_samples:], strict=True)
    ]
    if not n_samples:
        return verbatim
    places = places[:n_samples]
    split = [
        _without_beside(stream, part, formats[part.file], channel)
        for stream, (part, channel) in zip(block.streams, places, strict=False)
    ]
    streams = [stream for stream, _, _ in split]
    lengths = [part.n_frames for part, _ in places]
    lattices = Lattices.of([formats[part.file].quantizer.of_channel(channel) for part, channel in places])
    in_frames = {part: stream.data for (part, _), stream in zip(places, streams, strict=True) if _has_frames(stream)}
    # they are not coded, so that no other channel depends on them
    streams = [
        (_NO_POINTS if i in lattices.lattices else _NO_CODES) if _has_frames(stream) else stream
        for i, stream in enumerate(streams)
    ]
    streams = lattices.split_streams(streams)
    decoded = decode_channels(
        streams,
        lengths + [lengths[i] for i in lattices.positions],
        lattices.quantizers,
        block.reference_graph.subset(range(n_samples)).extended(len(lattices.positions)),
        block.steps,
        coder,
        predictor,
        workers,
        block.max_lanes,
        effort,
    )
    codes_at = dict(zip(block.needed, lattices.join(decoded), strict=False))
    beside_at: dict[int, Beside] = {}
    channels_of = {part: _channels_of_frames(part, formats[part.file], data) for part, data in in_frames.items()}
    for position, (part, channel) in zip(block.needed, places, strict=False):
        if part in channels_of:
            codes_at[position], beside_at[position] = channels_of[part][channel]
    chosen = [position for position in block.chosen if block.channels[position][0].file in formats]
    for position in chosen:
        if (source := block.source_of(position)) is not None:
            codes_at[position] = codes_at[source] if codes_at[position] is not None else None
    for position, (part, channel), (_, escapes, packed) in zip(block.needed, places, split, strict=False):
        if position in beside_at:
            continue
        codes, low_bits = codes_at[position], None
        if packed is not None and codes is not None:
            low_bits = _parse_low_bits(packed, codes, formats[part.file], channel)
            codes_at[position] = codes if low_bits else None
        beside_at[position] = Beside(escapes, low_bits)
    return [
        DecodedPart(
            part,
            {block.channels[position][1]: codes_at[position] for position in positions},
            {block.channels[position][1]: beside_at[position] for position in positions},
        )
        for part, group in itertools.groupby(chosen, lambda position: block.channels[position][0])
        for positions in [list(group)]
    ] + verbatim


def restore_block(
    block: FetchedBlock, coder: Coder, predictor: Predictor | None, workers: Workers, effort: int
) -> list[RestoredPart]:
    """Decode a block to the bytes of its parts, of which all channels were requested; see `decode_block`."""
    decoded = decode_block(block, coder, predictor, workers, effort)
    restored, pieces = list[RestoredPart](), dict[tuple[int, int], dict[int, RestoredPart]]()
    for decoded_part in decoded:
        part, own = decoded_part.part, block.formats.get(decoded_part.part.file)
        whole = decoded_part.restored(own if isinstance(own, SampleFormat) else None)
        if part.file not in block.records:
            restored.append(whole)
            continue
        first_file, records = block.records[part.file]
        member = part.file - first_file
        unit = records.groups[member - 1].samples if member else records.kept.bytes
        pieces.setdefault((first_file, part.first_frame // unit), {})[member] = whole
    for (file, first), own_pieces in pieces.items():
        restored.append(_join_records(file, block.records[file][1], first, own_pieces))
    return restored


def _join_records(file: int, records: RecordLayout, first: int, pieces: Mapping[int, RestoredPart]) -> RestoredPart:
    """Return records as one part of their file, of its kept numbers (0) and its groups (1, 2, ...)."""
    units = [records.kept.bytes, *(group.samples for group in records.groups)]
    member, piece = next(iter(pieces.items()))
    count = piece.part.n_frames // units[member]
    data = records.join([pieces[i].data if i in pieces else b"" for i in range(len(units))], first, count)
    before = [0, *itertools.accumulate(records.n_channels)]
    lost = [before[i - 1] + channel for i in range(1, len(units)) for channel in pieces[i].lost]
    if 0 in pieces and pieces[0].lost:
        lost = list(range(max(before[-1], 1)))  # without its numbers, such as its time, a record is of no use
    return RestoredPart(Part(file, first, count), data, lost)
