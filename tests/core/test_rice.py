"""Rice codes against plain-Python codes."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from support import slow_twins
from support.lane_runs import encode, lane_runs

from spikey_cli.core.bits import stream_from_words
from spikey_cli.core.coders import CODERS
from spikey_cli.core.rice import MAX_CODE_BITS, MAX_K, get_rank, put_rank, rice_parameter


@given(st.lists(st.tuples(st.integers(0, 2**24 - 1), st.integers(0, MAX_K)), min_size=1, max_size=60))
def test_rice_codes_equal_their_twin_and_come_back(cases):
    words = np.zeros(len(cases) * MAX_CODE_BITS // 64 + 2, dtype=np.uint64)
    cursor, expected = 0, ""
    for rank, k in cases:
        cursor = put_rank(words, cursor, rank, k, 24)
        expected += slow_twins.rice_bits(rank, k, 24)
    assert stream_from_words(words, 0, cursor) == slow_twins.bits_to_bytes(expected)
    assert cursor == len(expected) <= MAX_CODE_BITS * len(cases)
    cursor = 0
    for rank, k in cases:
        found, cursor = get_rank(words, cursor, k, 24)
        assert found == rank, f"k={k}: {rank} came back as {found}"


@given(st.integers(-200, 600))
def test_rice_parameter_grows_an_octave_at_a_time(log2_scale):
    assert rice_parameter(log2_scale) == slow_twins.rice_parameter(log2_scale)


@given(run=lane_runs())
def test_rice_streams_equal_their_twin(run):
    """Ranks by distance, or on a profile by likelihood, from the definition."""
    lanes, bins, codes, predicted_mean, log2_scale, outlier_weight = run
    streams = encode(CODERS["rice"], lanes, bins, codes, predicted_mean, log2_scale, outlier_weight)
    twins: list[list[str]] = [[] for _ in range(lanes.n_channels)]
    converters = [
        slow_twins.Converter(bins.edges.tolist()) if profiled else slow_twins.Converter.equal(min(int(size), 2**16))
        for size, profiled in zip(bins.size, bins.profiled, strict=True)
    ]
    for step in range(1, lanes.steps):
        for lane in np.flatnonzero(lanes.length > step):
            of = lanes.channel[lane]
            if bins.size[of] <= 2**16:  # the twin lists all ranks, which takes too long for more codes
                at = [int(row[step, lane]) for row in (codes, predicted_mean, log2_scale, outlier_weight)]
                slow_twins.write_code(twins[of], *at, converters[of])
    for of in np.flatnonzero(bins.size <= 2**16):
        assert streams[of] == slow_twins.bits_to_bytes("".join(twins[of])), f"channel {of}"
