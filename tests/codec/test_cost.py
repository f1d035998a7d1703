"""Cost estimates of decoding."""

from __future__ import annotations

from spikey_cli.codec.cost import CostBudget, decoding_time, lane_memory
from spikey_cli.model.predictor import find_model


def test_a_larger_network_costs_more():
    models = [None, find_model("n1"), find_model("n1-peers")]
    times = [decoding_time(10_000, 100, 2, model) for model in models]
    memory = [lane_memory(model) for model in models]
    assert times[0] < times[1] < times[2]
    assert memory[0] < memory[1] < memory[2]


def test_a_block_counts_once():
    budget = CostBudget()
    for block in (0, 1, 0):
        budget.add(block, 5.0)
    assert budget.time == 10.0
