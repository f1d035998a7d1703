"""From the network in training to the frozen graph: an ONNX file that holds nothing but the integers."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper

from ..adc import Profile
from ..errors import ModelError
from ..gain import INPUT_LIMIT
from ..predictor import OUTPUT_ROWS, Predictor
from .network import ACTIVATION_LIMIT, IntegerNetwork

OPSET = 13
IR_VERSION = 8
"""Old enough for every ONNX Runtime that the package supports."""

_CHECKED_WINDOWS = 100_000


def onnx_bytes(network: IntegerNetwork, profile: Profile | None = None) -> bytes:
    """The network as an .onnx file: MatMul, Add, Floor and Clip over constants; lanes are the columns.

    A profile goes into the metadata, as `adc_edges`.
    """
    constants, nodes = [], []

    def constant(name: str, values: np.ndarray) -> str:
        constants.append(numpy_helper.from_array(np.asarray(values, dtype=np.float32), name))
        return name

    def apply(operator: str, inputs: list[str], output: str) -> str:
        nodes.append(helper.make_node(operator, inputs, [output]))
        return output

    constant("zero", np.array(0))
    constant("limit", np.array(ACTIVATION_LIMIT))
    at = "windows"
    layers = [(w.detach().numpy(), b.detach().numpy()) for w, b in network.frozen_layers()]
    for i, (weight, bias) in enumerate(layers):
        is_last = i == len(layers) - 1
        at = apply("MatMul", [constant(f"weight{i}", weight), at], f"product{i}")
        at = apply("Add", [at, constant(f"bias{i}", bias[:, None])], f"sum{i}")
        at = apply("Floor", [at], "outputs" if is_last else f"floor{i}")
        if not is_last:
            at = apply("Clip", [at, "zero", "limit"], f"active{i}")
    graph = helper.make_graph(
        nodes,
        "predictor",
        [helper.make_tensor_value_info("windows", TensorProto.FLOAT, [network.window, "lanes"])],
        [helper.make_tensor_value_info("outputs", TensorProto.FLOAT, [OUTPUT_ROWS, "lanes"])],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
    if profile is not None:
        helper.set_model_props(model, {"adc_edges": " ".join(map(str, profile.edges.tolist()))})
    onnx.checker.check_model(model)
    return model.SerializeToString(deterministic=True)


def freeze(network: IntegerNetwork, folder: Path, name: str, profile: Profile | None = None) -> Path:
    """Write `<name>-<hash>.onnx` into `folder`, once it is certified and equals the network in training.

    Raises ModelError where a single output of 100,000 random windows differs. Older models of that name go.
    """
    model = onnx_bytes(network, profile)
    predictor = Predictor(model)
    windows = np.random.default_rng(0).integers(-INPUT_LIMIT, INPUT_LIMIT + 1, (network.window, _CHECKED_WINDOWS))
    windows[:, ::2] //= 8  # half of them as loud as recordings are
    windows = windows.astype(np.float32)
    with torch.no_grad():
        expected = network(torch.from_numpy(windows.T)).numpy().T
    differing = int((predictor.predict(windows) != expected).sum())
    if differing:
        raise ModelError(f"the frozen graph differs from the trained network in {differing} of {expected.size} outputs")
    for old in folder.iterdir():
        if re.fullmatch(re.escape(name) + r"-[0-9a-f]{8}\.(onnx|json)", old.name):
            old.unlink()
    path = folder / f"{name}-{hashlib.sha256(model).hexdigest()[:8]}.onnx"
    path.write_bytes(model)
    return path
