"""Random lanes, codes and predictions, and coders that run on them without a coding state."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from spikey_cli.container.quantizer_table import unpack_quantizer
from spikey_cli.core.coding_step import first_state
from spikey_cli.core.converter import Bins, Profile
from spikey_cli.core.lanes import Lanes, cut
from spikey_cli.core.quantizer import N1, identity
from spikey_cli.topology.references import ReferenceGraph, ReferenceTable

QUANTIZERS = [
    N1,
    identity(1),
    identity(2),
    identity(3),
    *(unpack_quantizer(bytes([2, 0, 2, size]), 2)[0] for size in (1, 2, 3, 100)),
]


@st.composite
def lane_runs(draw):
    """Any lanes, codes and predictions: (lanes, bins, codes, predicted_mean, log2_scale, outlier_weight)."""
    quantizers = draw(st.lists(st.sampled_from(QUANTIZERS), min_size=1, max_size=4))
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    edges = np.arange(1025) * 64 - 32 + random.integers(-31, 32, 1025)
    profile = Profile(edges.astype(np.int32)) if draw(st.booleans()) else None
    bins = Bins.of(quantizers, profile)
    lanes = cut([draw(st.integers(1, 40)) for _ in quantizers], draw(st.integers(1, 15)))
    shape = (lanes.steps, lanes.count)
    size = bins.size[lanes.channel]
    codes = (random.random(shape) * size).astype(np.int32)
    lowest, highest = _range_of_values(bins, lanes.channel)
    predicted_mean = (lowest + random.random(shape) * (highest - lowest + 1)).astype(np.int32)
    if draw(st.booleans()):  # well predicted
        codes = np.clip((predicted_mean + 32) // 64 + random.integers(-3, 4, shape), 0, size - 1).astype(np.int32)
    log2_scale = random.integers(-90, 420, shape).astype(np.int32)
    return lanes, bins, codes, predicted_mean, log2_scale, random.integers(-5, 40, shape).astype(np.int32)


def encode(coder, lanes: Lanes, bins: Bins, codes, *prediction) -> list[bytes]:
    encoder = coder.encoder(lanes, bins)
    _code(encoder, lanes, bins, codes, prediction)
    return encoder.finish()


def decode(coder, lanes: Lanes, bins: Bins, streams, *prediction):
    decoder = coder.decoder(lanes, bins, streams)
    codes = np.zeros((lanes.steps, lanes.count), dtype=np.int32)
    _code(decoder, lanes, bins, codes, prediction)
    return codes, decoder.finish()


def _code(coder, lanes: Lanes, bins: Bins, codes, prediction) -> None:
    none = ReferenceTable.of(ReferenceGraph.independent(lanes.n_channels), range(lanes.n_channels))
    zeros = np.zeros(lanes.count, np.int32)
    state = first_state(lanes, bins, zeros.astype(np.uint8), zeros, none)
    for step in range(1, lanes.steps):
        state.code(coder.core, *(np.ascontiguousarray(row[step]) for row in prediction), codes[step])


def _range_of_values(bins: Bins, channel: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Values of the first and the last code of these channels."""
    profiled, last = bins.profiled[channel], bins.size[channel] - 1
    return bins.values_of(np.zeros_like(last), profiled), bins.values_of(last, profiled)
