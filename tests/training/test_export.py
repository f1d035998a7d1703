"""Export: exact for weights of any size, and refused if it differs from the network."""

from __future__ import annotations

import pytest
import torch
from support.training_cases import config

from spikey_cli.errors import ModelError
from spikey_cli.model.predictor import read_model
from spikey_cli.model.self_test import digest_of, known_inputs
from spikey_cli.training.export import export_model, onnx_bytes
from spikey_cli.training.network import IntegerNetwork

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("shape", [(3,), (16, 8, 4)])
@pytest.mark.parametrize("spread", [0.1, 1.0, 30.0])
def test_exports_are_exact_for_weights_of_any_size(tmp_path, shape, spread):
    for kind in ({}, {"middle_out": {"peers": 1}}):
        torch.manual_seed(1)
        network = IntegerNetwork(config(projector={"shape": shape}, **kind))
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.mul_(spread)
        predictor = read_model(export_model(network, tmp_path, "some"))
        assert predictor.window == 12
        assert digest_of(predictor.evaluate(known_inputs(predictor.inputs))) == predictor.self_test != ""


def test_an_export_that_differs_from_the_network_is_refused(tmp_path, monkeypatch):
    network = IntegerNetwork(config())
    other = IntegerNetwork(config())
    monkeypatch.setattr("spikey_cli.training.export.onnx_bytes", lambda *_: onnx_bytes(other))
    with pytest.raises(ModelError, match=r"differs from the trained network in \d+ of 300000 values of 'outputs'"):
        export_model(network, tmp_path, "some")
    assert not list(tmp_path.iterdir())
