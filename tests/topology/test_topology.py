"""Peers and sessions of channels."""

from __future__ import annotations

from spikey_cli.topology.topology import Peer, Topology


def test_sessions_follow_peers() -> None:
    topology = Topology.from_pairs([(1, 6, 9), (3, 6, 8), (0, 4, 7)], (0,) * 7)
    assert topology.sessions() == [[0, 4], [1, 3, 6], [2], [5]]
    assert topology.peers[6] == (Peer(1, 9), Peer(3, 8))
    assert Topology.independent(0).sessions() == []


def test_channels_of_a_file_are_in_one_session() -> None:
    topology = Topology.from_pairs([(1, 3, 9)], (0,) * 5)
    assert topology.sessions_of_files([0, 0, 1, 2, 2]) == [[0, 2], [1]]
