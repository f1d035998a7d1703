"""The topology: which channels were recorded together, and in which order they are coded.

Pairs of channels with common activity are peers; channels that peers join, directly or through others, are a session.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

MAX_PEERS = 4
"""Peers of a thread, at most."""

MAX_PASSES = 16
"""Waves, at most: they are 0 to 15."""


@dataclass(frozen=True, slots=True)
class Peer:
    """Another thread of the same session."""

    channel: int
    """Index of that thread."""
    metric: int
    """Distance in common activity: 255 times the size of the correlation, rounded; 255 is nearest, 0 farthest."""


@dataclass(frozen=True)
class Topology:
    """Peers and wave of every thread.

    Peers are mutual, with one metric for both; nearest first, then by index. `from_pairs` builds it so.
    """

    peers: tuple[tuple[Peer, ...], ...]
    """Of each thread, at most MAX_PEERS."""
    passes: tuple[int, ...]
    """Of each thread, 0 to MAX_WAVES - 1."""

    @classmethod
    def independent(cls, n_channels: int) -> Topology:
        """The topology of `n_channels` threads without peers, all in wave 0."""
        return cls(((),) * n_channels, (0,) * n_channels)

    @classmethod
    def from_pairs(cls, pairs: Iterable[tuple[int, int, int]], passes: Sequence[int]) -> Topology:
        """Topology of pairs (thread, other thread, metric), each pair once, and the wave of each thread."""
        peers: list[list[Peer]] = [[] for _ in passes]
        for a, b, metric in pairs:
            peers[a].append(Peer(b, metric))
            peers[b].append(Peer(a, metric))
        return cls(tuple(tuple(sorted(p, key=lambda q: (-q.metric, q.channel))) for p in peers), tuple(passes))

    def __str__(self) -> str:
        joined = sum(bool(peers) for peers in self.peers)
        return f"threads: {len(self.peers)}, with peers: {joined}, sessions: {len(self.sessions())}"

    def sessions(self) -> list[list[int]]:
        """Threads that peers join, directly or through others: a list of sessions, by their first threads."""
        found: list[list[int]] = []
        seen = [False] * len(self.peers)
        for first in range(len(self.peers)):
            if seen[first]:
                continue
            seen[first] = True
            session = [first]
            for channel in session:  # grows while it is read
                for peer in self.peers[channel]:
                    if not seen[peer.channel]:
                        seen[peer.channel] = True
                        session.append(peer.channel)
            found.append(sorted(session))
        return found

    def sessions_of_files(self, file_of_channel: Sequence[int]) -> list[list[int]]:
        """The same of files, by the file of each thread: the channels of one belong together, peers or not."""
        found: list[list[int]] = []
        session_of: dict[int, list[int]] = {}
        for channels in self.sessions():
            files = sorted({file_of_channel[channel] for channel in channels})
            session = next((session_of[file] for file in files if file in session_of), None)
            if session is None:
                session = []
                found.append(session)
            for file in files:
                if file not in session_of:
                    session_of[file] = session
                    session.append(file)
        return found
