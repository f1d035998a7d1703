"""Lane headers: gains and initial codes come back, and damage gives valid ones."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from spikey_cli.core.lane_headers import decode_lane_headers, encode_lane_headers
from spikey_cli.core.lanes import cut


@given(st.data())
def test_lane_headers_come_back(data):
    sizes = np.array(data.draw(st.lists(st.sampled_from([1, 2, 1024, 2**24]), min_size=1, max_size=4)), dtype=np.int64)
    lanes = cut([data.draw(st.integers(1, 30)) for _ in sizes], data.draw(st.integers(1, 10)))
    gains = np.array([data.draw(st.integers(0, 216)) for _ in range(lanes.count)], dtype=np.uint8)
    initial_codes = np.array([data.draw(st.integers(0, int(sizes[t]) - 1)) for t in lanes.channel], dtype=np.int32)
    streams = encode_lane_headers(lanes, sizes, gains, initial_codes)
    found_gains, found_codes, used = decode_lane_headers(lanes, sizes, [stream + b"rest" for stream in streams])
    np.testing.assert_array_equal(found_gains, gains)
    np.testing.assert_array_equal(found_codes, initial_codes)
    np.testing.assert_array_equal(used, [len(stream) for stream in streams])


@given(st.binary(max_size=12), st.sampled_from([1, 2, 1000, 2**24]), st.integers(1, 6))
def test_damaged_lane_headers_give_valid_values(stream, size, n_lanes):
    lanes = cut([n_lanes], 1)
    gains, initial_codes, _ = decode_lane_headers(lanes, np.array([size]), [stream])
    assert gains.max() <= 216
    assert initial_codes.min() >= 0
    assert initial_codes.max() < size
