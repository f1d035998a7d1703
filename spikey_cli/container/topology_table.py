"""The topology as it stands in an archive, thread after thread.

1 byte    5 * wave + number of its peers with higher index
of each of those, by increasing index:
  uvarint   index - index of the one before (at first of the thread itself) - 1
  1 byte    metric
"""

from __future__ import annotations

from ..core.varint import get_uvarint, put_uvarint
from ..errors import ArchiveError
from ..topology.topology import MAX_PASSES, MAX_PEERS, Topology


def pack_topology(topology: Topology) -> bytes:
    """The topology as it stands in the archive; the module's text has the layout."""
    out = bytearray()
    for channel, (peers, coding_pass) in enumerate(zip(topology.peers, topology.passes, strict=True)):
        later = sorted((peer.channel, peer.metric) for peer in peers if peer.channel > channel)
        out.append((MAX_PEERS + 1) * coding_pass + len(later))
        before = channel
        for index, metric in later:
            put_uvarint(out, index - before - 1)
            out.append(metric)
            before = index
    return bytes(out)


def unpack_topology(buf: bytes | bytearray | memoryview, n_channels: int, most_pairs: int | None = None) -> Topology:
    """The reverse of `Topology.pack`, for `n_channels` threads, of which at most so many pairs are peers.

    Raises ArchiveError where a peer, its number or a wave is out of range, or `buf` is too short or too long.
    """
    pos = 0
    pairs: list[tuple[int, int, int]] = []
    passes: list[int] = []
    if len(buf) < n_channels:
        raise ArchiveError(f"the topology of {n_channels} threads is cut short")
    degree = [0] * n_channels
    for channel in range(n_channels):
        if pos >= len(buf):
            raise ArchiveError(f"the topology is cut short at thread {channel}")
        coding_pass, n_later = divmod(buf[pos], MAX_PEERS + 1)
        pos += 1
        if coding_pass >= MAX_PASSES:
            raise ArchiveError(
                f"thread {channel} is in wave {coding_pass}, and {MAX_PASSES - 1} is the last there can be"
            )
        passes.append(coding_pass)
        index = channel
        for _ in range(n_later):
            gap, pos = get_uvarint(buf, pos)
            index += gap + 1
            if index >= n_channels:
                raise ArchiveError(f"thread {channel} has peer {index}, and there are {n_channels} threads")
            if pos >= len(buf):
                raise ArchiveError(f"the topology is cut short at thread {channel}")
            pairs.append((channel, index, buf[pos]))
            pos += 1
            degree[channel] += 1
            degree[index] += 1
        if most_pairs is not None and len(pairs) > most_pairs:
            raise ArchiveError(f"more than {most_pairs} pairs of threads are peers: no such archive is as small")
        if degree[channel] > MAX_PEERS:
            raise ArchiveError(f"thread {channel} has more than {MAX_PEERS} peers")
    if pos != len(buf):
        raise ArchiveError(f"the topology has {len(buf) - pos} bytes too many")
    return Topology.from_pairs(pairs, passes)
