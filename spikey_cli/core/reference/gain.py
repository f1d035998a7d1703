"""Gain of a lane (docs/format.md, *Lanes* and *Window*; docs/live.md, *Gain*). Values are in 1/64 codes."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from .arithmetic import rounded_power, shifted

MAX_GAIN = 216
"""Gain g stands for a root mean square difference of 2 ** (g/8 - 2) codes."""
ROOT = [rounded_power(240 + i, 8) for i in range(8)]
"""round(2**30 * 2 ** (i/8))"""
INITIAL_GAIN = 40
"""Of a lane of a live stream."""


def input_factor(gain: int) -> int:
    """F: from a difference to an input of the network, times 2**30."""
    return shifted(ROOT[-gain % 8], -gain // 8 + 2)


def output_factor(gain: int) -> int:
    """G: from an output of the network to a difference, times 2**16."""
    return shifted(ROOT[gain % 8], gain // 8 - 20)


def log2_scale(gain: int) -> int:
    """Log2 of the root mean square in codes, in sixteenths of an octave."""
    return 2 * gain - 32


def mean_square(gain: int) -> int:
    """Mean square difference that a gain stands for."""
    return shifted(ROOT[2 * gain % 8], 2 * gain // 8 - 22)


def threshold(gain: int) -> int:
    """U: least mean square, in 1/256 code**2, that has this gain; the middle between it and the gain below."""
    return shifted(ROOT[(2 * gain + 31) % 8], (2 * gain + 31) // 8 - 30)


THRESHOLDS = [threshold(gain) for gain in range(1, MAX_GAIN + 1)]


def nearest_gain(square: int) -> int:
    """Return the gain of a mean square in 1/256 code**2."""
    return sum(at <= square for at in THRESHOLDS)


def gain_of(values: Sequence[int]) -> int:
    """Return the gain of a lane's values. A few jumps do not outweigh all else: their squares are cut off."""
    squares = [(b - a) ** 2 for a, b in pairwise(values)]
    every = 1 if len(values) < 1 << 12 else 16
    bits = sorted((square.bit_length() for square in squares[every - 1 :: every]), reverse=True)
    reached = max(bits[len(bits) // 16], (64**2).bit_length()) if bits else 0
    cut_off = sum(min(square, 1 << (reached + 9)) for square in squares)
    return nearest_gain(cut_off // (16 * max(1, len(squares))))


def follow(power: int, step: int, difference: int) -> int:
    """P: running mean of the squared differences of a live stream, after the code of `step` is known."""
    return power + (difference**2 - power) // min(step + 3, 1024)


def is_due(step: int) -> bool:
    """Whether the gain of a live stream is set again after this step."""
    return step <= 64 or step % 64 == 0
