"""Entropies of sources whose entropy is known."""

from __future__ import annotations

import math

import numpy as np
import pytest

from spikey_cli.analysis.entropy import conditional_entropy, entropy


def test_entropy_of_known_sources(random):
    coin = random.choice(4, size=60_000, p=[0.5, 0.25, 0.125, 0.125])
    estimate = entropy(coin)
    assert estimate.plug_in <= estimate.corrected
    assert estimate.corrected == pytest.approx(1.75, abs=0.01)
    assert estimate.plug_in < estimate.adaptive < estimate.plug_in + 0.01
    steps = np.cumsum(random.choice([-1, 1], size=60_000)) % 50
    order_1 = conditional_entropy(steps)
    assert order_1.corrected == pytest.approx(1.0, abs=0.01)
    assert order_1.contexts == 50
    short = conditional_entropy(random.integers(0, 200, 3000))
    assert short.plug_in < math.log2(200) < short.adaptive, "the truth lies in the bracket"
