"""Cost estimates of decoding, compared with what it does: memory of the core, work of ONNX Runtime."""

from __future__ import annotations

import ctypes
import hashlib
import json
import math
import os
import sys
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
import onnxruntime
import pytest
from support.archive_builder import Content
from support.random_models import PARTS, layers_model, random_model
from support.recordings import write_session
from support.topologies import topology_of_pairs

import spikey_cli
from spikey_cli.codec import cost
from spikey_cli.codec.coding_state import CodingState
from spikey_cli.codec.cost import EFFORTS, CostBudget, block_cost, network_time
from spikey_cli.container.limits import DEFAULT_LIMITS, Limits
from spikey_cli.core.converter import Bins
from spikey_cli.core.lanes import cut
from spikey_cli.core.quantizer import N1
from spikey_cli.core.reference.adaptation import EFFORTS as REFERENCE_EFFORTS
from spikey_cli.model import predictor as predictors
from spikey_cli.model.predictor import Predictor, find_model
from spikey_cli.topology.references import BlockChannel, ReferenceGraph, ReferenceTable
from spikey_cli.topology.topology import ORDERS

ROWS = 256
ONES, SUM = np.ones((ROWS, 1)), np.ones((3, ROWS))
IN_TURN = [("Floor",) if i % 2 else ("Clip", -1000, 1000) for i in range(100)]
MODELS = {
    **{f"parts: {name}": random_model(**how) for name, how in PARTS.items() if name != "chain"},
    "many operators over many rows": layers_model(("MatMul", ONES), *IN_TURN, ("Clip", -1, 1), ("MatMul", SUM)),
    "many operators over one row": layers_model(("MatMul", [[1]]), *IN_TURN, ("MatMul", [[1]] * 3)),
    "sums": layers_model(("Add", [[1]]), ("Floor",), ("Add", [[2]]), ("MatMul", [[1]] * 3), ("Floor",)),
    "products": layers_model(("Floor",), ("MatMul", ONES), ("Clip", -1, 1), ("MatMul", np.eye(ROWS)), ("MatMul", SUM)),
}


class Counted(NamedTuple):
    """What ONNX Runtime reports that it did."""

    calls: int
    operators: int
    products: int
    elements: int


def counted(session: onnxruntime.InferenceSession) -> Counted:
    events = json.loads(Path(session.end_profiling()).read_text())
    calls = sum(event["name"] == "model_run" for event in events)
    nodes = [event["args"] for event in events if event["name"].endswith("_kernel_time")]
    products = elements = 0
    for node in nodes:
        (output,) = (side for shape in node["output_type_shape"] for side in shape.values())
        elements += math.prod(output)
        if node["op_name"] in ("MatMul", "Gemm", "FusedMatMul"):
            first = next(iter(node["input_type_shape"][0].values()))
            products += math.prod(output) * first[1]
    return Counted(calls, len(nodes), products, elements)


