"""The part of ONNX that a frozen predictor may use, and the proof that it computes exactly.

An ONNX file is a protocol-buffers message. Of it this module reads

    ModelProto     7 graph   14 metadata_props (1 key, 2 value)
    GraphProto     1 node    5 initializer   11 input   12 output
    NodeProto      1 input   2 output        4 op_type
    TensorProto    1 dims    2 data_type     4 float_data   8 name   9 raw_data

and refuses a graph that uses more than these operators, which is what makes a model data and not a program:

    MatMul(constant [m, k], x [k, lanes])   Add(x, constant [m, 1])   Add(x, y)   Floor(x)   Clip(x, constant, constant)

Exactness. A float32 holds every integer up to 2**24. The network's input rows are integers of known range; `certify`
follows, row by row, the range of every tensor and the power of two that it is a multiple of, and refuses a graph in
which the absolute terms of any sum could reach 2**24 of these units. Then every partial sum is exact in any order, so
neither the machine nor the batch nor the number of threads can change a bit of the result.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from ..errors import ModelError

EXACT_LIMIT = 2**24
MAX_MODEL_BYTES = 16 << 20
MAX_NODES = 512
"""Operators of a graph, at most: a proof takes time for each."""
MAX_PRODUCTS = MAX_MODEL_BYTES // 4
"""Multiplications a column, at most: as if each constant were used once, since a few bytes could ask for many."""
_MAX_DIMS = 2
_MAX_SIDE = 4096
_NAMED_ONLY = {3, 6, 9}  # of a node: its name, what is written about it, and its metadata
_MODEL_PROGRAMS = {20: "training", 25: "functions"}
_MAX_EXPONENT = 24
_FINEST = 38  # exponents of two up to here: what is below 2**24 units, in the finest, fits an int64
_FLOAT = 1


@dataclass(frozen=True)
class Node:
    """One operator: its type, the names of its inputs, the name of its one output."""

    operator: str
    inputs: tuple[str, ...]
    output: str


@dataclass(frozen=True)
class Graph:
    """Operators in the order in which they run, from the inputs to the outputs."""

    nodes: tuple[Node, ...]
    constants: dict[str, np.ndarray]
    """float32, by name."""
    inputs: dict[str, int]
    """Rows of each input, by its name."""
    outputs: tuple[str, ...]
    metadata: dict[str, str]
    """What else the file says, as text by key."""


def _fields(message: memoryview) -> Iterator[tuple[int, int, int, memoryview]]:
    """The fields of a protocol-buffers message: (number, wire type, integer value, bytes value)."""
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        number, wire = key >> 3, key & 7
        if wire == 0:
            value, at = _varint(message, at)
            yield number, wire, value, message[:0]
            continue
        if wire == 2:
            size, at = _varint(message, at)
        elif wire in (1, 5):
            size = 8 if wire == 1 else 4
        else:
            raise ModelError(f"not an ONNX model: wire type {wire}")
        if size > len(message) - at:
            raise ModelError("not an ONNX model: a field runs past the end of its message")
        yield number, wire, 0, message[at : at + size]
        at += size


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(message):
            raise ModelError("not an ONNX model: it ends inside a number")
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise ModelError("not an ONNX model: a number is too long")


def _text(data: memoryview) -> str:
    try:
        return str(data, "utf-8")
    except UnicodeDecodeError as error:
        raise ModelError("not an ONNX model: a name is not UTF-8") from error


def _packed(wire: int, value: int, data: memoryview) -> list[int]:
    if wire == 0:
        return [value]
    numbers, at = [], 0
    while at < len(data):
        number, at = _varint(data, at)
        numbers.append(number)
    return numbers


def _read_tensor(message: memoryview) -> tuple[str, np.ndarray]:
    dims: list[int] = []
    data_type, name = 0, ""
    pieces: list[memoryview] = []
    for number, wire, value, data in _fields(message):
        if number == 1:
            dims += _packed(wire, value, data[: 10 * (_MAX_DIMS + 1)])
            if len(dims) > _MAX_DIMS or max(dims, default=0) > _MAX_SIDE:
                raise ModelError(f"constant {name!r}: a predictor's have {_MAX_DIMS} sides of {_MAX_SIDE}, at most")
        elif number == 2:
            data_type = value
        elif number in (4, 9):
            pieces.append(data)
        elif number == 8:
            name = _text(data)
        else:
            raise ModelError(f"constant {name!r}: tensor field {number} is not allowed in a predictor")
    raw = b"".join(pieces)
    count = math.prod(dims)
    if data_type != _FLOAT or len(raw) != 4 * count:
        raise ModelError(f"constant {name!r} is not a float32 tensor of its stated shape")
    return name, np.frombuffer(raw, dtype="<f4").reshape(dims)


def _read_node(message: memoryview) -> Node:
    inputs: list[str] = []
    outputs: list[str] = []
    operator = ""
    for number, _, _, data in _fields(message):
        if number == 1:
            inputs.append(_text(data))
        elif number == 2:
            outputs.append(_text(data))
        elif number == 4:
            operator = _text(data)
        elif number not in _NAMED_ONLY and (number != 7 or len(data)):
            raise ModelError(
                f"operator {operator}: attributes, foreign domains and overloads are not allowed in a predictor"
            )
    if len(outputs) != 1:
        raise ModelError(f"operator {operator} has {len(outputs)} outputs; a predictor's have one")
    return Node(operator, tuple(inputs), outputs[0])


def _read_value_info(message: memoryview) -> tuple[str, int]:
    """Name and first dimension of a graph's input or output; 0 where that is not a number."""
    name, rows = "", 0
    for number, _, _, data in _fields(message):
        if number == 1:
            name = _text(data)
        elif number == 2:  # type -> tensor_type -> shape -> first dim -> dim_value
            for path in (1, 2, 1):
                data = next((d for n, _, _, d in _fields(data) if n == path), data[:0])
            rows = next((v for n, _, v, _ in _fields(data) if n == 1), 0)
    return name, rows


