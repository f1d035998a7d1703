"""Blocks of samples to blocks of streams, and back: the two directions side by side.

    read_block    source bytes                                      fetch_block   archive -> streams
    encode_block  -> samples -> codes -> streams (-> archive)       decode_block  -> codes -> samples -> bytes

Reading goes block by block; coding may go side by side.
"""

from __future__ import annotations

import itertools
import lzma
import pickle
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

import numpy as np

from ..container.archive import NO_MODEL, ArchiveReader, FileDigest
from ..container.block_table import BlockTable
from ..container.directory import Directory
from ..container.parts import Method, Part, Stream, positions_by_file
from ..core.coders import Coder, coder_with_number
from ..core.quantizer import SampleFormat
from ..errors import ArchiveError, InputError, LimitError, ModelError, SelfTestError
from ..io.layout import Bytes, sample_dtype, samples_to_bytes, zero_fill, zero_sample
from ..model.predictor import Predictor, predictor_with_digest
from ..system.workers import Workers
from ..topology.references import ReferenceGraph
from .block_plan import steps_for
from .cost import CostBudget, decoding_time, lane_memory
from .scan import ScannedSource
from .streams import decode_channels, encode_channels

Decoded = TypeVar("Decoded")

_FRAMES_AT_ONCE = 1 << 14
"""Frames that become bytes at a time: a whole part of them would lie in memory several times over."""

_XZ_PRESET = 3
_XZ_MEMORY = 64 << 20


@dataclass(frozen=True)
class SourceBlock:
    """What a block is made of, and all that coding it takes: it can be pickled, and is then little more than bytes."""

    parts: Sequence[Part]
    pieces: Sequence[bytes]
    """The bytes of each part."""
    formats: Sequence[SampleFormat]
    """Of each part; none in a block of verbatim files."""
    reference_graph: ReferenceGraph

    def __reduce_ex__(self, protocol: int) -> tuple[object, ...]:  # type: ignore[override]
        pieces = [_in_pickle(data, protocol) for data in self.pieces]
        return SourceBlock, (self.parts, pieces, self.formats, self.reference_graph)


@dataclass(frozen=True)
class CodedBlock:
    """What an archive gets of a block."""

    parts: Sequence[Part]
    steps: int
    """The longest that a lane can be; 0 where files are kept verbatim."""
    streams: Sequence[Sequence[Stream]]
    """One for each channel of each part."""


def _in_pickle(data: Bytes, protocol: int) -> object:
    """Bytes as whoever pickles them may take them, without a copy."""
    return bytes(data) if protocol < 5 else pickle.PickleBuffer(data)


class FileChangedError(InputError):
    """A sample is not on the grid that the first look at its file found."""

    def __init__(self, file: int) -> None:
        super().__init__(file)
        self.file = file
        """The file's place in the directory."""

    def __str__(self) -> str:
        return f"file {self.file} changed while it was read; compress it again once nothing writes to it"


def read_block(
    sources: Sequence[ScannedSource],
    digests: Sequence[FileDigest],
    directory: Directory,
    parts: Sequence[Part],
    workers: Workers,
) -> SourceBlock:
    """Read a block's parts, and take their bytes into the digests of their files: blocks must come in order."""

    def read_file(positions: list[int]) -> list[bytes]:
        own = [parts[position] for position in positions]
        pieces = [sources[part.file].read_frames(part.first_frame, part.n_frames) for part in own]
        for part, data in zip(own, pieces, strict=True):
            digests[part.file].update(data)
        return pieces

    by_file = positions_by_file(parts)
    pieces = [b""] * len(parts)
    for positions, read in zip(by_file, workers.map(read_file, by_file), strict=True):
        for position, data in zip(positions, read, strict=True):
            pieces[position] = data
    formats = [form for part in parts if (form := sources[part.file].format)]
    return SourceBlock(
        parts, pieces, formats, directory.reference_graph(parts) if formats else ReferenceGraph.independent(0)
    )


def encode_block(block: SourceBlock, coder: Coder, predictor: Predictor | None, workers: Workers) -> CodedBlock:
    """Code the threads of a block, or pack it where it is of verbatim files.

    Raises FileChangedError where a sample is off its grid, and SelfTestError where the model fails its own.
    """
    if not block.formats:
        packed = workers.map(_pack_verbatim, block.pieces)
        return CodedBlock(block.parts, 0, [[stream] for stream in packed])
    places = list(zip(block.parts, block.formats, block.pieces, strict=True))
    channels = list(itertools.chain.from_iterable(workers.map(_read_channels, places)))
    quantizers = [form.quantizer for form in block.formats for _ in range(form.channels)]
    steps = steps_for([codes.size for codes in channels])
    streams = iter(encode_channels(channels, quantizers, block.reference_graph, steps, coder, predictor, workers))
    in_parts = [[next(streams) for _ in range(form.channels)] for form in block.formats]
    return CodedBlock(block.parts, steps, in_parts)


