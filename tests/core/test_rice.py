"""Rice codes against plain-Python codes."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from support import slow_twins
from support.lane_runs import encode, lane_runs

from spikey_cli.core.coders import CODERS


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
