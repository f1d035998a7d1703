"""The network: channels without peers, and gradients to peers."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from support.training_cases import config, dataset_of

from spikey_cli.training.batches import group_batch
from spikey_cli.training.layers import scale_gradient
from spikey_cli.training.network import IntegerNetwork

pytestmark = pytest.mark.slow


def test_without_peers_the_region_is_zero(recordings):
    """An independent channel is predicted as without messages."""
    configuration = config(middle_out={"peers": 1}, predictor={"shape": [4]})
    network = IntegerNetwork(configuration)
    dataset = dataset_of(recordings, configuration)
    batch = group_batch(dataset, np.array([0]), np.array([500]), 12, 1)
    outputs = network(batch)
    independent = network.predict_from(network.project(batch.windows, None))
    first = batch.passes == 0
    assert first.sum() == 1
    torch.testing.assert_close(outputs[first], independent[first], rtol=0, atol=0)
    assert (outputs[~first] != independent[~first]).any()


def test_gradients_to_peers_are_scaled():
    x = torch.ones(3, requires_grad=True)
    (scale_gradient(x, 0.25) * 8).sum().backward()
    assert x.grad.tolist() == [2.0, 2.0, 2.0]
