"""Blocks of samples to blocks of streams, and back.

    read_block    source -> bytes                        fetch_block     archive -> streams
    encode_block  bytes -> codes -> streams              decode_block    streams -> codes
                                                         restore_block   streams -> codes -> bytes

Blocks are read one after another; several blocks can be encoded or decoded at the same time.
"""

from __future__ import annotations

import itertools
import pickle
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import NamedTuple, TypeVar

import numpy as np

from ..container.archive import NO_MODEL, ArchiveReader, FileDigest
from ..container.block_table import BlockTable
from ..container.directory import Directory
from ..container.parts import Method, Part, Stream, positions_by_file
from ..core.channel_quantizers import Copy
from ..core.coders import Coder, coder_with_number
from ..core.escapes import Escapes, pack_escapes, unpack_escapes
from ..core.quantizer import SampleFormat
from ..errors import ArchiveError, DamageError, InputError, LimitError, ModelError, SelfTestError
from ..io.layout import Bytes, samples_to_bytes, zero_fill, zero_sample
from ..model.predictor import Predictor, predictor_with_digest
from ..system.workers import Workers
from ..topology.references import ReferenceGraph
from .block_plan import steps_for
from .cost import CostBudget, block_cost
from .lattices import Lattices
from .presets import DEFAULT_PRESET, EFFORTS, PRESETS, Preset
from .scan import ScannedSource
from .streams import decode_channels, encode_channels

Decoded = TypeVar("Decoded")

_FRAMES_AT_ONCE = 1 << 14
"""Frames that are converted to bytes at a time, which bounds the memory for intermediate arrays."""

_XZ_PRESET = 3
_XZ_MEMORY = 64 << 20


class SourceBlock(NamedTuple):
    """The samples of a block, and what encoding them takes. It can be pickled, to little more than its bytes."""

    parts: Sequence[Part]
    pieces: Sequence[bytes]
    """The bytes of each part."""
    formats: Sequence[SampleFormat]
    """Sample format of each part; empty in a block of verbatim files."""
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
        pieces = [sources[part.file].read_frames(part.first_frame, part.n_frames) for part in file_parts]
        for part, data in zip(file_parts, pieces, strict=True):
            digests[part.file].update(data)
        return pieces

    by_file = positions_by_file(parts)
    pieces = [b""] * len(parts)
    for positions, read in zip(by_file, workers.map(read_file, by_file), strict=True):
        for position, data in zip(positions, read, strict=True):
            pieces[position] = data
    formats = [sample_format for part in parts if (sample_format := sources[part.file].format)]
    return SourceBlock(
        parts, pieces, formats, directory.reference_graph(parts) if formats else ReferenceGraph.independent(0)
    )