def _read_channels(place: tuple[Part, SampleFormat, bytes]) -> list[np.ndarray]:
    part, form, data = place
    try:
        return list(form.codes(data))
    except InputError as error:
        raise FileChangedError(part.file) from error


def _pack_verbatim(data: bytes) -> Stream:
    packed = lzma.compress(data, check=lzma.CHECK_NONE, preset=_XZ_PRESET)
    return Stream(Method.XZ, packed) if len(packed) < len(data) else Stream(Method.STORED, data)


def _unpack_verbatim(method: int, data: bytes, size: int) -> bytes | None:
    if method == Method.XZ:
        try:
            inflate = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_XZ_MEMORY)
            data = inflate.decompress(data, size + 1)
            if not inflate.eof or inflate.unused_data:
                return None
        except lzma.LZMAError:
            return None
    return data if len(data) == size else None


@dataclass(frozen=True)
class DecodedPart:
    """A part read back: the codes of the channels that were asked for, or the bytes of a verbatim file.

    `codes` maps a channel to int32 of shape (frames,), or to None where its stream is damaged.
    """

    part: Part
    codes: dict[int, np.ndarray | None]
    verbatim: bytes | None = None

    def samples(self, form: SampleFormat, channels: Sequence[int]) -> tuple[np.ndarray, list[int]]:
        """Samples of shape (frames, channels), of the file's own dtype, and which channels' streams are damaged.

        Silence stands for them.
        """
        columns = np.empty((self.part.n_frames, len(channels)), sample_dtype(form.sample_bytes))
        for first in range(0, len(columns), _FRAMES_AT_ONCE):
            self._fill(form, channels, first, columns[first : first + _FRAMES_AT_ONCE])
        return columns, self._damaged(channels)

    def restored(self, form: SampleFormat | None) -> RestoredPart:
        """The part as bytes."""
        if form is None:
            if self.verbatim is None:
                return RestoredPart(self.part, zero_fill(self.part.n_frames, 0), [0])
            return RestoredPart(self.part, self.verbatim, [])
        data = bytearray(self.part.n_frames * form.frame_bytes)
        dtype = sample_dtype(form.sample_bytes)
        for first in range(0, self.part.n_frames, _FRAMES_AT_ONCE):
            columns = np.empty((min(_FRAMES_AT_ONCE, self.part.n_frames - first), form.channels), dtype)
            self._fill(form, range(form.channels), first, columns)
            at = first * form.frame_bytes
            data[at : at + len(columns) * form.frame_bytes] = samples_to_bytes(columns, form.sample_bytes)
        return RestoredPart(self.part, data, self._damaged(range(form.channels)))

    def _damaged(self, channels: Sequence[int]) -> list[int]:
        return [channel for channel in channels if self.codes[channel] is None]

    def _fill(self, form: SampleFormat, channels: Sequence[int], first: int, columns: np.ndarray) -> None:
        """Fill in samples from frame `first` of the part on."""
        for column, channel in enumerate(channels):
            codes = self.codes[channel]
            if codes is None:
                columns[:, column] = zero_sample(form.sample_bytes)
            else:
                columns[:, column] = form.quantizer.to_samples(codes[first : first + len(columns)], columns.dtype)


@dataclass(frozen=True)
class RestoredPart:
    """A part of a file as its bytes stood there."""

    part: Part
    data: Bytes
    lost: Sequence[int]
    """Channels whose streams are damaged, for which silence stands; of a file kept verbatim there is but one, 0."""

    def __reduce_ex__(self, protocol: int) -> tuple[object, ...]:  # type: ignore[override]
        return RestoredPart, (self.part, _in_pickle(self.data, protocol), self.lost)


@dataclass(frozen=True)
class FetchedBlock:
    """What was read of a block, and all that decoding it takes: it can be pickled, and is then little more than bytes.

    Places are (part, channel); positions are theirs in the block.
    """

    steps: int
    places: Sequence[tuple[Part, int]]
    chosen: Sequence[int]
    """Positions of what is wanted of the block."""
    needed: Sequence[int]
    """Positions of that and of all that it leans on, of which the rest tells."""
    streams: Sequence[Stream]
    formats: Mapping[int, SampleFormat]
    """Of each file; none in a block of verbatim files."""
    reference_graph: ReferenceGraph


