"""Topology: which threads were recorded together, and how much of their activity they share.

A thread is one channel of one file. Threads of equal length and rate may have been recorded at the same time; then
neighbours hear the same cells and the same interference, and what is left of them in the spike band is correlated,
sample by sample. So:

    spike band   details of levels 2 and 3 of the discrete Meyer wavelet (an eighth to a half of the Nyquist frequency:
                 1.2 to 4.9 kHz at 19.5 kHz) of an excerpt, each level scaled to unit variance, rounded to bytes
    metric       |correlation| of two spike bands, 0..255 for 0..1: the closer in common activity, the larger
    peers        threads whose correlation stands out of chance: at least `SIGNIFICANCE` standard errors; the strongest
                 `MAX_PEERS` of each thread
    wave         place in the coding order inside a time step: a thread may look at the present of peers of earlier
                 waves. Threads take, one after another, the first wave that none of their peers has (greedy colouring)

Packed, thread by thread:

    wave << 4 | number of peers                               one byte
    zigzag(peer - thread)  uvarint,  metric  one byte         of each peer, the strongest first

The discrete Meyer wavelet is that of PyWavelets; its detail filters leave a trace of the mean, which is taken off first.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np

from .errors import ArchiveError
from .varint import get_uvarint, put_uvarint, unzigzag, zigzag

MAX_PEERS = 4
MAX_WAVES = 4

EXCERPT_SAMPLES = 65536
"""Samples of each thread that are looked at; half of them find the sessions of the N1 recordings too, less clearly."""

SIGNIFICANCE = 6.0
"""Standard errors. On the N1 training recordings pairs of one session reach at least 9, strangers at most 4.4."""

_LEVELS = (2, 3)
_UNITS = 32
"""Band values a standard deviation."""

_THREADS_AT_ONCE = 512


@dataclass(frozen=True)
class Peer:
    """A thread that another one may look at, by index, and the metric between them, 0..255."""

    thread: int
    metric: int


@dataclass(frozen=True)
class Topology:
    """Peers (strongest first) and wave of every thread."""

    peers: tuple[tuple[Peer, ...], ...]
    waves: tuple[int, ...]

    @classmethod
    def alone(cls, n_threads: int) -> Topology:
        """Threads that have no peers."""
        return cls(((),) * n_threads, (0,) * n_threads)

    def sessions(self) -> list[list[int]]:
        """Threads that peers connect, as sorted lists, in the order of their first threads."""
        neighbours: list[set[int]] = [{peer.thread for peer in peers} for peers in self.peers]
        for thread, peers in enumerate(self.peers):
            for peer in peers:
                neighbours[peer.thread].add(thread)
        sessions, seen = [], [False] * len(neighbours)
        for first in range(len(neighbours)):
            if seen[first]:
                continue
            session, reached = [], [first]
            seen[first] = True
            while reached:
                thread = reached.pop()
                session.append(thread)
                fresh = [n for n in neighbours[thread] if not seen[n]]
                for n in fresh:
                    seen[n] = True
                reached += fresh
            sessions.append(sorted(session))
        return sessions

    def pack(self) -> bytes:
        """The bytes that `unpack_topology` reads."""
        out = bytearray()
        for thread, (peers, wave) in enumerate(zip(self.peers, self.waves, strict=True)):
            out.append(wave << 4 | len(peers))
            for peer in peers:
                put_uvarint(out, zigzag(peer.thread - thread))
                out.append(peer.metric)
        return bytes(out)


def unpack_topology(buf: bytes, n_threads: int) -> Topology:
    """Read the topology of `n_threads` threads, which takes all of `buf`.

    Raises ArchiveError where the bytes are none: peers or waves out of range, a thread that is its own peer or names one
    twice, bytes missing or left over.
    """
    if n_threads > len(buf):
        raise ArchiveError("the topology is cut off")
    all_peers, waves, at = [], [], 0
    for thread in range(n_threads):
        if at >= len(buf):
            raise ArchiveError("the topology is cut off")
        wave, count = divmod(buf[at], 16)
        at += 1
        if wave >= MAX_WAVES or count > MAX_PEERS:
            raise ArchiveError(f"thread {thread} has wave {wave} and {count} peers")
        peers = []
        for _ in range(count):
            distance, at = get_uvarint(buf, at)
            other = thread + unzigzag(distance)
            if at >= len(buf):
                raise ArchiveError("the topology is cut off")
            peers.append(Peer(other, buf[at]))
            at += 1
        others = {peer.thread for peer in peers}
        if len(others) != count or thread in others or not all(0 <= other < n_threads for other in others):
            raise ArchiveError(f"thread {thread} has peers that cannot be")
        all_peers.append(tuple(peers))
        waves.append(wave)
    if at != len(buf):
        raise ArchiveError(f"the topology has {len(buf) - at} bytes too many")
    return Topology(tuple(all_peers), tuple(waves))


def spike_band(samples: np.ndarray) -> np.ndarray:
    """Spike bands of some channels' first `EXCERPT_SAMPLES` samples, [samples, channels].

    Returns int8 of shape (channels, coefficients). A constant channel has a band of zeros.
    """
    bands = [_thread_band(thread) for thread in samples[:EXCERPT_SAMPLES].T]
    return np.stack(bands) if bands else np.zeros((0, 0), dtype=np.int8)


def _thread_band(samples: np.ndarray) -> np.ndarray:
    import pywt

    # float32, one thread at a time: so PyWavelets lets other threads of execution run meanwhile
    at = samples.astype(np.float32)
    smallest = 1e-6 * (1.0 + float(np.abs(at).max(initial=0.0)))  # what rounding leaves of a constant
    at -= at.mean() if at.size else 0.0
    bands = [np.zeros(0, dtype=np.int8)]
    for level in range(1, max(_LEVELS) + 1):
        if at.size < 2:
            break
        if level not in _LEVELS:
            at = pywt.downcoef("a", at, "dmey", mode="periodization")  # half the work of `dwt`
            continue
        at, detail = pywt.dwt(at, "dmey", mode="periodization")
        deviation = math.sqrt(float(np.mean(detail**2)))
        unit = _UNITS / deviation if deviation > smallest else 0.0
        bands.append(np.clip(np.rint(detail * unit), -127, 127).astype(np.int8))
    return np.concatenate(bands)


def find_topology(bands: Sequence[np.ndarray], keys: Sequence[Hashable]) -> Topology:
    """Find peers and waves of threads with the given spike bands.

    `bands` are int8, of one length among threads with equal keys (their length and rate); only these are compared.
    """
    groups: dict[Hashable, list[int]] = {}
    for thread, key in enumerate(keys):
        if bands[thread].any():
            groups.setdefault(key, []).append(thread)
    found: list[list[Peer]] = [[] for _ in keys]
    for threads in groups.values():
        for a, b, metric in _correlated(threads, bands):
            found[a].append(Peer(b, metric))
            found[b].append(Peer(a, metric))
    peers = tuple(tuple(sorted(own, key=lambda peer: (-peer.metric, peer.thread))[:MAX_PEERS]) for own in found)
    return Topology(peers, _waves(peers))


def _correlated(threads: Sequence[int], bands: Sequence[np.ndarray]) -> list[tuple[int, int, int]]:
    """Pairs (thread, later thread, metric) that are correlated beyond chance."""
    pairs = []
    chunks = [threads[i : i + _THREADS_AT_ONCE] for i in range(0, len(threads), _THREADS_AT_ONCE)]
    least = SIGNIFICANCE / np.sqrt(bands[threads[0]].size)
    for i, chunk in enumerate(chunks):
        if len(threads) == 1:
            break
        rows = _unit_rows(chunk, bands)
        for later in chunks[i:]:
            columns = rows if later is chunk else _unit_rows(later, bands)
            # rounded, so that the order of a sum's terms shows nowhere
            correlation = np.rint(np.abs(rows @ columns.T) * 4096) / 4096
            for r, c in np.argwhere(correlation >= least).tolist():
                if chunk[r] < later[c]:
                    pairs.append((chunk[r], later[c], min(255, round(255 * float(correlation[r, c])))))
    return pairs


def _unit_rows(threads: Sequence[int], bands: Sequence[np.ndarray]) -> np.ndarray:
    rows = np.stack([bands[thread] for thread in threads]).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def _waves(peers: Sequence[Sequence[Peer]]) -> tuple[int, ...]:
    neighbours: list[set[int]] = [set() for _ in peers]
    for thread, own in enumerate(peers):
        for peer in own:
            neighbours[thread].add(peer.thread)
            neighbours[peer.thread].add(thread)
    waves = [0] * len(peers)
    for thread in range(len(peers)):
        taken = {waves[other] for other in neighbours[thread] if other < thread}
        waves[thread] = next((wave for wave in range(MAX_WAVES) if wave not in taken), MAX_WAVES - 1)
    return tuple(waves)
