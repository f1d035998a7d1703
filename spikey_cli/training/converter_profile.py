"""Estimate the converter's profile: the widths of its bins under which the recordings look as predicted.

Under the network's densities each code has an expected count, the sum of the masses of its bin over all samples. A code
that occurs more often has a wider bin. Each step multiplies the widths with observed / expected counts, and scales them
to a local average of one, so that the profile stays linear over tens of codes.

For a rare code the counts are combined with a prior. The errors of a successive-approximation converter depend on the
low bits of the code in the same way over its whole range, so the prior is the mean width of the codes with the same
low bits.
"""

from __future__ import annotations

import math

import numpy as np
import torch

from ..core.converter import CODE_UNITS, Profile
from .batches import channel_batch
from .loss import densities
from .network import IntegerNetwork
from .recordings import Dataset

LOW_BITS = 5
"""Codes that agree in this many low bits share a prior."""
PRIOR_COUNT = 100.0
"""Weight of the prior, in counts."""

SMOOTHING_CODES = 24
"""Standard deviation of the window over which widths average to one, in codes."""

_PHI = np.array([0.5 * (1 + math.erf(i / 64 / math.sqrt(2))) for i in range(-576, 577)])
"""Normal distribution from -9 to 9, 64 entries to one."""

_DENSITIES_AT_ONCE = 1024


def _distribution(edge: np.ndarray, mean: np.ndarray, scale: np.ndarray, weight: np.ndarray) -> np.ndarray:
    z = (edge - mean) / scale
    position = np.arange(_PHI.size) / 64 - 9
    return (1 - weight) * np.interp(z, position, _PHI) + weight * np.interp(z / 4, position, _PHI)


def _add_masses(
    mean: np.ndarray, scale: np.ndarray, weight: np.ndarray, edges: np.ndarray, expected: np.ndarray
) -> None:
    """Add the mass of every bin under each density to `expected`; means and edges are in codes."""
    for i in range(0, mean.size, _DENSITIES_AT_ONCE):
        own = slice(i, i + _DENSITIES_AT_ONCE)
        below = _distribution(edges[1:-1], mean[own, None], scale[own, None], weight[own, None])
        total = below.sum(axis=0)
        expected += np.diff(total, prepend=0.0, append=float(below.shape[0]))


def estimate_profile(network: IntegerNetwork, dataset: Dataset, every: int = 1) -> Profile:
    """Improve the profile that a dataset was read with.

    Parameters
    ----------
    network : IntegerNetwork
        A network without state and messages.
    dataset : Dataset
    every : int, default 1
        Use every n-th sample.

    Returns
    -------
    Profile
    """
    edges = dataset.edges.numpy().astype(np.float64)
    size = edges.size - 1
    expected, observed = np.zeros(size), np.zeros(size)
    window = network.config.window
    for channel, length in enumerate(dataset.length):
        samples = np.arange(window + 1, length, every)
        if samples.size == 0:
            continue
        batch = channel_batch(dataset, np.full(samples.size, channel), samples, window, 1)
        with torch.no_grad():
            mean, scale, weight = (values[:, 0] for values in densities(network(batch), batch.gain))
        codes = dataset.codes[dataset.start[channel] + torch.from_numpy(samples)].long()
        last = dataset.edges[codes] - batch.low[:, 0]
        _add_masses((mean + last).numpy(), scale.numpy(), weight.numpy(), edges, expected)
        observed += np.bincount(codes.numpy(), minlength=size)
    edges[0], edges[-1] = edges[1] - 1, edges[-2] + 1
    return _profile(np.diff(edges), expected, observed)


def _profile(widths: np.ndarray, expected: np.ndarray, observed: np.ndarray) -> Profile:
    low_bits = np.arange(widths.size) % (1 << LOW_BITS)
    prior = (np.bincount(low_bits, widths * observed) / np.maximum(np.bincount(low_bits, expected), 1.0))[low_bits]
    widths = (observed + PRIOR_COUNT) / (expected / widths + PRIOR_COUNT / prior)
    window = np.exp(-0.5 * (np.arange(-4 * SMOOTHING_CODES, 4 * SMOOTHING_CODES + 1) / SMOOTHING_CODES) ** 2)
    local = np.convolve(widths, window, "same") / np.convolve(np.ones_like(widths), window, "same")
    edges = np.concatenate([[0.0], np.cumsum(widths / local)])
    middles = (edges[1:] + edges[:-1]) / 2
    edges += np.average(np.arange(widths.size) - middles, weights=observed + 1)
    rounded = np.rint(edges * CODE_UNITS).astype(np.int64)
    # every bin is at least one unit wide
    rounded = np.maximum.accumulate(rounded - np.arange(rounded.size)) + np.arange(rounded.size)
    return Profile(rounded.astype(np.int32))
