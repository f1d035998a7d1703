"""From the codes of a block's threads to one stream a thread, and back.

    coded stream     entries of the thread's lanes (see `coders.entries`), then what the coder wrote on its walk
    packed stream    the codes as they are (see `core.packed`), where that is no longer

Bundles of threads are shared out among workers; a thread's stream depends on no code outside its bundle (see `peers`),
so the number of workers shows nowhere.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import numpy as np

from ..container.parts import Method, Stream
from ..core.coders import Coder
from ..core.converter import Bins
from ..core.gain import lane_gains
from ..core.lane_headers import decode_lane_headers, encode_lane_headers
from ..core.lanes import Lanes, cut
from ..core.packed import pack_codes, packed_bytes, unpack_codes
from ..core.quantizer import Quantizer
from ..model.predictor import Predictor
from ..system.workers import Workers
from ..topology.references import ReferenceGraph, ReferenceTable
from .coding_state import EntropyCoder, walk

AnyCoder = TypeVar("AnyCoder", bound=EntropyCoder)

MIN_LANE_GROUP = 256
"""Fewer lanes are not worth another worker: a network call costs about as much as it serves of them."""


MAX_LANE_GROUP = 1 << 14
"""More lanes are taken one group after another: what is known of each takes memory."""


def share_channels(
    count: int, lengths: Sequence[int], steps: int, dependency_groups: Sequence[range], most_lanes: int = MAX_LANE_GROUP
) -> list[range]:
    """Cut threads of these lengths into consecutive groups of whole bundles, with about as many lanes each: up to
    `count` groups, or as many as it takes for about `most_lanes` each.
    """
    ends = np.cumsum([sum(-(-lengths[i] // steps) for i in dependency_group) for dependency_group in dependency_groups])
    lanes = int(ends[-1]) if len(ends) else 0
    groups = max(min(count, lanes // MIN_LANE_GROUP), -(-lanes // most_lanes))
    cuts = [0, *(int(np.searchsorted(ends, ends[-1] * i / groups)) + 1 for i in range(1, groups)), len(ends)]
    return [
        range(dependency_groups[a].start, dependency_groups[b - 1].stop) for a, b in itertools.pairwise(cuts) if a < b
    ]


def encode_channels(
    channels: Sequence[np.ndarray],
    quantizers: Sequence[Quantizer],
    reference_graph: ReferenceGraph,
    steps: int,
    coder: Coder,
    predictor: Predictor | None,
    workers: Workers,
) -> list[Stream]:
    """Streams of the threads of one block: int32 codes each, on the given grids, in lanes of `steps`."""

    def encode_group(group: range) -> list[Stream]:
        own = slice(group.start, group.stop)
        return _encode_group(channels[own], quantizers[own], reference_graph.part(group), steps, coder, predictor)

    groups = share_channels(workers.count, [codes.size for codes in channels], steps, reference_graph.dependency_groups)
    return [stream for group in workers.map(encode_group, groups) for stream in group]


def decode_channels(
    streams: Sequence[Stream],
    lengths: Sequence[int],
    quantizers: Sequence[Quantizer],
    reference_graph: ReferenceGraph,
    steps: int,
    coder: Coder,
    predictor: Predictor | None,
    workers: Workers,
    most_lanes: int = MAX_LANE_GROUP,
) -> list[np.ndarray | None]:
    """The reverse of `encode_channels`: int32 codes of each channel, or None for a channel that cannot be decoded
    because
    its own stream is damaged, or that of a channel it references. About `most_lanes` are walked together, or a
    bundle's.
    """

    def decode_group(group: range) -> list[np.ndarray | None]:
        own = slice(group.start, group.stop)
        return _decode_group(
            streams[own], lengths[own], quantizers[own], reference_graph.part(group), steps, coder, predictor
        )

    groups = share_channels(
        workers.count, lengths, steps, reference_graph.dependency_groups, min(most_lanes, MAX_LANE_GROUP)
    )
    return [codes for group in workers.map(decode_group, groups) for codes in group]


def _encode_group(
    channels: Sequence[np.ndarray],
    quantizers: Sequence[Quantizer],
    reference_graph: ReferenceGraph,
    steps: int,
    coder: Coder,
    predictor: Predictor | None,
) -> list[Stream]:
    packed: set[int] = set()
    while True:
        residuals = _encode_coded(channels, quantizers, reference_graph, packed, steps, coder, predictor)
        no_gain = {
            i for i, data in residuals.items() if len(data) >= packed_bytes(channels[i].size, quantizers[i].size)
        }
        packed |= no_gain
        # who leaned on a thread that is packed now cannot do so: all of them take the walk again
        if not any(other in no_gain for i in residuals for other in reference_graph.references[i]):
            break
    return [
        Stream(Method.PACKED, pack_codes(codes, quantizer.size)) if i in packed else Stream(Method.CODED, residuals[i])
        for i, (codes, quantizer) in enumerate(zip(channels, quantizers, strict=True))
    ]


def _encode_coded(
    channels: Sequence[np.ndarray],
    quantizers: Sequence[Quantizer],
    reference_graph: ReferenceGraph,
    packed: Container[int],
    steps: int,
    coder: Coder,
    predictor: Predictor | None,
) -> dict[int, bytes]:
    """Coded streams of the threads that are not to be packed."""
    chosen = [i for i in range(len(channels)) if i not in packed]
    if not chosen:
        return {}
    begin: Callable[[Lanes, Bins], _Encoder] = coder.encoder
    coded_group = run_group(channels, quantizers, reference_graph, chosen, steps, begin, predictor)
    streams = coded_group.coder.finish()
    return {i: entry + data for i, entry, data in zip(coded_group.order, coded_group.entries, streams, strict=True)}


class _Encoder(EntropyCoder, Protocol):
    def finish(self) -> list[bytes]: ...


@dataclass(frozen=True)
class CodedGroup(Generic[AnyCoder]):
    """A walk that was taken over all codes of some threads."""

    order: list[int]
    """Positions of the threads, in the order in which they took their steps."""
    entries: list[bytes]
    """Entries of each thread's lanes, in that order."""
    coder: AnyCoder
    """What took the steps; its threads are in that order."""


