"""References: the peers in the same block from whose current sample a channel is predicted.

A channel references a peer (see `topology`) if

    the peer is in an earlier coding pass       its sample of the current step is decoded first
    their parts cover the same frames           their lanes are aligned
    they are in the same dependency group       one worker decodes both
    the peer's stream is coded                  a packed channel has no prediction errors

A dependency group is a run of channels in the order of the block. A new group starts at a channel if no channel before
it in the block is linked with it or with a later one, and after MAX_GROUP_CHANNELS channels. Two channels are linked if
they are peers and their parts cover the same frames.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from .topology import MAX_PEERS, Topology

MAX_GROUP_CHANNELS = 64
"""Maximum channels of a dependency group."""

MAX_REFERENCES = MAX_PEERS
"""Maximum references of a channel."""


@dataclass(frozen=True, slots=True)
class BlockChannel:
    """A channel of a block: its index in the topology, and the frames of its part."""

    channel: int
    first_frame: int
    n_frames: int


@dataclass(frozen=True)
class ReferenceGraph:
    """Which channels of a block may reference which others; channels are positions in the block.

    Parameters
    ----------
    references : tuple of tuple of int
        Positions that each channel may reference, by descending metric.
    metrics : tuple of tuple of int
        Metric of each reference, 0 to 255.
    passes : tuple of int
        Coding pass of each channel.
    dependency_groups : tuple of range
        Consecutive ranges that cover all positions. No channel references one of another group.
    """

    references: tuple[tuple[int, ...], ...]
    metrics: tuple[tuple[int, ...], ...]
    passes: tuple[int, ...]
    dependency_groups: tuple[range, ...]

    @classmethod
    def independent(cls, n_channels: int) -> ReferenceGraph:
        """Return the graph of channels without references."""
        none = ((),) * n_channels
        return cls(none, none, (0,) * n_channels, tuple(range(i, i + 1) for i in range(n_channels)))

    @classmethod
    def of(cls, topology: Topology, channels: Sequence[BlockChannel]) -> ReferenceGraph:
        """Return the graph of a block with these channels, in its order."""
        position = {(channel.channel, channel.first_frame): i for i, channel in enumerate(channels)}
        linked = [_linked(topology, channel, channels, position) for channel in channels]
        dependency_groups = _dependency_groups(linked)
        group_of = [number for number, group in enumerate(dependency_groups) for _ in group]
        passes = tuple(topology.passes[channel.channel] for channel in channels)
        references = [
            {j: metric for j, metric in others.items() if group_of[j] == group_of[i] and passes[j] < passes[i]}
            for i, others in enumerate(linked)
        ]
        return cls(_keys(references), _values(references), passes, tuple(dependency_groups))

    def needed(self, wanted: Sequence[int]) -> list[int]:
        """Return the wanted positions and all that they reference, directly or through others, sorted."""
        needed = set(wanted)
        pending = list(needed)
        while pending:
            for other in self.references[pending.pop()]:
                if other not in needed:
                    needed.add(other)
                    pending.append(other)
        return sorted(needed)

    def without(self, positions: Collection[int]) -> ReferenceGraph:
        """Return the same graph without references to `positions`."""
        references = [
            {j: metric for j, metric in zip(others, metrics, strict=True) if j not in positions}
            for others, metrics in zip(self.references, self.metrics, strict=True)
        ]
        return ReferenceGraph(_keys(references), _values(references), self.passes, self.dependency_groups)

    def subset(self, positions: Sequence[int]) -> ReferenceGraph:
        """Return the graph of sorted `positions` only, renumbered from 0; references to other channels are dropped."""
        new = {position: i for i, position in enumerate(positions)}
        references = [
            {new[j]: metric for j, metric in zip(self.references[i], self.metrics[i], strict=True) if j in new}
            for i in positions
        ]
        dependency_groups = []
        start = 0
        for group in self.dependency_groups:
            stop = start + sum(position in new for position in group)
            if stop > start:
                dependency_groups.append(range(start, stop))
            start = stop
        return ReferenceGraph(
            _keys(references), _values(references), tuple(self.passes[i] for i in positions), tuple(dependency_groups)
        )


def _keys(tables: Sequence[dict[int, int]]) -> tuple[tuple[int, ...], ...]:
    return tuple(tuple(table) for table in tables)


def _values(tables: Sequence[dict[int, int]]) -> tuple[tuple[int, ...], ...]:
    return tuple(tuple(table.values()) for table in tables)


def _linked(
    topology: Topology, channel: BlockChannel, channels: Sequence[BlockChannel], position: dict[tuple[int, int], int]
) -> dict[int, int]:
    """Positions of the channel's peers whose parts cover the same frames, by descending metric, with their metrics."""
    peers = topology.peers[channel.channel]
    positions = ((position.get((peer.channel, channel.first_frame)), peer.metric) for peer in peers)
    return {j: metric for j, metric in positions if j is not None and channels[j].n_frames == channel.n_frames}


def _dependency_groups(linked: Sequence[Iterable[int]]) -> list[range]:
    groups = []
    start, reach = 0, -1
    for i, others in enumerate(linked):
        if i > start and (i > reach or i - start == MAX_GROUP_CHANNELS):
            groups.append(range(start, i))
            start = i
        reach = max([reach, i, *others])
    if linked:
        groups.append(range(start, len(linked)))
    return groups


@dataclass(frozen=True, eq=False)
class ReferenceTable:
    """The references of some channels as arrays, for the core; channels are sorted by coding pass.

    Parameters
    ----------
    passes : ndarray of int64, shape (passes + 1,)
        Index of the first channel of each coding pass that has any, then the number of channels.
    references : ndarray of int64, shape (channels, MAX_REFERENCES)
        Channels that each channel references, by descending metric; then -1.
    metrics : ndarray of int64, shape (channels, MAX_REFERENCES)
        Metrics of the references, 0 to 255; then 0.
    """

    passes: np.ndarray
    references: np.ndarray
    metrics: np.ndarray

    @classmethod
    def of(cls, graph: ReferenceGraph, order: Sequence[int]) -> ReferenceTable:
        """Return the table of the positions in `order`, sorted by coding pass; other references are dropped."""
        new = {position: channel for channel, position in enumerate(order)}
        references = np.full((len(order), MAX_REFERENCES), -1, dtype=np.int64)
        metrics = np.zeros((len(order), MAX_REFERENCES), dtype=np.int64)
        for channel, i in enumerate(order):
            entries = zip(graph.references[i], graph.metrics[i], strict=True)
            for k, (other, metric) in enumerate((new[j], metric) for j, metric in entries if j in new):
                references[channel, k], metrics[channel, k] = other, metric
        passes = [graph.passes[i] for i in order]
        starts = [i for i, coding_pass in enumerate(passes) if i == 0 or coding_pass != passes[i - 1]]
        return cls(np.array([*starts, len(passes)], dtype=np.int64), references, metrics)