def decode_block(
    block: FetchedBlock, coder: Coder, predictor: Predictor | None, most_lanes: int, workers: Workers
) -> list[DecodedPart]:
    """The parts of a block that were wanted, in its order; about `most_lanes` are walked together.

    Raises SelfTestError where the model fails its own.
    """
    places = [block.places[position] for position in block.needed]
    if block.steps == 0:
        verbatim = zip(places, block.streams, strict=True)
        return [
            DecodedPart(part, {}, _unpack_verbatim(stream.method, stream.data, part.n_frames))
            for (part, _), stream in verbatim
        ]
    lengths = [part.n_frames for part, _ in places]
    quantizers = [block.formats[part.file].quantizer for part, _ in places]
    decoded = decode_channels(
        block.streams, lengths, quantizers, block.reference_graph, block.steps, coder, predictor, workers, most_lanes
    )
    codes_at = dict(zip(block.needed, decoded, strict=True))
    return [
        DecodedPart(part, {block.places[position][1]: codes_at[position] for position in group})
        for part, group in itertools.groupby(block.chosen, lambda position: block.places[position][0])
    ]


def restore_block(
    block: FetchedBlock, coder: Coder, predictor: Predictor | None, most_lanes: int, workers: Workers
) -> list[RestoredPart]:
    """The same as bytes: all channels of the files were wanted."""
    decoded = decode_block(block, coder, predictor, most_lanes, workers)
    return [part.restored(block.formats.get(part.part.file)) for part in decoded]


@dataclass(frozen=True)
class Decoder:
    """What decoding an archive needs beside its blocks."""

    reader: ArchiveReader
    coder: Coder
    predictor: Predictor | None
    budget: CostBudget = field(default_factory=CostBudget, repr=False)

    @classmethod
    def of(cls, reader: ArchiveReader, predictor: Predictor | None = None) -> Decoder:
        """Find the coder and the model that the archive names: `predictor`, or one that comes with the package.

        Raises ArchiveError or ModelError where this release has them not.
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
            raise ModelError(f"{reader.path}: {error}", parameter=error.parameter) from error
        return cls(reader, coder, predictor)

    def fetch_block(
        self, i: int, wanted: Collection[int] | dict[int, Sequence[int]], first: int = 0, stop: int = 1 << 63
    ) -> FetchedBlock:
        """Read what is needed of block `i` for the files `wanted`, and for frames between `first` and `stop`.

        Where `wanted` is a dictionary, it names the channels of each file to decode; otherwise all are. Raises
        ArchiveError where the block's table is damaged.
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
        self._check_work(i, table, places, reference_graph)
        needed = reference_graph.needed(chosen)
        # an empty stream decodes to nothing: the thread is found damaged
        streams = [
            Stream(entry.method, data or b"") for _, entry, data in self.reader.read_streams(i, table, set(needed))
        ]
        formats = {part.file: form for part in table.parts if (form := files[part.file].format)}
        return FetchedBlock(table.steps, places, chosen, needed, streams, formats, reference_graph.part(needed))

    def _check_work(
        self, i: int, table: BlockTable, places: Sequence[tuple[Part, int]], reference_graph: ReferenceGraph
    ) -> None:
        """Refuse block `i` where it asks for more memory, or with those before for more time, than is granted."""
        if table.steps == 0:
            return
        limits, model = self.reader.limits, self.predictor
        lanes = np.array([-(-part.n_frames // table.steps) for part, _ in places])
        most = max(
            int(lanes[dependency_group.start : dependency_group.stop].sum())
            for dependency_group in reference_graph.dependency_groups
        )
        if most > limits.lanes(lane_memory(model)):
            raise LimitError(
                f"{self.reader.path}: block {i} has {most} lanes that lean on each other, more than the "
                "memory limit allows; if you trust it, raise Limits.memory",
                parameter="memory",
            )
        samples = sum(part.n_frames for part, _ in places)
        steps = min(table.steps, max(part.n_frames for part in table.parts))
        self.budget.add(i, decoding_time(samples, steps, len(set(reference_graph.passes)), self.coder, model))
        if self.budget.time > limits.decoding_time(self.reader.length):
            raise LimitError(
                f"{self.reader.path}: its {self.reader.length} bytes take longer to decode than is usual; "
                "if you trust it, raise Limits.expansion",
                parameter="expansion",
            )

    def decode_blocks(
        self,
        decode: Callable[..., list[Decoded]],
        blocks: Iterable[FetchedBlock],
        across: Workers,
        within: Workers,
    ) -> Iterator[list[Decoded]]:
        """What `decode`, `decode_block` or `restore_block`, makes of blocks, which workers share out among them.

        Raises SelfTestError, naming the archive, where the model fails its own.
        """
        most_lanes = self.reader.limits.lanes(lane_memory(self.predictor))
        decode = partial(decode, coder=self.coder, predictor=self.predictor, most_lanes=most_lanes, workers=within)
        try:
            yield from across.in_turn(decode, blocks)
        except SelfTestError as error:
            raise SelfTestError(f"{self.reader.path}: {error}") from error
