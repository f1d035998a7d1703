"""Streams of a block's channels: from codes to one stream for each channel, and back.

    coded stream     lane headers (see `core.lane_headers`), then what the coder wrote
    packed stream    codes of equal width (see `core.packed`), if that is not longer

Joint groups are divided among workers. A channel's stream depends on no code outside its joint group (see
`topology.references`), so it does not depend on the number of workers.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import NamedTuple, Protocol, TypeVar

import numpy as np

from ..container.parts import Method, Stream
from ..core.coders import Coder
from ..core.converter import Bins
from ..core.gain import lane_gains
from ..core.lane_headers import decode_lane_headers, encode_lane_headers
from ..core.lanes import cut
from ..core.packed import pack_codes, packed_bytes, unpack_codes
from ..core.quantizer import Quantizer
from ..core.range import RangeEncoder
from ..core.residual_log import ChannelLog, ResidualLog
from ..model.predictor import Predictor
from ..system.workers import Workers
from ..topology.references import ReferenceGraph, ReferenceTable
from .coding_state import CodingState, EntropyCoder
from .presets import EFFORT

Result = TypeVar("Result")

MIN_LANE_GROUP = 4
"""Least number of lanes that are worth another worker."""

VECTOR = 8
"""Lanes that the core takes at a time."""

MAX_LANE_GROUP = 1 << 10
"""Number of lanes above which channels are coded one group after another: their state fits into a cache."""


def share_channels(
    count: int, lengths: Sequence[int], steps: int, joint_groups: Sequence[int], max_lanes: int = MAX_LANE_GROUP
) -> list[list[int]]:
    """Divide channels into groups of whole joint groups with about equal numbers of lanes of similar length.

    All lanes of a group take as many steps as the longest one.

    Parameters
    ----------
    count : int
        Number of groups to make, unless they would have fewer than MIN_LANE_GROUP lanes.
    lengths : sequence of int
        Samples of each channel.
    steps : int
        Length of the longest lane.
    joint_groups : sequence of int
        Joint group of each channel.
    max_lanes : int
        Make more groups if they would have about more lanes than this.

    Returns
    -------
    list of list of int
        The channels of each group, sorted.
    """
    joint: dict[int, list[int]] = {}
    for i, number in enumerate(joint_groups):
        joint.setdefault(number, []).append(i)
    lanes = [-(-n // steps) for n in lengths]
    longest = {number: -(-lengths[channels[0]] // lanes[channels[0]]) for number, channels in joint.items()}
    groups: list[list[int]] = []
    done, total, share, shortest = 0, sum(lanes), 0, 0
    n_shares = max(min(count, total // MIN_LANE_GROUP), -(-total // max_lanes))
    for number in sorted(joint, key=lambda number: longest[number]):
        if done * n_shares >= share * total or longest[number] > 2 * shortest:
            groups.append([])
            share, shortest = done * n_shares // total + 1, longest[number]
        groups[-1] += joint[number]
        done += sum(lanes[i] for i in joint[number])
    return [sorted(group) for group in groups]


def encode_channels(
    channels: Sequence[np.ndarray],
    quantizers: Sequence[Quantizer],
    reference_graph: ReferenceGraph,
    steps: int,
    coder: Coder,
    predictor: Predictor | None,
    workers: Workers,
    effort: int = EFFORT,
    packed: Collection[int] = (),
) -> list[Stream]:
    """Encode the channels of one block.

    Parameters
    ----------
    channels : sequence of int32 arrays of shape (samples,)
        Codes of each channel.
    quantizers : sequence of Quantizer
        Quantizer of each channel.
    reference_graph : ReferenceGraph
    steps : int
        Length of the longest lane.
    coder : Coder
    predictor : Predictor or None
    workers : Workers
    effort : int
        How much the adaptation learns; see `presets`.
    packed : collection of int
        Channels that are not coded.

    Returns
    -------
    list of Stream
        The stream of each channel.
    """

    coded = [i for i, quantizer in enumerate(quantizers) if quantizer.size > 1 and i not in packed]
    # of a pass with fewer channels than a vector, on average, lanes are decoded side by side
    by_lane = coder.name == "range" and len(coded) < VECTOR * len({reference_graph.passes[i] for i in coded})

    def encode_group(group: list[int]) -> list[Stream]:
        own, graph = [channels[i] for i in group], reference_graph.subset(group)
        not_coded = {k for k, i in enumerate(group) if i in packed}
        own_quantizers = [quantizers[i] for i in group]
        return _encode_group(own, own_quantizers, graph, steps, coder, predictor, effort, not_coded, by_lane=by_lane)

    return _by_group(encode_group, [codes.size for codes in channels], steps, reference_graph, workers)


def decode_channels(
    streams: Sequence[Stream],
    lengths: Sequence[int],
    quantizers: Sequence[Quantizer],
    reference_graph: ReferenceGraph,
    steps: int,
    coder: Coder,
    predictor: Predictor | None,
    workers: Workers,
    max_lanes: int,
    effort: int,
) -> list[np.ndarray | None]:
    """Decode the channels of one block; the inverse of `encode_channels`.

    Parameters
    ----------
    streams : sequence of Stream
    lengths : sequence of int
        Samples of each channel.
    quantizers, reference_graph, steps, coder, predictor, workers, effort
        As in `encode_channels`.
    max_lanes : int
        About the largest number of lanes to decode together, unless a joint group has more.

    Returns
    -------
    list of int32 arrays of shape (samples,) or None
        None for a channel whose stream is damaged, or which depends on such a channel.
    """

    def decode_group(group: list[int]) -> list[np.ndarray | None]:
        own, graph = [quantizers[i] for i in group], reference_graph.subset(group)
        return _decode_group(
            [streams[i] for i in group], [lengths[i] for i in group], own, graph, steps, coder, predictor, effort
        )

    return _by_group(decode_group, lengths, steps, reference_graph, workers, max_lanes)


def log_channels(
    channels: Sequence[np.ndarray],
    quantizers: Sequence[Quantizer],
    reference_graph: ReferenceGraph,
    steps: int,
    coder: Coder,
    predictor: Predictor | None,
    workers: Workers,
) -> list[tuple[ChannelLog, int]]:
    """Encode the channels of one block, all of them coded, and record the predictions.

    Parameters
    ----------
    channels, quantizers, reference_graph, steps, coder, predictor, workers
        As in `encode_channels`.

    Returns
    -------
    list of (ChannelLog, int)
        The log of each channel, and the bits of its lane headers.
    """

    def log_group(group: list[int]) -> list[tuple[ChannelLog, int]]:
        own, graph, chosen = [channels[i] for i in group], reference_graph.subset(group), range(len(group))
        coded = _run_group(
            own, [quantizers[i] for i in group], graph, chosen, steps, coder, predictor, EFFORT, with_log=True
        )
        assert coded.log is not None
        header_bits = [8 * len(header) for header in coded.lane_headers]
        by_channel = dict(zip(coded.order, zip(coded.log.channels(), header_bits, strict=True), strict=True))
        return [by_channel[i] for i in chosen]

    return _by_group(log_group, [codes.size for codes in channels], steps, reference_graph, workers)


def _by_group(
    code_group: Callable[[list[int]], list[Result]],
    lengths: Sequence[int],
    steps: int,
    reference_graph: ReferenceGraph,
    workers: Workers,
    max_lanes: int = MAX_LANE_GROUP,
) -> list[Result]:
    """Divide a block's channels into groups for the workers; return the results of `code_group` of all channels."""
    groups = share_channels(workers.count, lengths, steps, reference_graph.joint_groups, max_lanes)
    by_channel: dict[int, Result] = {}
    for group, results in zip(groups, workers.map(code_group, groups), strict=True):
        by_channel.update(zip(group, results, strict=True))
    return [by_channel[i] for i in range(len(lengths))]


