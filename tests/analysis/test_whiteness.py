"""Autocorrelation and correlation between channels of noise with known correlation."""

from __future__ import annotations

import math

import numpy as np
import pytest

from spikey_cli.analysis.whiteness import autocorrelation, correlation_matrix, ljung_box, redundancy


def test_white_noise_is_white_and_coloured_is_not(random):
    noise = random.normal(size=50_000)
    valid = np.ones(noise.size, dtype=bool)
    correlations, n = autocorrelation(noise, valid)
    assert n == noise.size
    assert np.mean(np.abs(correlations) > 1.96 / n**0.5) < 0.15
    assert ljung_box(correlations, n)[1] > 0.001
    assert redundancy(correlations, n) < 0.001
    coloured = noise[1:] + 0.3 * noise[:-1]
    correlations, n = autocorrelation(coloured, valid[1:])
    assert correlations[0] == pytest.approx(0.3 / 1.09, abs=0.02)
    assert ljung_box(correlations, n)[1] < 1e-6
    assert redundancy(correlations, n) == pytest.approx(-0.5 * math.log2(1 - correlations[0] ** 2), abs=0.01)


def test_common_noise_shows_in_the_matrix(random):
    own, shared = random.normal(size=(3, 40_000)), random.normal(size=40_000)
    channels = [own[0] + shared, own[1] + shared, own[2]]
    matrix = correlation_matrix(channels, [np.ones(40_000, dtype=bool)] * 3)
    np.testing.assert_allclose(matrix, [[1, 0.5, 0], [0.5, 1, 0], [0, 0, 1]], atol=0.03)
