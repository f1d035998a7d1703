"""Arithmetic of float32 (docs/format.md, *Conventions*): each result of + - * / and of a square root is rounded.

A Python float has 53 bits: more than twice 24 and two, so that its result, rounded once more, is the right one.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable


def f32(x: float) -> float:
    """Return `x` rounded to float32."""
    return float(struct.unpack("<f", struct.pack("<f", x))[0])


def f32_each(numbers: Iterable[float]) -> list[float]:
    """Return every number rounded to float32; faster than `f32` of each."""
    exact = [*numbers]
    return [*struct.unpack(f"<{len(exact)}f", struct.pack(f"<{len(exact)}f", *exact))]


def bits_of(x: float) -> int:
    """Return the bits of a float32 as a number."""
    return int(struct.unpack("<i", struct.pack("<f", x))[0])


def from_bits(bits: int) -> float:
    """Return the float32 of these bits."""
    return float(struct.unpack("<f", struct.pack("<i", bits))[0])


def log2_about(x: float) -> float:
    """About log2 of a number of at least 0: its exponent, and a parabola through its mantissa."""
    bits = bits_of(x)
    m = from_bits(bits & 0x7FFFFF | 0x3F800000) - 1  # exact
    return f32((bits >> 23) - 127 + f32(m * f32(1.34375 - f32(0.34375 * m))))


def exp2_about(x: float) -> float:
    """About 2 ** x."""
    whole = int(f32(x + 128)) - 128
    m = f32(x - whole)
    return f32(2.0**whole * f32(1 + f32(m * f32(0.65625 + f32(0.34375 * m)))))


def within(x: float, low: float, high: float) -> float:
    """Return `x`, at least `low` and at most `high`."""
    return max(min(x, high), low)


def sqrt(x: float) -> float:
    """Return the square root."""
    return f32(math.sqrt(x))