def run_group(
    channels: Sequence[np.ndarray],
    quantizers: Sequence[Quantizer],
    reference_graph: ReferenceGraph,
    chosen: Sequence[int],
    steps: int,
    begin: Callable[[Lanes, Bins], AnyCoder],
    predictor: Predictor | None,
) -> CodedGroup[AnyCoder]:
    """Take the `chosen` threads (at least one) of a group through the walk, with what `begin` makes for their lanes."""
    order = _in_pass_order(reference_graph, list(chosen))
    lanes = cut([channels[i].size for i in order], steps)
    bins = Bins.of([quantizers[i] for i in order], predictor.profile if predictor else None)
    codes = np.concatenate([channels[i] for i in order])
    gains = lane_gains(codes, lanes, bins)
    initial_codes = codes[lanes.start]
    coder = begin(lanes, bins)
    walk(lanes, bins, gains, initial_codes, codes, predictor, ReferenceTable.of(reference_graph, order), coder)
    return CodedGroup(order, encode_lane_headers(lanes, bins.size, gains, initial_codes), coder)


def _decode_group(
    streams: Sequence[Stream],
    lengths: Sequence[int],
    quantizers: Sequence[Quantizer],
    reference_graph: ReferenceGraph,
    steps: int,
    coder: Coder,
    predictor: Predictor | None,
) -> list[np.ndarray | None]:
    channels: list[np.ndarray | None] = [
        unpack_codes(stream.data, n, quantizer.size) if stream.method == Method.PACKED else None
        for stream, n, quantizer in zip(streams, lengths, quantizers, strict=True)
    ]
    # a few bytes may hold any number of samples that were sure; what a block can claim is bounded by the format
    order = _in_pass_order(
        reference_graph, [i for i, stream in enumerate(streams) if stream.method == Method.CODED and stream.data]
    )
    if not order:
        return channels
    lanes = cut([lengths[i] for i in order], steps)
    bins = Bins.of([quantizers[i] for i in order], predictor.profile if predictor else None)
    gains, initial_codes, used = decode_lane_headers(lanes, bins.size, [streams[i].data for i in order])
    decoder = coder.decoder(lanes, bins, [streams[i].data[n:] for i, n in zip(order, used, strict=True)])
    codes = np.zeros(int(lanes.length.sum(dtype=np.int64)), dtype=np.int32)
    walk(lanes, bins, gains, initial_codes, codes, predictor, ReferenceTable.of(reference_graph, order), decoder)
    ends = np.cumsum([lengths[i] for i in order])
    whole = decoder.finish()
    for k, i in enumerate(order):
        leans_on_damage = any(
            streams[j].method == Method.CODED and channels[j] is None for j in reference_graph.references[i]
        )
        if whole[k] and used[k] <= len(streams[i].data) and not leans_on_damage:
            channels[i] = codes[ends[k] - lengths[i] : ends[k]]
    return channels


def _in_pass_order(reference_graph: ReferenceGraph, positions: list[int]) -> list[int]:
    return sorted(positions, key=lambda i: reference_graph.passes[i])