def _encode_group(
    channels: Sequence[np.ndarray],
    quantizers: Sequence[Quantizer],
    reference_graph: ReferenceGraph,
    steps: int,
    coder: Coder,
    predictor: Predictor | None,
    effort: int,
    not_coded: set[int],
    *,
    by_lane: bool,
) -> list[Stream]:
    packed = {i for i, quantizer in enumerate(quantizers) if quantizer.size == 1} | not_coded
    while True:
        coded: dict[int, bytes] = {}
        if chosen := [i for i in range(len(channels)) if i not in packed]:
            group = _run_group(
                channels, quantizers, reference_graph, chosen, steps, coder, predictor, effort, by_lane=by_lane
            )
            streams = zip(group.lane_headers, group.encoder.finish(), strict=True)
            coded = dict(zip(group.order, (header + data for header, data in streams), strict=True))
        not_shorter = {
            i for i, data in coded.items() if len(data) >= packed_bytes(channels[i].size, quantizers[i].size)
        }
        packed |= not_shorter
        # no other channel may depend on a packed one: encode again if one does
        if not any(not_shorter & reference_graph.sources(i) for i in coded):
            break
    return [
        Stream(Method.PACKED, pack_codes(codes, quantizer.size)) if i in packed else Stream(Method.CODED, coded[i])
        for i, (codes, quantizer) in enumerate(zip(channels, quantizers, strict=True))
    ]


