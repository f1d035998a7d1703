"""The study of recordings, on generated ones whose figures are known."""

from __future__ import annotations

import math

import pytest
from support import slow_twins
from support.network_twin import NetworkTwin
from support.random_models import random_model
from support.recordings import neural

from spikey_cli.codec.streams import run_group
from spikey_cli.core.quantizer import N1, identity
from spikey_cli.core.residual_log import ResidualLog
from spikey_cli.model.graph import read_graph
from spikey_cli.model.predictor import Predictor, default_predictor
from spikey_cli.topology.references import ReferenceGraph


@pytest.mark.parametrize("quantizer", [N1, identity(2)], ids=["profiled", "wide"])
def test_the_ledger_equals_its_twin(random, quantizer):
    """What plain-Python lanes predict, and what the range coder's frequencies make of it, sample by sample."""
    model = random_model(window=5, edges=default_predictor().profile.edges.tolist())
    predictor, network = Predictor(model), NetworkTwin(read_graph(model))
    codes = neural(random, 120)[:, 0] * (1 if quantizer is N1 else 40)
    coded_group = run_group([codes], [quantizer], ReferenceGraph.independent(1), [0], 60, ResidualLog, predictor)
    (page,) = coded_group.coder.pages()
    edges = predictor.profile.edges.tolist()
    converter = slow_twins.Converter(edges) if quantizer is N1 else slow_twins.Converter.equal(quantizer.size)
    halves = [codes[:60].tolist(), codes[60:].tolist()]
    learner = slow_twins.ThreadTwin([slow_twins.LaneTwin(half, converter) for half in halves])
    assert page.step.tolist() == [*range(60), *range(60)]
    assert page.mass[[0, 60]].tolist() == [0, 0]
    for step in range(1, 60):
        for i, lane in enumerate(learner.lanes):
            at, normalised_error = 60 * i + step, 0
            if step <= network.window:
                centre, scale, tail = lane.values[step - 1], 2 * lane.gain - 32, 12
            else:
                lane.see(step, network)
                said = network.outputs(lane.inputs, lane.latent, [])
                centre, scale, tail = lane.predict(step, learner.terms(i, step, []), learner.weights, said)
                normalised_error = (lane.values[step] - lane.raw) * slow_twins.inverse_spread(lane.place) >> 21
            away = lane.values[step] - centre
            assert page.residual[at] == away, f"lane {i}, step {step}"
            assert page.corrected[at] == slow_twins.clip(away * slow_twins.inverse_spread(scale) >> 21, 32767)
            assert page.normalised_error[at] == slow_twins.clip(normalised_error, 32767)
            if quantizer is N1:
                code = lane.codes[step]
                below, above = (
                    slow_twins.cumulative(code + k, 1024, edges[code + k], centre, scale, tail) for k in (0, 1)
                )
                assert page.mass[at] == above - below
        if step > network.window:
            learner.learn(step, [])
    masses = page.mass[page.mass > 0].tolist()
    assert len(masses) == 118
    assert page.bits() == pytest.approx(sum(24 - math.log2(mass) for mass in masses) + page.rest.sum(dtype=int))
