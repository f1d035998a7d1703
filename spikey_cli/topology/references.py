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

MAX_BUNDLE = 64
"""Threads of a bundle, at most."""

MAX_LEANS = MAX_PEERS
"""Peers that a thread leans on, at most."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a thread of a block belongs: its index in the topology, and the frames of its part."""

    thread: int
    first_frame: int
    n_frames: int


@dataclass(frozen=True)
class Company:
    """The threads of a block, or some bundles of it, by their positions there."""

    leans: tuple[tuple[int, ...], ...]
    """Positions of those that each thread may lean on, nearest first."""
    metrics: tuple[tuple[int, ...], ...]
    """Their metric: how near they are, 0 to 255."""
    waves: tuple[int, ...]
    bundles: tuple[range, ...]

    @classmethod
    def alone(cls, n_threads: int) -> Company:
        """Threads of which none leans on another."""
        nobody = ((),) * n_threads
        return cls(nobody, nobody, (0,) * n_threads, tuple(range(i, i + 1) for i in range(n_threads)))

    @classmethod
    def of(cls, topology: Topology, places: Sequence[Place]) -> Company:
        """The company of a block whose threads, in its order, have these places."""
        position = {(place.thread, place.first_frame): i for i, place in enumerate(places)}
        linked = [_linked(topology, place, places, position) for place in places]
        bundles = _bundles(linked)
        bundle_of = [b for b, bundle in enumerate(bundles) for _ in bundle]
        waves = tuple(topology.waves[place.thread] for place in places)
        leans = [
            {j: metric for j, metric in others.items() if bundle_of[j] == bundle_of[i] and waves[j] < waves[i]}
            for i, others in enumerate(linked)
        ]
        return cls(_keys(leans), _values(leans), waves, tuple(bundles))

    def needed(self, wanted: Sequence[int]) -> list[int]:
        """The wanted positions and all that they lean on, directly or through others, in order."""
        found = set(wanted)
        ahead = list(found)
        while ahead:
            for other in self.leans[ahead.pop()]:
                if other not in found:
                    found.add(other)
                    ahead.append(other)
        return sorted(found)

    def without(self, positions: Collection[int]) -> Company:
        """The same company, but nobody leans on these positions."""
        leans = [
            {j: metric for j, metric in zip(others, metrics, strict=True) if j not in positions}
            for others, metrics in zip(self.leans, self.metrics, strict=True)
        ]
        return Company(_keys(leans), _values(leans), self.waves, self.bundles)

    def part(self, positions: Sequence[int]) -> Company:
        """The company of these positions alone, which are in order; what they lean on outside is left out."""
        new = {position: i for i, position in enumerate(positions)}
        leans = [
            {new[j]: metric for j, metric in zip(self.leans[i], self.metrics[i], strict=True) if j in new}
            for i in positions
        ]
        bundles = []
        start = 0
        for bundle in self.bundles:
            stop = start + sum(position in new for position in bundle)
            if stop > start:
                bundles.append(range(start, stop))
            start = stop
        return Company(_keys(leans), _values(leans), tuple(self.waves[i] for i in positions), tuple(bundles))


def _keys(tables: Sequence[dict[int, int]]) -> tuple[tuple[int, ...], ...]:
    return tuple(tuple(table) for table in tables)


def _values(tables: Sequence[dict[int, int]]) -> tuple[tuple[int, ...], ...]:
    return tuple(tuple(table.values()) for table in tables)


def _linked(
    topology: Topology, place: Place, places: Sequence[Place], position: dict[tuple[int, int], int]
) -> dict[int, int]:
    """Positions of the peers, nearest first, whose parts begin and end with the thread's own; and their metric."""
    found = ((position.get((peer.thread, place.first_frame)), peer.metric) for peer in topology.peers[place.thread])
    return {j: metric for j, metric in found if j is not None and places[j].n_frames == place.n_frames}


def _bundles(linked: Sequence[Iterable[int]]) -> list[range]:
    bundles = []
    start, reach = 0, -1
    for i, others in enumerate(linked):
        if i > start and (i > reach or i - start == MAX_BUNDLE):
            bundles.append(range(start, i))
            start = i
        reach = max([reach, i, *others])
    if linked:
        bundles.append(range(start, len(linked)))
    return bundles


@dataclass(frozen=True, eq=False)
class Peers:
    """The company of a group of threads in the order in which they take a step: wave after wave."""

    waves: np.ndarray
    """The first thread of each wave that has any, then the number of threads: int64."""
    leans: np.ndarray
    """Threads that each thread leans on, nearest first, then -1: int64 of shape (threads, MAX_LEANS)."""
    metrics: np.ndarray
    """How near those are, 0 to 255: int64 of the same shape."""

    @classmethod
    def of(cls, company: Company, order: Sequence[int]) -> Peers:
        """Of the threads at these positions of a company, which come wave after wave; they lean on none but these."""
        new = {position: thread for thread, position in enumerate(order)}
        leans = np.full((len(order), MAX_LEANS), -1, dtype=np.int64)
        metrics = np.zeros((len(order), MAX_LEANS), dtype=np.int64)
        for thread, i in enumerate(order):
            near = zip(company.leans[i], company.metrics[i], strict=True)
            for k, (other, metric) in enumerate((new[j], metric) for j, metric in near if j in new):
                leans[thread, k], metrics[thread, k] = other, metric
        waves = [company.waves[i] for i in order]
        starts = [i for i, wave in enumerate(waves) if i == 0 or wave != waves[i - 1]]
        return cls(np.array([*starts, len(waves)], dtype=np.int64), leans, metrics)
