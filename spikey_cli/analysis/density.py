"""Code counts, and the bin widths of the converter that show in them.

The density of a signal is smooth over a few codes, but the bins of a converter are of unequal width: the ratio of a
code's count to the local average estimates the width of its bin. The local average is a weighted least-squares parabola
through the logarithms of the counts within WINDOW codes. A Gaussian density is a parabola there, so it leaves the
ratios at one.

References
----------
A. Savitzky, M. J. E. Golay, "Smoothing and differentiation of data by simplified least squares procedures", Anal. Chem.
36, 1964 (the local fit).
J. Doernberg, H.-S. Lee, D. A. Hodges, "Full-speed testing of A/D converters", IEEE J. Solid-State Circuits 19, 1984
(the code density test).
"""

from __future__ import annotations

import numpy as np

WINDOW = 12
"""Codes on either side of a code in its local average."""

MIN_COUNT = 400
"""Smallest local average for a ratio. At this count the standard error of the ratio is 1/20."""

_MIN_CODES = 6
_MIN_COMPARED = 8


def code_counts(codes: np.ndarray, size: int) -> np.ndarray:
    """Count each code from 0 to `size` - 1.

    Parameters
    ----------
    codes : ndarray of int32, shape (samples,)
    size : int
        Number of codes.

    Returns
    -------
    ndarray of int64, shape (size,)
    """
    return np.bincount(codes, minlength=size).astype(np.int64)


def bin_ratios(counts: np.ndarray) -> np.ndarray:
    """Ratio of each code's count to the local average.

    Parameters
    ----------
    counts : ndarray, shape (codes,)
        Counts of the codes, in the order of the codes.

    Returns
    -------
    ndarray of float64, shape (codes,)
        NaN where the local average is below MIN_COUNT, or fewer than 6 codes of the window occur.
    """
    n = np.asarray(counts, dtype=np.float64)
    offsets = np.arange(-WINDOW, WINDOW + 1)
    taper = 1.0 - np.abs(offsets / (WINDOW + 1)) ** 2

    def moment(weights: np.ndarray, power: int) -> np.ndarray:
        # convolution reverses its kernel, so reverse it first
        return np.convolve(np.pad(weights, WINDOW), (taper * offsets**power)[::-1], "valid")

    log = np.log(np.maximum(n, 1.0))
    moments = [moment(n, k) for k in range(5)]
    sums = [moment(n * log, k) for k in range(3)]
    matrix = np.stack([np.stack([moments[i + j] for j in range(3)], -1) for i in range(3)], -2)
    solvable = np.convolve(np.pad(n > 0, WINDOW), np.ones(offsets.size), "valid") >= _MIN_CODES
    matrix[~solvable] = np.eye(3)
    fit = np.linalg.solve(matrix, np.stack(sums, -1)[..., None])[..., 0, 0]
    smooth = np.exp(np.clip(fit, -50.0, 50.0))
    # the mean of a logarithm is below the logarithm of the mean: scale the average ratio back to one
    expected = smooth * moment(n, 0) / np.maximum(moment(smooth * (n > 0), 0), 1e-9)
    return np.where(solvable & (expected >= MIN_COUNT), n / np.maximum(expected, 1e-9), np.nan)


def pattern_correlation(first: np.ndarray, second: np.ndarray) -> tuple[float | None, int]:
    """Correlation of the bin ratios of two halves of the data.

    Parameters
    ----------
    first, second : ndarray, shape (codes,)
        Results of `bin_ratios`.

    Returns
    -------
    correlation : float or None
        None if fewer than 8 codes have a ratio in both halves.
    codes : int
        Number of codes that have a ratio in both halves.
    """
    both = np.isfinite(first) & np.isfinite(second)
    count = int(both.sum())
    if count < _MIN_COMPARED or np.ptp(first[both]) == 0 or np.ptp(second[both]) == 0:
        return None, count
    return float(np.corrcoef(first[both], second[both])[0, 1]), count
