"""What codes cost without a predictor: entropies of order 0 and 1, with honest limits on short recordings.

An entropy that is read off counts is too low: of K symbols in N samples by about (K - 1) / 2N nats (G. A. Miller, 1955;
W. G. Madow, 1948). On order 1 every context has a table of its own, and the error is large on recordings of seconds. So
each entropy comes as a bracket:

    plug-in     -sum p log2 p of the counts: too low
    corrected   with Miller's and Madow's term added: nearly right where counts are many, still low where they are few
    adaptive    the length of a real code that learns its counts on the way, every symbol that occurs PRIOR ahead: too
                high by what learning costs (R. E. Krichevsky, V. K. Trofimov, 1981)

The truth lies between the first and the last.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

PRIOR = 1 / 16
"""Counts that the adaptive code gives each symbol ahead of time."""

_DENSE_CELLS = 1 << 22


@dataclass(frozen=True)
class Entropy:
    """An entropy in bits/sample, from below and from above."""

    plug_in: float
    corrected: float
    adaptive: float
    contexts: int
    """Tables of counts: 1 on order 0."""
    samples_per_cell: float
    """Samples for each pair (or symbol) that occurs: what the estimates rest on."""


def entropy(symbols: np.ndarray) -> Entropy:
    """Entropy of order 0 of whole numbers, of shape (samples,)."""
    counts = np.unique(symbols, return_counts=True)[1]
    return _bracket(counts, np.zeros(counts.size, dtype=np.int64), counts.size)


def conditional_entropy(symbols: np.ndarray) -> Entropy:
    """Entropy of order 1, of each whole number given the one before it, of shape (samples,), at least 2 samples."""
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
    """From the counts of the cells that occur, and the context of each, ascending."""
    starts = np.flatnonzero(np.diff(context, prepend=-1))
    totals = np.add.reduceat(counts, starts)
    n = int(counts.sum())
    plug_in = (float(totals @ np.log2(totals)) - float(counts @ np.log2(counts))) / n
    corrected = plug_in + (counts.size - starts.size) / (2 * n * np.log(2))
    # the code of a context takes log2 of Gamma(total + prior) / Gamma(prior), less those of its cells: sums of log2
    longest = int(totals.max())
    steps = np.arange(longest)
    of_cells = np.concatenate([[0.0], np.cumsum(np.log2(steps + PRIOR))])
    of_totals = np.concatenate([[0.0], np.cumsum(np.log2(steps + PRIOR * alphabet))])
    adaptive = float(of_totals[totals].sum() - of_cells[counts].sum()) / n
    return Entropy(max(plug_in, 0.0), max(float(corrected), 0.0), adaptive, starts.size, n / counts.size)


def mean_entropy(entropies: list[Entropy], weights: list[int]) -> Entropy:
    """The mean over threads, weighted by their samples; of contexts and cells the plain mean."""
    w = np.array(weights, dtype=np.float64) / sum(weights)

    def mean(name: str) -> float:
        return float(w @ np.array([getattr(one, name) for one in entropies], dtype=np.float64))

    contexts = round(sum(one.contexts for one in entropies) / len(entropies))
    return Entropy(mean("plug_in"), mean("corrected"), mean("adaptive"), contexts, mean("samples_per_cell"))
