"""Tables of the predicted density against their formulas."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikey_cli.core import _core, density
from spikey_cli.core.density import MARGIN
from spikey_cli.core.reference import density as reference
from spikey_cli.core.reference.bins import Bins
from spikey_cli.core.reference.range import shares_below
from spikey_cli.core.reference.rice import Prediction


def test_density_tables_are_their_formulas():
    tables = _core.tables()
    inverse_scale, scale = np.frombuffer(tables["inverse_scale"], np.int32), np.frombuffer(tables["scale"], np.int64)
    for log2_scale in range(density.MIN_LOG2_SCALE, density.MAX_LOG2_SCALE + 1):
        place = log2_scale - density.MIN_LOG2_SCALE
        assert inverse_scale[place] == reference.inverse_scale(log2_scale)
        assert inverse_scale[place] == pytest.approx(2 ** (23 - log2_scale / 16), abs=1)
        assert scale[place] == reference.scale(log2_scale)
        assert scale[place] == pytest.approx(2 ** (16 + log2_scale / 16), rel=1e-3)
    mixture = np.frombuffer(tables["mixture"], np.int32).reshape(32, 2049, 2)[..., 0]
    for outlier_weight in range(32):
        assert mixture[outlier_weight].tolist() == [reference.mixture(i, outlier_weight) for i in range(-1024, 1025)]


@given(st.integers(-64, 255), st.integers(0, 31), st.integers(0, 64 * 1023))
def test_every_code_can_be_coded(log2_scale, outlier_weight, predicted_mean):
    below = shares_below(Bins.equal(1024), Prediction(predicted_mean, log2_scale, outlier_weight))
    assert (np.diff([below(code) for code in range(1025)]) >= MARGIN).all()