def encode_block(
    block: SourceBlock,
    coder: Coder,
    predictor: Predictor | None,
    workers: Workers,
    preset: Preset = PRESETS[DEFAULT_PRESET],
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
    if not block.formats:
        packed = workers.map(_pack_verbatim, block.pieces)
        return CodedBlock(block.parts, 0, [[stream] for stream in packed])
    formatted = list(zip(block.parts, block.formats, block.pieces, strict=True))
    channels, escapes = zip(*itertools.chain.from_iterable(workers.map(_read_channels, formatted)), strict=True)
    quantizers = [each.quantizer.of_channel(i) for each in block.formats for i in range(each.channels)]
    steps = steps_for([codes.size for codes in channels], preset.lanes)
    lattices = Lattices.of(quantizers)
    points, residues = lattices.split(channels)
    coded = encode_channels(
        [*points, *residues],
        lattices.quantizers,
        block.reference_graph.extended(len(residues)),
        steps,
        coder,
        predictor,
        workers,
        preset.effort,
    )
    streams = map(_with_escapes, lattices.join_streams(coded), escapes)
    part_streams = [[next(streams) for _ in range(sample_format.channels)] for sample_format in block.formats]
    return CodedBlock(block.parts, steps, part_streams)


def _read_channels(formatted: tuple[Part, SampleFormat, bytes]) -> list[tuple[np.ndarray, Escapes | None]]:
    """Return the codes and the escaped samples of each channel."""
    part, sample_format, data = formatted
    try:
        codes, escapes = sample_format.codes(data)
        return list(zip(codes, escapes, strict=True))
    except InputError as error:
        raise FileChangedError(part.file) from error


_ESCAPED = {
    Method.PACKED: Method.ESCAPED_PACKED,
    Method.CODED: Method.ESCAPED_CODED,
    Method.SPLIT: Method.ESCAPED_SPLIT,
}
_PACKED, _SPLIT = (Method.PACKED, Method.ESCAPED_PACKED), (Method.SPLIT, Method.ESCAPED_SPLIT)
_UNESCAPED: dict[int, Method] = {escaped: method for method, escaped in _ESCAPED.items()}


def _with_escapes(stream: Stream, escapes: Escapes | None) -> Stream:
    return Stream(_ESCAPED[Method(stream.method)], pack_escapes(escapes) + stream.data) if escapes else stream


def _without_escapes(stream: Stream, part: Part, sample_format: SampleFormat) -> tuple[Stream, Escapes | None]:
    """Return what `_with_escapes` took; an empty stream for one that is damaged."""
    method = _UNESCAPED.get(stream.method)
    if method is None or not sample_format.scaling:
        return stream, None
    try:
        escapes, used = unpack_escapes(stream.data, part.n_frames, sample_format.sample_type.dtype)
    except DamageError:
        return Stream(method, b""), None
    return Stream(method, stream.data[used:]), escapes


def _pack_verbatim(data: bytes) -> Stream:
    import lzma  # here and below: most archives hold nothing verbatim

    packed = lzma.compress(data, check=lzma.CHECK_NONE, preset=_XZ_PRESET)
    return Stream(Method.XZ, packed) if len(packed) < len(data) else Stream(Method.STORED, data)


def _unpack_verbatim(method: int, data: bytes, size: int) -> bytes | None:
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
    escapes: dict[int, Escapes | None]
    """By channel: samples that its codes do not give."""
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
        columns = np.empty((self.part.n_frames, len(channels)), sample_format.sample_type.dtype)
        for first in range(0, len(columns), _FRAMES_AT_ONCE):
            self._fill(sample_format, channels, first, columns[first : first + _FRAMES_AT_ONCE])
        return columns, self._damaged(channels)

    def restored(self, sample_format: SampleFormat | None) -> RestoredPart:
        """Return the bytes of the part; all channels must be decoded."""
        if sample_format is None:
            if self.verbatim is None:
                return RestoredPart(self.part, zero_fill(self.part.n_frames, 0), [0])
            return RestoredPart(self.part, self.verbatim, [])
        data = bytearray(self.part.n_frames * sample_format.frame_bytes)
        dtype = sample_format.sample_type.dtype
        for first in range(0, self.part.n_frames, _FRAMES_AT_ONCE):
            columns = np.empty((min(_FRAMES_AT_ONCE, self.part.n_frames - first), sample_format.channels), dtype)
            self._fill(sample_format, range(sample_format.channels), first, columns)
            at = first * sample_format.frame_bytes
            data[at : at + len(columns) * sample_format.frame_bytes] = samples_to_bytes(
                columns, sample_format.sample_type
            )
        return RestoredPart(self.part, data, self._damaged(range(sample_format.channels)))

    def _damaged(self, channels: Sequence[int]) -> list[int]:
        return [channel for channel in channels if self.codes[channel] is None]

    def _fill(self, sample_format: SampleFormat, channels: Sequence[int], first: int, columns: np.ndarray) -> None:
        """Fill `columns` with the samples from frame `first` of the part on."""
        for column, channel in enumerate(channels):
            codes = self.codes[channel]
            if codes is None:
                columns[:, column] = zero_sample(sample_format.sample_type)
            else:
                chosen = codes[first : first + len(columns)]
                sample_format.put_samples(channel, chosen, self.escapes.get(channel), first, columns[:, column])


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
    formats: Mapping[int, SampleFormat]
    """Sample format of each file; empty in a block of verbatim files."""
    reference_graph: ReferenceGraph
    """References among the positions in `needed`."""
    max_lanes: int
    """About the largest number of lanes to decode together."""

    def source_of(self, position: int) -> int | None:
        """Return the position of the channel of which this one is a copy."""
        return source_position(self.channels, self.formats, position)


def source_position(
    channels: Sequence[tuple[Part, int]], formats: Mapping[int, SampleFormat], position: int
) -> int | None:
    """Return the position of the channel of the same part of which this one is a copy; None if it is no copy."""
    part, channel = channels[position]
    quantizer = formats[part.file].quantizer.of_channel(channel) if part.file in formats else None
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
    if block.steps == 0:
        verbatim = zip(places, block.streams, strict=True)
        return [
            DecodedPart(part, {}, {}, _unpack_verbatim(stream.method, stream.data, part.n_frames))
            for (part, _), stream in verbatim
        ]
    split = [
        _without_escapes(stream, part, block.formats[part.file])
        for stream, (part, _) in zip(block.streams, places, strict=True)
    ]
    streams = [stream for stream, _ in split]
    escapes_at = dict(zip(block.needed, (escapes for _, escapes in split), strict=True))
    lengths = [part.n_frames for part, _ in places]
    lattices = Lattices.of([block.formats[part.file].quantizer.of_channel(channel) for part, channel in places])
    streams = lattices.split_streams(streams)
    decoded = decode_channels(
        streams,
        lengths + [lengths[i] for i in lattices.positions],
        lattices.quantizers,
        block.reference_graph.extended(len(lattices.positions)),
        block.steps,
        coder,
        predictor,
        workers,
        block.max_lanes,
        effort,
    )
    codes_at = dict(zip(block.needed, lattices.join(decoded), strict=True))
    for position in block.chosen:
        if (source := block.source_of(position)) is not None:
            codes_at[position] = codes_at[source] if codes_at[position] is not None else None
    return [
        DecodedPart(
            part,
            {block.channels[position][1]: codes_at[position] for position in positions},
            {block.channels[position][1]: escapes_at[position] for position in positions},
        )
        for part, group in itertools.groupby(block.chosen, lambda position: block.channels[position][0])
        for positions in [list(group)]
    ]


def restore_block(
    block: FetchedBlock, coder: Coder, predictor: Predictor | None, workers: Workers, effort: int
) -> list[RestoredPart]:
    """Decode a block to the bytes of its parts, of which all channels were requested; see `decode_block`."""
    decoded = decode_block(block, coder, predictor, workers, effort)
    return [part.restored(block.formats.get(part.part.file)) for part in decoded]


def _coded_channels(table: BlockTable, graph: ReferenceGraph) -> tuple[list[int], ReferenceGraph]:
    """Return the samples of the coded channels of a block, 0 for packed ones, and their graph, with residues."""
    entries = [
        (part.n_frames, stream.method)
        for part, streams in zip(table.parts, table.streams, strict=True)
        for stream in streams
    ]
    lengths = [0 if method in _PACKED else n for n, method in entries]
    residues = [n for n, method in entries if method in _SPLIT]
    return lengths + residues, graph.extended(len(residues))


class Decoder(NamedTuple):
    """Decodes the blocks of one archive."""

    reader: ArchiveReader
    coder: Coder
    predictor: Predictor | None
    effort: int
    budget: CostBudget

    @classmethod
    def of(cls, reader: ArchiveReader, predictor: Predictor | None = None) -> Decoder:
        """Return the decoder of an archive.

        Parameters
        ----------
        reader : ArchiveReader
        predictor : Predictor, optional
            Used if the archive names it; otherwise an embedded or shipped model is.

        Raises
        ------
        ArchiveError
            If this release does not have the coder that the archive names.
        ModelError
            If the model that the archive names is not available.
        """
        coder = coder_with_number(reader.coder)
        if coder is None:
            raise ArchiveError(
                f"{reader.path}: its coder, number {reader.coder}, is newer than this release; "
                "install a newer spikey-cli"
            )
        try:
            if reader.model == NO_MODEL:
                predictor = None
            elif predictor is None or not predictor.digest.startswith(reader.model):
                predictor = predictor_with_digest(reader.model, reader.directory.model)
        except ModelError as error:
            raise error.within(reader.path) from error
        if reader.effort not in EFFORTS:
            raise ArchiveError(
                f"{reader.path}: its effort, number {reader.effort}, is newer than this release; "
                "install a newer spikey-cli"
            )
        return cls(reader, coder, predictor, reader.effort, CostBudget())

    def fetch_block(
        self, i: int, wanted: Collection[int] | dict[int, Sequence[int]], first: int = 0, stop: int = 1 << 63
    ) -> FetchedBlock:
        """Read the streams of a block that are needed to decode some of its channels.

        Parameters
        ----------
        i : int
            Number of the block.
        wanted : collection of int, or dict of int to sequence of int
            The requested files; or the requested channels of each file.
        first, stop : int
            Parts without any of the frames `first` to `stop` - 1 are left out.

        Returns
        -------
        FetchedBlock

        Raises
        ------
        ArchiveError
            If the block's table is damaged.
        LimitError
            If decoding it would exceed the limits.
        """
        files = self.reader.directory.files
        table = self.reader.read_table(i)
        places = [(part, channel) for part in table.parts for channel in range(files[part.file].channels)]
        channels = {file: set(wanted[file]) for file in wanted} if isinstance(wanted, dict) else None

        def is_wanted(part: Part, channel: int) -> bool:
            if part.file not in wanted or part.first_frame >= stop or part.first_frame + part.n_frames <= first:
                return False
            return channels is None or channel in channels[part.file]

        chosen = [position for position, place in enumerate(places) if is_wanted(*place)]
        reference_graph = (
            self.reader.directory.reference_graph(table.parts)
            if table.steps
            else ReferenceGraph.independent(len(places))
        )
        max_lanes = self._check_work(i, table, reference_graph) if table.steps else 0
        formats = {part.file: sample_format for part in table.parts if (sample_format := files[part.file].format)}
        sources = [source_position(places, formats, position) for position in chosen]
        needed = reference_graph.needed(sorted({*chosen, *(source for source in sources if source is not None)}))
        # an empty stream stands for a damaged one
        streams = [
            Stream(entry.method, data or b"") for _, entry, data in self.reader.read_streams(i, table, set(needed))
        ]
        return FetchedBlock(
            table.steps, places, chosen, needed, streams, formats, reference_graph.subset(needed), max_lanes
        )

    def _check_work(self, i: int, table: BlockTable, reference_graph: ReferenceGraph) -> int:
        """Raise LimitError if block `i` needs too much memory, or too much time together with the blocks before.

        Return about how many of its lanes may be decoded together.
        """
        limits = self.reader.limits
        lengths, graph = _coded_channels(table, reference_graph)
        cost = block_cost(lengths, table.steps, graph, self.effort, self.predictor, limits)
        if cost.group_bytes > limits.group_bytes:
            raise LimitError(
                f"{self.reader.path}: block {i} has lanes that depend on each other and take {cost.group_bytes >> 20} "
                "MiB, more than the memory limit allows; if you trust it, raise the limit",
                parameter="memory",
            )
        self.budget.add(i, cost.time)
        if self.budget.time > limits.decoding_time(self.reader.length):
            raise LimitError(
                f"{self.reader.path}: its {self.reader.length} bytes take longer to decode than is usual; "
                "if you trust it, raise the limit",
                parameter="expansion",
            )
        return cost.max_lanes

    def decode_blocks(
        self,
        decode: Callable[..., list[Decoded]],
        blocks: Iterable[FetchedBlock],
        across: Workers,
        within: Workers,
    ) -> Iterator[list[Decoded]]:
        """Decode blocks, several at a time.

        Parameters
        ----------
        decode : callable
            `decode_block` or `restore_block`.
        blocks : iterable of FetchedBlock
        across : Workers
            Workers that decode different blocks.
        within : Workers
            Workers that decode the channels of one block.

        Yields
        ------
        list of DecodedPart or RestoredPart
            The parts of each block, in order.

        Raises
        ------
        SelfTestError
            If the predictor fails its self-test; it names the archive.
        """
        decode = partial(decode, coder=self.coder, predictor=self.predictor, workers=within, effort=self.effort)
        try:
            yield from across.in_turn(decode, blocks)
        except SelfTestError as error:
            raise SelfTestError(f"{self.reader.path}: {error}") from error
