"""Predicted density of a code in integers: a normal distribution, and a wider one for outliers.

A code's probability is the mass of its bin (see `converter`) under

    F(v) = (1 - w) Phi((v - mean) / s) + w Phi((v - mean) / (4 s))

with the predicted mean and the scale s = 2 ** (log2_scale / 16) codes. The weight of outliers is
w = 2 ** ((outlier_weight - MAX_OUTLIER_WEIGHT) / 4 - 1), at most a half. For each outlier weight F is tabulated every
1/32 of s and interpolated in between, in integers, in units of 2**-24. `MARGIN` units are set aside for each symbol, so
that cumulative frequencies strictly increase.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from .gain import shifted

TOTAL_BITS = 24
MARGIN = 4
"""Units of 2**-24 that each symbol has at least, so that none costs more than 22 bits."""

MAX_OUTLIER_WEIGHT = 31
"""Outlier weight at which w is a half."""

MIN_LOG2_SCALE, MAX_LOG2_SCALE = -64, 255
"""Log2 scales (log2 codes in 1/16 octaves) are clipped to these."""

# HALF_PHI[i] = round(2**24 * Phi(i / 32)), Phi the normal distribution function, as long as it is below 2**24;
# Phi(-x) = 1 - Phi(x)
# fmt: off
HALF_PHI = (
    8388608, 8597735, 8806657, 9015172, 9223077, 9430171, 9636257, 9841139, 10044625, 10246528, 10446664,
    10644856, 10840930, 11034720, 11226065, 11414812, 11600815, 11783934, 11964039, 12141006, 12314719, 12485073,
    12651970, 12815319, 12975040, 13131062, 13283321, 13431763, 13576342, 13717022, 13853774, 13986578, 14115423,
    14240303, 14361223, 14478195, 14591237, 14700374, 14805638, 14907067, 15004707, 15098606, 15188821, 15275410,
    15358439, 15437976, 15514093, 15586867, 15656377, 15722704, 15785932, 15846147, 15903437, 15957891, 16009598,
    16058649, 16105135, 16149147, 16190777, 16230114, 16267250, 16302272, 16335268, 16366327, 16395532, 16422968,
    16448717, 16472858, 16495471, 16516631, 16536412, 16554887, 16572123, 16588190, 16603151, 16617069, 16630005,
    16642015, 16653155, 16663478, 16673035, 16681874, 16690040, 16697578, 16704530, 16710933, 16716827, 16722246,
    16727224, 16731792, 16735979, 16739815, 16743324, 16746531, 16749461, 16752133, 16754568, 16756786, 16758803,
    16760636, 16762301, 16763810, 16765178, 16766416, 16767535, 16768547, 16769459, 16770282, 16771024, 16771691,
    16772291, 16772830, 16773313, 16773746, 16774135, 16774482, 16774792, 16775069, 16775316, 16775537, 16775733,
    16775907, 16776062, 16776200, 16776322, 16776430, 16776525, 16776610, 16776685, 16776751, 16776809, 16776860,
    16776905, 16776945, 16776979, 16777010, 16777037, 16777060, 16777081, 16777099, 16777114, 16777128, 16777140,
    16777150, 16777159, 16777167, 16777174, 16777179, 16777185, 16777189, 16777193, 16777196, 16777199, 16777201,
    16777203, 16777205, 16777207, 16777208, 16777209, 16777210, 16777211, 16777212, 16777213, 16777213, 16777214,
    16777214, 16777214, 16777214, 16777215, 16777215, 16777215, 16777215, 16777215, 16777215,
)
# fmt: on

# OUTLIER_WEIGHT[t] = round(2**16 * 2**((t - 31)/4 - 1))
# fmt: off
OUTLIER_WEIGHT = (
    152, 181, 215, 256, 304, 362, 431, 512, 609, 724, 861, 1024, 1218, 1448, 1722, 2048,
    2435, 2896, 3444, 4096, 4871, 5793, 6889, 8192, 9742, 11585, 13777, 16384, 19484, 23170, 27554, 32768,
)
# fmt: on

# ROOT_16[i] = round(2**30 * 2**(-i/16))
# fmt: off
ROOT_16 = (
    1073741824, 1028218693, 984625594, 942880699, 902905651, 864625413, 827968132, 792865000,
    759250125, 727060411, 696235434, 666717336, 638450708, 611382493, 585461881, 560640218,
)
# fmt: on


def _power(log2_scale: int, shift: int) -> int:
    """2 ** (shift - scale / 16), rounded down."""
    octaves, sixteenth = divmod(log2_scale, 16)
    return shifted(ROOT_16[sixteenth], shift - octaves - 30)


_SCALES = range(MIN_LOG2_SCALE, MAX_LOG2_SCALE + 1)
INVERSE_SCALE = np.array([_power(log2_scale, 23) for log2_scale in _SCALES], dtype=np.int64)
"""By log2 scale - MIN_LOG2_SCALE: factor from 1/64 codes to 1/8192 standard deviations, times 2**16."""
SCALE = np.array([_power(-log2_scale, 16) for log2_scale in _SCALES], dtype=np.int64)
"""By log2 scale - MIN_LOG2_SCALE: factor from 1/64 standard deviations to 1/64 codes, times 2**16."""

_REACH = 32  # standard deviations that the table covers on either side
_ZERO = _REACH * 32


def _mixtures() -> np.ndarray:
    one = 1 << TOTAL_BITS
    upper = np.array([*HALF_PHI, *[one] * (_ZERO + 2 - len(HALF_PHI))], dtype=np.int64)
    phi = np.concatenate([one - upper[_ZERO:0:-1], upper])
    distance = np.arange(-_ZERO, _ZERO + 1)
    core = phi[distance + _ZERO]
    quarter, rest = distance >> 2, distance & 3
    outlier = phi[quarter + _ZERO] + ((phi[quarter + _ZERO + 1] - phi[quarter + _ZERO]) * rest >> 2)
    return (core + ((outlier - core) * np.array(OUTLIER_WEIGHT)[:, None] >> 16)).astype(np.int32)


MIXTURE = _mixtures()
"""MIXTURE[t, i]: 2**24 F at (i - 1024) / 32 standard deviations from the mean, for outlier weight t."""


@njit(inline="always")
def distribution(distance, inverse_scale, outlier_weight, mixture):
    """2**24 F at `distance` (1/64 codes) from the mean; does not decrease with it."""
    at = (distance * inverse_scale >> 16) + (_ZERO << 8)
    if at <= 0:
        return np.int64(0)
    if at >= _ZERO << 9:
        return np.int64(1 << TOTAL_BITS)
    i = np.uint64(at >> 8)  # unsigned: Numba does not check for a negative index
    below = np.int64(mixture[outlier_weight, i])
    return below + ((mixture[outlier_weight, i + np.uint64(1)] - below) * (at & 255) >> 8)


QUANTILE_BITS = 10
# QUANTILE[t, u]: about where F reaches (u + 1/2) / 2**QUANTILE_BITS, in 1/64 standard deviations. A decoder's search
# starts there; its result does not depend on it.
QUANTILE = np.array(
    [
        np.searchsorted(row, ((np.arange(1 << QUANTILE_BITS) * 2 + 1) << (TOTAL_BITS - QUANTILE_BITS - 1)))
        for row in MIXTURE
    ]
)
QUANTILE = ((QUANTILE - _ZERO) * 2 - 1).astype(np.int16)
