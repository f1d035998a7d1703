"""Chains: what the core makes of a network is what ONNX Runtime and exact arithmetic make of it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper
from support.random_models import random_model
from support.reference import network_of

from spikey_cli.core.gain import INPUT_LIMIT
from spikey_cli.model.chain import chain_of
from spikey_cli.model.graph import read_graph
from spikey_cli.model.predictor import Predictor, find_model


def chain_model(widths: list[int], seed: int) -> bytes:
    """An .onnx file of layers of these widths, from the window's to the three outputs'."""
    random = np.random.default_rng(seed)
    nodes, constants = [], []

    def constant(name: str, values: np.ndarray) -> str:
        constants.append(numpy_helper.from_array(values.astype(np.float32), name))
        return name

    name = "windows"
    for i, (columns, rows) in enumerate(zip(widths, [*widths[1:], 3], strict=True)):
        last = i == len(widths) - 1
        weight = constant(f"w{i}", np.rint(random.normal(0, 60 / columns**0.5, (rows, columns))) / 128)
        nodes.append(helper.make_node("MatMul", [weight, name], [f"p{i}"]))
        nodes.append(
            helper.make_node("Add", [f"p{i}", constant(f"b{i}", random.integers(-9, 9, (rows, 1)))], [f"s{i}"])
        )
        nodes.append(helper.make_node("Floor", [f"s{i}"], ["outputs" if last else f"f{i}"]))
        if not last:
            bounds = [constant(f"low{i}", np.array(-500)), constant(f"high{i}", np.array(700))]
            nodes.append(helper.make_node("Clip", [f"f{i}", *bounds], [f"c{i}"]))
            name = f"c{i}"
    graph = helper.make_graph(
        nodes,
        "chain",
        [helper.make_tensor_value_info("windows", TensorProto.FLOAT, [widths[0], None])],
        [helper.make_tensor_value_info("outputs", TensorProto.FLOAT, [3, None])],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
    model.ir_version = 8
    return model.SerializeToString()


@given(
    st.lists(st.integers(1, 13), min_size=1, max_size=3),
    st.integers(1, 700),
    st.integers(0, 2**31),
)
def test_a_chain_is_what_onnx_runtime_says(widths, lanes, seed):
    model = chain_model(widths, seed)
    predictor = Predictor(model)
    assert predictor.chain is not None
    random = np.random.default_rng(seed)
    differences = random.integers(-INPUT_LIMIT, INPUT_LIMIT + 1, (widths[0] + 5, lanes)).astype(np.float32)
    windows = np.ascontiguousarray(differences[2 : 2 + widths[0]])
    outputs = predictor.chain.evaluate(windows)
    np.testing.assert_array_equal(outputs, predictor.predict(windows))
    expected = network_of(model).evaluate("outputs", windows=windows[:, lanes - 1].astype(int).tolist())
    assert outputs[:, lanes - 1].tolist() == expected


def test_shipped_models_that_are_chains():
    assert find_model("n1").chain is not None
    assert find_model("n1-peers").chain is None, "it passes messages"


@pytest.mark.parametrize("parts", [{"latent": 4}, {"latent": 4, "recurrent": True}, {"latent": 4, "peers": 2}])
def test_a_graph_in_parts_is_no_chain(parts):
    assert chain_of(read_graph(random_model(**parts))) is None


def test_what_follows_a_clip_is_no_chain():
    """Floor and Add suffix a Clip would need an order that layers have not."""
    graph = read_graph(random_model())
    clip = type(graph.nodes[0])("Clip", ("outputs", "0", "1"), "clipped")
    floor = type(graph.nodes[0])("Floor", ("clipped",), "outputs")
    nodes = (*graph.nodes[:-1], type(clip)("Floor", graph.nodes[-1].inputs, "outputs"), clip, floor)
    assert chain_of(type(graph)(nodes, graph.constants, graph.inputs, graph.outputs, graph.metadata)) is None
