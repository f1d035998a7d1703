"""References between the channels of a block."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from spikey_cli.topology.references import MAX_GROUP_CHANNELS, BlockChannel, ReferenceGraph, ReferenceTable
from spikey_cli.topology.topology import Topology


@st.composite
def _graphs(draw):
    n = draw(st.integers(1, 150))
    pairs, degree = {}, [0] * n
    for _ in range(draw(st.integers(0, 60))):
        a, b = sorted(draw(st.tuples(st.integers(0, n - 1), st.integers(0, n - 1))))
        if draw(st.booleans()):
            b = min(a + 1, n - 1)
        if a != b and (a, b) not in pairs and degree[a] < 4 and degree[b] < 4:
            pairs[a, b] = draw(st.integers(1, 255))
            degree[a] += 1
            degree[b] += 1
    passes = draw(st.lists(st.integers(0, 3), min_size=n, max_size=n))
    topology = Topology.from_pairs([(a, b, metric) for (a, b), metric in pairs.items()], passes)
    channels = [
        BlockChannel(i, draw(st.sampled_from([0, 0, 0, 50])), draw(st.sampled_from([9, 9, 9, 10]))) for i in range(n)
    ]
    return topology, channels, ReferenceGraph.of(topology, channels)


@given(_graphs())
def test_channels_reference_linked_channels_of_earlier_passes_in_their_group(case):
    topology, channels, graph = case
    covered = [i for group in graph.dependency_groups for i in group]
    assert covered == list(range(len(channels)))
    assert all(1 <= len(group) <= MAX_GROUP_CHANNELS for group in graph.dependency_groups)
    for group in graph.dependency_groups:
        for i in group:
            linked = [
                peer.channel
                for peer in topology.peers[i]
                if (channels[peer.channel].first_frame, channels[peer.channel].n_frames)
                == (channels[i].first_frame, channels[i].n_frames)
            ]
            expected = [j for j in linked if j in group and topology.passes[j] < topology.passes[i]]
            assert list(graph.references[i]) == expected, f"channel {i}"
            metric_of = {peer.channel: peer.metric for peer in topology.peers[i]}
            assert list(graph.metrics[i]) == [metric_of[j] for j in expected], f"channel {i}"


@given(_graphs())
def test_groups_end_where_no_link_crosses(case):
    topology, channels, graph = case
    for group in graph.dependency_groups[:-1]:
        across = [
            (i, peer.channel)
            for i in group
            for peer in topology.peers[i]
            if peer.channel >= group.stop
            and (channels[peer.channel].first_frame, channels[peer.channel].n_frames)
            == (channels[i].first_frame, channels[i].n_frames)
        ]
        assert not across or len(group) == MAX_GROUP_CHANNELS


@given(_graphs(), st.data())
def test_needed_channels_are_closed_under_references(case, data):
    _, channels, graph = case
    wanted = data.draw(st.lists(st.integers(0, len(channels) - 1), unique=True))
    needed = graph.needed(wanted)
    assert set(wanted) <= set(needed)
    for i in needed:
        assert set(graph.references[i]) <= set(needed)
    subset = graph.subset(needed)
    for new, old in enumerate(needed):
        assert [needed[j] for j in subset.references[new]] == list(graph.references[old])
        assert subset.metrics[new] == graph.metrics[old]
        assert subset.passes[new] == graph.passes[old]
    assert [i for group in subset.dependency_groups for i in group] == list(range(len(needed)))


def test_reference_tables_are_sorted_by_pass():
    graph = ReferenceGraph(((1,), (), (), (1, 0)), ((9,), (), (), (8, 7)), (2, 0, 1, 3), (range(4),))
    peers = ReferenceTable.of(graph, [1, 0, 3])
    assert peers.passes.tolist() == [0, 1, 2, 3]
    assert peers.references.tolist() == [[-1] * 4, [0, -1, -1, -1], [0, 1, -1, -1]]
    assert peers.metrics.tolist() == [[0] * 4, [9, 0, 0, 0], [8, 7, 0, 0]]
    assert ReferenceTable.of(graph, [0]).references.tolist() == [[-1] * 4]
