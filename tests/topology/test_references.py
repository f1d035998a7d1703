"""Whom a thread leans on."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from spikey_cli.topology.references import MAX_GROUP_CHANNELS, BlockChannel, ReferenceGraph, ReferenceTable
from spikey_cli.topology.topology import Topology


@st.composite
def _companies(draw):
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
    places = [
        BlockChannel(i, draw(st.sampled_from([0, 0, 0, 50])), draw(st.sampled_from([9, 9, 9, 10]))) for i in range(n)
    ]
    return topology, places, ReferenceGraph.of(topology, places)


@given(_companies())
def test_threads_lean_on_linked_ones_of_earlier_waves_in_their_bundle(case):
    topology, places, reference_graph = case
    covered = [i for dependency_group in reference_graph.dependency_groups for i in dependency_group]
    assert covered == list(range(len(places)))
    assert all(
        1 <= len(dependency_group) <= MAX_GROUP_CHANNELS for dependency_group in reference_graph.dependency_groups
    )
    for dependency_group in reference_graph.dependency_groups:
        for i in dependency_group:
            linked = [
                peer.channel
                for peer in topology.peers[i]
                if (places[peer.channel].first_frame, places[peer.channel].n_frames)
                == (places[i].first_frame, places[i].n_frames)
            ]
            expected = [j for j in linked if j in dependency_group and topology.passes[j] < topology.passes[i]]
            assert list(reference_graph.references[i]) == expected, f"thread {i}"
            metric_of = {peer.channel: peer.metric for peer in topology.peers[i]}
            assert list(reference_graph.metrics[i]) == [metric_of[j] for j in expected], f"thread {i}"


@given(_companies())
def test_bundles_are_cut_where_nobody_is_linked_across(case):
    topology, places, reference_graph = case
    for dependency_group in reference_graph.dependency_groups[:-1]:
        across = [
            (i, peer.channel)
            for i in dependency_group
            for peer in topology.peers[i]
            if peer.channel >= dependency_group.stop
            and (places[peer.channel].first_frame, places[peer.channel].n_frames)
            == (places[i].first_frame, places[i].n_frames)
        ]
        assert not across or len(dependency_group) == MAX_GROUP_CHANNELS


@given(_companies(), st.data())
def test_what_is_needed_is_closed_and_a_part_keeps_it(case, data):
    _, places, reference_graph = case
    wanted = data.draw(st.lists(st.integers(0, len(places) - 1), unique=True))
    needed = reference_graph.needed(wanted)
    assert set(wanted) <= set(needed)
    for i in needed:
        assert set(reference_graph.references[i]) <= set(needed)
    part = reference_graph.part(needed)
    for new, old in enumerate(needed):
        assert [needed[j] for j in part.references[new]] == list(reference_graph.references[old])
        assert part.metrics[new] == reference_graph.metrics[old]
        assert part.passes[new] == reference_graph.passes[old]
    assert [i for dependency_group in part.dependency_groups for i in dependency_group] == list(range(len(needed)))


def test_waves_come_one_after_another():
    reference_graph = ReferenceGraph(((1,), (), (), (1, 0)), ((9,), (), (), (8, 7)), (2, 0, 1, 3), (range(4),))
    peers = ReferenceTable.of(reference_graph, [1, 0, 3])
    assert peers.passes.tolist() == [0, 1, 2, 3]
    assert peers.references.tolist() == [[-1] * 4, [0, -1, -1, -1], [0, 1, -1, -1]]
    assert peers.metrics.tolist() == [[0] * 4, [9, 0, 0, 0], [8, 7, 0, 0]]
    assert ReferenceTable.of(reference_graph, [0]).references.tolist() == [[-1] * 4]
