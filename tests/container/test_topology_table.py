"""The topology as bytes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikey_cli.container.topology_table import pack_topology, unpack_topology
from spikey_cli.errors import ArchiveError
from spikey_cli.topology.topology import MAX_PASSES, MAX_PEERS, Topology


@st.composite
def topologies(draw: st.DrawFn) -> Topology:
    n = draw(st.integers(0, 300))
    passes = draw(st.lists(st.integers(0, MAX_PASSES - 1), min_size=n, max_size=n))
    room = [MAX_PEERS] * n
    pairs: dict[tuple[int, int], int] = {}
    index = st.integers(0, max(n - 1, 0))
    for a, b, metric in draw(st.lists(st.tuples(index, index, st.integers(0, 255)), max_size=40)) if n else []:
        if a < b and (a, b) not in pairs and room[a] and room[b]:
            pairs[a, b] = metric
            room[a] -= 1
            room[b] -= 1
    return Topology.from_pairs([(a, b, metric) for (a, b), metric in pairs.items()], passes)


@given(topologies())
def test_round_trip(topology: Topology) -> None:
    packed = pack_topology(topology)
    n = len(topology.passes)
    assert unpack_topology(packed, n) == topology
    assert unpack_topology(memoryview(packed), n) == topology
    for damaged in (packed[:-1], packed + b"\0"):
        if damaged != packed:
            with pytest.raises(ArchiveError):
                unpack_topology(damaged, n)


def test_packed_size() -> None:
    assert pack_topology(Topology.independent(100)) == bytes(100)
    assert pack_topology(Topology.from_pairs([(0, 1, 44)], (0, 1))) == bytes([1, 0, 44, 5])


@given(st.binary(max_size=60), st.integers(0, 20))
def test_hostile_bytes_are_refused(data: bytes, n_channels: int) -> None:
    try:
        topology = unpack_topology(data, n_channels)
    except ArchiveError:
        return
    assert pack_topology(topology) == data
    assert all(len(peers) <= MAX_PEERS for peers in topology.peers)


@pytest.mark.parametrize(
    ("data", "n_channels", "reason"),
    [
        (bytes([1, 0, 9]), 1, "peer 1"),
        (bytes([1, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F, 9, 0]), 2, "has peer"),
        (bytes([1, 0x80, 0x00, 9, 0]), 2, "shortest form"),
        (bytes([5 * MAX_PASSES]), 1, "coding pass 16"),
        (bytes([255]), 1, "coding pass 51"),
        (bytes([1, 0]), 2, "cut short"),
        (bytes([1, 0, 9]), 2, "cut short"),
        (bytes([0, 0, 0]), 2, "1 extra bytes"),
        (b"", 1, "cut short"),
        (b"", 1 << 60, "cut short"),
        (b"".join(bytes([1, 4 - t, 9]) for t in range(5)) + bytes(1), 6, "more than 4"),
    ],
)
def test_refusals_say_why(data: bytes, n_channels: int, reason: str) -> None:
    with pytest.raises(ArchiveError, match=reason):
        unpack_topology(data, n_channels)
