"""Predicted density of a code in integers: a normal distribution, and a wider one for outliers.

A code's probability is the mass of its bin (see `converter`) under

    F(v) = (1 - w) Phi((v - mean) / s) + w Phi((v - mean) / (4 s))

with the predicted mean and the scale s = 2 ** (log2_scale / 16) codes. The weight of outliers is
w = 2 ** ((outlier_weight - MAX_OUTLIER_WEIGHT) / 4 - 1), at most a half. For each outlier weight F is tabulated every
1/32 of s and interpolated in between, in integers, in units of 2**-24. `MARGIN` units are set aside for each symbol, so
that cumulative frequencies strictly increase.
"""

from __future__ import annotations

TOTAL_BITS = 24
MARGIN = 4
"""Units of 2**-24 that each symbol has at least, so that none costs more than 22 bits."""

MAX_OUTLIER_WEIGHT = 31
"""Outlier weight at which w is a half."""

MIN_LOG2_SCALE, MAX_LOG2_SCALE = -64, 255
"""Log2 scales (log2 codes in 1/16 octaves) are clipped to these."""
