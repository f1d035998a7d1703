"""Density of the range coder: a mixture of two normal distributions (docs/format.md, *Density*)."""

from __future__ import annotations

from functools import lru_cache
from math import isqrt

from .arithmetic import clip, rounded_power, shifted

ROOT_16 = [rounded_power(480 - j, 16) for j in range(16)]
"""R(j) = round(2**30 * 2 ** (-j/16))"""
_PRECISION = 160
"""Fractional bits of the sums from which Phi is rounded: its series has terms up to 2**46."""


def scaled_power(octaves: int, sixteenths: int) -> int:
    """Return 2 ** (octaves - sixteenths/16), rounded down."""
    return shifted(ROOT_16[sixteenths % 16], octaves - 30 - (sixteenths >> 4))


def clip_scale(log2_scale: int) -> int:
    """Return a log2 scale, at least -64 and at most 255."""
    return min(max(log2_scale, -64), 255)


def inverse_scale(log2_scale: int) -> int:
    """I = 2 ** (23 - s/16)"""
    return scaled_power(23, clip_scale(log2_scale))


def scale(log2_scale: int) -> int:
    """S = 2 ** (16 + s/16)"""
    return scaled_power(16, -clip_scale(log2_scale))


@lru_cache(maxsize=1)
def _root_of_two_pi() -> int:
    """sqrt(2 pi) by pi = 16 arctan(1/5) - 4 arctan(1/239) (J. Machin, 1706)."""
    one = 1 << 2 * _PRECISION

    def arctan_of_inverse(n: int) -> int:
        return sum((-1) ** k * one // ((2 * k + 1) * n ** (2 * k + 1)) for k in range(_PRECISION))

    return isqrt(2 * (16 * arctan_of_inverse(5) - 4 * arctan_of_inverse(239)))


@lru_cache(maxsize=1024)
def phi(i: int) -> int:
    """Phi = round(2**24 * normal distribution function of i/32), by its series at 0.

    1/2 + (x - x**3 / (2 * 3) + x**5 / (2**2 2! 5) - ...) / sqrt(2 pi)
    """
    if abs(i) > 256:
        return 0 if i < 0 else 2**24
    term, total = (i << _PRECISION) // 32, 0
    for k in range(1, 400):  # (x/2)**2 is at most 16, so the terms vanish long before
        total += term // (2 * k - 1)
        term = -term * i * i // (2 * k * 32**2)
    above_half = (total << _PRECISION) // _root_of_two_pi()
    return 2**23 + ((above_half >> _PRECISION - 25) + 1 >> 1)


def weight(outlier_weight: int) -> int:
    """w = round(2**16 * 2 ** ((o - 31)/4 - 1)): share of the distribution with four times the spread."""
    return rounded_power(outlier_weight + 29, 4)


@lru_cache(maxsize=1 << 17)
def mixture(i: int, outlier_weight: int) -> int:
    """M: 2**24 times the distribution at i/32 deviations."""
    low, high = phi(i >> 2), phi((i >> 2) + 1)
    wide = low + ((high - low) * (i & 3) >> 2)
    return phi(i) + ((wide - phi(i)) * weight(outlier_weight) >> 16)


def distribution(distance: int, log2_scale: int, outlier_weight: int) -> int:
    """D: 2**24 times the distribution at a distance from the mean in 1/64 codes."""
    z = clip(distance * inverse_scale(log2_scale) >> 16, 2**18)
    if abs(z) == 2**18:
        return 0 if z < 0 else 2**24
    low, high = (mixture((z >> 8) + i, min(max(outlier_weight, 0), 31)) for i in (0, 1))
    return low + ((high - low) * (z & 255) >> 8)
