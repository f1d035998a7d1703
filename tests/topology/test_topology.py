"""References and sessions of channels."""

from __future__ import annotations

from support.topologies import topology_of_pairs

from spikey_cli.topology.topology import MAX_EARLIER, MAX_LATER, Reference, Topology


def test_sessions_follow_references() -> None:
    topology = topology_of_pairs([(1, 6, 9), (3, 6, 8), (0, 4, 7)], (0,) * 6 + (1,))
    assert topology.sessions() == [[0, 4], [1, 3, 6], [2], [5]]
    assert topology.earlier[6] == (Reference(1, 9), Reference(3, 8))
    assert (topology.later[1], topology.later[0]) == ((6,), (4,)), "a channel of the same pass is a later reference"
    assert topology.links() == {(1, 6): 9, (3, 6): 8, (0, 4): 0}
    assert topology.without_metrics().earlier[6] == (Reference(1, 0), Reference(3, 0))
    assert Topology.independent(0).sessions() == []


def test_references_go_one_way() -> None:
    """A session is connected by them all the same."""
    topology = Topology((0, 1, 2), ((), (Reference(0, 9),), ()), ((), (2,), ()), (0, 50, 0), (8, 8, 16))
    assert topology.sessions() == [[0, 1, 2]]
    assert topology.links() == {(0, 1): 9, (1, 2): 0}


def test_a_channel_references_the_nearest() -> None:
    pairs = [(i, 12, 10 * i) for i in range(12)] + [(12, i, i) for i in range(13, 20)]
    topology = topology_of_pairs(pairs, (0,) * 12 + (1,) * 8)
    assert [one.channel for one in topology.earlier[12]] == list(range(11, 11 - MAX_EARLIER, -1))
    assert topology.later[12] == (19, 18)
    assert len(topology.later[12]) == MAX_LATER


def test_channels_of_a_file_are_in_one_session() -> None:
    topology = topology_of_pairs([(1, 3, 9)], (0,) * 5)
    assert topology.sessions_of_files([0, 0, 1, 2, 2]) == [[0, 2], [1]]
