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

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .topology import MAX_PEERS, Topology

MAX_BUNDLE = 64
"""Threads of a bundle, at most."""

MAX_LEANS = MAX_PEERS
"""Peers that a thread leans on, at most."""


@dataclass(frozen=True)
class Place:
    """Where a thread of a block belongs: its index in the topology, and the frames of its part."""

    thread: int
    first_frame: int
    n_frames: int


@dataclass(frozen=True)
class Company:
    """The threads of a block, or some bundles of it, by their positions there.

    `leans` has for each the positions of those that it may lean on, `waves` its wave, `bundles` the bundles.
    """

    leans: tuple[tuple[int, ...], ...]
    waves: tuple[int, ...]
    bundles: tuple[range, ...]

    @classmethod
    def alone(cls, n_threads: int) -> Company:
        """Threads of which none leans on another."""
        return cls(((),) * n_threads, (0,) * n_threads, tuple(range(i, i + 1) for i in range(n_threads)))

    @classmethod
    def of(cls, topology: Topology, places: Sequence[Place]) -> Company:
        """The company of a block whose threads, in its order, have these places."""
        position = {(place.thread, place.first_frame): i for i, place in enumerate(places)}
        linked = [_linked(topology, place, places, position) for place in places]
        bundles = _bundles(linked)
        bundle_of = [b for b, bundle in enumerate(bundles) for _ in bundle]
        waves = tuple(topology.waves[place.thread] for place in places)
        leans = tuple(
            tuple(other for other in others if bundle_of[other] == bundle_of[i] and waves[other] < waves[i])
            for i, others in enumerate(linked)
        )
        return cls(leans, waves, tuple(bundles))

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

    def part(self, positions: Sequence[int]) -> Company:
        """The company of these positions alone, which are in order; what they lean on outside is left out."""
        new = {position: i for i, position in enumerate(positions)}
        leans = tuple(tuple(new[other] for other in self.leans[i] if other in new) for i in positions)
        bundles = []
        start = 0
        for bundle in self.bundles:
            stop = start + sum(position in new for position in bundle)
            if stop > start:
                bundles.append(range(start, stop))
            start = stop
        return Company(leans, tuple(self.waves[i] for i in positions), tuple(bundles))


def _linked(
    topology: Topology, place: Place, places: Sequence[Place], position: dict[tuple[int, int], int]
) -> list[int]:
    """Positions of the peers, nearest first, whose parts begin and end with the thread's own."""
    found = (position.get((peer.thread, place.first_frame)) for peer in topology.peers[place.thread])
    return [other for other in found if other is not None and places[other].n_frames == place.n_frames]


def _bundles(linked: Sequence[Sequence[int]]) -> list[range]:
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
    """Threads that each thread leans on, then -1: int64 of shape (threads, MAX_LEANS)."""

    @classmethod
    def of(cls, leans: Sequence[Sequence[int]], waves: Sequence[int]) -> Peers:
        """Of threads that are in the order of their `waves`."""
        table = np.full((len(waves), MAX_LEANS), -1, dtype=np.int64)
        for thread, others in enumerate(leans):
            table[thread, : len(others)] = others
        starts = [i for i, wave in enumerate(waves) if i == 0 or wave != waves[i - 1]]
        return cls(np.array([*starts, len(waves)], dtype=np.int64), table)
