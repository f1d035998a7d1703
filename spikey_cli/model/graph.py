"""The subset of ONNX that a frozen predictor may use.

An ONNX file is a protocol-buffers message. This module reads of it

    ModelProto     7 graph   14 metadata_props (1 key, 2 value)
    GraphProto     1 node    5 initializer   11 input   12 output
    NodeProto      1 input   2 output        4 op_type
    TensorProto    1 dims    2 data_type     4 float_data   8 name   9 raw_data

and refuses attributes, functions and training information. `certify` restricts the operators, and proves that their
results are exact.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from ..errors import ModelError

MAX_MODEL_BYTES = 16 << 20
MAX_NODES = 512
"""Largest number of operators of a graph; a proof takes time for each."""
MAX_FIELDS = 1 << 14
"""Largest number of fields of a file; reading one takes about as long as reading a thousand bytes."""
MAX_SIDE = 4096
"""Largest number of rows or columns of a constant, and of rows of an input."""
_MAX_DIMS = 2
_IGNORED_NODE_FIELDS = {3, 6, 9}  # name, documentation, metadata
_MODEL_PROGRAMS = {20: "training", 25: "functions"}
_FLOAT = 1


class Node(NamedTuple):
    """One operator: its type, the names of its inputs, the name of its one output."""

    operator: str
    inputs: tuple[str, ...]
    output: str


class Graph(NamedTuple):
    """Operators in the order of execution, from the inputs to the outputs."""

    nodes: tuple[Node, ...]
    constants: dict[str, np.ndarray]
    """float32, by name."""
    inputs: dict[str, int]
    """Rows of each input, by name."""
    outputs: tuple[str, ...]
    metadata: dict[str, str]
    """The file's metadata, by key."""


class Work(NamedTuple):
    """What evaluating an output takes."""

    operators: int
    """Operators that run."""
    products: int
    """Multiply-adds for each column."""
    elements: int
    """Elements for each column of all tensors that operators give."""


def work_of(graph: Graph, output: str) -> Work:
    """Return what evaluating an output of a certified graph takes."""
    rows, needed = dict(graph.inputs), {output}
    for node in graph.nodes:
        constant = graph.constants.get(node.inputs[0])
        rows[node.output] = rows[node.inputs[0]] if constant is None else len(constant)
    operators = products = elements = 0
    for node in reversed(graph.nodes):
        if node.output in needed:
            needed.update(node.inputs)
            operators += 1
            elements += rows[node.output]
            products += graph.constants[node.inputs[0]].size if node.operator == "MatMul" else 0
    return Work(operators, products, elements)


class _Parser:
    """Reads messages, of which a hostile model may have half as many fields as bytes."""

    def __init__(self) -> None:
        self._left = MAX_FIELDS

    def fields(self, message: memoryview) -> Iterator[tuple[int, int, int, memoryview]]:
        """Yield the fields of a protocol-buffers message: (number, wire type, integer value, bytes value)."""
        at = 0
        while at < len(message):
            self._left -= 1
            if self._left < 0:
                raise ModelError(f"the model has more than {MAX_FIELDS} fields")
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


def _read_tensor(parser: _Parser, message: memoryview) -> tuple[str, np.ndarray]:
    dims: list[int] = []
    data_type, name = 0, ""
    pieces: list[memoryview] = []
    for number, wire, value, data in parser.fields(message):
        if number == 1:
            dims += _packed(wire, value, data[: 10 * (_MAX_DIMS + 1)])
            if len(dims) > _MAX_DIMS or max(dims, default=0) > MAX_SIDE:
                raise ModelError(f"constant {name!r} has more than {_MAX_DIMS} dimensions, or one above {MAX_SIDE}")
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


def _read_node(parser: _Parser, message: memoryview) -> Node:
    inputs: list[str] = []
    outputs: list[str] = []
    operator = ""
    for number, _, _, data in parser.fields(message):
        if number == 1:
            inputs.append(_text(data))
        elif number == 2:
            outputs.append(_text(data))
        elif number == 4:
            operator = _text(data)
        elif number not in _IGNORED_NODE_FIELDS and (number != 7 or len(data)):
            raise ModelError(
                f"operator {operator}: attributes, foreign domains and overloads are not allowed in a predictor"
            )
    if len(outputs) != 1:
        raise ModelError(f"operator {operator} has {len(outputs)} outputs; an operator of a predictor has one")
    return Node(operator, tuple(inputs), outputs[0])


def _read_value_info(parser: _Parser, message: memoryview) -> tuple[str, int]:
    """Name and first dimension of a graph's input or output; 0 if that is not a number."""
    name, rows = "", 0
    for number, _, _, data in parser.fields(message):
        if number == 1:
            name = _text(data)
        elif number == 2:  # type -> tensor_type -> shape -> first dim -> dim_value
            for path in (1, 2, 1):
                data = next((d for n, _, _, d in parser.fields(data) if n == path), data[:0])
            rows = next((v for n, _, v, _ in parser.fields(data) if n == 1), 0)
    return name, rows


def read_graph(model: bytes) -> Graph:
    """Read the graph of an ONNX model.

    Parameters
    ----------
    model : bytes
        Content of an .onnx file.

    Returns
    -------
    Graph

    Raises
    ------
    ModelError
        If it is not an ONNX model, or uses what is not allowed in a predictor.
    """
    if len(model) > MAX_MODEL_BYTES:
        raise ModelError(f"the model has {len(model)} bytes; a predictor has at most {MAX_MODEL_BYTES}")
    parser = _Parser()
    graphs = []
    for number, _, _, data in parser.fields(memoryview(model)):
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
    for number, _, _, data in parser.fields(graphs[0]):
        if number == 1:
            nodes.append(_read_node(parser, data))
            if len(nodes) > MAX_NODES:
                raise ModelError(f"the model has more than {MAX_NODES} operators")
        elif number == 5:
            name, tensor = _read_tensor(parser, data)
            if name in constants:
                raise ModelError(f"two constants of the graph have the name {name!r}")
            constants[name] = tensor
        elif number == 11:
            inputs.append(_read_value_info(parser, data))
        elif number == 12:
            outputs.append(_read_value_info(parser, data))
        elif number == 15:
            raise ModelError("sparse constants are not allowed in a predictor")
    if not outputs:
        raise ModelError("not an ONNX model: its graph has no output")
    if len({*constants, *dict(inputs)}) != len(constants) + len(inputs):
        raise ModelError("two inputs of the graph, or an input and a constant, have the same name")
    metadata = {}
    for number, _, _, data in parser.fields(memoryview(model)):
        if number == 14:
            entry = {n: _text(text) for n, _, _, text in parser.fields(data)}
            metadata[entry.get(1, "")] = entry.get(2, "")
    return Graph(tuple(nodes), constants, dict(inputs), tuple(name for name, _ in outputs), metadata)
