"""Lanes: channels are cut evenly."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from spikey_cli.core.lanes import cut


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
