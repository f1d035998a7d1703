"""The topology as bytes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.topologies import topology_of_pairs

from spikey_cli.container.packing import pack
from spikey_cli.container.table_reader import TableReader
from spikey_cli.container.table_writer import TableWriter
from spikey_cli.container.topology_table import pack_topology, put_topology, read_topology, unpack_topology
from spikey_cli.errors import ArchiveError, DamageError
from spikey_cli.topology.topology import MAX_EARLIER, MAX_LAG, MAX_LATER, MAX_PASSES, MIN_LAG, ORDERS, Topology


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
    orders = draw(st.lists(st.sampled_from(ORDERS), min_size=n, max_size=n))
    topology = topology_of_pairs([(a, b, metric) for (a, b), metric in pairs.items()], passes, lags, orders)
    return topology.without_metrics() if draw(st.booleans()) else topology


@given(topologies())
def test_round_trip(topology: Topology) -> None:
    packed = pack_topology(topology)
    n = len(topology.passes)
    assert unpack_topology(packed, n) == topology
    assert unpack_topology(memoryview(packed), n) == topology
    for damaged in (packed[:-1], packed + b"\0"):
        with pytest.raises(ArchiveError):
            unpack_topology(damaged, n)


def test_fields() -> None:
    pair = topology_of_pairs([(0, 1, 44)], (0, 1), (0, 1032), (8, 32))
    table = TableWriter()
    put_topology(table, pair)
    # channel 0 is referenced by channel 1, and has it as its first later reference
    assert table.fields == [[192, 577 + 128 + 32 + 16], 0, [1], bytes([44]), 0, [0], [1000]]
    assert table.tail == [b"", b""]


def test_regular_topologies_take_few_bytes() -> None:
    assert len(pack_topology(Topology.independent(1000))) < 30
    chain = topology_of_pairs([(i, i + 1, 0) for i in range(999)], [i % 16 for i in range(1000)])
    assert len(pack_topology(chain)) < 120


@given(st.binary(max_size=60), st.binary(max_size=8), st.integers(0, 20))
def test_hostile_bytes_are_refused(data: bytes, tail: bytes, n_channels: int) -> None:
    try:
        topology = unpack_topology(pack([data]) + tail, n_channels)
    except ArchiveError:
        return
    for channel, (earlier, later) in enumerate(zip(topology.earlier, topology.later, strict=True)):
        assert len(earlier) <= MAX_EARLIER
        assert len(later) <= MAX_LATER
        assert all(topology.passes[one.channel] < topology.passes[channel] for one in earlier)
        assert all(topology.passes[other] >= topology.passes[channel] and other != channel for other in later)
        assert len({*later, *(one.channel for one in earlier)}) == len(later) + len(earlier)


def head(earlier: int = 0, later: int = 0, lag: int = 0, metrics: int = 0, coding_pass: int = 0, order: int = 0) -> int:
    return ((((earlier * 3 + later) * 3 + order) * 2 + lag) * 2 + metrics) * 16 + coding_pass


@pytest.mark.parametrize(
    ("heads", "distances", "metrics", "later", "lags", "reason"),
    [
        ([head(later=1)], [], b"", [2], [], "references channel 1, but there are 1"),
        ([head(later=1)], [], b"", [1], [], "references channel -1"),
        ([head(later=1)], [], b"", [1 << 33], [], "the distance of a reference"),
        ([head(later=1)], [], b"", [0], [], "references itself"),
        ([head(), head(earlier=1, coding_pass=1)], [1 << 33], b"", [], [], "the distance of a reference"),
        ([head(), head(earlier=1, coding_pass=1)], [3], b"", [], [], "references channel -1"),
        ([head(later=2), head()], [], b"", [2, 2], [], "a channel twice"),
        ([head(later=1), head(earlier=2, coding_pass=1)], [1, 1], b"", [0], [], "a channel twice"),
        ([head(later=1), head(later=1, coding_pass=1)], [], b"", [2, 1], [], "later reference to a channel of"),
        ([head(), head(earlier=1)], [1], b"", [], [], "not in an earlier pass"),
        ([head(), head(earlier=1, metrics=1, coding_pass=1)], [1], b"\0", [], [], "channel 1 has metrics, but none"),
        ([head(metrics=1)], [], b"", [], [], "none above 0"),
        ([head(earlier=9), head()], [], b"", [], [], "the head of a channel's references is 5184"),
        ([head(order=3), head()], [], b"", [], [], "runs past the end"),
        ([head(8, 2, 1, 1, 15, order=3)], [], b"", [], [], "the head of a channel's references is"),
        ([head(lag=1)], [], b"", [], [4065], "a long lag is 4065"),
        ([head(lag=1)], [], b"", [], [], "runs past the end"),
        ([head(later=1), head()], [], b"", [], [], "runs past the end"),
        ([head(), head()], [], b"", [], [0], "1 extra bytes"),
    ],
)
def test_refusals_say_why(heads, distances, metrics, later, lags, reason) -> None:
    table = TableWriter()
    table.fields = [heads, 0, distances, metrics, 0, later, lags]
    with pytest.raises(DamageError, match=reason):
        unpack_topology(table.packed(), len(heads))


def test_more_channels_than_the_table_has_are_refused() -> None:
    for n_channels in (1, 1 << 60):
        with pytest.raises(DamageError, match="runs past the end"):
            read_topology(TableReader(b""), n_channels)


def test_the_number_of_references_is_bounded() -> None:
    topology = topology_of_pairs([(0, 1, 44), (0, 2, 4)], (0, 1, 2))
    table = TableWriter()
    put_topology(table, topology)
    fields = bytes([0x80, 0xD1, 0xD2, 3, 4, 4, 0, 1, 3, 44, 4, 0, 0, 1])
    assert read_topology(TableReader(fields), 3, 4) == topology
    with pytest.raises(DamageError, match="more than 3 references"):
        read_topology(TableReader(fields), 3, 3)
