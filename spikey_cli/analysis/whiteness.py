"""Whiteness of prediction errors: their autocorrelation, and their correlation between channels.

The correlation of n white samples at any lag is normal with variance 1/n: 19 of 20 lie within 1.96 / sqrt(n). Over all
lags, Q = n (n + 2) sum r_k**2 / (n - k) is chi-squared with as many degrees of freedom as lags. In long recordings this
test detects very small correlations. The bits that they cost are about sum r_k**2 / (2 ln 2) bits/sample, less the
lags / n that the sum has by chance.

References
----------
G. M. Ljung, G. E. P. Box, "On a measure of lack of fit in time series models", Biometrika 65, 1978.
E. B. Wilson, M. M. Hilferty, "The distribution of chi-square", PNAS 17, 1931.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist

import numpy as np

LAGS = 64

LIMIT = 4.0
"""Errors are clipped to this many standard deviations, as the codec's adaptation clips them. Otherwise a few spikes
would dominate."""

NORMAL_95 = 1.96
"""Half the width of the interval that holds 95 % of a standard normal distribution."""


def autocorrelation(z: np.ndarray, valid: np.ndarray) -> tuple[np.ndarray, int]:
    """Autocorrelation at lags 1 to LAGS.

    Parameters
    ----------
    z : ndarray of float, shape (samples,)
        Normalised prediction errors.
    valid : ndarray of bool, shape (samples,)
        Samples to use; a pair counts if both of its samples are valid.

    Returns
    -------
    correlations : ndarray of float64, shape (LAGS,)
        Zero where no pair is valid.
    n : int
        Number of valid samples.
    """
    n = int(valid.sum())
    correlations = np.zeros(LAGS)
    if n == 0:
        return correlations, 0
    x = np.clip(z, -LIMIT, LIMIT).astype(np.float32)
    x = np.where(valid, x - x[valid].mean(dtype=np.float64), 0).astype(np.float32)
    variance = float(np.dot(x, x)) / n
    if variance > 0:
        for lag in range(1, min(LAGS, z.size - 1) + 1):
            pairs = int(np.count_nonzero(valid[lag:] & valid[:-lag]))
            correlations[lag - 1] = float(np.dot(x[lag:], x[:-lag])) / (max(pairs, 1) * variance)
    return correlations, n


def ljung_box(correlations: np.ndarray, n: int) -> tuple[float, float]:
    """Ljung-Box test of whiteness, with Wilson and Hilferty's approximation of the chi-squared distribution.

    Parameters
    ----------
    correlations : ndarray of float64, shape (lags,)
        Autocorrelation at lags 1, 2, ...
    n : int
        Number of samples.

    Returns
    -------
    q : float
        The test statistic.
    p : float
        Probability that white noise exceeds it.
    """
    lags = correlations.size
    if n <= lags + 1:
        return 0.0, 1.0
    q = float(n * (n + 2) * np.sum(correlations**2 / (n - np.arange(1, lags + 1))))
    deviation = ((q / lags) ** (1 / 3) - (1 - 2 / (9 * lags))) / math.sqrt(2 / (9 * lags))
    return q, NormalDist().cdf(-deviation)


def redundancy(correlations: np.ndarray, n: int) -> float:
    """Bits/sample that removing the autocorrelation would save, less what chance contributes; at least zero.

    The parameters are those of `ljung_box`.
    """
    if n == 0:
        return 0.0
    excess = max(0.0, float(np.sum(correlations**2)) - correlations.size / n)
    return -0.5 * math.log2(1 - min(excess, 0.999))


def correlation_matrix(channels: Sequence[np.ndarray], valid: Sequence[np.ndarray]) -> np.ndarray:
    """Correlation of channels at lag zero, over as many samples as the shortest channel has.

    Parameters
    ----------
    channels : sequence of ndarray of float, shape (samples,)
        Normalised prediction errors of each channel.
    valid : sequence of ndarray of bool, shape (samples,)
        Samples to use of each channel.

    Returns
    -------
    ndarray of float32, shape (channels, channels)
        Ones on the diagonal.
    """
    n = min(z.size for z in channels)
    rows = np.zeros((len(channels), n), dtype=np.float32)
    for row, z, is_valid in zip(rows, channels, valid, strict=True):
        use = is_valid[:n]
        clipped = np.clip(z[:n], -LIMIT, LIMIT)
        row[use] = clipped[use] - (clipped[use].mean(dtype=np.float64) if use.any() else 0.0)
        length = math.sqrt(float(np.dot(row, row)))
        row /= length if length > 0 else 1.0
    matrix = rows @ rows.T
    np.fill_diagonal(matrix, 1.0)
    return matrix