def read_graph(model: bytes) -> Graph:
    """Read the graph of an ONNX model file.

    Raises ModelError where it is not one, or uses what a predictor may not.
    """
    if len(model) > MAX_MODEL_BYTES:
        raise ModelError(f"the model has {len(model)} bytes; a predictor has at most {MAX_MODEL_BYTES}")
    graphs = []
    for number, _, _, data in _fields(memoryview(model)):
        if number in _MODEL_PROGRAMS:
            raise ModelError(f"{_MODEL_PROGRAMS[number]} are not allowed in a predictor")
        if number == 7:
            graphs.append(data)
    if len(graphs) != 1:
        raise ModelError("not an ONNX model: it holds no graph")
    nodes: list[Node] = []
    constants: dict[str, np.ndarray] = {}
    inputs: list[tuple[str, int]] = []
    outputs: list[tuple[str, int]] = []
    for number, _, _, data in _fields(graphs[0]):
        if number == 1:
            nodes.append(_read_node(data))
            if len(nodes) > MAX_NODES:
                raise ModelError(f"the model has more than {MAX_NODES} operators")
        elif number == 5:
            name, tensor = _read_tensor(data)
            if name in constants:
                raise ModelError(f"two constants of the graph have the name {name!r}")
            constants[name] = tensor
        elif number == 11:
            inputs.append(_read_value_info(data))
        elif number == 12:
            outputs.append(_read_value_info(data))
        elif number == 15:
            raise ModelError("sparse constants are not allowed in a predictor")
    if len({*constants, *dict(inputs)}) != len(constants) + len(inputs):
        raise ModelError("two inputs of the graph, or an input and a constant, have one name")
    metadata = {}
    for number, _, _, data in _fields(memoryview(model)):
        if number == 14:
            entry = {n: _text(text) for n, _, _, text in _fields(data)}
            metadata[entry.get(1, "")] = entry.get(2, "")
    return Graph(tuple(nodes), constants, dict(inputs), tuple(name for name, _ in outputs), metadata)


