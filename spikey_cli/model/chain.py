"""Graphs that are chains: one layer after another, as `core.network` evaluates them."""

from __future__ import annotations

import numpy as np

from ..core.network import ROWS_AT_ONCE, Chain
from .graph import Graph


def chain_of(graph: Graph) -> Chain | None:
    """Return the layers of a graph that is a chain from `windows` to `outputs`.

    Parameters
    ----------
    graph : Graph
        A certified graph.

    Returns
    -------
    Chain or None
        None if the graph is not a chain.
    """
    weights: list[np.ndarray] = []
    biases: list[np.ndarray] = []
    floored: list[bool] = []
    bounds: list[tuple[np.ndarray, np.ndarray] | None] = []
    name = "windows"
    for node in graph.nodes:
        constants = [graph.constants[i] for i in node.inputs if i in graph.constants]
        if name not in node.inputs or len(constants) != len(node.inputs) - 1:
            return None
        if node.operator == "MatMul":
            rows, columns = constants[0].shape
            weights.append(np.zeros((-(-rows // ROWS_AT_ONCE) * ROWS_AT_ONCE, columns), np.float32))
            weights[-1][:rows] = constants[0]
            biases.append(np.zeros(len(weights[-1]), np.float32))
            floored.append(False)
            bounds.append(None)
        elif not weights or bounds[-1] is not None:
            return None
        elif node.operator == "Add" and not floored[-1]:
            biases[-1][: len(constants[0])] += constants[0][:, 0]  # exact, since the sum is certified
        elif node.operator == "Floor":
            floored[-1] = True
        elif node.operator == "Clip":
            bounds[-1] = (constants[0], constants[1])
        else:
            return None
        name = node.output
    if name != "outputs" or not weights:
        return None
    low = [-np.inf if bound is None else bound[0].item() for bound in bounds]
    high = [np.inf if bound is None else bound[1].item() for bound in bounds]
    return Chain(
        np.array([weight.shape for weight in weights], np.int64),
        np.concatenate([weight.reshape(-1) for weight in weights]),
        np.concatenate(biases),
        np.array(floored),
        np.array(low, np.float32),
        np.array(high, np.float32),
    )
