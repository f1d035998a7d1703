"""The topology as bytes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikey_cli.container.topology_table import pack_topology, unpack_topology
from spikey_cli.core.varint import put_uvarint
from spikey_cli.errors import ArchiveError
from spikey_cli.topology.topology import MAX_EARLIER, MAX_LAG, MAX_LATER, MAX_PASSES, MIN_LAG, Topology


@st.composite
def topologies(draw: st.DrawFn) -> Topology:
    n = draw(st.integers(0, 300))
    passes = draw(st.lists(st.integers(0, MAX_PASSES - 1), min_size=n, max_size=n))
    lags = draw(st.lists(st.sampled_from([0, 0, MIN_LAG, 1000, MAX_LAG]), min_size=n, max_size=n))
    pairs: dict[tuple[int, int], int] = {}
    index = st.integers(0, max(n - 1, 0))
    for a, b, metric in draw(st.lists(st.tuples(index, index, st.integers(0, 255)), max_size=40)) if n else []:
        if a < b:
            pairs[a, b] = metric
    topology = Topology.from_pairs([(a, b, metric) for (a, b), metric in pairs.items()], passes, lags)
    return topology.without_metrics() if draw(st.booleans()) else topology


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
    pair = Topology.from_pairs([(0, 1, 44)], (0, 1), (0, 1032))
    first = bytes([64, 2])  # one later reference
    assert pack_topology(pair) == first + bytes([0xF1, 0x01, 1, 44, 0xE8, 7])
    assert pack_topology(pair.without_metrics()) == first + bytes([0xE1, 0x01, 1, 0xE8, 7])


@given(st.binary(max_size=60), st.integers(0, 20))
def test_hostile_bytes_are_refused(data: bytes, n_channels: int) -> None:
    try:
        topology = unpack_topology(data, n_channels)
    except ArchiveError:
        return
    assert pack_topology(topology) == data
    for channel, (earlier, later) in enumerate(zip(topology.earlier, topology.later, strict=True)):
        assert len(earlier) <= MAX_EARLIER
        assert len(later) <= MAX_LATER
        assert all(topology.passes[one.channel] < topology.passes[channel] for one in earlier)
        assert all(topology.passes[other] >= topology.passes[channel] and other != channel for other in later)
        assert len({*later, *(one.channel for one in earlier)}) == len(later) + len(earlier)


def _head(earlier: int = 0, later: int = 0, lag: int = 0, metrics: int = 0, coding_pass: int = 0) -> bytes:
    out = bytearray()
    put_uvarint(out, (((earlier * 3 + later) * 2 + lag) * 2 + metrics) * 16 + coding_pass)
    return bytes(out)


@pytest.mark.parametrize(
    ("data", "n_channels", "reason"),
    [
        (_head(later=1) + bytes([2]), 1, "references channel 1, but there are 1"),
        (_head(later=1) + bytes([1]), 1, "references channel -1"),
        (_head(later=1) + bytes([*[0xFF] * 8, 0x7F]), 9, "the distance of a reference"),
        (_head(later=1) + bytes([0x80, 0]), 3, "shortest form"),
        (_head(later=1) + bytes([0]), 1, "references itself"),
        (_head(later=2) + bytes([2, 2, 0]), 2, "a channel twice"),
        (
            _head(later=1) + bytes([2]) + _head(later=1, coding_pass=1) + bytes([1]),
            2,
            "later reference to a channel of",
        ),
        (_head() + _head(earlier=1) + bytes([1]), 2, "not in an earlier pass"),
        (_head() + _head(earlier=1, metrics=1, coding_pass=1) + bytes([1, 0]), 2, "none above 0"),
        (_head(metrics=1), 1, "none above 0"),
        (_head() + _head(earlier=1, metrics=1, coding_pass=1) + bytes([1]), 2, "a metric runs past the end"),
        (_head(earlier=9), 2, "the head of a channel's references is 1728"),
        (_head(lag=1) + bytes([0xE1, 0x1F]), 1, "a long lag is 4065"),
        (_head(lag=1), 1, "cut short"),
        (_head(later=1) + bytes([2]), 2, "cut short"),
        (bytes(3), 2, "1 extra bytes"),
        (b"", 1, "cut short"),
        (b"", 1 << 60, "cut short"),
    ],
)
def test_refusals_say_why(data: bytes, n_channels: int, reason: str) -> None:
    with pytest.raises(ArchiveError, match=reason):
        unpack_topology(data, n_channels)


def test_the_number_of_references_is_bounded() -> None:
    packed = pack_topology(Topology.from_pairs([(0, 1, 44), (0, 2, 4)], (0, 1, 2)))
    assert unpack_topology(packed, 3, 4).links() == {(0, 1): 44, (0, 2): 4}
    with pytest.raises(ArchiveError, match="more than 3 references"):
        unpack_topology(packed, 3, 3)
