"""Evaluation of a feed-forward network, a chain of layers, as a kernel.

    layer     y = clip(floor(weight x + bias), low, high)        floor and clip if the graph has them

Evaluating a small network for a step of a few thousand lanes takes some microseconds. A call of ONNX Runtime takes
longer and needs the interpreter's lock, for which all workers wait. Chains are therefore evaluated within the kernel of
`coding_step`; ONNX Runtime evaluates graphs with a state or with messages.

The results are equal bit for bit: `model.certify` proves that float32 holds every partial sum exactly, in any order.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

ROWS_AT_ONCE = 4
_LANES_AT_ONCE = 512
"""Lanes that pass through all layers together, so that their activations stay in the processor's cache."""


class Chain(NamedTuple):
    """Layers of a chain, as kernels take them. All arrays but `size` and `floored` are float32."""

    size: np.ndarray
    """Rows and columns of each layer's weight, int64 of shape (layers, 2). Rows are padded with zeros to a multiple of
    ROWS_AT_ONCE. No layers: there is no chain.
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


_NOTHING = np.zeros(0, dtype=np.float32)
NO_CHAIN = Chain(np.zeros((0, 2), np.int64), _NOTHING, _NOTHING, np.zeros(0, np.bool_), _NOTHING, _NOTHING)


@njit
def _add_row(x, row, first, weight, at, columns, y, r, n):
    """Add to row `r` of `y`, for `n` lanes, the product of weights (from `at` on) and rows of `x` (from `row` on)."""
    to, lane = np.uint64(r), np.uint64(first)
    for k in range(columns):
        w, of = weight[at + k], np.uint64(row + k)
        for i in range(np.uint64(n)):
            y[to, i] += w * x[of, lane + i]


@njit
def _add_four_rows(x, row, first, weight, at, columns, y, r, n):
    """The same for four rows of `y`, four rows of `x` at a time, which loads and stores `y` less often."""
    lane = np.uint64(first)
    to0, to1, to2, to3 = np.uint64(r), np.uint64(r + 1), np.uint64(r + 2), np.uint64(r + 3)
    k = 0
    while k + 4 <= columns:
        a, b, c, d = at + k, at + columns + k, at + 2 * columns + k, at + 3 * columns + k
        a0, a1, a2, a3 = weight[a], weight[a + 1], weight[a + 2], weight[a + 3]
        b0, b1, b2, b3 = weight[b], weight[b + 1], weight[b + 2], weight[b + 3]
        c0, c1, c2, c3 = weight[c], weight[c + 1], weight[c + 2], weight[c + 3]
        d0, d1, d2, d3 = weight[d], weight[d + 1], weight[d + 2], weight[d + 3]
        of0, of1, of2, of3 = np.uint64(row + k), np.uint64(row + k + 1), np.uint64(row + k + 2), np.uint64(row + k + 3)
        for i in range(np.uint64(n)):
            x0, x1, x2, x3 = x[of0, lane + i], x[of1, lane + i], x[of2, lane + i], x[of3, lane + i]
            y[to0, i] += (a0 * x0 + a1 * x1) + (a2 * x2 + a3 * x3)
            y[to1, i] += (b0 * x0 + b1 * x1) + (b2 * x2 + b3 * x3)
            y[to2, i] += (c0 * x0 + c1 * x1) + (c2 * x2 + c3 * x3)
            y[to3, i] += (d0 * x0 + d1 * x1) + (d2 * x2 + d3 * x3)
        k += 4
    for j in range(4):
        _add_row(x, row + k, first, weight, at + j * columns + k, columns - k, y, r + j, n)


@njit
def _fill_row(y, r, n, value):
    to = np.uint64(r)
    for i in range(np.uint64(n)):
        y[to, i] = value


@njit
def _copy_row(x, r, outputs, first, n):
    of, lane = np.uint64(r), np.uint64(first)
    for i in range(np.uint64(n)):
        outputs[of, lane + i] = x[of, i]


@njit
def _finish_row(y, r, n, floored, low, high):
    to = np.uint64(r)
    for i in range(np.uint64(n)):
        value = np.floor(y[to, i]) if floored else y[to, i]
        value = high if value > high else value
        y[to, i] = low if value < low else value


@njit
def pass_through(chain, differences, row, outputs):
    """Fill `outputs`, float32 of shape (3, lanes), for the windows of all lanes.

    The windows are the rows of `differences`, float32 of shape (rows, lanes), from `row` on.
    """
    size, weight, bias = chain.size, chain.weight, chain.bias
    widest = np.int64(1)
    for layer in range(size.shape[0]):
        widest = max(widest, size[layer, 0])
    even = np.empty((widest, _LANES_AT_ONCE), dtype=np.float32)
    odd = np.empty((widest, _LANES_AT_ONCE), dtype=np.float32)
    for first in range(0, outputs.shape[1], _LANES_AT_ONCE):
        n = min(_LANES_AT_ONCE, outputs.shape[1] - first)
        x, x_row, x_first = differences, row, first
        y, z = even, odd
        weight_at = bias_at = 0
        for layer in range(size.shape[0]):
            rows, columns = size[layer, 0], size[layer, 1]
            for r in range(rows):
                _fill_row(y, r, n, bias[bias_at + r])
            for r in range(0, rows, ROWS_AT_ONCE):
                _add_four_rows(x, x_row, x_first, weight, weight_at + r * columns, columns, y, r, n)
            for r in range(rows):
                _finish_row(y, r, n, chain.floored[layer], chain.low[layer], chain.high[layer])
            x, x_row, x_first = y, 0, 0
            y, z = z, y
            weight_at += rows * columns
            bias_at += rows
        for r in range(outputs.shape[0]):
            _copy_row(x, r, outputs, first, n)
