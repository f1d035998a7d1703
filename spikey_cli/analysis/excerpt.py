"""Excerpts of channels, and what the codec predicts of them.

Each file is read from its start, at most MAX_SAMPLES in total, which bounds the memory. The excerpts are divided into
blocks and lanes as in an archive, and coded twice: with the range coder, which gives the size of the streams, and with
the residual log, which records the predictions. A channel that the range coder cannot shorten is packed, and no channel
refers to it, as in an archive.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..codec.block_plan import plan_blocks, steps_for
from ..codec.presets import DEFAULT_PRESET, PRESETS
from ..codec.streams import encode_channels, log_channels
from ..container.directory import Directory, FileEntry
from ..container.parts import Method
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
    """The excerpt of one channel. Arrays have shape (samples,); units of amplitude are codes."""

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


def excerpt_lengths(survey: Survey, seconds: float | None = None) -> list[int]:
    """Frames of each file to analyse.

    Parameters
    ----------
    survey : Survey
    seconds : float, optional
        Longest excerpt of a file; by default only MAX_SAMPLES limits it.

    Returns
    -------
    list of int
    """
    lengths = []
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
        fits = sum(min(n, middle) * width for n, width in zip(lengths, widths, strict=True)) <= MAX_SAMPLES
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
    sources = survey.sources
    directory = Directory(tuple(FileEntry(s.name, s.size, s.layout, s.quantizer) for s in sources), survey.topology)
    pieces: list[list[ChannelExcerpt]] = [[] for _ in survey.channels]
    done, total = 0, sum(n * source.frame_bytes for n, source in zip(lengths, sources, strict=True))
    for parts in plan_blocks(survey.sessions, lengths, [source.channels for source in sources]):
        data = [sources[part.file].read_frames(part.first_frame, part.n_frames) for part in parts]
        part_codes = workers.map(
            lambda pair: list(sources[pair[0].file].codes(pair[1])), list(zip(parts, data, strict=True))
        )
        quantizers = [sources[part.file].quantizer for part in parts for _ in range(sources[part.file].channels)]
        indices = [
            directory.first_channels[part.file] + channel
            for part in parts
            for channel in range(sources[part.file].channels)
        ]
        codes = list(itertools.chain.from_iterable(part_codes))
        coded = _code_block(codes, quantizers, directory.reference_graph(parts), predictor, workers)
        for index, piece in zip(indices, coded, strict=True):
            pieces[index].append(piece)
        done += sum(map(len, data))
        if progress:
            progress(done, total)
    return [_joined(channel_pieces) for channel_pieces in pieces]


def _code_block(
    channels: Sequence[np.ndarray],
    quantizers: Sequence[Quantizer],
    reference_graph: ReferenceGraph,
    predictor: Predictor,
    workers: Workers,
) -> list[ChannelExcerpt]:
    lengths = [codes.size for codes in channels]
    steps = steps_for(lengths, PRESETS[DEFAULT_PRESET].lanes)
    streams = encode_channels(channels, quantizers, reference_graph, steps, _CODER, predictor, workers)
    packed = [stream.method == Method.PACKED for stream in streams]
    reference_graph = reference_graph.without([i for i, is_packed in enumerate(packed) if is_packed])
    logs = log_channels(channels, quantizers, reference_graph, steps, _CODER, predictor, workers)
    return [
        ChannelExcerpt(
            codes,
            _values(codes, quantizer, predictor),
            log.step > predictor.window,
            log.residual / np.float32(CODE_UNITS),
            log.corrected / np.float32(UNIT),
            log.normalised_error / np.float32(UNIT),
            log.bits() + header_bits,
            8 * len(stream.data),
            is_packed,
        )
        for codes, quantizer, (log, header_bits), stream, is_packed in zip(
            channels, quantizers, logs, streams, packed, strict=True
        )
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
