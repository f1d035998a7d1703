"""Cost estimates of decoding, compared with the work that decoding does: operators, products and elements, counted."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import onnxruntime
import pytest
from support.archive_builder import Content
from support.random_models import PARTS, layers_model, random_model
from support.recordings import write_session

import spikey_cli
from spikey_cli.codec import blocks, cost
from spikey_cli.codec.cost import CostBudget, adaptation_time, decoding_time, lane_memory
from spikey_cli.codec.presets import EFFORTS
from spikey_cli.model import predictor as predictors
from spikey_cli.model.predictor import Predictor, find_model

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

    def profiled(model: bytes, threads: int, optimise: bool):
        options = onnxruntime.SessionOptions()
        options.enable_profiling, options.profile_file_prefix = True, str(tmp_path / "profile")
        options.intra_op_num_threads = 1
        run_options = onnxruntime.RunOptions()
        run_options.only_execute_path_to_fetches = True
        sessions.append(onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"]))
        return sessions[-1], run_options

    wavs = write_session(tmp_path / "in", random, 3, 400)
    monkeypatch.setattr(predictors, "_session", profiled)
    own, encoding = Predictor(MODELS[name]), Predictor(MODELS[name])
    assert own.chain is None
    spikey_cli.compress(wavs, tmp_path / "a.spk", coder=spikey_cli.Encoding(predictor=encoding), verify=False)
    monkeypatch.setattr(
        blocks, "decoding_time", lambda adapting, *how: estimates.append(cost.network_time(*how)) or estimates[-1]
    )
    assert spikey_cli.verify(tmp_path / "a.spk", predictor=own, limits=spikey_cli.Limits(expansion=1 << 40)).files == 3
    done = counted(sessions[0])
    assert done.calls > 300
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


def test_a_larger_network_costs_more():
    models = [None, find_model("n1"), find_model("n1-peers")]
    times = [decoding_time(1.0, 10_000, 100, 2, model) for model in models]
    memory = [lane_memory(model) for model in models]
    assert times[0] < times[1] < times[2]
    assert memory[0] < memory[1] < memory[2]


def test_a_chain_in_floats_costs_more():
    layers = ("MatMul", [[0.5]] * 3), ("Floor",)
    whole, floats = (Predictor(layers_model(*layers, *more)) for more in ((), (("Clip", -40_000, 40_000),)))
    assert whole.chain.network.is_integer
    assert not floats.chain.network.is_integer
    assert decoding_time(0.0, 100, 10, 1, whole) < decoding_time(0.0, 100, 10, 1, floats)


@pytest.mark.parametrize("effort", EFFORTS)
def test_references_cost_as_many_terms_as_they_have(effort):
    """Three of each reference, two of each later one, and those of the channel itself."""
    for earlier, later in ((0, 0), (1, 0), (4, 1), (8, 2)):
        reckoned = adaptation_time(earlier, later, effort) - cost.SAMPLE_TIME
        assert reckoned > cost.TERM_TIME * (22 + 3 * earlier + 2 * later)


def test_a_block_counts_once():
    budget = CostBudget()
    for block in (0, 1, 0):
        budget.add(block, 5.0)
    assert budget.time == 10.0