@dataclass(frozen=True)
class Span:
    """What is known of a tensor's rows, each int64 of shape (rows,).

    Row r holds multiples of 2**-exponent[r] between low[r] and high[r], both in these units. `terms` bounds the sum of
    the absolute terms that the row was summed from, in the same units. Tensors of equal `columns` have the same number
    of them, whatever that is.
    """

    low: np.ndarray
    high: np.ndarray
    exponent: np.ndarray
    terms: np.ndarray
    columns: str


def _integers(values: np.ndarray, operator: str) -> tuple[np.ndarray, np.ndarray]:
    """Each row of a constant matrix as integers and the exponent of two that they are multiples of."""
    if not np.isfinite(values).all():
        raise ModelError(f"{operator}: a constant is not finite")
    wide = values.astype(np.float64)
    for exponent in range(_MAX_EXPONENT + 1):
        scaled = wide * 2.0**exponent
        exact = (scaled == np.floor(scaled)).all(axis=1)
        if exponent == 0:
            exponents = np.where(exact, 0, -1)
        exponents = np.where((exponents < 0) & exact, exponent, exponents)
    if (exponents < 0).any() or np.abs(wide).max(initial=0) >= EXACT_LIMIT:
        raise ModelError(f"{operator}: a constant is not a multiple of 2**-{_MAX_EXPONENT} below 2**24")
    return (wide * 2.0 ** exponents[:, None]).astype(np.int64), exponents.astype(np.int64)


def _bound(terms: np.ndarray, node: Node) -> np.ndarray:
    worst = int(terms.max(initial=0))
    if worst >= EXACT_LIMIT:
        raise ModelError(f"{node.operator} to {node.output!r}: its terms can sum to {worst}, and 2**24 is the limit")
    return terms


def _fine(exponent: np.ndarray, node: Node) -> np.ndarray:
    if exponent.max(initial=0) > _FINEST:
        raise ModelError(f"{node.operator} to {node.output!r}: multiples of 2**-{exponent.max()} are too fine")
    return exponent


def _matmul(node: Node, weights: np.ndarray, x: Span) -> Span:
    if weights.ndim != 2 or weights.shape[1] != x.low.size or not weights.size:
        raise ModelError(f"MatMul to {node.output!r}: shapes {weights.shape} and ({x.low.size}, lanes) do not fit")
    w, exponent = _integers(weights, "MatMul")
    common = int(x.exponent.max())
    shift = common - x.exponent
    low, high = x.low << shift, x.high << shift
    # in float64 first: a hostile model's sums may not fit an int64
    rough = np.abs(w).astype(np.float64) @ np.maximum(np.abs(low), np.abs(high)).astype(np.float64)
    if rough.max(initial=0) >= 2 * EXACT_LIMIT:
        raise ModelError(f"MatMul to {node.output!r}: its terms can sum to {rough.max():.0f}, and 2**24 is the limit")
    terms = np.abs(w) @ np.maximum(np.abs(low), np.abs(high))
    above, below = np.maximum(w, 0), np.minimum(w, 0)
    span = above @ low + below @ high, above @ high + below @ low
    return Span(*span, _fine(exponent + common, node), _bound(terms, node), x.columns)


def _add(node: Node, bias: np.ndarray, x: Span) -> Span:
    if bias.shape != (x.low.size, 1):
        raise ModelError(f"Add to {node.output!r}: the constant has shape {bias.shape}, not ({x.low.size}, 1)")
    b, own = _integers(bias, "Add")
    exponent = np.maximum(own, x.exponent)
    if (np.abs(b[:, 0]).astype(np.float64) * 2.0 ** (exponent - own) >= EXACT_LIMIT).any():
        raise ModelError(f"Add to {node.output!r}: the constant reaches 2**24 units")
    shift = exponent - x.exponent
    bias_units = b[:, 0] << (exponent - own)
    terms = (x.terms << shift) + np.abs(bias_units)
    return Span((x.low << shift) + bias_units, (x.high << shift) + bias_units, exponent, _bound(terms, node), x.columns)


