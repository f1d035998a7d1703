"""Bins of an analog-to-digital converter, in 1/64 codes (docs/format.md, *Bins and values*)."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Bins:
    """Bins of a quantizer's codes: code c has the bin from edges[c] to edges[c + 1]."""

    edges: Sequence[int]
    profiled: bool
    """Whether the edges are those of the model's profile."""

    @classmethod
    def equal(cls, size: int) -> Bins:
        """Return equal bins of `size` codes."""
        return cls(range(-32, 64 * size, 64), False)

    @property
    def size(self) -> int:
        """Number of codes."""
        return len(self.edges) - 1

    def value(self, code: int) -> int:
        """v: middle of the code's bin."""
        return self.edges[code] + self.edges[code + 1] >> 1

    def nearest(self, mean: int) -> int:
        """Return the code whose bin holds `mean`, or the first or last code."""
        return min(max(bisect_right(self.edges, mean) - 1, 0), self.size - 1)
