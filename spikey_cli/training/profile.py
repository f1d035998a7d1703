"""Estimate the converter's profile: how wide each code's bin must be for the recordings to look as predicted.

Under a network's densities each code has an expected count, the sum of the masses of its bin over all samples. A code
that was seen more often than that has a wider bin. Widths are multiplied by observed / expected, held to an average of
one over some tens of codes, so that the profile stays linear in the large, and the step is repeated.

Codes that were seldom seen lean on their like: a converter of successive approximation errs by the low bits of the code
alike all over its range, so codes equal in their low five bits have similar widths.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from numba import njit

from ..core.converter import CODE_UNITS, Profile
from .batches import at_moments
from .loss import densities
from .network import IntegerNetwork
from .recordings import Channels

LIKE_BITS = 5
PRIOR_COUNT = 100.0
"""Counts that the width of its like is worth to a code."""

SMOOTHING_CODES = 24
"""Standard deviation of the window over which widths average to one."""

_PHI = np.array([0.5 * (1 + math.erf(i / 64 / math.sqrt(2))) for i in range(-576, 577)])


@njit
def _phi(z, table):
    at = z * 64 + 576
    if at <= 0:
        return 0.0
    if at >= table.size - 1:
        return 1.0
    i = int(at)
    return table[i] + (table[i + 1] - table[i]) * (at - i)


@njit
def _count(centre, spread, weight, edges, table, expected):
    """Add the mass of every bin under each density to `expected`; centres and edges in codes."""
    size = expected.size
    for i in range(centre.size):
        reach = 9 * spread[i] + 2
        first = min(max(int(centre[i] - reach), 0), size - 1)
        last = min(max(int(centre[i] + reach), first), size - 1)
        before = 0.0
        for code in range(first, last + 1):
            z = (edges[code + 1] - centre[i]) / spread[i]
            now = (1 - weight[i]) * _phi(z, table) + weight[i] * _phi(z / 4, table)
            if code == size - 1:
                now = 1.0
            if code == first and first > 0:
                z = (edges[first] - centre[i]) / spread[i]
                before = (1 - weight[i]) * _phi(z, table) + weight[i] * _phi(z / 4, table)
            expected[code] += now - before
            before = now


def estimate(network: IntegerNetwork, channels: Channels, every: int = 1) -> Profile:
    """A profile better than the one that `channels` were read with, from every n-th of their samples.

    The network is one without parts.
    """
    edges = channels.edges.numpy().astype(np.float64)
    size = edges.size - 1
    expected, observed = np.zeros(size), np.zeros(size)
    window = network.config.window
    for channel, length in enumerate(channels.length):
        at = np.arange(window + 1, length, every)
        if at.size == 0:
            continue
        batch = at_moments(channels, np.full(at.size, channel), at, window, 1)
        with torch.no_grad():
            centre, spread, weight = (values[:, 0] for values in densities(network(batch), batch.gain))
        code = channels.codes[channels.start[channel] + torch.from_numpy(at)].long()
        last = channels.edges[code] - batch.low[:, 0]
        _count((centre + last).numpy(), spread.numpy(), weight.numpy(), edges, _PHI, expected)
        observed += np.bincount(code.numpy(), minlength=size)
    edges[0], edges[-1] = edges[1] - 1, edges[-2] + 1
    return _profile(np.diff(edges), expected, observed)


def _profile(widths: np.ndarray, expected: np.ndarray, observed: np.ndarray) -> Profile:
    like = np.arange(widths.size) % (1 << LIKE_BITS)
    # what the counts alone say, pooled over codes of equal low bits and weighted by how often they were seen
    pooled = np.bincount(like, widths * observed) / np.maximum(np.bincount(like, expected), 1.0)
    prior = pooled[like]
    widths = (observed + PRIOR_COUNT) / (expected / widths + PRIOR_COUNT / prior)
    window = np.exp(-0.5 * (np.arange(-4 * SMOOTHING_CODES, 4 * SMOOTHING_CODES + 1) / SMOOTHING_CODES) ** 2)
    local = np.convolve(widths, window, "same") / np.convolve(np.ones_like(widths), window, "same")
    edges = np.concatenate([[0.0], np.cumsum(widths / local)])
    middle = (edges[1:] + edges[:-1]) / 2
    edges += np.average(np.arange(widths.size) - middle, weights=observed + 1)
    rounded = np.rint(edges * CODE_UNITS).astype(np.int64)
    # at least one unit wide each
    rounded = np.maximum.accumulate(rounded - np.arange(rounded.size)) + np.arange(rounded.size)
    return Profile(rounded.astype(np.int32))
