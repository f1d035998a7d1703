"""The topology as it stands in an archive, thread after thread.

1 byte    5 * wave + number of its peers with higher index
of each of those, by increasing index:
  uvarint   index - index of the one before (at first of the thread itself) - 1
  1 byte    metric
"""

from __future__ import annotations

from ..core.varint import get_uvarint, put_uvarint
from ..errors import ArchiveError
from ..topology.topology import MAX_PEERS, MAX_WAVES, Topology


def pack_topology(topology: Topology) -> bytes:
    """The topology as it stands in the archive; the module's text has the layout."""
    out = bytearray()
    for thread, (peers, wave) in enumerate(zip(topology.peers, topology.waves, strict=True)):
        later = sorted((peer.thread, peer.metric) for peer in peers if peer.thread > thread)
        out.append((MAX_PEERS + 1) * wave + len(later))
        before = thread
        for index, metric in later:
            put_uvarint(out, index - before - 1)
            out.append(metric)
            before = index
    return bytes(out)


def unpack_topology(buf: bytes | bytearray | memoryview, n_threads: int, most_pairs: int | None = None) -> Topology:
    """The reverse of `Topology.pack`, for `n_threads` threads, of which at most so many pairs are peers.

    Raises ArchiveError where a peer, its number or a wave is out of range, or `buf` is too short or too long.
    """
    pos = 0
    pairs: list[tuple[int, int, int]] = []
    waves: list[int] = []
    if len(buf) < n_threads:
        raise ArchiveError(f"the topology of {n_threads} threads is cut short")
    degree = [0] * n_threads
    for thread in range(n_threads):
        if pos >= len(buf):
            raise ArchiveError(f"the topology is cut short at thread {thread}")
        wave, n_later = divmod(buf[pos], MAX_PEERS + 1)
        pos += 1
        if wave >= MAX_WAVES:
            raise ArchiveError(f"thread {thread} is in wave {wave}, and {MAX_WAVES - 1} is the last there can be")
        waves.append(wave)
        index = thread
        for _ in range(n_later):
            gap, pos = get_uvarint(buf, pos)
            index += gap + 1
            if index >= n_threads:
                raise ArchiveError(f"thread {thread} has peer {index}, and there are {n_threads} threads")
            if pos >= len(buf):
                raise ArchiveError(f"the topology is cut short at thread {thread}")
            pairs.append((thread, index, buf[pos]))
            pos += 1
            degree[thread] += 1
            degree[index] += 1
        if most_pairs is not None and len(pairs) > most_pairs:
            raise ArchiveError(f"more than {most_pairs} pairs of threads are peers: no such archive is as small")
        if degree[thread] > MAX_PEERS:
            raise ArchiveError(f"thread {thread} has more than {MAX_PEERS} peers")
    if pos != len(buf):
        raise ArchiveError(f"the topology has {len(buf) - pos} bytes too many")
    return Topology.from_pairs(pairs, waves)
