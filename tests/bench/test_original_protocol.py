"""The parts of the benchmark that runs the original write-up's protocol."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from support.paths import ROOT
from support.recordings import neural

from spikey_cli.core.converter import Bins
from spikey_cli.core.quantizer import N1
from spikey_cli.model.predictor import default_predictor

sys.path.append(str(ROOT / "benchmarks"))

import original_protocol as protocol


def test_rice_bits_are_those_of_the_codes():
    # 0 -> 0, -1 -> 1, 1 -> 2, -6 -> 11; k = 2: one, one, one and three unary bits, and two more each
    assert protocol.rice_bits(np.array([0, -1, 1, -6]), 2) == 3 + 3 + 3 + 5
    assert protocol.best_rice_bits(np.zeros(10, dtype=np.int64)) == 10


@pytest.fixture
def channel(random):
    """A channel of codes, its bins, and the predictor."""
    predictor = default_predictor()
    return neural(random, 6000)[:, 0], Bins.of([N1], predictor.profile), predictor


def test_predictions_are_of_the_next_code(channel):
    codes, bins, predictor = channel
    predicted = protocol.predictions(codes, bins, predictor)
    assert predicted.size == codes.size - predictor.window - 1
    true = codes[predictor.window + 1 :]
    assert np.std(true - predicted) < np.std(np.diff(codes))
    assert np.corrcoef(true, predicted)[0, 1] > 0.7


def test_truncation_loses_and_rounding_does_not(channel):
    codes, bins, predictor = channel
    bits = protocol.measure(codes, 19531, bins, predictor)
    assert bits.samples == 6000
    assert bits.counted == 6000 - 1953
    assert 0.3 < bits.wrong / bits.counted < 0.7
    assert bits.truncated < bits.rounded
    assert bits.rounded_best_k <= bits.rounded
    predicted = protocol.predictions(codes, bins, predictor)
    true = codes[predictor.window + 1 :]
    sent = true - np.rint(predicted)
    np.testing.assert_array_equal(np.rint(predicted) + sent, true)
