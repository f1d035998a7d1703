"""Block plan: each frame in one block, sessions together, lanes of equal length."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from spikey_cli.codec.block_plan import (
    BLOCK_SAMPLES,
    MIN_STEPS,
    PART_FRAMES,
    WIDE_FRAMES,
    WIDE_SAMPLES,
    plan_blocks,
    steps_for,
)
from spikey_cli.container.parts import Part


def test_blocks_hold_every_frame_once_and_sessions_together():
    frames = [100, BLOCK_SAMPLES * 2 + 5, 100, 7, BLOCK_SAMPLES // 2, 0, BLOCK_SAMPLES * 2 + 5]
    channels = [1, 1, 1, 3, 4, 1, 1]
    blocks = plan_blocks([[0, 2], [1, 6], [3], [4], [5]], frames, channels)
    reached = [0] * len(frames)
    for block in blocks:
        assert 0 < sum(p.n_frames * channels[p.file] for p in block) <= BLOCK_SAMPLES
        for a, b in ((0, 2), (1, 6)):
            cuts = [[(p.first_frame, p.n_frames) for p in block if p.file == file] for file in (a, b)]
            assert cuts[0] == cuts[1], f"files {a} and {b} are cut apart"
        for p in block:
            assert p.first_frame == reached[p.file]
            reached[p.file] += p.n_frames
    assert reached == frames
    assert plan_blocks([], [], []) == []
    assert all(p.n_frames <= PART_FRAMES for block in blocks for p in block)
    assert plan_blocks([[0]], [5], [WIDE_SAMPLES + 1]) == [[Part(0, i, 1)] for i in range(5)]


def test_blocks_are_about_equal_and_fill_vectors():
    """Eight channels are coded at a time, and a small last block would have few lanes."""
    n = 300
    blocks = plan_blocks([[i] for i in range(n)], [98_689] * n, [1] * n)
    assert sum(map(len, blocks)) == n
    assert {len(block) % 8 for block in blocks[:-1]} == {0}
    assert min(map(len, blocks)) >= 24
    pairs = plan_blocks([[2 * i, 2 * i + 1] for i in range(n // 2)], [98_689] * n, [1] * n)
    assert {len(block) % 8 for block in pairs[:-1]} == {0}


def test_blocks_of_many_channels_are_longer():
    """What is learnt of peers begins anew with each block."""
    (first, *_), *_ = plan_blocks([[0]], [10**6], [384])
    assert first.n_frames * 384 > BLOCK_SAMPLES
    assert first.n_frames * 384 <= WIDE_SAMPLES
    (first, *_), *_ = plan_blocks([[0]], [10**6], [100])
    assert WIDE_FRAMES / 2 < first.n_frames <= WIDE_FRAMES


@given(st.lists(st.integers(1, 10**6), min_size=1, max_size=50), st.sampled_from([1, 8]))
def test_steps_are_long_enough_and_leave_little_unused(lengths, lanes):
    steps = steps_for(lengths, lanes)
    assert steps >= min(MIN_STEPS // 2, max(lengths))
    assert steps <= 2 * max(MIN_STEPS, -(-max(lengths) // lanes))
    assert max(lengths) <= lanes * steps