def _sum(node: Node, x: Span, y: Span) -> Span:
    if x.low.size != y.low.size or x.columns != y.columns:
        raise ModelError(f"Add to {node.output!r}: the shapes of {' and '.join(map(repr, node.inputs))} differ")
    exponent = np.maximum(x.exponent, y.exponent)
    to_x, to_y = exponent - x.exponent, exponent - y.exponent
    terms = (x.terms << to_x) + (y.terms << to_y)
    low, high = (x.low << to_x) + (y.low << to_y), (x.high << to_x) + (y.high << to_y)
    return Span(low, high, exponent, _bound(terms, node), x.columns)


def _floor(x: Span) -> Span:
    low, high = x.low >> x.exponent, x.high >> x.exponent
    return Span(low, high, np.zeros_like(x.exponent), np.maximum(np.abs(low), np.abs(high)), x.columns)


def _clip(node: Node, floor: np.ndarray, ceiling: np.ndarray, x: Span) -> Span:
    if floor.size != 1 or ceiling.size != 1 or floor.ndim or ceiling.ndim or x.exponent.any():
        raise ModelError(f"Clip to {node.output!r}: wants integers between two scalar constants")
    limits, exponent = _integers(np.array([[floor.item(), ceiling.item()]], dtype=np.float32), "Clip")
    if exponent.any() or limits[0, 0] > limits[0, 1]:
        raise ModelError(f"Clip to {node.output!r}: limits {floor.item()} and {ceiling.item()}")
    low, high = np.clip(x.low, *limits[0]), np.clip(x.high, *limits[0])
    return Span(low, high, x.exponent, np.maximum(np.abs(low), np.abs(high)), x.columns)


def certify(graph: Graph, input_limit: int, columns: Mapping[str, str] | None = None) -> dict[str, Span]:
    """Prove that float32 evaluates `graph` exactly for integer inputs in -input_limit..input_limit.

    An input has columns of its own, as many as it pleases, unless `columns` names another input whose it shares.
    Returns the spans of the outputs, which are integers. Raises ModelError where the proof fails.
    """
    spans: dict[str, Span] = {}
    for name, n_rows in graph.inputs.items():
        if not 1 <= n_rows <= _MAX_SIDE:
            raise ModelError(f"the input {name!r} has {n_rows} rows; a predictor's have 1 to {_MAX_SIDE}")
        rows = np.full(n_rows, input_limit, dtype=np.int64)
        spans[name] = Span(-rows, rows, np.zeros_like(rows), rows, (columns or {}).get(name, name))
    constants = graph.constants
    products = 0
    for node in graph.nodes:
        if node.output in spans or node.output in constants:
            raise ModelError(f"the name {node.output!r} stands for two tensors")
        match node.operator, node.inputs:
            case "MatMul", (weights, x) if weights in constants and x in spans:
                products += constants[weights].size
                if products > MAX_PRODUCTS:
                    raise ModelError(f"a column takes more than {MAX_PRODUCTS} multiplications")
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
                    f"operator {node.operator} to {node.output!r} is not one that a predictor may use here; "
                    "a predictor is made of MatMul, Add, Floor and Clip"
                )
        spans[node.output] = span
    used = {name for node in graph.nodes for name in node.inputs} | set(graph.outputs)
    for name in spans:
        if name not in used:
            raise ModelError(f"nothing comes of {name!r}; a predictor has no idle parts")
    for name in graph.outputs:
        if name not in spans or name in graph.inputs or spans[name].exponent.any():
            raise ModelError(f"the output {name!r} is not the integers at the end of a chain")
    return {name: spans[name] for name in graph.outputs}
