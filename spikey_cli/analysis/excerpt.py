"""Excerpts of channels, and what the codec predicts of them.

Each file is read from its start, at most MAX_SAMPLES in total, which bounds the memory. The excerpts are divided into
blocks and lanes as in an archive, and coded twice: with the range coder, which gives the size of the streams, and with
the residual log, which records the predictions. A channel that the range coder cannot shorten is packed, and no channel
refers to it, as in an archive.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ..codec.block_plan import plan_blocks, steps_for
from ..codec.lattices import Lattices
from ..codec.presets import DEFAULT_PRESET, PRESETS
from ..codec.streams import encode_channels, log_channels
from ..container.directory import Directory, FileEntry
from ..container.parts import Method
from ..core.channel_quantizers import Copy
from ..core.coders import CODERS
from ..core.converter import CODE_UNITS
from ..core.quantizer import Quantizer
from ..core.residual_log import UNIT
from ..model.predictor import Predictor
from ..system.progress import Progress
from ..system.workers import Workers
from ..topology.references import ReferenceGraph
from .survey import Survey

MAX_SAMPLES = 1 << 24
"""Largest number of samples of all channels together, unless MIN_FRAMES of each file are more."""

MIN_FRAMES = 1 << 12
"""Frames of each file that are analysed in any case, if it has as many."""

_CODER = CODERS["range"]


@dataclass(frozen=True, eq=False)
class ChannelExcerpt:
    """The excerpt of one channel. Arrays have shape (samples,); units of amplitude are codes.

    The codes of a channel on a lattice are those of its points; its residues count among the bits.
    """

    codes: np.ndarray
    """int32."""
    values: np.ndarray
    """Middles of the converter's bins of the codes, float32."""
    predicted: np.ndarray
    """Whether the network predicted the sample, bool. It does not predict the first samples of a lane."""
    residual: np.ndarray
    """Value minus predicted mean, float32."""
    error: np.ndarray
    """Normalised prediction error: the residual in units of the predicted scale, float32."""
    network_error: np.ndarray
    """Normalised prediction error of the network alone, before adaptation, in units of its scale, float32."""
    ideal_bits: float
    """Sum of -log2 p of the codes under the predicted densities, plus the lane headers."""
    written_bits: int
    """Length of the range coder's streams, lane headers included."""
    packed: bool
    """Whether the channel does not compress, so that an archive holds packed codes."""


def excerpt_lengths(survey: Survey, seconds: float | None = None, max_samples: int | None = None) -> list[int]:
    """Frames of each file to analyse.

    Parameters
    ----------
    survey : Survey
    seconds : float, optional
        Longest excerpt of a file; by default only `max_samples` limits it.
    max_samples : int, optional
        By default MAX_SAMPLES.

    Returns
    -------
    list of int
    """
    lengths = []
    max_samples = MAX_SAMPLES if max_samples is None else max_samples
    for source in survey.sources:
        assert source.layout is not None
        rate = source.layout.sample_rate
        limit = math.ceil(seconds * rate) if seconds is not None and rate else source.layout.n_frames
        lengths.append(max(1, min(source.layout.n_frames, limit)))
    widths = [source.channels for source in survey.sources]
    # the largest common limit that fits: files shorter than it leave room for the others
    low, high = 0, max(lengths)
    while low < high:
        middle = (low + high + 1) // 2
        fits = sum(min(n, middle) * width for n, width in zip(lengths, widths, strict=True)) <= max_samples
        low, high = (middle, high) if fits else (low, middle - 1)
    return [min(n, max(low, MIN_FRAMES)) for n in lengths]


def code_excerpts(
    survey: Survey,
    lengths: Sequence[int],
    predictor: Predictor,
    workers: Workers,
    progress: Progress | None = None,
) -> list[ChannelExcerpt]:
    """Code the first frames of each file and record the predictions.

    Parameters
    ----------
    survey : Survey
    lengths : sequence of int
        Frames of each file; see `excerpt_lengths`.
    predictor : Predictor
    workers : Workers
    progress : callable, optional
        Called with the number of bytes done and their total.

    Returns
    -------
    list of ChannelExcerpt
        One for each channel of the survey, in its order.
    """
    pieces: list[list[ChannelExcerpt]] = [[] for _ in survey.channels]
    done, total = 0, sum(n * source.frame_bytes for n, source in zip(lengths, survey.sources, strict=True))
    for block in read_blocks(survey, lengths, workers):
        for index, piece in zip(block.indices, _code_block(block, predictor, workers), strict=True):
            pieces[index].append(piece)
        done += block.n_bytes
        if progress:
            progress(done, total)
    return [_joined(channel_pieces) for channel_pieces in pieces]


