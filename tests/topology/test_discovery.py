"""Which channels are found to be peers, and in which passes they are coded."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support.recordings import band_passed

from spikey_cli.api.compress import find_sessions
from spikey_cli.codec.scan import scan
from spikey_cli.container.topology_table import pack_topology, unpack_topology
from spikey_cli.core.residual import residuals
from spikey_cli.io.source import ArraySource
from spikey_cli.topology.discovery import find_topology
from spikey_cli.topology.references import BlockChannel, ReferenceGraph
from spikey_cli.topology.topology import MAX_EARLIER, Reference, Topology

FRAMES = 20_000


def coloured(noise: np.ndarray) -> np.ndarray:
    """Noise (channels, frames) with the spectrum of a real channel."""
    kernel = np.exp(-np.arange(12) / 4.0)
    return np.stack([np.convolve(channel, kernel, "same") for channel in noise])


def together(random: np.random.Generator, n_channels: int, correlation: float, frames: int = FRAMES) -> np.ndarray:
    """Channels with common noise, int16 of shape (channels, frames)."""
    common = np.sqrt(correlation) * random.normal(size=frames)
    own = np.sqrt(1 - correlation) * random.normal(size=(n_channels, frames))
    return np.rint(40 * coloured(common + own)).astype(np.int16)


def topology_of(channels: np.ndarray | list[np.ndarray]) -> Topology:
    return find_topology([one for channel in channels for one in residuals(channel)], [len(t) for t in channels])


def check_invariants(topology: Topology) -> None:
    n = len(topology.passes)
    assert unpack_topology(pack_topology(topology), n) == topology, "what the format allows"
    for earlier, later, coding_pass in zip(topology.earlier, topology.later, topology.passes, strict=True):
        assert earlier or later or coding_pass == 0


@pytest.mark.parametrize("correlation", [0.08, 0.3, 0.9])
def test_a_pair_is_found_among_unrelated_channels(random: np.random.Generator, correlation: float) -> None:
    unrelated = together(random, 30, 0.0)
    channels = np.concatenate([unrelated[:10], together(random, 2, correlation), unrelated[10:]])
    topology = topology_of(channels)
    check_invariants(topology)
    assert [session for session in topology.sessions() if len(session) > 1] == [[10, 11]]
    assert topology.passes[10:12] == (0, 1)
    assert topology.links()[10, 11] == pytest.approx(255 * correlation, abs=12)
    assert (topology.later[10], topology.later[11]) == ((11,), ())
    assert sum(topology.passes) == 1


@pytest.mark.parametrize("frames", [300, 1000, 20_000])
def test_unrelated_channels_have_no_peers(random: np.random.Generator, frames: int) -> None:
    assert topology_of(together(random, 200, 0.0, frames)) == Topology.independent(200)


def test_channels_with_different_keys_are_not_compared(random: np.random.Generator) -> None:
    found = [one for channel in together(random, 2, 0.5) for one in residuals(channel)]
    assert find_topology(found, [(FRAMES, 19531), (FRAMES, 30000)]) == Topology.independent(2)
    assert find_topology(found, [(FRAMES, 19531)] * 2).sessions() == [[0, 1]]
    assert find_topology(found, [(FRAMES, 19531)] * 2, max_earlier=0) == Topology.independent(2)


def test_common_hum_makes_no_peers(random: np.random.Generator) -> None:
    hum = 100 * np.sin(2 * np.pi * 50 / 19531 * np.arange(FRAMES))
    whistle = 300 * np.sin(2 * np.pi * 2345 / 19531 * np.arange(FRAMES))
    drift = np.cumsum(random.normal(size=FRAMES)) * 2
    channels = (together(random, 20, 0.0) + hum + whistle + drift).astype(np.int32)
    assert topology_of(channels)._replace(orders=(8,) * 20) == Topology.independent(20)


def test_silent_channels_have_no_peers(random: np.random.Generator) -> None:
    ramp = np.arange(FRAMES)
    silent = [np.zeros(FRAMES), np.zeros(FRAMES), np.full(FRAMES, -32768), np.full(FRAMES, 7), ramp, 2 * ramp, 3 * ramp]
    channels = np.concatenate([np.stack(silent).astype(np.int32), together(random, 2, 0.5)])
    assert topology_of(channels).sessions() == [[0], [1], [2], [3], [4], [5], [6], [7, 8]]


def test_identical_channels_reference_each_other(random: np.random.Generator) -> None:
    channel = together(random, 1, 0.0)[0]
    assert topology_of([channel, channel]).earlier == ((), (Reference(0, 255),))
    # polarity does not matter
    assert topology_of([channel, -channel]).earlier == ((), (Reference(0, 255),))


@pytest.mark.parametrize("n_channels", [3, 5, 12, 32, 100])
def test_many_channels_are_one_session(random: np.random.Generator, n_channels: int) -> None:
    topology = topology_of(together(random, n_channels, 0.3))
    check_invariants(topology)
    assert topology.sessions() == [list(range(n_channels))]
    assert sum(map(bool, topology.earlier)) >= 0.75 * n_channels - 1


def test_neighbours_of_a_wide_file_reference_each_other(random: np.random.Generator) -> None:
    noise = random.normal(size=(4096, 1026))
    samples = np.rint(50 * (noise[:, :-2] + noise[:, 1:-1] + noise[:, 2:])).astype(np.int16)
    topology = find_topology(residuals(samples), ["wide"] * 1024)
    check_invariants(topology)
    assert len(topology.sessions()) == 1
    assert np.median([b - a for a, b in topology.links()]) <= 3
    assert max(b - a for a, b in topology.links()) <= 16


@pytest.mark.parametrize("frames", [0, 1, 2, 100, 199, 200, 201, 8191, 8193])
@pytest.mark.parametrize("channels", [1, 3])
def test_short_recordings_have_no_references(random: np.random.Generator, frames: int, channels: int) -> None:
    found = residuals(random.integers(-50, 50, (frames, channels), dtype=np.int16))
    assert find_topology(found, [frames] * channels) == Topology.independent(channels)


def test_residuals_of_one_key_have_one_length(random: np.random.Generator) -> None:
    found = [*residuals(together(random, 1, 0.0, 9000)[0]), *residuals(together(random, 1, 0.0, 900)[0])]
    with pytest.raises(ValueError, match="same shape"):
        find_topology(found, [0, 0])
    with pytest.raises(ValueError, match="shorter"):
        find_topology(found, [0])


def test_sessions_of_recordings(n1_sessions: dict[str, list[list[Path]]]) -> None:
    wanted = [files for sessions in n1_sessions.values() for files in sessions[:20]]
    paths = sorted(path for files in wanted for path in files)
    channels = [np.fromfile(path, dtype="<i2", offset=44) for path in paths]
    topology = topology_of(channels)
    check_invariants(topology)
    found = {frozenset(paths[channel] for channel in session) for session in topology.sessions()}
    assert found == {frozenset(files) for files in wanted}


@pytest.mark.parametrize(("frames", "channels", "groups"), [(20_000, 148, 3), (1000, 300, 2)])
def test_channels_of_a_wide_file_have_references_in_their_dependency_group(
    random: np.random.Generator, frames: int, channels: int, groups: int
) -> None:
    """Noise common to all channels makes all pairs equally strong."""
    noise = random.normal(size=(frames, channels)) + random.normal(size=(frames, 1))
    source = scan(ArraySource(np.round(30 * noise).astype(np.int16), "probe.npy"))
    topology, _ = find_sessions([source], within_groups=True)
    graph = ReferenceGraph.of(topology, [BlockChannel(channel, 0, frames) for channel in range(channels)])
    sizes = [graph.joint_groups.count(number) for number in sorted(set(graph.joint_groups))]
    assert sizes == pytest.approx([channels / groups] * groups, abs=1)
    used = sum(map(len, graph.references))
    assert used == sum(map(len, topology.earlier)), "references are within dependency groups"
    assert used > 2 * channels, f"{used} references of {channels} channels"


def test_references_add_to_each_other() -> None:
    """Of two copies of the best reference, only one is taken; then what it lacks."""
    random = np.random.default_rng(5)
    a, b = random.normal(size=(2, FRAMES))
    near = a + 0.01 * random.normal(size=FRAMES)
    channels = np.rint(100 * np.stack([near, a, b, 2 * a + b])).astype(np.int16)
    topology = topology_of(channels)
    check_invariants(topology)
    assert topology.passes == (0, 1, 3, 2)
    assert [one.channel for one in topology.earlier[2]][:2] == [3, 1]
    assert len(topology.earlier[3]) == 1, "the second copy says nothing new"


@pytest.mark.parametrize("count", [1, 4, 8, 20])
def test_the_number_of_references(random: np.random.Generator, count: int) -> None:
    noise = together(random, 40, 0.3)
    topology = find_topology([one for channel in noise for one in residuals(channel)], [0] * 40, count)
    check_invariants(topology)
    assert max(map(len, topology.earlier)) == min(count, MAX_EARLIER)
    assert topology.sessions() == [list(range(40))]


def test_coding_passes_are_shared_out(random: np.random.Generator) -> None:
    """All have about as many channels, and near ones are in different passes."""
    position = np.arange(64)
    mixing = 0.5 ** (np.abs(position[:, None] - position) / 2)
    samples = np.rint(40 * random.normal(size=(FRAMES, 64)) @ mixing).astype(np.int16)
    topology = find_topology(residuals(samples), ["probe"] * 64)
    check_invariants(topology)
    assert np.bincount(topology.passes).tolist() == [4] * 16
    assert all(abs(a - b) >= 4 for a in position for b in range(a) if topology.passes[a] == topology.passes[b])


@pytest.mark.parametrize("lag", [32, 400, 1000])
def test_a_long_lag_is_found(random: np.random.Generator, lag: int) -> None:
    period = random.normal(size=lag)
    periodic = np.tile(period, FRAMES // lag + 1)[:FRAMES] + 2 * random.normal(size=FRAMES)
    channels = np.rint(40 * np.stack([periodic, random.normal(size=FRAMES)])).astype(np.int16)
    for references in (0, 4):
        found = find_topology([one for channel in channels for one in residuals(channel)], [0, 0], references)
        assert found.lags[0] % lag == 0
        assert found.lags[0] > 0
        assert found.lags[1] == 0
    assert topology_of(channels[:, :200]).lags == (0, 0), "too short for a long lag"


@pytest.mark.parametrize(("frames", "order"), [(600, 16), (3000, 32), (60_000, 32)])
def test_an_order_is_that_which_saves(random: np.random.Generator, frames: int, order: int) -> None:
    """A filter leaves much to predict from a long past; it takes time to learn, and noise has nothing of it."""
    filtered, noise = band_passed(random, frames, 300), np.rint(random.normal(0, 300, frames)).astype(np.int16)
    assert topology_of([filtered, noise]).orders == (order, 8)
    found = [*residuals(filtered), *residuals(noise)]
    assert find_topology(found, [0, 1], order_cost=0.1).orders == (8, 8), "it has to save more"
    found = [*residuals(filtered)] * 2
    orders = [find_topology(found, [0, 0], references, order_cost=0.02).orders for references in (0, 4)]
    assert orders == [(16, 16), (8, 8)], "references tell some of it, too"


def test_wide_files_of_one_recording_are_one_session(random: np.random.Generator) -> None:
    """Sessions are complete without `within_groups`; training relies on it."""
    common = random.normal(size=(20_000, 1))
    sources = [
        scan(ArraySource(np.round(30 * (noise + common)).astype(np.int16), f"{i}.npy"))
        for i, noise in enumerate(random.normal(size=(2, 20_000, 128 + 8)))
    ]
    topology, sessions = find_sessions(sources)
    assert sessions == [[0, 1]]
    assert len(topology.sessions()) == 1
    assert len(find_sessions(sources, within_groups=True)[0].sessions()) == 6
