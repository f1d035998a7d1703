"""Coding states: how long the streams of a known signal are. `tests/core/test_reference.py` compares their bits."""

from __future__ import annotations

import math

import numpy as np

from spikey_cli.codec.streams import encode_channels
from spikey_cli.core.coders import CODERS
from spikey_cli.core.quantizer import identity
from spikey_cli.model.predictor import default_predictor
from spikey_cli.system.workers import Workers
from spikey_cli.topology.references import ReferenceGraph


def test_wide_noise_costs_what_its_deviation_says(random):
    """24-bit samples: the high part by the density, low bits as they are."""
    codes = np.rint(random.normal(2**23, 2**15, 40_000)).astype(np.int32)
    (stream,) = encode_channels(
        [codes],
        [identity(3)],
        ReferenceGraph.independent(1),
        40_000,
        CODERS["range"],
        default_predictor(),
        Workers(None, 1),
    )
    ideal = 15 + math.log2(math.sqrt(2 * math.pi * math.e))
    assert ideal < 8 * len(stream.data) / codes.size < ideal + 0.2
