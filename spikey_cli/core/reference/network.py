"""The network, in exact arithmetic (docs/format.md, *The network*).

The messages between channels are those of J. Gilmer et al., "Neural message passing for quantum chemistry", ICML 2017.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from math import floor, lcm
from typing import Any, NamedTuple

from .arithmetic import clip

LIMIT = 1023
"""Inputs, latents and regions are in -LIMIT..LIMIT."""


class Operator(NamedTuple):
    """One operator of a graph."""

    kind: str
    """MatMul, Add, Floor or Clip."""
    inputs: Sequence[str]
    output: str


class Network:
    """A graph of operators, and its parts for one lane.

    `constants` has numbers (the bounds of a Clip) or rows of numbers, `rows` the number of rows of each input,
    `metadata` the entries of the model's file.
    """

    def __init__(
        self,
        operators: Sequence[Operator],
        constants: Mapping[str, Any],
        rows: Mapping[str, int],
        metadata: Mapping[str, str],
    ) -> None:
        self.operators, self.rows = operators, rows
        self.constants = {name: _exact(value) for name, value in constants.items()}
        self.window = rows["windows"]
        self.n_senders = int(metadata.get("middle_out_peers", 0))
        self.is_residual = metadata.get("middle_out_residual") == "1"

    def evaluate(self, output: str, **inputs: Sequence[int]) -> list[int]:
        """Return an output for a column of each input that it needs."""
        tensors: dict[str, list[Any]] = {name: list(column) for name, column in inputs.items()}
        for kind, names, name in self.operators:
            if not any(each in tensors for each in names):
                continue  # of another part of the graph
            first, *others = (tensors[each] if each in tensors else self.constants[each] for each in names)
            if kind == "MatMul":
                tensors[name] = [_product(row, others[0]) for row in first]
            elif kind == "Add":
                first, second = (_column(x) for x in (first, *others))
                tensors[name] = [a + b for a, b in zip(first, second, strict=True)]
            elif kind == "Floor":
                tensors[name] = [floor(x) for x in first]
            elif kind == "Clip":
                low, high = others
                tensors[name] = [min(max(x, low), high) for x in first]
        return [int(x) for x in tensors[output]]

    def latent(self, window: Sequence[int], state: Sequence[int]) -> list[int]:
        """Return a lane's latent; `state` is that of the step before. Empty if the graph has no parts."""
        if "latents" not in self.rows:
            return []
        state = state or [0] * self.rows["latents"]
        return self.evaluate("latent", windows=window, **({"state": state} if "state" in self.rows else {}))

    def region(self, latent: Sequence[int], senders: Sequence[tuple[Sequence[int], int, int]]) -> list[int]:
        """Return a lane's region; a sender has a latent, the metric of the two channels, and z of the step."""
        messages = [[*latent, *theirs, metric, z] for theirs, metric, z in senders[: self.n_senders]]
        regions = [self.evaluate("region", messages=message) for message in messages]
        return [sum(row) // len(regions) for row in zip(*regions, strict=True)] or [0] * len(latent)

    def outputs(
        self, window: Sequence[int], latent: Sequence[int], senders: Sequence[tuple[Sequence[int], int, int]]
    ) -> list[int]:
        """Return y0, y1 and y2 for a lane."""
        if "latents" not in self.rows:
            return self.evaluate("outputs", windows=window)
        if "messages" in self.rows:
            region = self.region(latent, senders)
            own = latent if self.is_residual else [0] * len(region)
            latent = [clip(a + b, LIMIT) for a, b in zip(own, region, strict=True)]
        return self.evaluate("outputs", latents=latent)


class _Row(NamedTuple):
    """A row of a constant: numerators of a common denominator."""

    numerators: list[int]
    denominator: int


def _exact(value: Any) -> Any:
    """Return a constant's exact numbers: a Fraction, or rows."""
    if not isinstance(value, Sequence):
        return Fraction(value)
    rows = []
    for row in value:
        numbers = [Fraction(x) for x in row]
        denominator = lcm(*(x.denominator for x in numbers))
        rows.append(_Row([int(x * denominator) for x in numbers], denominator))
    return rows


def _product(row: _Row, column: Sequence[Any]) -> Fraction:
    return Fraction(sum(w * x for w, x in zip(row.numerators, column, strict=True)), row.denominator)


def _column(tensor: Sequence[Any]) -> list[Any]:
    """Return a tensor as numbers: a constant has rows of one number each."""
    return [Fraction(x.numerators[0], x.denominator) if isinstance(x, _Row) else x for x in tensor]
