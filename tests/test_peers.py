"""Whom a thread leans on."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from spikey_cli.topology.references import MAX_BUNDLE, Company, Peers, Place
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
    waves = draw(st.lists(st.integers(0, 3), min_size=n, max_size=n))
    topology = Topology.from_pairs([(a, b, metric) for (a, b), metric in pairs.items()], waves)
    places = [Place(i, draw(st.sampled_from([0, 0, 0, 50])), draw(st.sampled_from([9, 9, 9, 10]))) for i in range(n)]
    return topology, places, Company.of(topology, places)


@given(_companies())
def test_threads_lean_on_linked_ones_of_earlier_waves_in_their_bundle(case):
    topology, places, company = case
    covered = [i for bundle in company.bundles for i in bundle]
    assert covered == list(range(len(places)))
    assert all(1 <= len(bundle) <= MAX_BUNDLE for bundle in company.bundles)
    for bundle in company.bundles:
        for i in bundle:
            linked = [
                peer.thread
                for peer in topology.peers[i]
                if (places[peer.thread].first_frame, places[peer.thread].n_frames)
                == (places[i].first_frame, places[i].n_frames)
            ]
            expected = [j for j in linked if j in bundle and topology.waves[j] < topology.waves[i]]
            assert list(company.leans[i]) == expected, f"thread {i}"
            metric_of = {peer.thread: peer.metric for peer in topology.peers[i]}
            assert list(company.metrics[i]) == [metric_of[j] for j in expected], f"thread {i}"


@given(_companies())
def test_bundles_are_cut_where_nobody_is_linked_across(case):
    topology, places, company = case
    for bundle in company.bundles[:-1]:
        across = [
            (i, peer.thread)
            for i in bundle
            for peer in topology.peers[i]
            if peer.thread >= bundle.stop
            and (places[peer.thread].first_frame, places[peer.thread].n_frames)
            == (places[i].first_frame, places[i].n_frames)
        ]
        assert not across or len(bundle) == MAX_BUNDLE


@given(_companies(), st.data())
def test_what_is_needed_is_closed_and_a_part_keeps_it(case, data):
    _, places, company = case
    wanted = data.draw(st.lists(st.integers(0, len(places) - 1), unique=True))
    needed = company.needed(wanted)
    assert set(wanted) <= set(needed)
    for i in needed:
        assert set(company.leans[i]) <= set(needed)
    part = company.part(needed)
    for new, old in enumerate(needed):
        assert [needed[j] for j in part.leans[new]] == list(company.leans[old])
        assert part.metrics[new] == company.metrics[old]
        assert part.waves[new] == company.waves[old]
    assert [i for bundle in part.bundles for i in bundle] == list(range(len(needed)))


def test_waves_come_one_after_another():
    company = Company(((1,), (), (), (1, 0)), ((9,), (), (), (8, 7)), (2, 0, 1, 3), (range(4),))
    peers = Peers.of(company, [1, 0, 3])
    assert peers.waves.tolist() == [0, 1, 2, 3]
    assert peers.leans.tolist() == [[-1] * 4, [0, -1, -1, -1], [0, 1, -1, -1]]
    assert peers.metrics.tolist() == [[0] * 4, [9, 0, 0, 0], [8, 7, 0, 0]]
    assert Peers.of(company, [0]).leans.tolist() == [[-1] * 4]
