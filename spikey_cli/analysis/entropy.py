"""Entropies of order 0 and 1 without a predictor, with bounds that hold for short recordings.

The entropy that counts give directly is too low, by about (K - 1) / 2N nats for K symbols in N samples. In order 1 each
context has its own counts, so the error is large for recordings of seconds. Each entropy is therefore a bracket:

    plug-in     -sum p log2 p of the counts: too low
    corrected   plus the Miller-Madow term: close where counts are large, still low where they are small
    adaptive    length of an adaptive code that starts each occurring symbol at PRIOR: too high by the cost of learning

The true entropy lies between the first and the last.

References
----------
G. A. Miller, "Note on the bias of information estimates", 1955; W. G. Madow, 1948 (the correction).
R. E. Krichevsky, V. K. Trofimov, "The performance of universal encoding", IEEE Trans. Inf. Theory 27, 1981 (the code).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

PRIOR = 1 / 16
"""Initial count of each symbol in the adaptive code."""

_DENSE_CELLS = 1 << 22


@dataclass(frozen=True)
class Entropy:
    """A bracket around an entropy, in bits/sample."""

    plug_in: float
    corrected: float
    adaptive: float
    contexts: int
    """Contexts that occur: 1 in order 0."""
    samples_per_cell: float
    """Samples for each symbol (order 0) or pair of symbols (order 1) that occurs."""


def entropy(symbols: np.ndarray) -> Entropy:
    """Entropy of order 0.

    Parameters
    ----------
    symbols : ndarray of int, shape (samples,)
    """
    counts = np.unique(symbols, return_counts=True)[1]
    return _bracket(counts, np.zeros(counts.size, dtype=np.int64), counts.size)


def conditional_entropy(symbols: np.ndarray) -> Entropy:
    """Entropy of order 1: of each symbol given the one before.

    Parameters
    ----------
    symbols : ndarray of int, shape (samples,)
        At least 2 samples.
    """
    alphabet, index = np.unique(symbols, return_inverse=True)
    k = alphabet.size
    pairs = index[:-1].astype(np.int64) * k + index[1:]
    if k * k <= _DENSE_CELLS:
        dense = np.bincount(pairs, minlength=k * k)
        cells = np.flatnonzero(dense)
        counts = dense[cells]
    else:
        cells, counts = np.unique(pairs, return_counts=True)
    return _bracket(counts, cells // k, k)


def _bracket(counts: np.ndarray, context: np.ndarray, alphabet: int) -> Entropy:
    """The bracket from the counts of the occurring cells and the context of each; contexts ascend."""
    starts = np.flatnonzero(np.diff(context, prepend=-1))
    totals = np.add.reduceat(counts, starts)
    n = int(counts.sum())
    plug_in = (float(totals @ np.log2(totals)) - float(counts @ np.log2(counts))) / n
    corrected = plug_in + (counts.size - starts.size) / (2 * n * np.log(2))
    # a context's code length is log2 of Gamma(total + prior) / Gamma(prior), less the same of its cells: sums of log2
    steps = np.arange(int(totals.max()))
    cell_bits = np.concatenate([[0.0], np.cumsum(np.log2(steps + PRIOR))])
    total_bits = np.concatenate([[0.0], np.cumsum(np.log2(steps + PRIOR * alphabet))])
    adaptive = float(total_bits[totals].sum() - cell_bits[counts].sum()) / n
    return Entropy(max(plug_in, 0.0), max(float(corrected), 0.0), adaptive, starts.size, n / counts.size)


def mean_entropy(entropies: Sequence[Entropy], weights: Sequence[int]) -> Entropy:
    """Mean of the channels' entropies, weighted with their numbers of samples; `contexts` is the plain mean.

    Parameters
    ----------
    entropies : sequence of Entropy
    weights : sequence of int
        Samples of each channel.
    """

    def mean(name: str) -> float:
        return float(np.average([getattr(one, name) for one in entropies], weights=weights))

    contexts = round(sum(one.contexts for one in entropies) / len(entropies))
    return Entropy(mean("plug_in"), mean("corrected"), mean("adaptive"), contexts, mean("samples_per_cell"))
