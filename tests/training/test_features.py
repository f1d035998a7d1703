"""Linear features equal those of their libraries; learnt filters are placed along the window."""

from __future__ import annotations

import numpy as np
import pytest
import pywt

from spikey_cli.training.config import Config
from spikey_cli.training.features import linear_features, placed_filters

pytestmark = pytest.mark.slow


def test_linear_features_are_those_of_their_libraries(random):
    window = random.normal(size=32)
    parts = Config.model_validate(
        {
            "features": [
                {"kind": "identity", "last": 5},
                {"kind": "fourier", "last": 16},
                {"kind": "wavelet", "name": "db2", "levels": 2},
            ]
        }
    ).features
    features = linear_features(parts, 32) @ window
    np.testing.assert_allclose(features[:5], window[-5:])
    spectrum = np.fft.rfft(window[-16:], norm="ortho")
    np.testing.assert_allclose(features[5:21], [*spectrum.real, *spectrum.imag[1:-1]])
    np.testing.assert_allclose(features[21:], np.concatenate(pywt.wavedec(window, "db2", level=2)))


def test_filters_are_placed_from_the_newest_difference_backwards():
    assert placed_filters(2, 3, 4, 8).tolist() == [
        [-1, -1, -1, -1, -1, 0, 1, 2],
        [-1, 0, 1, 2, -1, -1, -1, -1],
        [-1, -1, -1, -1, -1, 3, 4, 5],
        [-1, 3, 4, 5, -1, -1, -1, -1],
    ]
