"""Tables of the predicted density against their formulas."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import slow_twins

from spikey_cli.core import _core, density
from spikey_cli.core.density import MARGIN


def test_density_tables_are_their_formulas():
    tables = _core.tables()
    inverse_scale, scale = np.frombuffer(tables["inverse_scale"], np.int32), np.frombuffer(tables["scale"], np.int64)
    for log2_scale in range(density.MIN_LOG2_SCALE, density.MAX_LOG2_SCALE + 1):
        place = log2_scale - density.MIN_LOG2_SCALE
        assert inverse_scale[place] == slow_twins.inverse_scale(log2_scale)
        assert inverse_scale[place] == pytest.approx(2 ** (23 - log2_scale / 16), abs=1)
        assert scale[place] == slow_twins.scale_factor(log2_scale)
        assert scale[place] == pytest.approx(2 ** (16 + log2_scale / 16), rel=1e-3)
    mixture = np.frombuffer(tables["mixture"], np.int32).reshape(32, 2049, 2)[..., 0]
    for outlier_weight in range(32):
        assert mixture[outlier_weight].tolist() == [slow_twins._mixture(i, outlier_weight) for i in range(-1024, 1025)]


@given(st.integers(-64, 255), st.integers(0, 31), st.integers(0, 64 * 1023))
def test_every_code_can_be_coded(log2_scale, outlier_weight, predicted_mean):
    frequencies = [
        slow_twins.cumulative(c, 1024, 64 * c - 32, predicted_mean, log2_scale, outlier_weight) for c in range(1025)
    ]
    assert (np.diff(frequencies) >= MARGIN).all()
