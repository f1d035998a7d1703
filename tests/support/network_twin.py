"""Plain-Python twin of the network: exact rational numbers, one lane at a time."""

from __future__ import annotations

import math
from fractions import Fraction

from spikey_cli.model.graph import Graph


def evaluate(graph: Graph, given: dict[str, list[int]], wanted: str) -> list[int]:
    """The rows of the output `wanted`, for the inputs that it needs."""
    constants = {name: values.tolist() for name, values in graph.constants.items()}
    tensors = {name: [Fraction(v) for v in rows] for name, rows in given.items()}
    for node in graph.nodes:
        if not any(name in tensors for name in node.inputs):
            continue  # a part that is not wanted
        if node.operator == "MatMul":
            weights, source = node.inputs
            x = [sum(Fraction(w) * v for w, v in zip(row, tensors[source], strict=True)) for row in constants[weights]]
        elif node.operator == "Add":
            first, second = node.inputs
            other = tensors.get(second) or [Fraction(b) for (b,) in constants[second]]
            x = [v + b for v, b in zip(tensors[first], other, strict=True)]
        elif node.operator == "Floor":
            x = [Fraction(math.floor(v)) for v in tensors[node.inputs[0]]]
        else:
            source, low, high = node.inputs
            x = [min(max(v, Fraction(constants[low])), Fraction(constants[high])) for v in tensors[source]]
        tensors[node.output] = x
    assert all(v.denominator == 1 for v in tensors[wanted])
    return [int(v) for v in tensors[wanted]]


class NetworkTwin:
    """A predictor's graph, evaluated for one lane."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.window = graph.inputs["windows"]
        self.latent_rows = graph.inputs.get("latents", 0)
        self.n_peers = int(graph.metadata.get("middle_out_peers", 0))
        self.residual = graph.metadata.get("middle_out_residual") == "1"

    def latent(self, inputs: list[int], before: list[int]) -> list[int]:
        """The latent for `inputs`, with `before` the latent of the step before; empty if the graph has no parts."""
        if not self.latent_rows:
            return []
        given = {"windows": inputs, "state": before} if "state" in self.graph.inputs else {"windows": inputs}
        return evaluate(self.graph, given, "latent")

    def outputs(self, inputs: list[int], latent: list[int], messages: list[tuple[list[int], int, int]]) -> list[int]:
        """The three outputs; `messages` are latents, metrics and normalised errors of the references, nearest first."""
        if not self.latent_rows:
            return evaluate(self.graph, {"windows": inputs}, "outputs")
        if self.n_peers:
            sent = messages[: self.n_peers]
            regions = [
                evaluate(self.graph, {"messages": [*latent, *theirs, metric, z]}, "region")
                for theirs, metric, z in sent
            ]
            region = [sum(rows) // len(rows) for rows in zip(*regions, strict=True)] or [0] * len(latent)
            latent = [a + b for a, b in zip(latent, region, strict=True)] if self.residual else region
            latent = [min(max(v, -1023), 1023) for v in latent]
        return evaluate(self.graph, {"latents": latent}, "outputs")
