"""Streams against those of plain-Python lanes, which code one sample at a time."""

from __future__ import annotations

import math

import numpy as np
import pytest
from support import slow_twins
from support.network_twin import NetworkTwin
from support.random_models import PARTS, random_model
from support.recordings import neural

from spikey_cli.codec.streams import encode_channels
from spikey_cli.container.parts import Method
from spikey_cli.core.coders import CODERS
from spikey_cli.core.quantizer import N1, identity
from spikey_cli.model.graph import read_graph
from spikey_cli.model.predictor import Predictor, default_predictor
from spikey_cli.model.zoo import model_folder
from spikey_cli.system.workers import Workers
from spikey_cli.topology.references import ReferenceGraph


def _default_model() -> bytes:
    (path,) = [p for p in model_folder().glob("*.onnx") if p.stem.endswith(default_predictor().digest.hex()[:8])]
    return path.read_bytes()


MODELS = {"none": None, "shipped": _default_model()} | {
    name: random_model(**parts, edges=default_predictor().profile.edges.tolist()) for name, parts in PARTS.items()
}
GRAPH = ReferenceGraph(
    references=((), (0,), (), (), (1, 0)),
    metrics=((), (90,), (), (), (255, 7)),
    passes=(0, 1, 0, 1, 2),
    dependency_groups=(range(5),),
)


@pytest.mark.parametrize("coder", ["rice", "range"])
@pytest.mark.parametrize("model", MODELS)
def test_streams_equal_their_twin(random, model, coder):
    """Lane headers, naive deltas, network, profile, adaptation and coder, bit for bit."""
    codes = neural(random, 100, 2)
    channels = [np.ascontiguousarray(codes[:, 0]), np.ascontiguousarray(codes[:, 1]), codes[:3, 0].copy()]
    channels.append(random.integers(0, 2**16, 60).astype(np.int32))
    channels.append(codes[:, 1] + codes[::-1, 0] + 30_000)
    model = MODELS[model]
    quantizers = [N1, identity(2), N1, identity(2), identity(2)]
    predictor = Predictor(model) if model else None
    streams = encode_channels(channels, quantizers, GRAPH, 50, CODERS[coder], predictor, Workers(None, 1))
    profile = predictor.profile if predictor else None
    twins = slow_twins.expected_streams(
        [t.tolist() for t in channels],
        [
            slow_twins.Converter(profile.edges.tolist())
            if quantizer is N1 and profile is not None
            else slow_twins.Converter.equal(quantizer.size)
            for quantizer in quantizers
        ],
        50,
        NetworkTwin(read_graph(model)) if model else None,
        coder,
        [list(references) for references in GRAPH.references],
        [list(metrics) for metrics in GRAPH.metrics],
        list(GRAPH.passes),
    )
    assert [streams[i].method for i in (0, 1, 4)] == [Method.CODED] * 3
    for i, (stream, expected) in enumerate(zip(streams, twins, strict=True)):
        if stream.method == Method.CODED:
            assert stream.data == expected, f"channel {i} differs from its twin"


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