class _Encoder(EntropyCoder, Protocol):
    def finish(self) -> list[bytes]: ...


class _CodedGroup(NamedTuple):
    """A group of channels after all their codes were encoded."""

    order: list[int]
    """Positions of the channels, in the order of coding passes."""
    lane_headers: list[bytes]
    """Lane headers of each channel, in that order."""
    encoder: _Encoder
    """Its channels are in that order."""
    log: ResidualLog | None


def _run_group(
    channels: Sequence[np.ndarray],
    quantizers: Sequence[Quantizer],
    reference_graph: ReferenceGraph,
    chosen: Sequence[int],
    steps: int,
    coder: Coder,
    predictor: Predictor | None,
    effort: int,
    *,
    by_lane: bool = False,
    with_log: bool = False,
) -> _CodedGroup:
    """Encode the `chosen` channels, at least one, of a group."""
    order = _in_pass_order(reference_graph, list(chosen))
    lanes = cut([channels[i].size for i in order], steps)
    bins = Bins.of([quantizers[i] for i in order], predictor.profile if predictor else None)
    codes = np.concatenate([channels[i] for i in order])
    gains = lane_gains(codes, lanes, bins)
    initial_codes = codes[lanes.start]
    encoder = RangeEncoder(lanes, bins, by_lane=True) if by_lane else coder.encoder(lanes, bins)
    log = ResidualLog(lanes) if with_log else None
    table = ReferenceTable.of(reference_graph, order)
    CodingState(lanes, bins, gains, initial_codes, predictor, table, effort=effort, log=log).run(encoder, codes)
    return _CodedGroup(order, encode_lane_headers(lanes, bins.size, gains, initial_codes), encoder, log)


def _decode_group(
    streams: Sequence[Stream],
    lengths: Sequence[int],
    quantizers: Sequence[Quantizer],
    reference_graph: ReferenceGraph,
    steps: int,
    coder: Coder,
    predictor: Predictor | None,
    effort: int,
) -> list[np.ndarray | None]:
    channels: list[np.ndarray | None] = [
        unpack_codes(stream.data, n, quantizer.size) if stream.method == Method.PACKED else None
        for stream, n, quantizer in zip(streams, lengths, quantizers, strict=True)
    ]
    coded = [
        i
        for i, (stream, quantizer) in enumerate(zip(streams, quantizers, strict=True))
        if stream.method == Method.CODED and stream.data and quantizer.size > 1  # a single code is packed
    ]
    order = _in_pass_order(reference_graph, coded)
    if not order:
        return channels
    lanes = cut([lengths[i] for i in order], steps)
    bins = Bins.of([quantizers[i] for i in order], predictor.profile if predictor else None)
    gains, initial_codes, used = decode_lane_headers(lanes, bins.size, [streams[i].data for i in order])
    decoder = coder.decoder(lanes, bins, [streams[i].data[n:] for i, n in zip(order, used, strict=True)])
    codes = np.zeros(int(lanes.length.sum(dtype=np.int64)), dtype=np.int32)
    table = ReferenceTable.of(reference_graph, order)
    CodingState(lanes, bins, gains, initial_codes, predictor, table, effort=effort).run(decoder, codes)
    ends = np.cumsum([lengths[i] for i in order])
    intact = decoder.finish()
    good = {i for k, i in enumerate(order) if intact[k] and used[k] <= len(streams[i].data)}
    packed = {i for i, stream in enumerate(streams) if stream.method == Method.PACKED}
    damaged = set(range(len(streams))) - packed - good
    lost = set(reference_graph.without(packed).dependent(damaged)) if damaged else damaged
    for k, i in enumerate(order):
        if i not in lost:
            channels[i] = codes[ends[k] - lengths[i] : ends[k]]
    return channels


def _in_pass_order(reference_graph: ReferenceGraph, positions: list[int]) -> list[int]:
    return sorted(positions, key=lambda i: reference_graph.passes[i])
