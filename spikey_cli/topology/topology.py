"""The topology: which channels were recorded together, and in which order they are coded.

Two channels with common activity are peers. Channels that peers connect, directly or through others, are a session.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

MAX_PEERS = 4
"""Maximum peers of a channel."""

MAX_PASSES = 16
"""Maximum number of coding passes; they are numbered from 0."""


@dataclass(frozen=True, slots=True)
class Peer:
    """Another channel of the same session."""

    channel: int
    """Index of that channel."""
    metric: int
    """Common activity, 0 to 255: |correlation| * 255, rounded."""


@dataclass(frozen=True)
class Topology:
    """Peers and coding pass of every channel.

    Peers are mutual, with one metric for both. They are sorted by descending metric, then by index; `from_pairs`
    builds them so.

    Parameters
    ----------
    peers : tuple of tuple of Peer
        Peers of each channel, at most MAX_PEERS.
    passes : tuple of int
        Coding pass of each channel, 0 to MAX_PASSES - 1. Within a time step, a channel is predicted from the current
        samples of the peers in earlier passes.

    Examples
    --------
    >>> topology = Topology.from_pairs([(0, 2, 200)], (0, 0, 1))
    >>> topology.peers[2]
    (Peer(channel=0, metric=200),)
    >>> topology.sessions()
    [[0, 2], [1]]
    """

    peers: tuple[tuple[Peer, ...], ...]
    passes: tuple[int, ...]

    @classmethod
    def independent(cls, n_channels: int) -> Topology:
        """Return the topology of `n_channels` channels without peers."""
        return cls(((),) * n_channels, (0,) * n_channels)

    @classmethod
    def from_pairs(cls, pairs: Iterable[tuple[int, int, int]], passes: Sequence[int]) -> Topology:
        """Build a topology.

        Parameters
        ----------
        pairs : iterable of (int, int, int)
            Two channels and their metric; each pair once.
        passes : sequence of int
            Coding pass of each channel.
        """
        peers: list[list[Peer]] = [[] for _ in passes]
        for a, b, metric in pairs:
            peers[a].append(Peer(b, metric))
            peers[b].append(Peer(a, metric))
        return cls(tuple(tuple(sorted(p, key=lambda q: (-q.metric, q.channel))) for p in peers), tuple(passes))

    def __str__(self) -> str:
        connected = sum(bool(peers) for peers in self.peers)
        return f"channels: {len(self.peers)}, with peers: {connected}, sessions: {len(self.sessions())}"

    def sessions(self) -> list[list[int]]:
        """Return the channels of each session, in order of the sessions' first channels."""
        sessions: list[list[int]] = []
        seen = [False] * len(self.peers)
        for first in range(len(self.peers)):
            if seen[first]:
                continue
            seen[first] = True
            session = [first]
            for channel in session:  # grows during the loop
                for peer in self.peers[channel]:
                    if not seen[peer.channel]:
                        seen[peer.channel] = True
                        session.append(peer.channel)
            sessions.append(sorted(session))
        return sessions

    def sessions_of_files(self, file_of_channel: Sequence[int]) -> list[list[int]]:
        """Return the files of each session.

        Parameters
        ----------
        file_of_channel : sequence of int
            File of each channel. All channels of a file belong to one session, with or without peers.
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
