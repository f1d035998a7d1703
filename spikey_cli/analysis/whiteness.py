"""Whether prediction left anything: correlation of innovations with those before, and with other threads'.

Were a thread's n innovations white, their correlation at each lag would be normal with variance 1/n: 19 of 20 are
within 1.96 / sqrt(n). Over all lags together, Q = n (n + 2) sum r_k**2 / (n - k) is chi-squared with as many degrees of
freedom as lags (G. M. Ljung, G. E. P. Box, "On a measure of lack of fit in time series models", Biometrika 65, 1978).
On long recordings that finds the least remains; how much they matter is what removing them would save, about
sum r_k**2 / (2 ln 2) bits/sample, where chance alone gives a sum of lags / n.
"""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np

LAGS = 64

LIMIT = 4.0
"""Innovations are clipped to so many spreads: else a few spikes would decide. The codec learns from them likewise."""

NORMAL_95 = 1.96


def autocorrelation(z: np.ndarray, valid: np.ndarray, lags: int = LAGS) -> tuple[np.ndarray, int]:
    """Correlation of `z` with itself at lags 1..lags, float64 of shape (lags,), and how many samples it rests on.

    `z` float, and `valid`, bool, have shape (samples,); only pairs of which both are valid count. All zero where there
    is nothing to correlate.
    """
    count = int(valid.sum())
    if count == 0:
        return np.zeros(lags), 0
    x = np.clip(z, -LIMIT, LIMIT).astype(np.float32)
    x = np.where(valid, x - x[valid].mean(dtype=np.float64), 0).astype(np.float32)
    variance = float(np.dot(x, x)) / count
    found = np.zeros(lags)
    if variance > 0:
        for lag in range(1, min(lags, z.size - 1) + 1):
            pairs = int(np.count_nonzero(valid[lag:] & valid[:-lag]))
            found[lag - 1] = float(np.dot(x[lag:], x[:-lag])) / (max(pairs, 1) * variance)
    return found, count


def ljung_box(correlations: np.ndarray, n: int) -> tuple[float, float]:
    """Q of the correlations at lags 1.. of n samples, and the probability that white noise has as much.

    The chi-squared distribution is taken by the cube root of E. B. Wilson, M. M. Hilferty (1931).
    """
    lags = correlations.size
    if n <= lags + 1:
        return 0.0, 1.0
    q = float(n * (n + 2) * np.sum(correlations**2 / (n - np.arange(1, lags + 1))))
    deviation = ((q / lags) ** (1 / 3) - (1 - 2 / (9 * lags))) / math.sqrt(2 / (9 * lags))
    return q, NormalDist().cdf(-deviation)


def bits_left(correlations: np.ndarray, n: int) -> float:
    """What removing the correlations would save, in bits/sample, less what chance alone shows; not below zero."""
    if n == 0:
        return 0.0
    excess = max(0.0, float(np.sum(correlations**2)) - correlations.size / n)
    return -0.5 * math.log2(1 - min(excess, 0.999))


def correlation_matrix(channels: list[np.ndarray], valid: list[np.ndarray]) -> np.ndarray:
    """Correlation of threads at lag zero: float32 of shape (threads, threads), ones on its diagonal.

    Innovations of each thread, float, and which are valid, bool, have shape (samples,). Of threads of unequal length
    the first samples, as many as the shortest of them has, are compared.
    """
    n = min(z.size for z in channels)
    rows = np.zeros((len(channels), n), dtype=np.float32)
    for row, z, good in zip(rows, channels, valid, strict=True):
        good = good[:n]
        clipped = np.clip(z[:n], -LIMIT, LIMIT)
        row[good] = clipped[good] - (clipped[good].mean(dtype=np.float64) if good.any() else 0.0)
        length = math.sqrt(float(np.dot(row, row)))
        row /= length if length > 0 else 1.0
    matrix = rows @ rows.T
    np.fill_diagonal(matrix, 1.0)
    return matrix
