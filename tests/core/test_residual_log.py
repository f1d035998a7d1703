"""The residual log against the reference."""

from __future__ import annotations

import math

import pytest
from support.random_models import random_model
from support.recordings import neural
from support.reference import bins_of, network_of

from spikey_cli.codec.streams import log_channels
from spikey_cli.core.coders import CODERS
from spikey_cli.core.quantizer import N1, identity
from spikey_cli.core.reference.arithmetic import clip
from spikey_cli.core.reference.coding import Channel, CodedChannel, link, run_step
from spikey_cli.core.reference.density import inverse_scale
from spikey_cli.core.reference.float32 import exp2_about, f32
from spikey_cli.core.reference.gain import gain_of
from spikey_cli.core.reference.range import shares_below
from spikey_cli.model.predictor import Predictor, default_predictor
from spikey_cli.system.workers import Workers
from spikey_cli.topology.references import ReferenceGraph


@pytest.mark.parametrize("quantizer", [N1, identity(2)], ids=["small alphabet", "large alphabet"])
def test_the_log_equals_the_reference(random, quantizer):
    """Predictions, and the shares of the range coder, sample by sample."""
    model = random_model(window=5, edges=default_predictor().profile.edges.tolist())
    predictor, network, bins = Predictor(model), network_of(model), bins_of(quantizer, model)
    codes = neural(random, 120)[:, 0] * (1 if quantizer is N1 else 40)
    graph = ReferenceGraph.independent(1)
    ((log, header_bits),) = log_channels([codes], [quantizer], graph, 60, CODERS["range"], predictor, Workers(None, 1))
    assert 0 < header_bits < 100
    assert log.step.tolist() == [*range(60), *range(60)]
    assert log.mass[[0, 60]].tolist() == [0, 0]
    halves = [codes[:60].tolist(), codes[60:].tolist()]
    gains = [gain_of([bins.value(code) for code in half]) for half in halves]
    channel = CodedChannel(Channel(bins, 120), [60, 60], gains, [half[0] for half in halves])
    link([channel], effort=2, has_network=True)

    def compare(_, lane, step, prediction):
        code, sample, state = halves[lane][step], 60 * lane + step, channel.lanes[lane].adaptive
        value, normalised_error = bins.value(code), 0
        if step > network.window:
            error = f32(f32((value - state.last) / 64) - state.network)
            normalised_error = int(f32(f32(error * exp2_about(-state.network_scale)) * 256))
        residual = value - prediction.mean
        assert log.residual[sample] == residual, f"lane {lane}, step {step}"
        assert log.corrected[sample] == clip(residual * inverse_scale(prediction.log2_scale) >> 21, 32767)
        assert log.normalised_error[sample] == clip(normalised_error, 32767)
        if quantizer is N1:
            below = shares_below(bins, prediction)
            assert log.mass[sample] == below(code + 1) - below(code)
        return code

    for step in range(1, 60):
        run_step([channel], network, step, compare)
    masses = log.mass[log.mass > 0].tolist()
    assert len(masses) == 118
    assert log.bits() == pytest.approx(sum(24 - math.log2(mass) for mass in masses) + log.raw_bits.sum(dtype=int))
