"""Whom a thread looks at: its peers that take each step before it does, in the same block.

A thread leans on a peer (see `topology`) where

    the peer is in an earlier wave          so its sample of this step is known first
    their parts begin and end together      so their lanes lie side by side
    they are in one bundle                  so one worker has both
    the peer's stream is coded              a packed thread takes no steps

Bundles are runs of a block's threads, in the block's order: one ends where no thread behind it is a peer of one before,
and after MAX_BUNDLE threads.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from .topology import MAX_PEERS, Topology

MAX_GROUP_CHANNELS = 64
"""Threads of a bundle, at most."""

MAX_REFERENCES = MAX_PEERS
"""Peers that a thread leans on, at most."""


@dataclass(frozen=True, slots=True)
class BlockChannel:
    """Where a thread of a block belongs: its index in the topology, and the frames of its part."""

    channel: int
    first_frame: int
    n_frames: int


@dataclass(frozen=True)
class ReferenceGraph:
    """The threads of a block, or some bundles of it, by their positions there."""

    references: tuple[tuple[int, ...], ...]
    """Positions of those that each thread may lean on, nearest first."""
    metrics: tuple[tuple[int, ...], ...]
    """Their metric: how near they are, 0 to 255."""
    passes: tuple[int, ...]
    dependency_groups: tuple[range, ...]

    @classmethod
    def independent(cls, n_channels: int) -> ReferenceGraph:
        """Threads of which none leans on another."""
        nobody = ((),) * n_channels
        return cls(nobody, nobody, (0,) * n_channels, tuple(range(i, i + 1) for i in range(n_channels)))

    @classmethod
    def of(cls, topology: Topology, places: Sequence[BlockChannel]) -> ReferenceGraph:
        """The company of a block whose threads, in its order, have these places."""
        position = {(place.channel, place.first_frame): i for i, place in enumerate(places)}
        linked = [_linked(topology, place, places, position) for place in places]
        dependency_groups = _dependency_groups(linked)
        group_of = [b for b, dependency_group in enumerate(dependency_groups) for _ in dependency_group]
        passes = tuple(topology.passes[place.channel] for place in places)
        references = [
            {j: metric for j, metric in others.items() if group_of[j] == group_of[i] and passes[j] < passes[i]}
            for i, others in enumerate(linked)
        ]
        return cls(_keys(references), _values(references), passes, tuple(dependency_groups))

    def needed(self, wanted: Sequence[int]) -> list[int]:
        """The wanted positions and all that they lean on, directly or through others, in order."""
        found = set(wanted)
        ahead = list(found)
        while ahead:
            for other in self.references[ahead.pop()]:
                if other not in found:
                    found.add(other)
                    ahead.append(other)
        return sorted(found)

    def without(self, positions: Collection[int]) -> ReferenceGraph:
        """The same company, but nobody leans on these positions."""
        references = [
            {j: metric for j, metric in zip(others, metrics, strict=True) if j not in positions}
            for others, metrics in zip(self.references, self.metrics, strict=True)
        ]
        return ReferenceGraph(_keys(references), _values(references), self.passes, self.dependency_groups)

    def part(self, positions: Sequence[int]) -> ReferenceGraph:
        """The company of these positions alone, which are in order; what they lean on outside is left out."""
        new = {position: i for i, position in enumerate(positions)}
        references = [
            {new[j]: metric for j, metric in zip(self.references[i], self.metrics[i], strict=True) if j in new}
            for i in positions
        ]
        dependency_groups = []
        start = 0
        for dependency_group in self.dependency_groups:
            stop = start + sum(position in new for position in dependency_group)
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
    topology: Topology, place: BlockChannel, places: Sequence[BlockChannel], position: dict[tuple[int, int], int]
) -> dict[int, int]:
    """Positions of the peers, nearest first, whose parts begin and end with the thread's own; and their metric."""
    found = ((position.get((peer.channel, place.first_frame)), peer.metric) for peer in topology.peers[place.channel])
    return {j: metric for j, metric in found if j is not None and places[j].n_frames == place.n_frames}


def _dependency_groups(linked: Sequence[Iterable[int]]) -> list[range]:
    dependency_groups = []
    start, reach = 0, -1
    for i, others in enumerate(linked):
        if i > start and (i > reach or i - start == MAX_GROUP_CHANNELS):
            dependency_groups.append(range(start, i))
            start = i
        reach = max([reach, i, *others])
    if linked:
        dependency_groups.append(range(start, len(linked)))
    return dependency_groups


@dataclass(frozen=True, eq=False)
class ReferenceTable:
    """The company of a group of threads in the order in which they take a step: wave after wave."""

    passes: np.ndarray
    """The first thread of each wave that has any, then the number of threads: int64."""
    references: np.ndarray
    """Threads that each thread leans on, nearest first, then -1: int64 of shape (threads, MAX_LEANS)."""
    metrics: np.ndarray
    """How near those are, 0 to 255: int64 of the same shape."""

    @classmethod
    def of(cls, reference_graph: ReferenceGraph, order: Sequence[int]) -> ReferenceTable:
        """Of the threads at these positions of a company, which come wave after wave; they lean on none but these."""
        new = {position: channel for channel, position in enumerate(order)}
        references = np.full((len(order), MAX_REFERENCES), -1, dtype=np.int64)
        metrics = np.zeros((len(order), MAX_REFERENCES), dtype=np.int64)
        for channel, i in enumerate(order):
            near = zip(reference_graph.references[i], reference_graph.metrics[i], strict=True)
            for k, (other, metric) in enumerate((new[j], metric) for j, metric in near if j in new):
                references[channel, k], metrics[channel, k] = other, metric
        passes = [reference_graph.passes[i] for i in order]
        starts = [i for i, coding_pass in enumerate(passes) if i == 0 or coding_pass != passes[i - 1]]
        return cls(np.array([*starts, len(passes)], dtype=np.int64), references, metrics)
