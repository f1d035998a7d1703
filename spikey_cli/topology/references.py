"""References: the channels of the same block from whose samples a channel is predicted.

A channel may reference another one, as the topology says, if

    their parts cover the same frames           their lanes are aligned
    they are in the same dependency group       which bounds what decoding a channel may take
    the other one's stream is coded             a packed channel has no prediction errors

A dependency group is a run of channels in the order of the block. A new group starts at a channel if no channel before
it in the block is linked with it or with a later one, and after MAX_GROUP_CHANNELS channels. Two channels are linked if
one references the other in the topology and their parts cover the same frames.

Channels of a dependency group that links connect, directly or through others, are a joint group: all of them cover the
same frames. In addition to its references, a channel may be predicted from all channels of its joint group in earlier
coding passes: from their mean. Channels of different joint groups have nothing to do with each other.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np

from .topology import MAX_EARLIER, MAX_LATER, MIN_ORDER, Topology

MAX_GROUP_CHANNELS = 256
"""Maximum channels of a dependency group."""


class BlockChannel(NamedTuple):
    """A channel of a block: its index in the topology, and the frames of its part."""

    channel: int
    first_frame: int
    n_frames: int


@dataclass(frozen=True)
class ReferenceGraph:
    """Which channels of a block may reference which others; channels are positions in the block.

    Parameters
    ----------
    passes : tuple of int
        Coding pass of each channel.
    references : tuple of tuple of int
        Positions of earlier passes that each channel references, the nearest first.
    metrics : tuple of tuple of int
        Metric of each of these references, 0 to 255.
    later : tuple of tuple of int
        Positions of the same or of later passes that each channel references, the nearest first.
    lags : tuple of int
        Long lag of each channel in samples; 0 for none.
    orders : tuple of int
        Own differences that predict each channel.
    joint_groups : tuple of int
        A number that the channels of a joint group share.
    """

    passes: tuple[int, ...]
    references: tuple[tuple[int, ...], ...]
    metrics: tuple[tuple[int, ...], ...]
    later: tuple[tuple[int, ...], ...]
    lags: tuple[int, ...]
    orders: tuple[int, ...]
    joint_groups: tuple[int, ...]

    @classmethod
    def independent(cls, n_channels: int) -> ReferenceGraph:
        """Return the graph of channels without references."""
        none, zeros = ((),) * n_channels, (0,) * n_channels
        return cls(zeros, none, none, none, zeros, (MIN_ORDER,) * n_channels, tuple(range(n_channels)))

    @classmethod
    def of(cls, topology: Topology, channels: Sequence[BlockChannel]) -> ReferenceGraph:
        """Return the graph of a block with these channels, in its order."""
        # most that is kept here is of the channels with references only: blocks have up to 65,535 channels
        referring = [
            i for i, own in enumerate(channels) if topology.earlier[own.channel] or topology.later[own.channel]
        ]
        position = {channel: i for i, channel in enumerate(channels)} if referring else {}
        earlier: dict[int, dict[int, int]] = {}
        later: dict[int, list[int]] = {}
        for i in referring:
            channel = channels[i]
            metrics = {
                position.get(channel._replace(channel=j)): metric for j, metric in topology.earlier[channel.channel]
            }
            earlier[i] = {j: metric for j, metric in metrics.items() if j is not None}
            others = [position.get(channel._replace(channel=j)) for j in topology.later[channel.channel]]
            later[i] = [j for j in others if j is not None]
        groups = dependency_groups(len(channels), {i: [*earlier[i], *later[i]] for i in referring})
        starts = [group.start for group in groups]
        for i in referring:
            group = groups[bisect_right(starts, i) - 1]
            earlier[i] = {j: metric for j, metric in earlier[i].items() if j in group}
            later[i] = [j for j in later[i] if j in group]
        return cls(
            passes=tuple(topology.passes[channel.channel] for channel in channels),
            references=_filled(len(channels), {i: tuple(earlier[i]) for i in referring}),
            metrics=_filled(len(channels), {i: tuple(earlier[i].values()) for i in referring}),
            later=_filled(len(channels), {i: tuple(later[i]) for i in referring}),
            lags=tuple(topology.lags[channel.channel] for channel in channels),
            orders=tuple(topology.orders[channel.channel] for channel in channels),
            joint_groups=_joint_groups(len(channels), {i: [*earlier[i], *later[i]] for i in referring}),
        )

    @cached_property
    def _members(self) -> Mapping[int, Sequence[int]]:
        members = defaultdict(list)
        for i, group in enumerate(self.joint_groups):
            members[group].append(i)
        return members

    def sources(self, i: int) -> set[int]:
        """Return the positions whose samples enter the prediction of position `i` directly."""
        before = (j for j in self._members[self.joint_groups[i]] if self.passes[j] < self.passes[i])
        return {*before, *self.references[i], *self.later[i]}

    def needed(self, wanted: Collection[int]) -> list[int]:
        """Return the wanted positions and all that they depend on, directly or through others, sorted."""
        if len(wanted) == len(self.passes):
            return sorted(wanted)
        return _closure(wanted, self.sources)

    def dependent(self, positions: Collection[int]) -> list[int]:
        """Return the positions and all that depend on them, directly or through others, sorted."""
        dependent = defaultdict(set)
        for i in range(len(self.passes)):
            for j in self.sources(i):
                dependent[j].add(i)
        return _closure(positions, lambda i: dependent[i])

    def extended(self, n_more: int) -> ReferenceGraph:
        """Return the graph with so many independent positions more."""
        if n_more == 0:
            return self
        none, zeros = ((),) * n_more, (0,) * n_more
        group = max(self.joint_groups, default=-1) + 1
        return ReferenceGraph(
            passes=self.passes + zeros,
            references=self.references + none,
            metrics=self.metrics + none,
            later=self.later + none,
            lags=self.lags + zeros,
            orders=self.orders + (MIN_ORDER,) * n_more,
            joint_groups=self.joint_groups + tuple(range(group, group + n_more)),
        )

    def without(self, positions: Collection[int]) -> ReferenceGraph:
        """Return the same graph in which nothing depends on `positions`."""
        n = len(self.passes)
        kept = {j: j for j in range(n) if j not in positions}
        joint_groups = tuple(group if i in kept else n + i for i, group in enumerate(self.joint_groups))
        return replace(self._renumbered(range(n), kept), joint_groups=joint_groups)

    def subset(self, positions: Sequence[int]) -> ReferenceGraph:
        """Return the graph of sorted `positions` only, renumbered from 0; references to other channels are dropped."""
        return self._renumbered(positions, {position: i for i, position in enumerate(positions)})

    def _renumbered(self, positions: Sequence[int], new: Mapping[int, int]) -> ReferenceGraph:
        """The channels at `positions`, with references to those in `new` only, by their new numbers."""
        references = [
            {new[j]: metric for j, metric in zip(self.references[i], self.metrics[i], strict=True) if j in new}
            for i in positions
        ]
        return ReferenceGraph(
            passes=tuple(self.passes[i] for i in positions),
            references=tuple(tuple(others) for others in references),
            metrics=tuple(tuple(others.values()) for others in references),
            later=tuple(tuple(new[j] for j in self.later[i] if j in new) for i in positions),
            lags=tuple(self.lags[i] for i in positions),
            orders=tuple(self.orders[i] for i in positions),
            joint_groups=tuple(self.joint_groups[i] for i in positions),
        )


def _closure(positions: Iterable[int], following: Callable[[int], Iterable[int]]) -> list[int]:
    """Return the positions and all that follow from them, sorted."""
    found = set(positions)
    pending = list(found)
    while pending:
        more = set(following(pending.pop())) - found
        found |= more
        pending += more
    return sorted(found)


def _filled(count: int, items: Mapping[int, tuple[int, ...]]) -> tuple[tuple[int, ...], ...]:
    """Return the items by their positions, with empty tuples between them."""
    filled: list[tuple[int, ...]] = [()] * count
    for i, item in items.items():
        filled[i] = item
    return tuple(filled)


def _mutual(linked: Mapping[int, Iterable[int]]) -> dict[int, set[int]]:
    mutual: dict[int, set[int]] = defaultdict(set)
    for i, others in linked.items():
        for j in others:
            mutual[i].add(j)
            mutual[j].add(i)
    return mutual


def dependency_groups(count: int, linked: Mapping[int, Iterable[int]]) -> list[range]:
    """Return the dependency groups of so many channels, consecutive ranges, by the channels they are linked with."""
    groups = []
    start, reach, mutual = 0, -1, _mutual(linked)
    for i in range(count):
        if i > start and (i > reach or i - start == MAX_GROUP_CHANNELS):
            groups.append(range(start, i))
            start = i
        reach = max(reach, i, *mutual[i]) if i in mutual else max(reach, i)
    if count:
        groups.append(range(start, count))
    return groups


def _joint_groups(count: int, linked: Mapping[int, Iterable[int]]) -> tuple[int, ...]:
    """Return for each position the first one of those that links connect with it."""
    mutual = _mutual(linked)
    groups, done = list(range(count)), set[int]()
    for first in sorted(mutual):
        if first not in done:
            connected = _closure([first], mutual.__getitem__)
            done.update(connected)
            for i in connected:
                groups[i] = first
    return tuple(groups)


class ReferenceTable(NamedTuple):
    """The references of some channels as arrays, for the core; channels are sorted by coding pass.

    Parameters
    ----------
    passes : ndarray of int64, shape (passes + 1,)
        Index of the first channel of each coding pass that has any, then the number of channels.
    references : ndarray of int64, shape (channels, MAX_EARLIER)
        Channels of earlier passes that each channel references, the nearest first; then -1.
    metrics : ndarray of int64, shape (channels, MAX_EARLIER)
        Metrics of these references, 0 to 255; then 0.
    later : ndarray of int64, shape (channels, MAX_LATER)
        Channels of the same or of later passes that each channel references, the nearest first; then -1.
    lags : ndarray of int64, shape (channels,)
        Long lag of each channel in samples; 0 for none.
    orders : ndarray of int64, shape (channels,)
        Own differences that predict each channel.
    groups : ndarray of int64, shape (channels,)
        Joint group of each channel, numbered from 0.
    """

    passes: np.ndarray
    references: np.ndarray
    metrics: np.ndarray
    later: np.ndarray
    lags: np.ndarray
    orders: np.ndarray
    groups: np.ndarray

    @classmethod
    def of(cls, graph: ReferenceGraph, order: Sequence[int]) -> ReferenceTable:
        """Return the table of the positions in `order`, sorted by coding pass; other references are dropped."""
        new = {position: channel for channel, position in enumerate(order)}
        references = np.full((len(order), MAX_EARLIER), -1, dtype=np.int64)
        metrics = np.zeros((len(order), MAX_EARLIER), dtype=np.int64)
        later = np.full((len(order), MAX_LATER), -1, dtype=np.int64)
        for channel, i in enumerate(order):
            entries = zip(graph.references[i], graph.metrics[i], strict=True)
            for k, (other, metric) in enumerate((new[j], metric) for j, metric in entries if j in new):
                references[channel, k], metrics[channel, k] = other, metric
            for k, other in enumerate(new[j] for j in graph.later[i] if j in new):
                later[channel, k] = other
        passes = [graph.passes[i] for i in order]
        starts = [i for i, coding_pass in enumerate(passes) if i == 0 or coding_pass != passes[i - 1]]
        return cls(
            np.array([*starts, len(passes)], dtype=np.int64),
            references,
            metrics,
            later,
            np.array([graph.lags[i] for i in order], dtype=np.int64),
            np.array([graph.orders[i] for i in order], dtype=np.int64),
            np.unique(np.array([graph.joint_groups[i] for i in order], dtype=np.int64), return_inverse=True)[1],
        )
