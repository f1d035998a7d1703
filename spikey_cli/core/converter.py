"""The converter's profile: how wide the bin of each code really is.

A converter's bins are not equal. On the N1 recordings their widths range over a factor of three, the same in every
file, so a code stands for more or fewer voltages than its neighbours do. A profile lists the edges of the bins,

    code            0         1         2     ...     size - 1
    edges      e[0]      e[1]      e[2]  e[3]    e[size-1]    e[size]

in 1/64 codes, strictly increasing, such that in the large code c lies about 64 c. A code's value is the middle of its
bin. Prediction, gains and probabilities work with values: so they are linear in the voltage. Where nothing is known of
a converter its bins are taken as equal: e[c] = 64 c - 32, value 64 c.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numba import njit

from ..errors import ModelError
from .quantizer import Quantizer

CODE_UNITS = 64
"""Values, edges and centres are integers in 1/CODE_UNITS codes."""

MAX_DRIFT = 64
"""Codes that an edge may lie from its place among equal bins, at most."""


@dataclass(frozen=True, eq=False)
class Profile:
    """Edges of the bins of a grid of `edges.size - 1` codes: int32, strictly increasing."""

    edges: np.ndarray

    def __post_init__(self) -> None:
        """Raise ModelError where the edges are none."""
        equal = np.arange(self.edges.size) * CODE_UNITS - CODE_UNITS // 2
        if self.edges.size < 2 or (np.diff(self.edges) <= 0).any():
            raise ModelError("the edges of the converter's bins do not increase")
        if (np.abs(self.edges - equal) > MAX_DRIFT * CODE_UNITS).any():
            raise ModelError("the edges of the converter's bins are not linear in the large")

    @property
    def size(self) -> int:
        """Number of codes."""
        return self.edges.size - 1

    @property
    def values(self) -> np.ndarray:
        """Middle of each bin, int32, rounded down."""
        return (self.edges[:-1] + self.edges[1:]) >> 1


NO_TABLE = np.zeros(0, dtype=np.int32)


@dataclass(frozen=True, eq=False)
class Bins:
    """The bins of the grids of a group of threads, as kernels take them."""

    size: np.ndarray
    """Codes of each thread's grid, int64 of shape (threads,)."""
    profiled: np.ndarray
    """Which threads' bins are those of `edges` and `values`, bool of shape (threads,); the others' are equal."""
    edges: np.ndarray
    values: np.ndarray

    @classmethod
    def of(cls, quantizers: Sequence[Quantizer], profile: Profile | None) -> Bins:
        """Bins of threads on the given grids; the profile is that of the N1 grid."""
        size = np.array([quantizer.size for quantizer in quantizers], dtype=np.int64)
        profiled = np.array(
            [profile is not None and quantizer.kind == "n1" for quantizer in quantizers], dtype=np.bool_
        )
        if profile is None:
            return cls(size, profiled, NO_TABLE, NO_TABLE)
        return cls(size, profiled, profile.edges, profile.values)

    def values_of(self, codes: np.ndarray, profiled: np.ndarray) -> np.ndarray:
        """Values of codes, int64, of the same shape; `profiled` tells of each whether the profile is its own."""
        values = codes.astype(np.int64) << 6
        if profiled.any():
            values[profiled] = self.values[codes[profiled]]
        return values

    def range_of_values(self, channel: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Values of the first and the last code of the grids of threads, int32, of the shape of `channel`."""
        profiled, last = self.profiled[channel], self.size[channel] - 1
        lowest, highest = self.values_of(np.zeros_like(last), profiled), self.values_of(last, profiled)
        return lowest.astype(np.int32), highest.astype(np.int32)


@njit(inline="always")
def value_of(code, profiled, values):
    """Value of a code, in 1/64 codes."""
    return np.int64(values[code]) if profiled else np.int64(code) << 6


@njit(inline="always")
def nearest_code(value, profiled, edges):
    """The code whose bin holds `value`, for values between those of the first and the last code."""
    code = (value + 32) >> 6
    if profiled:
        code = min(max(code, 0), edges.size - 2)
        while code > 0 and edges[code] > value:
            code -= 1
        while code < edges.size - 2 and edges[code + 1] <= value:
            code += 1
    return code
