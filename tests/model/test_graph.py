"""Reading of ONNX models."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from onnx import helper, numpy_helper
from support.random_models import random_model

from spikey_cli.core.gain import INPUT_LIMIT
from spikey_cli.errors import ModelError
from spikey_cli.model.certify import certify
from spikey_cli.model.graph import read_graph
from spikey_cli.model.zoo import model_folder

MODELS = sorted(model_folder().glob("*.onnx"))


@pytest.mark.parametrize("extra", [{"alpha": 2.0}, {"domain": "evil"}], ids=str)
def test_attributes_and_foreign_domains_are_refused(extra):
    model = onnx.load_from_string(random_model())
    model.graph.node.append(helper.make_node("Floor", ["windows"], ["more"], **extra))
    with pytest.raises(ModelError, match=r"attributes, foreign domains"):
        read_graph(model.SerializeToString())


@pytest.mark.parametrize("model", MODELS, ids=lambda path: path.name)
def test_shipped_models_read_as_onnx_reads_them(model):
    graph, reference = read_graph(model.read_bytes()), onnx.load(model).graph
    assert [node.operator for node in graph.nodes] == [node.op_type for node in reference.node]
    assert [list(node.inputs) for node in graph.nodes] == [list(node.input) for node in reference.node]
    assert graph.constants.keys() == {tensor.name for tensor in reference.initializer}
    for tensor in reference.initializer:
        np.testing.assert_array_equal(graph.constants[tensor.name], numpy_helper.to_array(tensor))
    assert graph.inputs == {x.name: x.type.tensor_type.shape.dim[0].dim_value for x in reference.input}
    assert list(graph.outputs) == [x.name for x in reference.output]


@pytest.mark.parametrize("model", MODELS, ids=lambda path: path.name)
def test_every_cut_and_many_mutations_are_refused_or_proven(model):
    whole = model.read_bytes()
    random = np.random.default_rng(0)
    refused = 0
    for trial in range(400):
        broken = bytearray(whole)
        if trial % 2:
            del broken[random.integers(len(whole)) :]
        else:
            broken[random.integers(len(whole))] ^= 1 << random.integers(8)
        try:
            certify(read_graph(bytes(broken)), INPUT_LIMIT)
        except ModelError:
            refused += 1
    assert 200 <= refused <= 400


@given(st.binary(max_size=200))
@example(b"\x3a\x00")  # an empty graph
@example(b"\x38\x00")
def test_any_bytes_are_read_or_refused(data):
    with pytest.raises(ModelError):
        certify(read_graph(data), 100)
