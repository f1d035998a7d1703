"""How often each code occurs, and the pattern that the converter's unequal bins leave in that.

A signal's own density is smooth over a few codes; a converter's bins are not, so the ratio of a code's count to the
local average tells how wide its bin is. The local average is a parabola in the logarithm of the counts, by least
squares weighted with the counts over the WINDOW codes either side (a Gaussian density is a parabola there: it leaves no
ratio behind). It is the local fit of A. Savitzky, M. J. E. Golay, "Smoothing and differentiation of data by simplified
least squares procedures", Anal. Chem. 36, 1964; testing converters by their code density is J. Doernberg, H.-S. Lee,
D. A. Hodges, "Full-speed testing of A/D converters", IEEE J. Solid-State Circuits 19, 1984.
"""

from __future__ import annotations

import numpy as np

WINDOW = 12
"""Codes either side that make the local average."""

LEAST_COUNT = 400
"""Codes with fewer counts are not looked at: chance alone would move their ratio by more than a twentieth."""


def code_counts(codes: np.ndarray, size: int) -> np.ndarray:
    """How often each code 0..size-1 occurs, int64 of shape (size,)."""
    return np.bincount(codes, minlength=size).astype(np.int64)


def bin_ratios(counts: np.ndarray) -> np.ndarray:
    """Ratio of each code's count to the local average: float64 of shape (codes,).

    `counts` are those of the codes, in their order. NaN where the local average is below LEAST_COUNT, or too few codes
    around have any counts.
    """
    n = np.asarray(counts, dtype=np.float64)
    at = np.arange(-WINDOW, WINDOW + 1)
    near = 1.0 - np.abs(at / (WINDOW + 1)) ** 2

    def local(weights: np.ndarray, power: int) -> np.ndarray:
        # reversed, since convolution turns its kernel round
        return np.convolve(np.pad(weights, WINDOW), (near * at**power)[::-1], "valid")

    log = np.log(np.maximum(n, 1.0))
    moments = [local(n, k) for k in range(5)]
    sums = [local(n * log, k) for k in range(3)]
    matrix = np.stack([np.stack([moments[i + j] for j in range(3)], -1) for i in range(3)], -2)
    solvable = np.convolve(np.pad(n > 0, WINDOW), np.ones(at.size), "valid") >= 6
    matrix[~solvable] = np.eye(3)
    fit = np.linalg.solve(matrix, np.stack(sums, -1)[..., None])[..., 0, 0]
    smooth = np.exp(np.clip(fit, -50.0, 50.0))
    # a mean of logarithms is below the logarithm of a mean: bring the average of the ratios back to one
    level = local(n, 0) / np.maximum(local(smooth * (n > 0), 0), 1e-9)
    expected = smooth * level
    return np.where(solvable & (expected >= LEAST_COUNT), n / np.maximum(expected, 1e-9), np.nan)


def pattern_correlation(first: np.ndarray, second: np.ndarray) -> tuple[float | None, int]:
    """Whether two halves of the recordings show the same pattern: the correlation of their ratios, and of how many.

    Both of shape (codes,), as `bin_ratios` has them. None where fewer than eight codes have a ratio in both.
    """
    both = np.isfinite(first) & np.isfinite(second)
    count = int(both.sum())
    if count < 8 or np.ptp(first[both]) == 0 or np.ptp(second[both]) == 0:
        return None, count
    return float(np.corrcoef(first[both], second[both])[0, 1]), count
