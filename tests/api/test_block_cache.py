"""A recording with a cache of decoded blocks."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.recordings import n1_samples, neural

import spikey_cli
from spikey_cli.api.block_cache import BlockCache
from spikey_cli.codec import block_plan, blocks
from spikey_cli.errors import ArchiveError
from spikey_cli.io.source import ArraySource

FRAMES, CHANNELS, BLOCKS = 9000, 3, 4


@pytest.fixture(scope="module")
def samples() -> np.ndarray:
    return np.ascontiguousarray(n1_samples(neural(np.random.default_rng(1), FRAMES, CHANNELS)))


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory, samples: np.ndarray) -> Path:
    path = tmp_path_factory.mktemp("cache") / "a.spk"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(block_plan, "PART_FRAMES", -(-FRAMES // BLOCKS))
        spikey_cli.compress([ArraySource(samples, "a.npy", 30_000)], path)
    return path


@pytest.fixture
def recording(archive: Path) -> Iterator[spikey_cli.Recording]:
    with spikey_cli.open(archive) as recording:
        yield recording


def test_edges_of_blocks(recording: spikey_cli.Recording) -> None:
    assert recording.edges == (0, 2250, 4500, 6750, 9000)


@given(
    ranges=st.lists(st.tuples(st.integers(0, FRAMES), st.integers(0, FRAMES)).map(sorted), min_size=1, max_size=4),
    columns=st.sampled_from([None, slice(None), slice(1, 3), [2, 0], [1], np.array([0, 1, 2]), []]),
    cache_bytes=st.sampled_from([0, 30_000]),
)
def test_any_range_is_that_of_the_recording(
    archive: Path, samples: np.ndarray, ranges: list[list[int]], columns: slice | list[int] | None, cache_bytes: int
) -> None:
    with spikey_cli.open(archive) as recording:
        cache = BlockCache(recording, cache_bytes)
        for first, stop in ranges:
            read = cache.read(first, stop, columns)
            np.testing.assert_array_equal(read, samples[first:stop, slice(None) if columns is None else columns])
            read[:] = 0  # the returned array is not the cached one


def test_consecutive_reads_decode_each_block_once(recording: spikey_cli.Recording, decoded: list[int]) -> None:
    cache = BlockCache(recording)
    for first in range(0, FRAMES, 500):
        cache.read(first, first + 500)
    assert decoded == [CHANNELS] * BLOCKS
    cache.read(100, 200, [1])
    assert decoded == [CHANNELS] * BLOCKS, "a block of which all channels were cached was decoded again"


def test_only_what_is_needed_is_decoded(tmp_path: Path, samples: np.ndarray, decoded: list[int]) -> None:
    independent = spikey_cli.Encoding(peers=False)
    spikey_cli.compress([ArraySource(samples, "a.npy", 30_000)], tmp_path / "a.spk", coder=independent)
    decoded.clear()  # what was decoded to verify it
    with spikey_cli.open(tmp_path / "a.spk") as recording:
        cache = BlockCache(recording)
        cache.read(2300, 2310, [1])
        assert decoded == [1]
        cache.read(0, 0)
        assert decoded == [1]


def test_the_size_of_the_cache_is_limited(recording: spikey_cli.Recording, decoded: list[int]) -> None:
    cache = BlockCache(recording, cache_bytes=2 * 2250 * CHANNELS * 2)
    for first in (0, 2300, 4600, 2400, 100):
        cache.read(first, first + 10)
    assert len(decoded) == 4, "the second of three blocks was cached, and the first was evicted"


def test_threads_share_blocks(recording: spikey_cli.Recording, samples: np.ndarray, decoded: list[int]) -> None:
    cache = BlockCache(recording)
    starts = range(0, FRAMES, 100)
    with ThreadPoolExecutor(8) as pool:
        for first, piece in zip(starts, pool.map(lambda t: cache.read(t, t + 100), starts), strict=True):
            assert np.array_equal(piece, samples[first : first + 100]), f"wrong frames from {first}"
    assert len(decoded) == BLOCKS


def test_a_block_that_cannot_be_decoded_is_not_cached(
    recording: spikey_cli.Recording, samples: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = BlockCache(recording)
    with monkeypatch.context() as patch:
        patch.setattr(blocks, "decode_channels", lambda streams, *rest: [None] * len(streams))
        with pytest.raises(ArchiveError, match="damaged"):
            cache.read(10, 20)
    np.testing.assert_array_equal(cache.read(10, 20), samples[10:20])