class ExcerptBlock(NamedTuple):
    """A block of excerpts, as an archive has it."""

    indices: Sequence[int]
    """Channels of the survey."""
    codes: Sequence[np.ndarray]
    """Codes of these channels, and of the residues of those on lattices."""
    lattices: Lattices
    """Its quantizers are those of `codes`."""
    graph: ReferenceGraph
    samples: Sequence[np.ndarray]
    """Values of the channels' quantizers, int32."""
    n_bytes: int

    @property
    def channels_of_codes(self) -> list[int]:
        """The channel, by its position in `indices`, of each of `codes`."""
        return [*range(len(self.indices)), *self.lattices.positions]


def read_blocks(survey: Survey, lengths: Sequence[int], workers: Workers) -> Iterator[ExcerptBlock]:
    """Yield the blocks of the first frames of each file; see `code_excerpts`."""
    sources = survey.sources
    directory = Directory(tuple(FileEntry(s.name, s.size, s.layout, s.quantizer) for s in sources), survey.topology)
    for parts in plan_blocks(survey.sessions, lengths, [source.channels for source in sources]):
        data = [sources[part.file].read_frames(part.first_frame, part.n_frames) for part in parts]
        part_codes = workers.map(
            lambda pair: list(sources[pair[0].file].codes(pair[1])), list(zip(parts, data, strict=True))
        )
        places = [(part.file, channel) for part in parts for channel in range(sources[part.file].channels)]
        quantizers = [sources[file].quantizer.of_channel(channel) for file, channel in places]
        codes = list(itertools.chain.from_iterable(part_codes))
        lattices = Lattices.of(quantizers)
        points, residues = lattices.split(codes)
        yield ExcerptBlock(
            [directory.first_channels[file] + channel for file, channel in places],
            [*points, *residues],
            lattices,
            directory.reference_graph(parts).extended(len(residues)),
            [_samples(quantizers[i], codes, i, channel) for i, (_, channel) in enumerate(places)],
            sum(map(len, data)),
        )


def _samples(quantizer: Quantizer, codes: Sequence[np.ndarray], position: int, channel: int) -> np.ndarray:
    source = position - channel + quantizer.source if isinstance(quantizer, Copy) else position
    return quantizer.to_samples(codes[source], np.int32)


def _code_block(block: ExcerptBlock, predictor: Predictor, workers: Workers) -> list[ChannelExcerpt]:
    codes, quantizers, graph = block.codes, block.lattices.quantizers, block.graph
    steps = steps_for([each.size for each in block.samples], PRESETS[DEFAULT_PRESET].lanes)
    streams = encode_channels(codes, quantizers, graph, steps, _CODER, predictor, workers)
    packed = [stream.method == Method.PACKED for stream in streams]
    graph = graph.without([i for i, is_packed in enumerate(packed) if is_packed])
    logs = log_channels(codes, quantizers, graph, steps, _CODER, predictor, workers)
    bits = np.zeros((2, len(block.indices)))
    for channel, (log, header_bits), stream in zip(block.channels_of_codes, logs, streams, strict=True):
        bits[:, channel] += log.bits() + header_bits, 8 * len(stream.data)
    return [
        ChannelExcerpt(
            codes[i],
            _values(codes[i], quantizers[i], predictor),
            log.step > predictor.window,
            log.residual / np.float32(CODE_UNITS),
            log.corrected / np.float32(UNIT),
            log.normalised_error / np.float32(UNIT),
            float(bits[0, i]),
            int(bits[1, i]),
            packed[i] and quantizers[i].size > 1,
        )
        for i, (log, _) in enumerate(logs[: len(block.indices)])
    ]


def _values(codes: np.ndarray, quantizer: Quantizer, predictor: Predictor) -> np.ndarray:
    if predictor.profile is not None and quantizer.kind == "n1":
        return (predictor.profile.values / np.float32(CODE_UNITS))[codes].astype(np.float32)
    return codes.astype(np.float32)


def _joined(pieces: Sequence[ChannelExcerpt]) -> ChannelExcerpt:
    """Pieces of one channel as one: arrays are concatenated, bits are added."""
    if len(pieces) == 1:
        return pieces[0]

    def joined(name: str) -> np.ndarray:
        return np.concatenate([getattr(piece, name) for piece in pieces])

    return ChannelExcerpt(
        joined("codes"),
        joined("values"),
        joined("predicted"),
        joined("residual"),
        joined("error"),
        joined("network_error"),
        sum(piece.ideal_bits for piece in pieces),
        sum(piece.written_bits for piece in pieces),
        any(piece.packed for piece in pieces),
    )
