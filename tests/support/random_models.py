"""Predictors with random integer weights, in parts or not, written with `onnx`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from onnx import TensorProto, helper, numpy_helper


def random_model(
    *,
    window: int = 6,
    latent: int = 0,
    recurrent: bool = False,
    peers: int = 0,
    residual: bool = True,
    edges: Sequence[int] = (),
    seed: int = 0,
    metadata: dict[str, str] | None = None,
    rows: dict[str, int] | None = None,
) -> bytes:
    """An .onnx file; without `latent` a single chain. `metadata` and `rows` (of inputs) replace what belongs there."""
    random = np.random.default_rng(seed)
    nodes, constants = (
        [],
        [numpy_helper.from_array(np.array(v, dtype=np.float32), n) for n, v in (("0", 0), ("1", 1023))],
    )
    inputs: dict[str, int] = {"windows": window}
    outputs = {"outputs": 3}

    def layer(sources: list[tuple[str, int]], size: int, name: str, scale: float, active: bool) -> None:
        total = ""
        for i, (source, n) in enumerate(sources):
            weights = np.rint(random.normal(0, scale / n**0.5, (size, n)) * 256) / 256
            constants.append(numpy_helper.from_array(weights.astype(np.float32), f"{name}w{i}"))
            nodes.append(helper.make_node("MatMul", [f"{name}w{i}", source], [f"{name}p{i}"]))
            if i:
                nodes.append(helper.make_node("Add", [total, f"{name}p{i}"], [f"{name}s{i}"]))
            total = f"{name}s{i}" if i else f"{name}p{i}"
        bias = np.rint(random.normal(0, 8, (size, 1))).astype(np.float32)
        constants.append(numpy_helper.from_array(bias, f"{name}b"))
        nodes.append(helper.make_node("Add", [total, f"{name}b"], [f"{name}t"]))
        nodes.append(helper.make_node("Floor", [f"{name}t"], [f"{name}f" if active else name]))
        if active:
            nodes.append(helper.make_node("Clip", [f"{name}f", "0", "1"], [name]))

    properties = {}
    if latent:
        inputs["latents"] = outputs["latent"] = latent
        seen = [("windows", window)]
        if recurrent:
            inputs["state"] = latent
            seen.append(("state", latent))
        layer(seen, latent, "latent", 1.0, True)
        if peers:
            inputs["messages"], outputs["region"] = 2 * latent + 2, latent
            properties = {"middle_out_peers": str(peers), "middle_out_residual": str(int(residual))}
            layer([("messages", 2 * latent + 2)], latent, "region", 1.0, True)
    layer([("latents", latent) if latent else ("windows", window)], 3, "outputs", 0.5, False)
    if edges:
        properties["adc_edges"] = " ".join(map(str, edges))
    inputs |= rows or {}
    columns = {"state": "windows", "latent": "windows", "region": "messages"}
    columns["outputs"] = "latents" if latent else "windows"
    graph = helper.make_graph(
        nodes,
        "predictor",
        *(
            [
                helper.make_tensor_value_info(n, TensorProto.FLOAT, [size, columns.get(n, n)])
                for n, size in names.items()
            ]
            for names in (inputs, outputs)
        ),
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    helper.set_model_props(model, properties | (metadata or {}))
    return model.SerializeToString()


PARTS = {
    "chain": {},
    "recurrent": {"latent": 4, "recurrent": True},
    "messages": {"latent": 4, "peers": 1},
    "regions alone": {"latent": 3, "peers": 3, "residual": False},
    "recurrent with messages": {"latent": 4, "recurrent": True, "peers": 2},
}
"""Models of every kind."""


def layers_model(*layers: tuple, window: int = 1) -> bytes:
    """An .onnx file of (operator, constant, ...) layers from windows to outputs."""
    nodes, constants, at = [], [], "windows"
    for i, (operator, *values) in enumerate(layers):
        names = [f"c{i}{letter}" for letter, _ in zip("ab", values, strict=False)]
        constants += [numpy_helper.from_array(np.array(v, np.float32), n) for n, v in zip(names, values, strict=True)]
        output = f"t{i}" if i + 1 < len(layers) else "outputs"
        nodes.append(helper.make_node(operator, [*names, at] if operator == "MatMul" else [at, *names], [output]))
        at = output
    tensors = [
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, [rows, "lanes"])]
        for name, rows in (("windows", window), ("outputs", 3))
    ]
    graph = helper.make_graph(nodes, "predictor", *tensors, constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8).SerializeToString()