@pytest.mark.parametrize("name", MODELS)
def test_what_onnx_runtime_does_is_estimated(tmp_path, random, monkeypatch, name):
    sessions, estimates = [], []

    def profiled(model: bytes):
        options = onnxruntime.SessionOptions()
        options.enable_profiling, options.profile_file_prefix = True, str(tmp_path / "profile")
        options.intra_op_num_threads = 1
        run_options = onnxruntime.RunOptions()
        run_options.only_execute_path_to_fetches = True
        sessions.append(onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"]))
        return sessions[-1], run_options

    wavs = write_session(tmp_path / "in", random, 3, 150)
    monkeypatch.setattr(predictors, "_session", profiled)
    own, encoding = Predictor(MODELS[name]), Predictor(MODELS[name])
    assert own.chain is None
    spikey_cli.compress(wavs, tmp_path / "a.spk", coder=spikey_cli.Encoding(predictor=encoding), verify=False)
    monkeypatch.setattr(cost, "network_time", lambda *how: estimates.append(network_time(*how)) or estimates[-1])
    assert spikey_cli.verify(tmp_path / "a.spk", predictor=own, limits=spikey_cli.Limits(expansion=1 << 40)).files == 3
    done = counted(sessions[0])
    assert done.calls > 100
    time = cost.CALL_TIME * done.calls + cost.OPERATOR_TIME * done.operators
    time += cost.PRODUCT_TIME * done.products + cost.ELEMENT_TIME * done.elements
    assert time <= sum(estimates) < 2 * time


@pytest.mark.parametrize("name", ["wide", *(name for name in MODELS if "many" in name)])
def test_small_archives_that_would_take_long_are_refused(tmp_path, name):
    wide = layers_model(("MatMul", np.ones((4096, 1))), ("Clip", -1, 1), ("MatMul", np.ones((3, 4096))))
    samples = np.zeros(1 << 20, np.int16)
    samples[5] = 1
    path = tmp_path / "a.spk"
    spikey_cli.compress([spikey_cli.ArraySource(samples, "a.npy")], path, coder="range", verify=False)
    content = Content.of(path)
    model = wide if name == "wide" else MODELS[name]
    content.directory = replace(content.directory, model=model)
    content.start = content.start[:12] + hashlib.sha256(model).digest()[:8]
    path.write_bytes(content.parts().pack())
    assert path.stat().st_size < 4000
    with pytest.raises(spikey_cli.LimitError, match="take longer to decode than is usual"):
        spikey_cli.verify(path)


SHIPPED = [None, find_model("n1"), find_model("n1-peers")]


def graph_of(n_channels: int, frames: int, references: int = 0, lag: int = 0) -> ReferenceGraph:
    """Channels of which each one references those before it."""
    pairs = [(j, i, 9) for i in range(n_channels) for j in range(max(0, i - references), i)]
    topology = topology_of_pairs(pairs, [min(i, 15) for i in range(n_channels)], [lag] * n_channels)
    return ReferenceGraph.of(topology, [BlockChannel(i, 0, frames) for i in range(n_channels)])


class _Usage(ctypes.Structure):
    """`struct mallinfo2` of glibc."""

    _names = ("arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks", "fordblks", "keepcost")
    _fields_ = [(name, ctypes.c_size_t) for name in _names]


def allocated_by_state(n_channels: int, frames: int, steps: int, graph: ReferenceGraph, effort: int, model) -> int:
    """Bytes that the core takes for the coding state of a block's channels."""
    usage = ctypes.CDLL(None).mallinfo2
    usage.restype = _Usage
    lanes = cut([frames] * n_channels, steps)
    bins = Bins.of([N1] * n_channels, model.profile if model else None)
    zeros = np.zeros(lanes.count, np.uint8), np.zeros(lanes.count, np.int32)
    table = ReferenceTable.of(graph, range(n_channels))
    before = usage()
    state = CodingState(lanes, bins, *zeros, model, table, effort=effort)
    after = usage()
    del state
    return after.hblkhd + after.uordblks - before.hblkhd - before.uordblks


@pytest.mark.skipif(
    not sys.platform.startswith("linux") or not hasattr(ctypes.CDLL(None), "mallinfo2"), reason="needs mallinfo2"
)
@pytest.mark.skipif("libasan" in os.environ.get("LD_PRELOAD", ""), reason="AddressSanitizer's allocator counts nothing")
@pytest.mark.parametrize("model", SHIPPED[:2], ids=["alone", "n1"])
@pytest.mark.parametrize("effort", EFFORTS)
@pytest.mark.parametrize(
    ("channels", "frames", "steps", "references", "lag", "order"),
    [
        (40, 300, 300, 2, 0, 8),
        (24, 1000, 300, 8, 0, 16),
        (24, 1000, 300, 8, 0, 32),
        (24, 1000, 100, 8, 100, 16),
        (16, 4000, 100, 4, 4000, 8),
        (128, 100, 100, 8, 4096, 32),
    ],
)
def test_memory_is_what_the_core_allocates(channels, frames, steps, references, lag, order, effort, model):
    graph = replace(graph_of(channels, frames, references, lag), orders=(order,) * channels)
    allocated = allocated_by_state(channels, frames, steps, graph, effort, model)
    cost = block_cost([frames] * channels, steps, graph, effort, model, DEFAULT_LIMITS)
    assert allocated <= cost.group_bytes <= 1.25 * allocated


@pytest.mark.parametrize(("lanes", "lag"), [(1, 0), (3, 0), (8, 0), (2, 4096)])
def test_lanes_that_are_decoded_together_take_a_third_of_the_memory_limit(lanes, lag):
    graph = replace(ReferenceGraph.independent(2000), lags=(lag,) * 2000)
    limits = Limits(memory=24 << 20)
    max_lanes = block_cost([100 * lanes] * 2000, 100, graph, 2, None, limits).max_lanes
    n_channels = max_lanes // lanes
    together = graph.subset(range(n_channels))
    assert allocated_by_state(n_channels, 100 * lanes, 100, together, 2, None) <= 8 << 20
    assert max_lanes >= (40 if lag else 200)


def test_efforts_are_those_of_the_reference():
    assert {number: tuple(effort) for number, effort in EFFORTS.items()} == {
        number: tuple(effort) for number, effort in REFERENCE_EFFORTS.items()
    }


@pytest.mark.parametrize("effort", EFFORTS)
def test_more_work_costs_more(effort):
    def time(frames: int = 10_000, steps: int = 2000, references: int = 2, model: Predictor | None = SHIPPED[1]):
        return block_cost([frames] * 6, steps, graph_of(6, frames, references), effort, model, DEFAULT_LIMITS).time

    assert time(frames=20_000) > time()
    assert time(references=4) > time()
    assert time(steps=10_000) > time()
    assert time(model=SHIPPED[0]) < time() < time(model=SHIPPED[2])


def test_a_larger_effort_costs_more():
    graph = graph_of(6, 10_000, 4)
    costs = [block_cost([10_000] * 6, 2000, graph, effort, SHIPPED[1], DEFAULT_LIMITS) for effort in EFFORTS]
    times = [cost.time for cost in costs]
    assert times == sorted(times)
    assert costs[0].group_bytes == costs[2].group_bytes


def test_a_larger_order_costs_more():
    graph = graph_of(6, 10_000, 4)
    graphs = [replace(graph, orders=(order,) * 6) for order in ORDERS]
    costs = [block_cost([10_000] * 6, 2000, each, 2, SHIPPED[1], DEFAULT_LIMITS) for each in graphs]
    for one, other in pairwise(costs):
        assert one.time < other.time
        assert one.group_bytes < other.group_bytes


def test_channels_that_are_not_coded_cost_nothing():
    one, two = ReferenceGraph.independent(1), ReferenceGraph.independent(2)
    assert block_cost([0, 0], 9, two, 2, None, DEFAULT_LIMITS).time == 0
    assert block_cost([0, 500], 500, two, 2, None, DEFAULT_LIMITS) == block_cost(
        [500], 500, one, 2, None, DEFAULT_LIMITS
    )


def test_a_chain_in_floats_costs_more():
    layers = ("MatMul", [[0.5]] * 3), ("Floor",)
    whole, floats = (Predictor(layers_model(*layers, *more)) for more in ((), (("Clip", -40_000, 40_000),)))
    assert whole.chain.network.is_integer
    assert not floats.chain.network.is_integer
    assert network_time(100, 10, 1, whole) < network_time(100, 10, 1, floats)


def test_a_block_counts_once():
    budget = CostBudget()
    for block in (0, 1, 0):
        budget.add(block, 5.0)
    assert budget.time == 10.0
