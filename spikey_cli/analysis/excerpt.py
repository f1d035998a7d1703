"""An excerpt of each thread, and what the codec's own walk tells of it.

Threads are read from their start, all of one session alike, up to MAX_SAMPLES together: that bounds the memory. They
are cut into blocks and lanes as an archive's are, and take the walk twice: once with `--coder range`, whose streams are
measured, and once with the residual log, which records what was predicted. A channel that the coder only makes
longer is
packed as it is, and no channel refers to it, in either run.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..codec.block_plan import plan_blocks, steps_for
from ..codec.streams import encode_channels, run_group, share_channels
from ..container.directory import Directory, FileEntry
from ..container.parts import PACKED, Part
from ..core.coders import CODERS
from ..core.quantizer import Quantizer
from ..core.residual_log import ChannelLog, ResidualLog
from ..model.predictor import Predictor
from ..system.progress import Progress
from ..system.workers import Workers
from ..topology.references import ReferenceGraph
from .survey import Survey

MAX_SAMPLES = 1 << 24
"""Samples of all threads together that are analysed, at most; but each thread has LEAST_FRAMES, where it is as long."""

LEAST_FRAMES = 1 << 12

_CODER = CODERS["range"]


@dataclass(frozen=True, eq=False)
class Record:
    """What is known of one thread's excerpt. Arrays have shape (samples,)."""

    codes: np.ndarray
    """int32"""
    values: np.ndarray
    """What the codes stand for, in codes, float32: the middles of the converter's bins."""
    predicted: np.ndarray
    """Which samples the network predicted, bool; the others begin a lane."""
    residual: np.ndarray
    """Value less its predicted centre, in codes, float32."""
    corrected: np.ndarray
    """The same in predicted spreads, float32."""
    normalised_error: np.ndarray
    """Value less the network's own centre, before any correction, in the network's spreads, float32."""
    ideal_bits: float
    """Sum of -log2 p of the true codes under the predicted densities, and the entries of lanes."""
    written_bits: int
    """What the range coder wrote, entries and all."""
    packed: bool
    """The coder gave up: the codes stand in the archive as they are."""


def frames_of_excerpts(found: Survey, seconds: float | None) -> list[int]:
    """Frames that are analysed of each file: at most `seconds`, and such that MAX_SAMPLES bounds them all."""
    lengths = []
    for source in found.sources:
        assert source.layout is not None
        rate = source.layout.sample_rate
        limit = math.ceil(seconds * rate) if seconds is not None and rate else source.layout.n_frames
        lengths.append(max(1, min(source.layout.n_frames, limit)))
    widths = [source.channels for source in found.sources]
    # the longest common limit that fits: short files leave their share to the others
    low, high = 0, max(lengths)
    while low < high:
        middle = (low + high + 1) // 2
        fits = sum(min(n, middle) * c for n, c in zip(lengths, widths, strict=True)) <= MAX_SAMPLES
        low, high = (middle, high) if fits else (low, middle - 1)
    return [min(n, max(low, LEAST_FRAMES)) for n in lengths]


def record(
    found: Survey,
    frames: Sequence[int],
    predictor: Predictor,
    workers: Workers,
    progress: Progress | None = None,
) -> list[Record]:
    """Take the first `frames` of each file through the walk: one record a thread, in the survey's order."""
    directory = Directory(
        tuple(FileEntry(s.name, s.size, s.layout, s.quantizer) for s in found.sources), found.topology
    )
    widths = [source.channels for source in found.sources]
    pieces: list[list[Record]] = [[] for _ in found.channels]
    done, total = 0, sum(n * source.frame_bytes for n, source in zip(frames, found.sources, strict=True))
    for parts in plan_blocks(found.sessions, frames, widths):
        data = [found.sources[part.file].read_frames(part.first_frame, part.n_frames) for part in parts]
        places = list(zip(parts, data, strict=True))
        in_parts = workers.map(lambda place: list(found.sources[place[0].file].codes(place[1])), places)
        channels = list(itertools.chain.from_iterable(in_parts))
        quantizers = [
            found.sources[part.file].quantizer for part, own in zip(parts, in_parts, strict=True) for _ in own
        ]
        records = _record_block(channels, quantizers, directory.reference_graph(parts), predictor, workers)
        for index, piece in zip(_channels_of(directory, parts), records, strict=True):
            pieces[index].append(piece)
        done += sum(map(len, data))
        if progress:
            progress(done, total)
    return [_joined(of_channel) for of_channel in pieces]


def _channels_of(directory: Directory, parts: Sequence[Part]) -> list[int]:
    return [
        directory.first_channels[part.file] + channel
        for part in parts
        for channel in range(directory.files[part.file].channels)
    ]


def _record_block(
    channels: Sequence[np.ndarray],
    quantizers: Sequence[Quantizer],
    reference_graph: ReferenceGraph,
    predictor: Predictor,
    workers: Workers,
) -> list[Record]:
    lengths = [codes.size for codes in channels]
    steps = steps_for(lengths)
    streams = encode_channels(channels, quantizers, reference_graph, steps, _CODER, predictor, workers)
    packed = [stream.method == PACKED for stream in streams]
    reference_graph = reference_graph.without([i for i, is_packed in enumerate(packed) if is_packed])

    def note(group: range) -> list[tuple[ChannelLog, int]]:
        own = slice(group.start, group.stop)
        coded_group = run_group(
            channels[own],
            quantizers[own],
            reference_graph.part(group),
            range(len(group)),
            steps,
            ResidualLog,
            predictor,
        )
        noted = zip(coded_group.coder.pages(), (8 * len(entry) for entry in coded_group.entries), strict=True)
        in_order = dict(zip(coded_group.order, noted, strict=True))
        return [in_order[i] for i in range(len(group))]

    groups = share_channels(workers.count, lengths, steps, reference_graph.dependency_groups)
    noted = [one for group in workers.map(note, groups) for one in group]
    return [
        Record(
            codes,
            _values(codes, quantizer, predictor),
            page.step > predictor.window,
            page.residual / np.float32(64),
            page.corrected / np.float32(256),
            page.normalised_error / np.float32(256),
            page.bits() + entry_bits,
            8 * len(stream.data),
            stream.method == PACKED,
        )
        for codes, quantizer, (page, entry_bits), stream in zip(channels, quantizers, noted, streams, strict=True)
    ]


def _values(codes: np.ndarray, quantizer: Quantizer, predictor: Predictor) -> np.ndarray:
    if predictor.profile is not None and quantizer.kind == "n1":
        return (predictor.profile.values / np.float32(64))[codes].astype(np.float32)
    return codes.astype(np.float32)


def _joined(pieces: Sequence[Record]) -> Record:
    if len(pieces) == 1:
        return pieces[0]

    def join(name: str) -> np.ndarray:
        return np.concatenate([getattr(piece, name) for piece in pieces])

    return Record(
        join("codes"),
        join("values"),
        join("predicted"),
        join("residual"),
        join("corrected"),
        join("innovation"),
        sum(piece.ideal_bits for piece in pieces),
        sum(piece.written_bits for piece in pieces),
        any(piece.packed for piece in pieces),
    )
