"""Which threads were recorded together."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikey_cli.errors import ArchiveError
from spikey_cli.source import look_through
from spikey_cli.topology import (
    EXCERPT_SAMPLES,
    MAX_PEERS,
    MAX_WAVES,
    Peer,
    Topology,
    find_topology,
    spike_band,
    unpack_topology,
)

KEY = (40_000, 19531)


def topology_of(*threads: np.ndarray, keys=None) -> Topology:
    bands = [spike_band(thread[:, None])[0] for thread in threads]
    return find_topology(bands, keys or [(thread.size, 19531) for thread in threads])


def test_threads_with_common_noise_are_peers(random):
    common = random.normal(size=40_000)
    a, b, c, d = (random.normal(size=40_000) * 50 for _ in range(4))
    found = topology_of(a + 12 * common, b, c + 12 * common, d)
    assert found.sessions() == [[0, 2], [1], [3]]
    (peer,) = found.peers[2]
    assert peer.thread == 0
    assert peer.metric / 255 == pytest.approx(12**2 / (50**2 + 12**2), abs=0.03)
    assert found.waves == (0, 0, 1, 0)


def test_hum_alone_connects_nothing(random):
    hum = 300 * np.sin(2 * np.pi * 50 * np.arange(40_000) / 19531)
    assert topology_of(*(random.normal(size=40_000) * 20 + hum for _ in range(6))).sessions() == [[i] for i in range(6)]


def test_constant_threads_have_no_peers(random):
    noise = random.normal(size=3000)
    constant = np.full(3000, 517, dtype=np.int16)
    assert topology_of(constant, constant, noise).peers == ((), (), ())


def test_equal_threads_are_as_close_as_can_be(random):
    noise = random.normal(size=3000) * 30
    found = topology_of(noise, noise.copy())
    assert found.peers == ((Peer(1, 255),), (Peer(0, 255),))


def test_only_threads_of_one_length_and_rate_are_compared(random):
    noise = random.normal(size=3000) * 30
    assert topology_of(noise, noise, keys=[(3000, 1), (3000, 2)]).peers == ((), ())


@pytest.mark.parametrize("length", [0, 1, 2, 3, 4, 7, 64])
def test_short_threads_are_taken(random, length):
    assert topology_of(random.normal(size=length), random.normal(size=length)).waves == (0, 0)


def test_band_is_of_the_excerpt_and_as_for_one_channel(random):
    samples = random.integers(-500, 500, (EXCERPT_SAMPLES + 1000, 3)).astype(np.int16)
    bands = spike_band(samples)
    assert bands.dtype == np.int8
    np.testing.assert_array_equal(bands, spike_band(samples[:EXCERPT_SAMPLES]))
    np.testing.assert_array_equal(bands[1], spike_band(samples[:, 1:2])[0])


def test_a_crowd_keeps_few_peers_and_few_waves(random):
    common = random.normal(size=20_000)
    found = topology_of(*(random.normal(size=20_000) + common for _ in range(9)))
    assert found.sessions() == [list(range(9))]
    assert {len(peers) for peers in found.peers} == {MAX_PEERS}
    assert set(found.waves) <= set(range(MAX_WAVES))
    for peers in found.peers:
        metrics = [peer.metric for peer in peers]
        assert metrics == sorted(metrics, reverse=True)


@st.composite
def _topologies(draw):
    n = draw(st.integers(0, 12))
    peers, waves = [], []
    for thread in range(n):
        others = [other for other in range(n) if other != thread]
        chosen = draw(st.lists(st.sampled_from(others), unique=True, max_size=MAX_PEERS)) if others else []
        peers.append(tuple(Peer(other, draw(st.integers(0, 255))) for other in chosen))
        waves.append(draw(st.integers(0, MAX_WAVES - 1)))
    return Topology(tuple(peers), tuple(waves))


@given(_topologies())
def test_packed_topology_comes_back(topology):
    n = len(topology.waves)
    packed = topology.pack()
    assert unpack_topology(packed, n) == topology
    with pytest.raises(ArchiveError):
        unpack_topology(packed + b"\0", n)
    if packed:
        with pytest.raises(ArchiveError):
            unpack_topology(packed[:-1], n)


@given(st.binary(max_size=40), st.integers(0, 20))
def test_any_bytes_are_a_topology_or_refused(packed, n):
    try:
        topology = unpack_topology(packed, n)
    except ArchiveError:
        return
    assert unpack_topology(topology.pack(), n) == topology


def test_alone_is_cheap():
    assert len(Topology.alone(100).pack()) == 100


@pytest.mark.recordings
def test_sessions_of_real_recordings_are_found(n1_sessions):
    sessions = n1_sessions["train"][:40] + n1_sessions["val"][:10]
    files = sorted((file, i) for i, session in enumerate(sessions) for file in session)
    sources = [look_through(file, file.name) for file, _ in files]
    keys = [(source.layout.n_frames, source.layout.sample_rate) for source in sources]
    found = find_topology([band for source in sources for band in source.bands], keys)
    expected = {frozenset(file for file in session) for session in sessions}
    assert {frozenset(files[i][0] for i in session) for session in found.sessions()} == expected
