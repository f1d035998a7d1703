"""Profile of an analog-to-digital converter: the width of each code's bin.

A converter's bins are not equal. On the N1 recordings their widths vary by a factor of three, alike in every file, so a
code stands for a wider or narrower range of voltages than its neighbours. A profile lists the edges of the bins,

    code            0         1         2     ...     size - 1
    edges      e[0]      e[1]      e[2]  e[3]    e[size-1]    e[size]

in 1/64 codes, strictly increasing, with code c near 64 c. The value of a code is the middle of its bin. Prediction,
gains and probabilities use values, which are linear in the voltage. The bins of an unknown converter are taken as
equal: e[c] = 64 c - 32, value 64 c.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ..errors import ModelError
from .quantizer import Quantizer

CODE_UNITS = 64
"""Values, edges and predicted means are integers in 1/CODE_UNITS codes."""

MAX_DRIFT = 64
"""Largest distance in codes of an edge from its position among equal bins."""


@dataclass(frozen=True, eq=False)
class Profile:
    """Edges of the bins of `edges.size - 1` codes.

    Parameters
    ----------
    edges : int32 array of shape (size + 1,)
        In 1/64 codes, strictly increasing.

    Raises
    ------
    ModelError
        If the edges do not increase, or are far from those of equal bins.
    """

    edges: np.ndarray

    def __post_init__(self) -> None:
        equal = np.arange(self.edges.size) * CODE_UNITS - CODE_UNITS // 2
        if self.edges.size < 2 or (np.diff(self.edges) <= 0).any():
            raise ModelError("the edges of the converter's bins do not increase")
        if (np.abs(self.edges - equal) > MAX_DRIFT * CODE_UNITS).any():
            raise ModelError("the edges of the converter's bins are too far from those of equal bins")

    @property
    def size(self) -> int:
        """Number of codes."""
        return self.edges.size - 1

    @property
    def values(self) -> np.ndarray:
        """Middle of each bin in 1/64 codes, int32, rounded down."""
        return (self.edges[:-1] + self.edges[1:]) >> 1


NO_TABLE = np.zeros(0, dtype=np.int32)


class Bins(NamedTuple):
    """Bins of the quantizers of a group of channels, as the core takes them."""

    size: np.ndarray
    """Number of codes of each channel's quantizer, int64 of shape (channels,)."""
    profiled: np.ndarray
    """Which channels' bins are those of the profile, bool of shape (channels,); the bins of others are equal."""
    edges: np.ndarray
    """Edges of the profile; empty if there is none."""
    values: np.ndarray
    """Values of the profile; empty if there is none."""

    @classmethod
    def of(cls, quantizers: Sequence[Quantizer], profile: Profile | None) -> Bins:
        """Return the bins of channels with these quantizers; `profile` is that of the quantizer N1."""
        size = np.array([quantizer.size for quantizer in quantizers], dtype=np.int64)
        profiled = np.array(
            [profile is not None and quantizer.kind == "n1" for quantizer in quantizers], dtype=np.bool_
        )
        if profile is None:
            return cls(size, profiled, NO_TABLE, NO_TABLE)
        return cls(size, profiled, profile.edges, profile.values)

    def values_of(self, codes: np.ndarray, profiled: np.ndarray) -> np.ndarray:
        """Return the values of codes, int64 of the same shape; `profiled` (bool, same shape) selects the profile."""
        values = codes.astype(np.int64) << 6
        if profiled.any():
            values[profiled] = self.values[codes[profiled]]
        return values
