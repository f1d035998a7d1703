"""The residual log against plain-Python lanes."""

from __future__ import annotations

import math

import pytest
from support import slow_twins
from support.network_twin import NetworkTwin
from support.random_models import random_model
from support.recordings import neural

from spikey_cli.codec.streams import log_channels
from spikey_cli.core.coders import CODERS
from spikey_cli.core.quantizer import N1, identity
from spikey_cli.model.graph import read_graph
from spikey_cli.model.predictor import Predictor, default_predictor
from spikey_cli.system.workers import Workers
from spikey_cli.topology.references import ReferenceGraph


@pytest.mark.parametrize("quantizer", [N1, identity(2)], ids=["small alphabet", "large alphabet"])
def test_the_log_equals_its_twin(random, quantizer):
    """Predictions of plain-Python lanes, and the range coder's frequencies, sample by sample."""
    model = random_model(window=5, edges=default_predictor().profile.edges.tolist())
    predictor, network = Predictor(model), NetworkTwin(read_graph(model))
    codes = neural(random, 120)[:, 0] * (1 if quantizer is N1 else 40)
    graph = ReferenceGraph.independent(1)
    ((log, header_bits),) = log_channels([codes], [quantizer], graph, 60, CODERS["range"], predictor, Workers(None, 1))
    assert 0 < header_bits < 100
    edges = predictor.profile.edges.tolist()
    converter = slow_twins.Converter(edges) if quantizer is N1 else slow_twins.Converter.equal(quantizer.size)
    halves = [codes[:60].tolist(), codes[60:].tolist()]
    twin = slow_twins.ChannelTwin([slow_twins.LaneTwin(half, converter) for half in halves])
    assert log.step.tolist() == [*range(60), *range(60)]
    assert log.mass[[0, 60]].tolist() == [0, 0]
    for step in range(1, 60):
        for i, lane in enumerate(twin.lanes):
            sample, normalised_error = 60 * i + step, 0
            if step <= network.window:
                mean, scale, outlier_weight = lane.values[step - 1], 2 * lane.gain - 32, 12
            else:
                lane.see(step, network)
                outputs = network.outputs(lane.inputs, lane.latent, [])
                mean, scale, outlier_weight = lane.predict(step, twin.taps(i, step, []), twin.weights, outputs)
                normalised_error = (lane.values[step] - lane.network_mean) * slow_twins.inverse_scale(
                    lane.network_log2_scale
                ) >> 21
            residual = lane.values[step] - mean
            assert log.residual[sample] == residual, f"lane {i}, step {step}"
            assert log.corrected[sample] == slow_twins.clip(residual * slow_twins.inverse_scale(scale) >> 21, 32767)
            assert log.normalised_error[sample] == slow_twins.clip(normalised_error, 32767)
            if quantizer is N1:
                code = lane.codes[step]
                below, above = (
                    slow_twins.cumulative(code + k, 1024, edges[code + k], mean, scale, outlier_weight) for k in (0, 1)
                )
                assert log.mass[sample] == above - below
        if step > network.window:
            twin.update(step, [])
    masses = log.mass[log.mass > 0].tolist()
    assert len(masses) == 118
    assert log.bits() == pytest.approx(sum(24 - math.log2(mass) for mass in masses) + log.raw_bits.sum(dtype=int))
