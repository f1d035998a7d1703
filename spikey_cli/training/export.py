"""Export of a trained network as an ONNX graph of integers."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor

from ..core.converter import Profile
from ..core.gain import INPUT_LIMIT
from ..core.middle_out import EXTRA_ROWS
from ..errors import ModelError
from ..model.predictor import OUTPUT_ROWS, Predictor
from ..model.self_test import digest_of, known_inputs
from .layers import ACTIVATION_LIMIT
from .network import IntegerNetwork

OPSET = 13
IR_VERSION = 8
"""The oldest supported ONNX Runtime reads these versions."""

_COMPARED_COLUMNS = 100_000


class _GraphBuilder:
    """Nodes and constants of an ONNX graph."""

    def __init__(self) -> None:
        self.constants: list[onnx.TensorProto] = []
        self.nodes: list[onnx.NodeProto] = []
        self._constant("zero", np.array(0))
        self._constant("limit", np.array(ACTIVATION_LIMIT))

    def _constant(self, name: str, values: np.ndarray) -> str:
        self.constants.append(numpy_helper.from_array(np.asarray(values, dtype=np.float32), name))
        return name

    def _node(self, operator: str, inputs: Sequence[str], output: str) -> str:
        self.nodes.append(helper.make_node(operator, list(inputs), [output]))
        return output

    def add_layer(
        self,
        name: str,
        inputs: Sequence[tuple[str, int]],
        rounded: tuple[Tensor, Tensor],
        output: str = "",
        *,
        activated: bool = True,
        shift: tuple[str, Tensor] | None = None,
    ) -> tuple[str, int]:
        """Add a layer over concatenated inputs.

        Parameters
        ----------
        name : str
            Prefix of the names of its tensors.
        inputs : sequence of (str, int)
            Name and rows of each input.
        rounded : (Tensor, Tensor)
            Weights and biases.
        output : str, optional
            Name of the output; by default `name`.
        activated : bool, default True
            Whether the output is clipped by the activation function.
        shift : (str, Tensor), optional
            An input and weights, whose product is added after rounding.

        Returns
        -------
        (str, int)
            Name and rows of the output.
        """
        weight, bias = (values.detach().numpy() for values in rounded)
        column, total = 0, ""
        for i, (source, rows) in enumerate(inputs):
            part = self._constant(f"{name}_weight{i}", weight[:, column : column + rows])
            product = self._node("MatMul", [part, source], f"{name}_product{i}")
            total = self._node("Add", [total, product], f"{name}_sum{i}") if i else product
            column += rows
        total = self._node("Add", [total, self._constant(f"{name}_bias", bias[:, None])], f"{name}_sum")
        output = output or name
        floored = output if not activated and shift is None else f"{name}_floor"
        total = self._node("Floor", [total], floored)
        if activated:
            total = self._node("Clip", [total, "zero", "limit"], output)
        if shift is not None:
            source, weights = shift
            constant = self._constant(f"{name}_shift", weights.numpy())
            self._node("Add", [total, self._node("MatMul", [constant, source], f"{name}_shifted")], output)
        return output, bias.size


def onnx_bytes(network: IntegerNetwork, profile: Profile | None = None) -> bytes:
    """The network as an ONNX file of MatMul, Add, Floor and Clip over constants.

    `model.predictor` describes its parts and metadata.

    Parameters
    ----------
    network : IntegerNetwork
    profile : Profile, optional
        Bins of the converter, which go into the metadata.
    """
    config, graph = network.config, _GraphBuilder()
    inputs, outputs = {"windows": config.window}, {"outputs": OUTPUT_ROWS}
    metadata = {}
    latent = config.projector.shape[-1]
    layer_inputs = [("windows", config.window)]
    for i, filters in enumerate(network.filters):
        layer_inputs.append(graph.add_layer(f"filters{i}", [("windows", config.window)], filters.rounded()))
    for i, layer in enumerate(network.projector):
        is_last = i == len(network.projector) - 1
        if is_last and config.is_recurrent:
            inputs["state"] = latent
            layer_inputs.append(("state", latent))
        name = "latent" if is_last and config.in_parts else f"projector{i}"
        layer_inputs = [graph.add_layer(name, layer_inputs, layer.rounded())]
    if config.in_parts:
        inputs["latents"], outputs["latent"] = latent, latent
        layer_inputs = [("latents", latent)]
    if config.middle_out:
        inputs["messages"], outputs["region"] = 2 * latent + EXTRA_ROWS, latent
        metadata["middle_out_peers"] = str(config.middle_out.peers)
        metadata["middle_out_residual"] = str(int(config.middle_out.residual))
        message_inputs = [("messages", inputs["messages"])]
        for i, layer in enumerate(network.messages):
            name = "region" if i == len(network.messages) - 1 else f"message{i}"
            message_inputs = [graph.add_layer(name, message_inputs, layer.rounded())]
    for i, layer in enumerate(network.hidden):
        layer_inputs = [graph.add_layer(f"predictor{i}", layer_inputs, layer.rounded())]
    weights = network.shift()
    shift = None if weights is None else ("windows", weights)
    graph.add_layer("last", layer_inputs, network.rounded_last(), "outputs", activated=False, shift=shift)
    columns = {"windows": "lanes", "state": "lanes", "latent": "lanes", "messages": "messages", "region": "messages"}
    columns["outputs"] = columns["latents"] = "lanes of a coding pass" if config.in_parts else "lanes"
    proto = helper.make_graph(
        graph.nodes,
        "predictor",
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, [rows, columns[n]]) for n, rows in inputs.items()],
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, [rows, columns[n]]) for n, rows in outputs.items()],
        graph.constants,
    )
    if profile is not None:
        metadata["adc_edges"] = " ".join(map(str, profile.edges.tolist()))
    model = helper.make_model(proto, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
    helper.set_model_props(model, metadata)
    onnx.checker.check_model(model)
    return model.SerializeToString(deterministic=True)


def export_model(network: IntegerNetwork, folder: Path, name: str, profile: Profile | None = None) -> Path:
    """Write a network with its self-test, after proving that it is exact and comparing it with the network.

    Parameters
    ----------
    network : IntegerNetwork
    folder : Path
    name : str
    profile : Profile, optional
        Bins of the converter that the network was trained with.

    Returns
    -------
    Path
        `NAME-<first 8 digits of the SHA-256>.onnx` in `folder`.

    Raises
    ------
    ModelError
        The graph cannot be proven exact, or differs from the network in an output of 100,000 random columns.
    """
    model = onnx_bytes(network, profile)
    predictor = Predictor(model)
    differences = _differences(network, predictor)
    if differences:
        raise ModelError(
            f"{name}: the exported graph differs from the trained network in {differences}; please report this bug"
        )
    model = _with_self_test(model, digest_of(predictor.evaluate(known_inputs(predictor.inputs))))
    path = folder / f"{name}-{hashlib.sha256(model).hexdigest()[:8]}.onnx"
    path.write_bytes(model)
    return path


def _with_self_test(model: bytes, digest: str) -> bytes:
    proto = onnx.load_from_string(model)
    proto.metadata_props.add(key="self_test", value=digest)
    return bytes(proto.SerializeToString(deterministic=True))


@torch.no_grad()
def _differences(network: IntegerNetwork, predictor: Predictor) -> str:
    """Description of the outputs in which network and exported graph differ; empty if they agree."""
    config = network.config
    rows = config.projector.shape[-1]
    random = np.random.default_rng(0)

    def columns(n_rows: int, low: int = -INPUT_LIMIT) -> np.ndarray:
        values = random.integers(low, INPUT_LIMIT + 1, (n_rows, _COMPARED_COLUMNS))
        values[:, ::2] //= 8  # amplitudes as in recordings
        return values.astype(np.float32)

    def transposed(values: np.ndarray) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(values.T))

    windows, state, latents = columns(config.window), columns(rows, 0), columns(rows, 0)
    if not config.in_parts:
        pairs = {"outputs": (predictor.predict(windows), network.predict(transposed(windows)))}
    else:
        before = transposed(state) if config.is_recurrent else None
        pairs = {
            "latent": (predictor.project(windows, state), network.project(transposed(windows), before)),
            "outputs": (predictor.conclude(latents), network.predict_from(transposed(latents))),
        }
    if config.middle_out:
        messages = columns(2 * rows + EXTRA_ROWS)
        pairs["region"] = (predictor.regions(messages), network.regions(transposed(messages)))
    return ", ".join(
        f"{int((exported != trained.numpy().T).sum())} of {exported.size} values of {name!r}"
        for name, (exported, trained) in pairs.items()
        if (exported != trained.numpy().T).any()
    )
