"""Proof that float32 evaluates a graph exactly.

A graph consists of these operators only, so a model is data and not a program:

    MatMul(constant [m, k], x [k, lanes])   Add(x, constant [m, 1])   Add(x, y)   Floor(x)   Clip(x, constant, constant)

A float32 represents every integer up to 2**24. The rows of the network's inputs are integers of known range. `certify`
tracks, for each row of each tensor, its range and the power of two that it is a multiple of, and refuses a graph in
which the absolute terms of a sum could reach 2**24 of these units. Every partial sum is then exact in any order, so
the machine, the size of the batch and the number of processors cannot change a bit of the result.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from ..errors import ModelError
from .graph import MAX_MODEL_BYTES, MAX_SIDE, Graph, Node

EXACT_LIMIT = 2**24
MAX_PRODUCTS = MAX_MODEL_BYTES // 4
"""Largest number of multiplications per column: as if a file of the largest size used each constant once."""
_MAX_EXPONENT = 24
_MAX_SUM_EXPONENT = 38  # 2**24 units of 2**-38 and their intermediate results fit into int64


class Span(NamedTuple):
    """Bounds of a tensor's rows; arrays are int64 of shape (rows,).

    Row r holds multiples of 2**-exponent[r] between low[r] and high[r], both in these units.
    """

    low: np.ndarray
    high: np.ndarray
    exponent: np.ndarray
    terms: np.ndarray
    """Bound on the sum of the absolute terms of the row's sum, in the same units."""
    columns: str
    """Tensors with equal `columns` have the same number of columns."""


def _integers(values: np.ndarray, operator: str) -> tuple[np.ndarray, np.ndarray]:
    """Each row of a constant matrix as integers and the exponent of two that they are multiples of."""
    if not np.isfinite(values).all():
        raise ModelError(f"{operator}: a constant is not finite")
    exact_values = values.astype(np.float64)
    for exponent in range(_MAX_EXPONENT + 1):
        scaled = exact_values * 2.0**exponent
        exact = (scaled == np.floor(scaled)).all(axis=1)
        if exponent == 0:
            exponents = np.where(exact, 0, -1)
        exponents = np.where((exponents < 0) & exact, exponent, exponents)
    if (exponents < 0).any() or np.abs(exact_values).max(initial=0) >= EXACT_LIMIT:
        raise ModelError(f"{operator}: a constant is not a multiple of 2**-{_MAX_EXPONENT} below 2**24")
    return (exact_values * 2.0 ** exponents[:, None]).astype(np.int64), exponents.astype(np.int64)


def _bound(terms: np.ndarray, node: Node) -> np.ndarray:
    largest = int(terms.max(initial=0))
    if largest >= EXACT_LIMIT:
        raise ModelError(f"{node.operator} to {node.output!r}: its terms can sum to {largest}, and 2**24 is the limit")
    return terms


def _check_exponent(exponent: np.ndarray, node: Node) -> np.ndarray:
    if exponent.max(initial=0) > _MAX_SUM_EXPONENT:
        raise ModelError(f"{node.operator} to {node.output!r}: multiples of 2**-{exponent.max()} are too small")
    return exponent


def _matmul(node: Node, weights: np.ndarray, x: Span) -> Span:
    if weights.ndim != 2 or weights.shape[1] != x.low.size or not weights.size:
        raise ModelError(f"MatMul to {node.output!r}: shapes {weights.shape} and ({x.low.size}, lanes) do not fit")
    w, exponent = _integers(weights, "MatMul")
    common = int(x.exponent.max())
    shift = common - x.exponent
    low, high = x.low << shift, x.high << shift
    # first in float64: sums of a hostile model may exceed int64
    estimate = np.abs(w).astype(np.float64) @ np.maximum(np.abs(low), np.abs(high)).astype(np.float64)
    if estimate.max(initial=0) >= 2 * EXACT_LIMIT:
        raise ModelError(
            f"MatMul to {node.output!r}: its terms can sum to {estimate.max():.0f}, and 2**24 is the limit"
        )
    terms = np.abs(w) @ np.maximum(np.abs(low), np.abs(high))
    above, below = np.maximum(w, 0), np.minimum(w, 0)
    span = above @ low + below @ high, above @ high + below @ low
    return Span(*span, _check_exponent(exponent + common, node), _bound(terms, node), x.columns)


