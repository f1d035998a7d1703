"""Gains: octaves of the root mean square difference."""

from __future__ import annotations

import math
from bisect import bisect_right

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikey_cli.core import gain
from spikey_cli.core.converter import Bins
from spikey_cli.core.lanes import cut
from spikey_cli.core.quantizer import identity
from spikey_cli.core.reference import gain as reference


@given(st.integers(0, 2**62))
def test_gain_of_a_mean_square(mean_square):
    assert reference.nearest_gain(mean_square >> 4) == bisect_right(reference.THRESHOLDS, mean_square >> 4)


def test_mean_squares_of_gains():
    for g in range(reference.MAX_GAIN + 1):
        mean_square = reference.mean_square(g)
        assert mean_square == pytest.approx(4096 * 2 ** (g / 4 - 4), rel=1e-2)
        assert reference.nearest_gain(mean_square >> 4) == g


def test_gain_tables_are_their_formulas():
    assert [round(2**30 * 2 ** (i / 8)) for i in range(8)] == reference.ROOT
    for g in range(reference.MAX_GAIN + 1):
        rms = 2 ** (g / 8 - 2)
        assert reference.input_factor(g) == pytest.approx(2**24 * 64 / rms, rel=1e-6, abs=1)
        assert reference.output_factor(g) == pytest.approx(2**16 * 64 * rms / 1024, rel=1e-6, abs=1)
        assert reference.log2_scale(g) == pytest.approx(16 * math.log2(rms))
    for g in range(1, reference.MAX_GAIN + 1):
        assert reference.threshold(g) == pytest.approx(2 ** ((g - 0.5) / 4 - 4) * 256, rel=1e-6, abs=1)


@given(st.lists(st.integers(0, 2**24 - 1), min_size=1, max_size=20), st.sampled_from([1, 2**8, 2**16]))
def test_gain_is_the_root_mean_square(values, divisor):
    codes = np.array(values, dtype=np.int32) // divisor
    (found,) = gain.lane_gains(codes, cut([codes.size], codes.size), Bins.of([identity(3)], None))
    assert found == reference.gain_of((64 * codes.astype(np.int64)).tolist())
    rms = math.sqrt(np.mean(np.diff(codes.astype(float)) ** 2)) if codes.size > 1 else 0.0
    if rms > 0.5:
        assert abs(8 * (math.log2(rms) + 2) - found) <= 0.6


def test_gain_tables_of_the_core():
    for name, expected in (
        ("input_factor", reference.input_factor),
        ("output_factor", reference.output_factor),
        ("mean_square", reference.mean_square),
        ("log2_rms", reference.log2_scale),
    ):
        assert gain.gain_table(name).tolist() == [expected(g) for g in range(reference.MAX_GAIN + 1)]
    assert gain.gain_table("gain_step").tolist() == reference.THRESHOLDS
