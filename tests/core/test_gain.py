"""Gains: octaves of the root mean square difference."""

from __future__ import annotations

from bisect import bisect_right

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikey_cli.core.gain import MEAN_SQUARE, STEP_UP, gain_of


@given(st.integers(0, 2**62))
def test_gain_of_a_mean_square(mean_square):
    assert gain_of(mean_square) == bisect_right(STEP_UP, mean_square >> 4)


def test_mean_squares_of_gains():
    for gain, mean_square in enumerate(MEAN_SQUARE):
        assert mean_square == pytest.approx(4096 * 2 ** (gain / 4 - 4), rel=1e-2)
        assert gain_of(mean_square) == gain
