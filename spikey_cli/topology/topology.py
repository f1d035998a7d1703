"""The topology: which channels are predicted from which others, and in which order they are coded.

Two channels are linked if one references the other. Channels that links connect, directly or through others, are a
session: they were recorded together.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

MAX_EARLIER = 8
"""Maximum references of a channel to channels of earlier coding passes."""

MAX_LATER = 2
"""Maximum references of a channel to channels of its own and of later coding passes."""

MAX_PASSES = 16
"""Maximum number of coding passes; they are numbered from 0."""

MIN_LAG, MAX_LAG = 32, 4096
"""Bounds of a long lag, in samples. Shorter lags are those of the adaptation; a coder keeps a lag's samples at hand."""

ORDERS = (8, 16, 32)
"""Orders of linear prediction: own last differences that predict a channel."""

MIN_ORDER = ORDERS[0]


class Reference(NamedTuple):
    """A channel of an earlier coding pass, from whose present and past samples another channel is predicted."""

    channel: int
    """Index of that channel."""
    metric: int
    """Common activity, 0 to 255: |correlation| * 255, rounded; 0 if it is not known."""


class Topology(NamedTuple):
    """Coding pass, references, long lag and order of every channel.

    Parameters
    ----------
    passes : tuple of int
        Coding pass of each channel, 0 to MAX_PASSES - 1.
    earlier : tuple of tuple of Reference
        Channels of earlier passes that each channel references, the nearest first, at most MAX_EARLIER. Within a time
        step, their samples are known.
    later : tuple of tuple of int
        Channels of the same or of later passes that each channel references, the nearest first, at most MAX_LATER. Only
        their samples of earlier time steps are known.
    lags : tuple of int
        A long lag in samples at which each channel resembles itself, MIN_LAG to MAX_LAG; 0 for none.
    orders : tuple of int
        How many of its own last differences predict each channel, one of ORDERS.

    Examples
    --------
    >>> topology = Topology((0, 0, 1), ((), (), (Reference(0, 200),)), ((2,), (), ()), (0, 0, 0), (8, 8, 32))
    >>> topology.earlier[2], topology.later[0]
    ((Reference(channel=0, metric=200),), (2,))
    >>> topology.sessions()
    [[0, 2], [1]]
    """

    passes: tuple[int, ...]
    earlier: tuple[tuple[Reference, ...], ...]
    later: tuple[tuple[int, ...], ...]
    lags: tuple[int, ...]
    orders: tuple[int, ...]

    @classmethod
    def independent(cls, n_channels: int, order: int = MIN_ORDER) -> Topology:
        """Return the topology of `n_channels` channels without references."""
        none = ((),) * n_channels
        return cls((0,) * n_channels, none, none, (0,) * n_channels, (order,) * n_channels)

    def __str__(self) -> str:
        connected = sum(bool(earlier or later) for earlier, later in zip(self.earlier, self.later, strict=True))
        return f"channels: {len(self.passes)}, with references: {connected}, sessions: {len(self.sessions())}"

    def without_metrics(self) -> Topology:
        """Return the same topology with metrics of 0; only models that pass messages take metrics."""
        earlier = tuple(tuple(Reference(one.channel, 0) for one in references) for references in self.earlier)
        return self._replace(earlier=earlier)

    def links(self) -> dict[tuple[int, int], int]:
        """Return the metrics of all linked pairs of channels, the lower index first; 0 where none is known."""
        links: dict[tuple[int, int], int] = {}
        for channel, (earlier, later) in enumerate(zip(self.earlier, self.later, strict=True)):
            metrics = {reference.channel: reference.metric for reference in earlier} | dict.fromkeys(later, 0)
            for other, metric in metrics.items():
                pair = (min(channel, other), max(channel, other))
                links[pair] = max(metric, links.get(pair, 0))
        return links

    def sessions(self) -> list[list[int]]:
        """Return the channels of each session, in order of the sessions' first channels."""
        linked: dict[int, list[int]] = defaultdict(list)
        for a, b in self.links():
            linked[a].append(b)
            linked[b].append(a)
        sessions: list[list[int]] = []
        seen = [False] * len(self.passes)
        for first in range(len(self.passes)):
            if seen[first]:
                continue
            seen[first] = True
            session = [first]
            for channel in session:  # grows during the loop
                for other in linked[channel]:
                    if not seen[other]:
                        seen[other] = True
                        session.append(other)
            sessions.append(sorted(session))
        return sessions

    def sessions_of_files(self, file_of_channel: Sequence[int]) -> list[list[int]]:
        """Return the files of each session.

        Parameters
        ----------
        file_of_channel : sequence of int
            File of each channel. All channels of a file belong to one session, with or without references.
        """
        sessions: list[list[int]] = []
        session_of: dict[int, list[int]] = {}
        for channels in self.sessions():
            files = sorted({file_of_channel[channel] for channel in channels})
            session = next((session_of[file] for file in files if file in session_of), None)
            if session is None:
                session = []
                sessions.append(session)
            for file in files:
                if file not in session_of:
                    session_of[file] = session
                    session.append(file)
        return sessions
