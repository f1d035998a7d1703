"""The proof that float32 evaluates a graph exactly."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from spikey_cli.errors import ModelError
from spikey_cli.model.certify import certify
from spikey_cli.model.graph import read_graph


def chain(*layers, rows: int = 2, extra_nodes=(), output: str | None = None) -> bytes:
    """An .onnx file of (operator, constant, ...) layers over an input of `rows` rows."""
    nodes, constants, at = [], [], "x"
    for i, (operator, *values) in enumerate(layers):
        names = []
        for j, value in enumerate(values):
            names.append(f"c{i}{j}")
            constants.append(numpy_helper.from_array(np.asarray(value, dtype=np.float32), names[-1]))
        inputs = [*names, at] if operator == "MatMul" else [at, *names]
        nodes.append(helper.make_node(operator, inputs, [f"t{i}"]))
        at = f"t{i}"
    graph = helper.make_graph(
        [*nodes, *extra_nodes],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [rows, "lanes"])],
        [helper.make_tensor_value_info(output or at, TensorProto.FLOAT, [rows, "lanes"])],
        constants,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)]).SerializeToString()


def prove(model: bytes, limit: int = 100):
    """The span of the one output."""
    (span,) = certify(read_graph(model), limit).values()
    return span


def test_ranges_are_followed_through_the_chain():
    span = prove(
        chain(
            ("MatMul", [[1.5, -2.0], [0.25, 0.0]]),
            ("Add", [[0.5], [3.0]]),
            ("Floor",),
            ("Clip", -10, 20),
        )
    )
    assert span.low.tolist() == [-10, -10]
    assert span.high.tolist() == [20, 20]
    span = prove(chain(("MatMul", [[1.5, -2.0], [0.25, 0.0]]), ("Floor",)))
    assert span.low.tolist() == [-350, -25]
    assert span.high.tolist() == [350, 25]


@pytest.mark.parametrize(
    ("layers", "reason"),
    [
        ([("MatMul", [[2.0**17, 2.0**16]]), ("Floor",)], "limit"),
        ([("MatMul", [[2.0**16, 2.0**16]]), ("Add", [[2.0**23]]), ("Floor",)], "limit"),
        ([("MatMul", [[2.0**23, 2.0**-20]]), ("Floor",)], "limit"),
        ([("MatMul", [[2.0**-30, 1.0]]), ("Floor",)], "multiple"),
        ([("MatMul", [[float("nan"), 1.0]]), ("Floor",)], "finite"),
        ([("MatMul", [[float("inf"), 1.0]]), ("Floor",)], "finite"),
        ([("MatMul", [[0.5, 1.0]])], "integer"),
        ([("MatMul", [[0.5, 1.0]]), ("Clip", 0, 5)], "integer"),
        ([("MatMul", [[1.0, 1.0, 1.0]]), ("Floor",)], "shapes"),
        ([("Floor",), ("Clip", 5, 4)], "limits"),
        ([("Floor",), ("Clip", 0.5, 4)], "limits"),
        ([("Floor",), ("Clip", [0.0], [1.0, 2.0])], "scalar"),
        ([("Add", [1.0, 2.0]), ("Floor",)], "shape"),
        ([("Sigmoid",), ("Floor",)], "Sigmoid"),
        ([("Mul", [[0.5]]), ("Floor",)], "Mul"),
    ],
)
def test_what_cannot_be_proven_is_refused(layers, reason):
    with pytest.raises(ModelError, match=reason):
        prove(chain(*layers))


def test_the_bound_is_sharp():
    just_below = 2**24 - 100
    prove(chain(("MatMul", [[just_below / 100 // 1, 0.0]]), ("Floor",)))
    with pytest.raises(ModelError, match=r"16777300"):
        prove(chain(("MatMul", [[167773.0, 0.0]]), ("Floor",)))


def test_idle_branches_are_refused():
    branch = helper.make_node("Floor", ["x"], ["side"])
    with pytest.raises(ModelError, match=r"tensor 'side' is not used"):
        prove(chain(("Floor",), extra_nodes=[branch]))
    with pytest.raises(ModelError, match=r"two tensors"):
        prove(chain(("Floor",), extra_nodes=[helper.make_node("Floor", ["x"], ["t0"])]))


def branches(*nodes: tuple[str, list[str], str], inputs: dict[str, int], output: str) -> bytes:
    """An .onnx file of nodes over inputs, with the constants `double` [[2, 0], [0, 2]] and `wide` of three rows."""
    constants = [
        numpy_helper.from_array(np.array([[2, 0], [0, 2]], dtype=np.float32), "double"),
        numpy_helper.from_array(np.full((3, 2), 0.25, dtype=np.float32), "wide"),
        numpy_helper.from_array(np.full((2, 2), 2.0**15, dtype=np.float32), "loud"),
    ]
    graph = helper.make_graph(
        [helper.make_node(operator, sources, [result]) for operator, sources, result in nodes],
        "g",
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, [rows, n]) for n, rows in inputs.items()],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, [None, "n"])],
        constants,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)]).SerializeToString()


def test_sums_of_two_branches_are_followed():
    nodes = [("MatMul", ["double", "x"], "a"), ("MatMul", ["double", "y"], "b"), ("Add", ["a", "b"], "c")]
    model = read_graph(branches(*nodes, inputs={"x": 2, "y": 2}, output="c"))
    span = certify(model, 100, {"y": "x"})["c"]
    assert (span.low.tolist(), span.high.tolist()) == ([-400, -400], [400, 400])
    with pytest.raises(ModelError, match=r"shapes of 'a' and 'b' differ"):
        certify(model, 100)  # y has columns of its own
    wide = [nodes[0], ("MatMul", ["wide", "x"], "b"), nodes[2]]
    with pytest.raises(ModelError, match=r"shapes of 'a' and 'b' differ"):
        certify(read_graph(branches(*wide, inputs={"x": 2}, output="c")), 100)
    loud = [("MatMul", ["loud", "x"], "a"), ("MatMul", ["loud", "x"], "b"), nodes[2]]
    certify(read_graph(branches(*loud, inputs={"x": 2}, output="c")), 100)
    with pytest.raises(ModelError, match=r"limit"):
        certify(read_graph(branches(*loud, inputs={"x": 2}, output="c")), 200)


def test_fractions_that_grow_too_fine_are_refused():
    quarters = ("MatMul", [[2.0**-20, 0.0], [0.0, 2.0**-20]])
    with pytest.raises(ModelError, match=r"too small"):
        prove(chain(quarters, quarters, ("Floor",)))
