"""Evaluation of a feed-forward network, a chain of layers, in the core.

    layer     y = clip(floor(weight x + bias), low, high)        floor and clip if the graph has them

Evaluating a small network for a step of a few thousand lanes takes some microseconds. A call of ONNX Runtime takes
longer and needs the interpreter's lock, for which all workers wait. The core therefore evaluates chains while it takes
steps; ONNX Runtime evaluates graphs with a state or with messages.

The results are equal bit for bit: `model.certify` proves that float32 holds every partial sum exactly, in any order.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from . import _core
from .simd import SIMD

ROWS_AT_ONCE = 4


@dataclass(frozen=True, eq=False)
class Chain:
    """Layers of a chain, as the core takes them. All arrays but `size` and `floored` are float32."""

    size: np.ndarray
    """Rows and columns of each layer's weight, int64 of shape (layers, 2). Rows are padded with zeros to a multiple of
    ROWS_AT_ONCE.
    """
    weight: np.ndarray
    """Weights of all layers, row by row."""
    bias: np.ndarray
    """Biases of all layers."""
    floored: np.ndarray
    """Whether each layer rounds down, bool."""
    low: np.ndarray
    """Lower limit of each layer, -inf if it has none."""
    high: np.ndarray
    """Upper limit of each layer, inf if it has none."""

    @cached_property
    def network(self) -> _core.Network:
        """The layers in the core."""
        return _core.Network(self.size, self.weight, self.bias, self.floored, self.low, self.high)

    def evaluate(self, windows: np.ndarray) -> np.ndarray:
        """Return the outputs, float32 of shape (3, lanes), for `windows`, float32 of shape (window, lanes)."""
        outputs = np.empty((3, windows.shape[1]), dtype=np.float32)
        self.network.run(np.ascontiguousarray(windows), outputs, SIMD)
        return outputs
