"""Blocks of samples to blocks of streams, and back: the two directions side by side.

encode_block   source bytes -> samples -> codes -> streams -> archive
decode_block   archive -> streams -> codes -> samples -> bytes
"""

from __future__ import annotations

import itertools
import lzma
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from .archive import NO_MODEL, ArchiveReader, ArchiveWriter
from .blocks import Part, positions_by_file, steps_for
from .coders import Coder, coder_with_number
from .errors import ArchiveError, ModelError
from .grid import Grid
from .predictor import Predictor, predictor_with_digest
from .source import Source
from .streams import Stream, Workers, decode_threads, encode_threads
from .tables import FileEntry
from .wav import sample_dtype, samples_to_bytes

STORED, XZ = 2, 3
"""Methods of verbatim bytes, beside those of threads in `streams`."""

_XZ_PRESET = 3
_XZ_MEMORY = 64 << 20


def encode_block(
    writer: ArchiveWriter,
    sources: Sequence[Source],
    parts: Sequence[Part],
    coder: Coder,
    predictor: Predictor | None,
    workers: Workers,
) -> None:
    """Read the threads of a block's parts, code them, and append the block to the archive."""
    threads, grids = read_threads(sources, parts, lambda source, part: _read_part(writer, source, part), workers)
    steps = steps_for([codes.size for codes in threads])
    company = writer.directory.company(parts)
    streams = iter(encode_threads(threads, grids, company, steps, coder, predictor, workers))
    in_parts = [[next(streams) for _ in range(sources[part.file].channels)] for part in parts]
    writer.add_block(steps, parts, [[(stream.method, stream.data) for stream in part] for part in in_parts])


def read_threads(
    sources: Sequence[Source], parts: Sequence[Part], read: Callable[[Source, Part], bytes], workers: Workers
) -> tuple[list[np.ndarray], list[Grid]]:
    """Codes, int32, and grid of every thread of a block's parts, whose bytes `read` gives.

    Files are read side by side, the parts of one file in their order.
    """

    def read_file(positions: list[int]) -> list[list[np.ndarray]]:
        own = [parts[position] for position in positions]
        return [list(sources[part.file].codes(read(sources[part.file], part))) for part in own]

    by_file = positions_by_file(parts)
    in_parts: list[list[np.ndarray]] = [[] for _ in parts]
    for positions, read_parts in zip(by_file, workers.map(read_file, by_file), strict=True):
        for position, threads in zip(positions, read_parts, strict=True):
            in_parts[position] = threads
    grids = [sources[part.file].grid for part, threads in zip(parts, in_parts, strict=True) for _ in threads]
    return list(itertools.chain.from_iterable(in_parts)), grids


def encode_verbatim_block(
    writer: ArchiveWriter, sources: Sequence[Source], parts: Sequence[Part], workers: Workers
) -> None:
    """Append a block of files that are kept byte for byte."""
    pieces = [_read_part(writer, sources[part.file], part) for part in parts]
    writer.add_block(0, parts, [[stream] for stream in workers.map(_pack_verbatim, pieces)])


def _read_part(writer: ArchiveWriter, source: Source, part: Part) -> bytes:
    data = source.read_frames(part.first_frame, part.n_frames)
    writer.digests[part.file].update(data)
    return data


def _pack_verbatim(data: bytes) -> tuple[int, bytes]:
    packed = lzma.compress(data, check=lzma.CHECK_NONE, preset=_XZ_PRESET)
    return (XZ, packed) if len(packed) < len(data) else (STORED, data)


def _unpack_verbatim(method: int, data: bytes, size: int) -> bytes | None:
    if method == XZ:
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

    def samples(self, file: FileEntry, channels: Sequence[int]) -> np.ndarray | None:
        """Samples of shape (frames, channels), of the file's own dtype; None where a stream is damaged."""
        assert file.layout is not None
        dtype = sample_dtype(file.layout.sample_bytes)
        columns = np.empty((self.part.n_frames, len(channels)), dtype=dtype)
        for column, channel in enumerate(channels):
            codes = self.codes[channel]
            if codes is None:
                return None
            columns[:, column] = file.grid.to_samples(codes, dtype)
        return columns

    def data(self, file: FileEntry) -> bytes | None:
        """The part's bytes as they stood in the file; None where a stream is damaged."""
        if file.layout is None:
            return self.verbatim
        samples = self.samples(file, range(file.channels))
        return None if samples is None else samples_to_bytes(samples, file.layout.sample_bytes)


@dataclass(frozen=True)
class Decoder:
    """What decoding an archive needs beside its blocks."""

    reader: ArchiveReader
    coder: Coder
    predictor: Predictor | None
    workers: Workers

    @classmethod
    def of(cls, reader: ArchiveReader, workers: Workers, predictor: Predictor | None = None) -> Decoder:
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
                predictor = predictor_with_digest(reader.model)
        except ModelError as error:
            raise ModelError(f"{reader.path}: {error}") from error
        return cls(reader, coder, predictor, workers)

    def decode_block(
        self, i: int, wanted: Collection[int] | dict[int, Sequence[int]], first: int = 0, stop: int = 1 << 63
    ) -> Iterator[DecodedPart]:
        """The parts of block `i` that belong to the files `wanted`, and have frames between `first` and `stop`.

        Where `wanted` is a dictionary, it names the channels of each file to decode; otherwise all are. Raises
        ArchiveError where the block's table is damaged.
        """

        files = self.reader.directory.files
        table = self.reader.read_table(i)
        places = [(part, channel) for part in table.parts for channel in range(files[part.file].channels)]

        def is_wanted(part: Part, channel: int) -> bool:
            if part.file not in wanted or part.first_frame >= stop or part.first_frame + part.n_frames <= first:
                return False
            return not isinstance(wanted, dict) or channel in wanted[part.file]

        chosen = [position for position, place in enumerate(places) if is_wanted(*place)]
        if table.steps == 0:
            for position, entry, data in self.reader.read_streams(i, table, set(chosen)):
                part = places[position][0]
                whole = None if data is None else _unpack_verbatim(entry.method, data, part.n_frames)
                yield DecodedPart(part, {}, whole)
            return
        company = self.reader.directory.company(table.parts)
        needed = company.needed(chosen)
        # an empty stream decodes to nothing: the thread is found damaged
        streams = [
            Stream(entry.method, data or b"") for _, entry, data in self.reader.read_streams(i, table, set(needed))
        ]
        decoded = decode_threads(
            streams,
            [places[position][0].n_frames for position in needed],
            [files[places[position][0].file].grid for position in needed],
            company.part(needed),
            table.steps,
            self.coder,
            self.predictor,
            self.workers,
        )
        codes_at = dict(zip(needed, decoded, strict=True))
        for part, group in itertools.groupby(chosen, lambda position: places[position][0]):
            yield DecodedPart(part, {places[position][1]: codes_at[position] for position in group})