def _add(node: Node, bias: np.ndarray, x: Span) -> Span:
    if bias.shape != (x.low.size, 1):
        raise ModelError(f"Add to {node.output!r}: the constant has shape {bias.shape}, not ({x.low.size}, 1)")
    b, bias_exponent = _integers(bias, "Add")
    exponent = np.maximum(bias_exponent, x.exponent)
    if (np.abs(b[:, 0]).astype(np.float64) * 2.0 ** (exponent - bias_exponent) >= EXACT_LIMIT).any():
        raise ModelError(f"Add to {node.output!r}: the constant reaches 2**24 units")
    shift = exponent - x.exponent
    bias_units = b[:, 0] << (exponent - bias_exponent)
    terms = (x.terms << shift) + np.abs(bias_units)
    return Span((x.low << shift) + bias_units, (x.high << shift) + bias_units, exponent, _bound(terms, node), x.columns)


def _sum(node: Node, x: Span, y: Span) -> Span:
    if x.low.size != y.low.size or x.columns != y.columns:
        raise ModelError(f"Add to {node.output!r}: the shapes of {' and '.join(map(repr, node.inputs))} differ")
    exponent = np.maximum(x.exponent, y.exponent)
    shift_x, shift_y = exponent - x.exponent, exponent - y.exponent
    terms = (x.terms << shift_x) + (y.terms << shift_y)
    low, high = (x.low << shift_x) + (y.low << shift_y), (x.high << shift_x) + (y.high << shift_y)
    return Span(low, high, exponent, _bound(terms, node), x.columns)


def _floor(x: Span) -> Span:
    low, high = x.low >> x.exponent, x.high >> x.exponent
    return Span(low, high, np.zeros_like(x.exponent), np.maximum(np.abs(low), np.abs(high)), x.columns)


def _clip(node: Node, floor: np.ndarray, ceiling: np.ndarray, x: Span) -> Span:
    if floor.size != 1 or ceiling.size != 1 or floor.ndim or ceiling.ndim or x.exponent.any():
        raise ModelError(f"Clip to {node.output!r}: needs integers and two scalar constants")
    limits, exponent = _integers(np.array([[floor.item(), ceiling.item()]], dtype=np.float32), "Clip")
    if exponent.any() or limits[0, 0] > limits[0, 1]:
        raise ModelError(f"Clip to {node.output!r}: limits {floor.item()} and {ceiling.item()}")
    low, high = np.clip(x.low, *limits[0]), np.clip(x.high, *limits[0])
    return Span(low, high, x.exponent, np.maximum(np.abs(low), np.abs(high)), x.columns)


def certify(graph: Graph, input_limit: int, columns: Mapping[str, str] | None = None) -> dict[str, Span]:
    """Prove that float32 evaluates `graph` exactly for integer inputs in -input_limit..input_limit.

    Parameters
    ----------
    graph : Graph
    input_limit : int
        Largest absolute value of an input.
    columns : mapping, optional
        Names, for an input, another input that has the same number of columns. By default each has its own.

    Returns
    -------
    dict of str to Span
        Bounds of the outputs, which are integers.

    Raises
    ------
    ModelError
        If the proof fails.
    """
    spans: dict[str, Span] = {}
    for name, n_rows in graph.inputs.items():
        if not 1 <= n_rows <= MAX_SIDE:
            raise ModelError(f"the input {name!r} has {n_rows} rows; it must have 1 to {MAX_SIDE}")
        rows = np.full(n_rows, input_limit, dtype=np.int64)
        spans[name] = Span(-rows, rows, np.zeros_like(rows), rows, (columns or {}).get(name, name))
    constants = graph.constants
    products = 0
    for node in graph.nodes:
        if node.output in spans or node.output in constants:
            raise ModelError(f"two tensors have the name {node.output!r}")
        match node.operator, node.inputs:
            case "MatMul", (weights, x) if weights in constants and x in spans:
                products += constants[weights].size
                if products > MAX_PRODUCTS:
                    raise ModelError(f"a column needs more than {MAX_PRODUCTS} multiplications")
                span = _matmul(node, constants[weights], spans[x])
            case "Add", (x, bias) if x in spans and bias in constants:
                span = _add(node, constants[bias], spans[x])
            case "Add", (x, y) if x in spans and y in spans:
                span = _sum(node, spans[x], spans[y])
            case "Floor", (x,) if x in spans:
                span = _floor(spans[x])
            case "Clip", (x, low, high) if x in spans and low in constants and high in constants:
                span = _clip(node, constants[low], constants[high], spans[x])
            case _:
                raise ModelError(
                    f"operator {node.operator} to {node.output!r} is not allowed here; a predictor consists of MatMul, "
                    "Add, Floor and Clip"
                )
        spans[node.output] = span
    used = {name for node in graph.nodes for name in node.inputs} | set(graph.outputs)
    for name in spans:
        if name not in used:
            raise ModelError(f"the tensor {name!r} is not used")
    for name in graph.outputs:
        if name not in spans or name in graph.inputs or spans[name].exponent.any():
            raise ModelError(f"the output {name!r} is not the result of an operator, or not an integer")
    return {name: spans[name] for name in graph.outputs}
