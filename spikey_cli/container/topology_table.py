"""The topology as it stands in an archive, channel after channel.

1 byte    5 * coding pass + number of peers with a higher index
for each of those peers, in ascending order:
  uvarint   index - previous index - 1; the previous index of the first peer is the channel's own
  1 byte    metric
"""

from __future__ import annotations

from ..core.varint import get_uvarint, put_uvarint
from ..errors import DamageError
from ..topology.topology import MAX_PASSES, MAX_PEERS, Topology


def pack_topology(topology: Topology) -> bytes:
    """Serialise a topology."""
    out = bytearray()
    for channel, (peers, coding_pass) in enumerate(zip(topology.peers, topology.passes, strict=True)):
        later = sorted((peer.channel, peer.metric) for peer in peers if peer.channel > channel)
        out.append((MAX_PEERS + 1) * coding_pass + len(later))
        previous = channel
        for index, metric in later:
            put_uvarint(out, index - previous - 1)
            out.append(metric)
            previous = index
    return bytes(out)


def unpack_topology(buf: bytes | bytearray | memoryview, n_channels: int, max_pairs: int | None = None) -> Topology:
    """Parse a topology that fills `buf`.

    Parameters
    ----------
    buf : bytes-like
    n_channels : int
        Number of channels that it must describe.
    max_pairs : int, optional
        Maximum number of pairs of peers.

    Raises
    ------
    DamageError
        A peer, the number of peers or a coding pass is out of range, or `buf` is too short or too long.
    """
    pos = 0
    pairs: list[tuple[int, int, int]] = []
    passes: list[int] = []
    if len(buf) < n_channels:
        raise DamageError(f"the topology of {n_channels} channels is cut short")
    degree = [0] * n_channels
    for channel in range(n_channels):
        if pos >= len(buf):
            raise DamageError(f"the topology is cut short at channel {channel}")
        coding_pass, n_later = divmod(buf[pos], MAX_PEERS + 1)
        pos += 1
        if coding_pass >= MAX_PASSES:
            raise DamageError(f"channel {channel} is in coding pass {coding_pass}; the last one is {MAX_PASSES - 1}")
        passes.append(coding_pass)
        index = channel
        for _ in range(n_later):
            gap, pos = get_uvarint(buf, pos)
            index += gap + 1
            if index >= n_channels:
                raise DamageError(f"channel {channel} has peer {index}, but there are {n_channels} channels")
            if pos >= len(buf):
                raise DamageError(f"the topology is cut short at channel {channel}")
            pairs.append((channel, index, buf[pos]))
            pos += 1
            degree[channel] += 1
            degree[index] += 1
        if max_pairs is not None and len(pairs) > max_pairs:
            raise DamageError(
                f"the topology has more than {max_pairs} pairs of peers, too many for an archive this small"
            )
        if degree[channel] > MAX_PEERS:
            raise DamageError(f"channel {channel} has more than {MAX_PEERS} peers")
    if pos != len(buf):
        raise DamageError(f"the topology has {len(buf) - pos} extra bytes")
    return Topology.from_pairs(pairs, passes)
