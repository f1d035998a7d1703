"""Range coder against one in big integers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from support.lane_runs import encode, lane_runs
from support.reference import encode_lanes

from spikey_cli.core.coders import CODERS
from spikey_cli.core.converter import Bins
from spikey_cli.core.lanes import cut
from spikey_cli.core.quantizer import N1


@given(run=lane_runs())
def test_range_streams_equal_the_reference(run):
    """Shares and interval by the definition, in big integers."""
    assert encode(CODERS["range"], *run) == encode_lanes("range", *run)


def test_range_codes_are_as_long_as_the_density_says(random):
    lanes, bins = cut([20_000], 20_000), Bins.of([N1], None)
    codes = np.clip(np.rint(random.normal(500, 6, (20_000, 1))), 0, 1023).astype(np.int32)
    shape = codes.shape
    prediction = [np.full(shape, v, dtype=np.int32) for v in (500 * 64, round(16 * np.log2(6)), 0)]
    (stream,) = encode(CODERS["range"], lanes, bins, codes, *prediction)
    ideal = np.log2(6 * np.sqrt(2 * np.pi * np.e))
    assert 8 * len(stream) / codes.size == pytest.approx(ideal, abs=0.03)
