"""Power spectral density and spectral lines."""

from __future__ import annotations

import numpy as np
import pytest

from spikey_cli.analysis.spectrum import SEGMENT, power_density, spectral_lines


def test_a_sine_is_a_line_and_noise_is_flat(random):
    rate, n = 20_000, 100_000
    noise = random.normal(size=n)
    frequency, density = power_density(noise.astype(np.float32), rate)
    assert frequency.size == SEGMENT // 2 + 1
    assert density.sum() * rate / SEGMENT == pytest.approx(1.0, abs=0.05)
    assert spectral_lines(frequency, density) == []
    hum = noise + np.sin(2 * np.pi * 3000 / rate * np.arange(n))
    ((hertz, decibels),) = spectral_lines(*power_density(hum.astype(np.float32), rate))
    assert hertz == pytest.approx(3000, abs=rate / SEGMENT)
    assert decibels > 10
