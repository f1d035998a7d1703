"""Lanes: channels are cut evenly, and tiles are copied back."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from spikey_cli.core.lanes import cut, gather, scatter


@given(st.lists(st.integers(1, 50), min_size=1, max_size=6), st.integers(1, 20))
def test_lanes_cover_channels_evenly(lengths, steps):
    lanes = cut(lengths, steps)
    assert lanes.start.tolist() == (np.cumsum(lanes.length) - lanes.length).tolist()
    for channel, length in enumerate(lengths):
        own = lanes.length[lanes.channel == channel]
        assert own.size == math.ceil(length / steps)
        assert own.sum() == length
        assert own.max() <= steps
        assert own.max() - own.min() <= 1
        assert (np.diff(own) <= 0).all()


@given(st.lists(st.integers(1, 30), min_size=1, max_size=4), st.integers(1, 12), st.integers(1, 9))
def test_tiles_come_back(lengths, steps, tile_steps):
    lanes = cut(lengths, steps)
    codes = np.arange(sum(lengths), dtype=np.int32)
    copied = np.full_like(codes, -1)
    for first in range(0, lanes.steps, tile_steps):
        tile = np.full((tile_steps, lanes.count), -7, dtype=np.int32)
        gather(codes, lanes.start, lanes.length, first, tile)
        for lane in range(lanes.count):
            stop = min(first + tile_steps, lanes.length[lane])
            expected = codes[lanes.start[lane] + first : lanes.start[lane] + max(first, stop)]
            np.testing.assert_array_equal(tile[: expected.size, lane], expected)
        scatter(copied, lanes.start, lanes.length, first, tile)
    np.testing.assert_array_equal(copied, codes)
