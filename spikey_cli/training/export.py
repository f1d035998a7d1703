"""From the network in training to the frozen graph: an ONNX file that holds nothing but the integers."""

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
"""Old enough for every ONNX Runtime that the package supports."""

_CHECKED = 100_000


class _Drawing:
    """An ONNX graph as it is drawn, layer by layer."""

    def __init__(self) -> None:
        self.constants: list[onnx.TensorProto] = []
        self.nodes: list[onnx.NodeProto] = []
        self._constant("zero", np.array(0))
        self._constant("limit", np.array(ACTIVATION_LIMIT))

    def _constant(self, name: str, values: np.ndarray) -> str:
        self.constants.append(numpy_helper.from_array(np.asarray(values, dtype=np.float32), name))
        return name

    def _apply(self, operator: str, inputs: Sequence[str], output: str) -> str:
        self.nodes.append(helper.make_node(operator, list(inputs), [output]))
        return output

    def layer(
        self,
        name: str,
        inputs: Sequence[tuple[str, int]],
        frozen: tuple[Tensor, Tensor],
        output: str = "",
        *,
        active: bool = True,
        shift: tuple[str, Tensor] | None = None,
    ) -> tuple[str, int]:
        """A layer over the rows of `inputs` (names and rows), one after another; its output's name and rows.

        `shift`, an input and its weights, is added once the sum is rounded down.
        """
        weight, bias = (values.detach().numpy() for values in frozen)
        column, total = 0, ""
        for i, (source, rows) in enumerate(inputs):
            part = self._constant(f"{name}_weight{i}", weight[:, column : column + rows])
            product = self._apply("MatMul", [part, source], f"{name}_product{i}")
            total = self._apply("Add", [total, product], f"{name}_sum{i}") if i else product
            column += rows
        total = self._apply("Add", [total, self._constant(f"{name}_bias", bias[:, None])], f"{name}_sum")
        output = output or name
        last = output if not active and shift is None else f"{name}_floor"
        total = self._apply("Floor", [total], last)
        if active:
            total = self._apply("Clip", [total, "zero", "limit"], output)
        if shift is not None:
            source, weights = shift
            moved = self._constant(f"{name}_shift", weights.numpy())
            total = self._apply("Add", [total, self._apply("MatMul", [moved, source], f"{name}_moved")], output)
        return output, bias.size


def onnx_bytes(network: IntegerNetwork, profile: Profile | None = None) -> bytes:
    """The network as an .onnx file: MatMul, Add, Floor and Clip over constants; lanes are the columns.

    The parts, and what the metadata says, are those of `spikey_cli.model.predictor`.
    """
    config, drawing = network.config, _Drawing()
    inputs, outputs = {"windows": config.window}, {"outputs": OUTPUT_ROWS}
    metadata = {}
    latent = config.projector.shape[-1]
    seen = [("windows", config.window)]
    for i, filters in enumerate(network.filters):
        seen.append(drawing.layer(f"filters{i}", [("windows", config.window)], filters.frozen()))
    for i, layer in enumerate(network.projector):
        is_last = i == len(network.projector) - 1
        if is_last and config.is_recurrent:
            inputs["state"] = latent
            seen.append(("state", latent))
        name = "latent" if is_last and config.in_parts else f"projector{i}"
        seen = [drawing.layer(name, seen, layer.frozen())]
    if config.in_parts:
        inputs["latents"], outputs["latent"] = latent, latent
        seen = [("latents", latent)]
    if config.middle_out:
        inputs["messages"], outputs["region"] = 2 * latent + EXTRA_ROWS, latent
        metadata["middle_out_peers"] = str(config.middle_out.peers)
        metadata["middle_out_residual"] = str(int(config.middle_out.residual))
        message = [("messages", inputs["messages"])]
        for i, layer in enumerate(network.messages):
            name = "region" if i == len(network.messages) - 1 else f"message{i}"
            message = [drawing.layer(name, message, layer.frozen())]
    for i, layer in enumerate(network.hidden):
        seen = [drawing.layer(f"predictor{i}", seen, layer.frozen())]
    shift = network.shift()
    moved = None if shift is None else ("windows", shift)
    drawing.layer("last", seen, network.frozen_last(), "outputs", active=False, shift=moved)
    columns = {"windows": "lanes", "state": "lanes", "latent": "lanes", "messages": "messages", "region": "messages"}
    columns["outputs"] = columns["latents"] = "lanes of a wave" if config.in_parts else "lanes"
    graph = helper.make_graph(
        drawing.nodes,
        "predictor",
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, [rows, columns[n]]) for n, rows in inputs.items()],
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, [rows, columns[n]]) for n, rows in outputs.items()],
        drawing.constants,
    )
    if profile is not None:
        metadata["adc_edges"] = " ".join(map(str, profile.edges.tolist()))
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
    helper.set_model_props(model, metadata)
    onnx.checker.check_model(model)
    return model.SerializeToString(deterministic=True)


def freeze(network: IntegerNetwork, folder: Path, name: str, profile: Profile | None = None) -> Path:
    """Write `<name>-<hash>.onnx` into `folder`, once it is certified and equals the network in training; with its
    self-test, for every machine that it comes to.

    Raises ModelError where a single output of any of its parts differs, over 100,000 random columns each.
    """
    model = onnx_bytes(network, profile)
    predictor = Predictor(model)
    differing = _differing(network, predictor)
    if differing:
        raise ModelError(f"the frozen graph differs from the trained network in {differing}")
    model = _with_self_test(model, digest_of(predictor.evaluate(known_inputs(predictor.inputs))))
    path = folder / f"{name}-{hashlib.sha256(model).hexdigest()[:8]}.onnx"
    path.write_bytes(model)
    return path


def _with_self_test(model: bytes, digest: str) -> bytes:
    proto = onnx.load_from_string(model)
    proto.metadata_props.add(key="self_test", value=digest)
    return bytes(proto.SerializeToString(deterministic=True))


@torch.no_grad()
def _differing(network: IntegerNetwork, predictor: Predictor) -> str:
    """Where the two differ, in words; empty where they are equal."""
    config = network.config
    rows = config.projector.shape[-1]
    random = np.random.default_rng(0)

    def columns(n_rows: int, low: int = -INPUT_LIMIT) -> np.ndarray:
        values = random.integers(low, INPUT_LIMIT + 1, (n_rows, _CHECKED))
        values[:, ::2] //= 8  # half of them as loud as recordings are
        return values.astype(np.float32)

    def turned(values: np.ndarray) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(values.T))

    windows, state, latents = columns(config.window), columns(rows, 0), columns(rows, 0)
    if not config.in_parts:
        pairs = {"outputs": (predictor.predict(windows), network.predict(turned(windows)))}
    else:
        before = turned(state) if config.is_recurrent else None
        pairs = {
            "latent": (predictor.project(windows, state), network.project(turned(windows), before)),
            "outputs": (predictor.conclude(latents), network.conclude(turned(latents))),
        }
    if config.middle_out:
        messages = columns(2 * rows + EXTRA_ROWS)
        pairs["region"] = (predictor.regions(messages), network.regions(turned(messages)))
    return ", ".join(
        f"{int((ours != theirs.numpy().T).sum())} of {ours.size} values of {name!r}"
        for name, (ours, theirs) in pairs.items()
        if (ours != theirs.numpy().T).any()
    )
