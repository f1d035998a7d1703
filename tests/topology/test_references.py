"""References between the channels of a block."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from support.topologies import topology_of_pairs

from spikey_cli.topology.references import (
    MAX_GROUP_CHANNELS,
    BlockChannel,
    ReferenceGraph,
    ReferenceTable,
    dependency_groups,
)
from spikey_cli.topology.topology import ORDERS


@st.composite
def _graphs(draw):
    n = draw(st.integers(1, 150))
    pairs = {}
    for _ in range(draw(st.integers(0, 60))):
        a, b = sorted(draw(st.tuples(st.integers(0, n - 1), st.integers(0, n - 1))))
        if draw(st.booleans()):
            b = min(a + 1, n - 1)
        if a != b:
            pairs[a, b] = draw(st.integers(1, 255))
    passes = draw(st.lists(st.integers(0, 3), min_size=n, max_size=n))
    lags = draw(st.lists(st.sampled_from([0, 50]), min_size=n, max_size=n))
    orders = draw(st.lists(st.sampled_from(ORDERS), min_size=n, max_size=n))
    topology = topology_of_pairs([(a, b, metric) for (a, b), metric in pairs.items()], passes, lags, orders)
    channels = [
        BlockChannel(i, draw(st.sampled_from([0, 0, 0, 50])), draw(st.sampled_from([9, 9, 9, 10]))) for i in range(n)
    ]
    return topology, channels, ReferenceGraph.of(topology, channels)


def _linked(topology, channels, i, others):
    """Those of `others` whose parts cover the same frames as channel `i`; positions are numbers of channels."""
    span = channels[i].first_frame, channels[i].n_frames
    return [j for j in others if (channels[j].first_frame, channels[j].n_frames) == span]


def _groups(topology, channels):
    others = ({*(one.channel for one in topology.earlier[i]), *topology.later[i]} for i in range(len(channels)))
    return dependency_groups(len(channels), {i: _linked(topology, channels, i, own) for i, own in enumerate(others)})


@given(_graphs())
def test_channels_reference_linked_channels_in_their_group(case):
    topology, channels, graph = case
    groups = _groups(topology, channels)
    assert [i for group in groups for i in group] == list(range(len(channels)))
    assert all(1 <= len(group) <= MAX_GROUP_CHANNELS for group in groups)
    for group in groups:
        for i in group:
            metric_of = {one.channel: one.metric for one in topology.earlier[i]}
            expected = [j for j in _linked(topology, channels, i, metric_of) if j in group]
            assert list(graph.references[i]) == expected, f"channel {i}"
            assert list(graph.metrics[i]) == [metric_of[j] for j in expected], f"channel {i}"
            assert list(graph.later[i]) == [j for j in _linked(topology, channels, i, topology.later[i]) if j in group]
    assert (graph.lags, graph.orders) == (topology.lags, topology.orders)


@given(_graphs())
def test_groups_end_where_no_link_crosses(case):
    topology, channels, _ = case
    for group in _groups(topology, channels)[:-1]:
        across = [
            (i, j)
            for pair in topology.links()
            for i, j in (pair,)
            if i in group and j >= group.stop and _linked(topology, channels, i, [j])
        ]
        assert not across or len(group) == MAX_GROUP_CHANNELS


@given(_graphs())
def test_joint_groups_are_what_references_connect(case):
    _, channels, graph = case
    for i in range(len(channels)):
        for j in (*graph.references[i], *graph.later[i]):
            assert graph.joint_groups[i] == graph.joint_groups[j]
    for number in set(graph.joint_groups):
        members = {i for i, group in enumerate(graph.joint_groups) if group == number}
        reached = {min(members)}
        for _ in members:
            reached |= {j for i in reached for j in (*graph.references[i], *graph.later[i])}
            reached |= {i for i in members if reached & {*graph.references[i], *graph.later[i]}}
        assert reached == members


@given(_graphs(), st.data())
def test_needed_channels_are_closed_under_dependence(case, data):
    _, channels, graph = case
    n = len(channels)
    wanted = data.draw(st.lists(st.integers(0, n - 1), unique=True))
    needed = graph.needed(wanted)
    assert set(wanted) <= set(needed)
    for i in needed:
        assert {*graph.references[i], *graph.later[i]} <= set(needed)
        joint = {j for j in range(n) if graph.joint_groups[j] == graph.joint_groups[i]}
        assert {j for j in joint if graph.passes[j] < graph.passes[i]} <= set(needed)
    for i in range(n):
        assert (i in needed) == bool(set(wanted) & set(graph.dependent([i]))), "the two are inverse to each other"
    subset = graph.subset(needed)
    for new, old in enumerate(needed):
        assert [needed[j] for j in subset.references[new]] == list(graph.references[old])
        assert [needed[j] for j in subset.later[new]] == list(graph.later[old])
        assert subset.metrics[new] == graph.metrics[old]
        kept = [(own.passes[i], own.lags[i], own.orders[i]) for own, i in ((subset, new), (graph, old))]
        assert kept[0] == kept[1]
        assert {needed[j] for j in subset.sources(new)} == graph.sources(old)


@given(_graphs(), st.data())
def test_nothing_depends_on_channels_that_are_left_out(case, data):
    _, channels, graph = case
    n = len(channels)
    out = set(data.draw(st.lists(st.integers(0, n - 1), unique=True)))
    rest = graph.without(out)
    for i in set(range(n)) - out:
        assert rest.sources(i) == graph.sources(i) - out
    assert all(rest.dependent([i]) == [i] for i in out)


def test_reference_tables_are_sorted_by_pass():
    topology = topology_of_pairs([(0, 1, 9), (1, 3, 8), (0, 3, 7)], (2, 0, 1, 3), (0, 0, 77, 50), (8, 16, 32, 8))
    graph = ReferenceGraph.of(topology, [BlockChannel(i, 0, 9) for i in range(4)])
    table = ReferenceTable.of(graph, [1, 2, 0, 3])
    assert table.passes.tolist() == [0, 1, 2, 3, 4]
    none = [-1] * 8
    assert table.references.tolist() == [none, none, [0, *none[1:]], [0, 2, *none[2:]]]
    assert table.metrics.tolist() == [[0] * 8, [0] * 8, [9, *[0] * 7], [8, 7, *[0] * 6]]
    assert table.later.tolist() == [[2, 3], [-1, -1], [3, -1], [-1, -1]]
    assert table.lags.tolist() == [0, 77, 0, 50]
    assert table.orders.tolist() == [16, 32, 8, 8]
    assert table.groups.tolist() == [0, 1, 0, 0]
    assert all(array.dtype == "int64" for array in table._asdict().values())
    without = ReferenceTable.of(graph, [2, 0])
    assert (without.references.tolist(), without.later.tolist()) == ([none] * 2, [[-1, -1]] * 2)
