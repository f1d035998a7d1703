"""Segment gain: the one number that makes loud and quiet lanes look alike to the predictor.

The gain byte g of a lane stands for a root mean square of its code differences of

    RMS(g) = 2 ** (g / 8 - 2) codes,     0 <= g <= 216,     so from 0.25 codes to 2**25 codes

Three integer tables, indexed by g, turn it into arithmetic that is the same on every machine. All come from
eight constants, ROOT[i] = round(2**30 * 2**(i/8)), by shifts:

    INPUT_FACTOR[g]   difference, 1/64 codes -> network input:  x = (d * INPUT_FACTOR[g] + 2**29) >> 30,
                                              64 units to the RMS, clipped to -1023..1023
    OUTPUT_FACTOR[g]  network output y     -> 1/64 codes:     c = (y * OUTPUT_FACTOR[g] + 2**15) >> 16,
                                              1024 units of y to the RMS
    LOG_SCALE[g]      log2 of the RMS in codes, in sixteenths of an octave: 2 * g - 32
"""

from __future__ import annotations

from bisect import bisect_right

import numpy as np
from numba import njit

from .converter import Bins, value_of
from .kernel import kernel
from .lanes import Lanes

MAX_GAIN = 216
"""Largest gain byte; a larger one in an archive is damage."""

INPUT_LIMIT = 1023
"""Network inputs are clipped to -INPUT_LIMIT..INPUT_LIMIT, sixteen times the RMS."""

OCTAVE = 16
"""Scales are log2 in 1/16 octaves."""

# ROOT[i] = round(2**30 * 2**(i/8))
ROOT = (1073741824, 1170923762, 1276901417, 1392470869, 1518500250, 1655936265, 1805811301, 1969251188)


def shifted(number: int, by: int) -> int:
    """`number` times 2**by, rounded down."""
    return number << by if by >= 0 else number >> -by


def _input_factor(gain: int) -> int:
    # 2**24 * 64 / RMS(g) = 2**32 * 2**(-g/8); ROOT carries 2**30, so 2**(2 - octaves) is left
    octaves, eighth = divmod(-gain, 8)
    return shifted(ROOT[eighth], octaves + 2)


def _output_factor(gain: int) -> int:
    # 2**16 * 64 * RMS(g) / 1024 = 2**12 * 2**(g/8 - 2); ROOT carries 2**30, so 2**(octaves - 20) is left
    octaves, eighth = divmod(gain, 8)
    return shifted(ROOT[eighth], octaves - 20)


INPUT_FACTOR = np.array([_input_factor(g) for g in range(MAX_GAIN + 1)], dtype=np.int64)
OUTPUT_FACTOR = np.array([_output_factor(g) for g in range(MAX_GAIN + 1)], dtype=np.int64)
LOG_SCALE = np.array([2 * g - 32 for g in range(MAX_GAIN + 1)], dtype=np.int32)

# Mean squares, in 1/256 code**2, from which on the gain is at least g, for g = 1..MAX_GAIN:
# RMS(g - 1/2)**2 * 256 = 2**((2 * g + 31) / 8), rounded down
STEP_UP = [shifted(ROOT[(2 * g + 31) % 8], (2 * g + 31) // 8 - 30) for g in range(1, MAX_GAIN + 1)]


MEAN_SQUARE = [shifted(ROOT[2 * g % 8], 2 * g // 8 + 8 - 30) for g in range(MAX_GAIN + 1)]
"""The mean square difference, in (1/64 codes)**2, that a gain stands for: 4096 RMS(g)**2."""
_STEPS_UP = np.array(STEP_UP, dtype=np.int64)


@njit
def gain_of(mean_square):
    """The gain of differences of this mean square, in (1/64 codes)**2, as `lane_gains` rounds it."""
    low, high = 0, _STEPS_UP.size
    while low < high:
        middle = (low + high) >> 1
        if _STEPS_UP[middle] <= mean_square >> 4:  # 16 of them are a 256th of a squared code
            low = middle + 1
        else:
            high = middle
    return low


@kernel
def _sum_of_squares(codes, start, length, channel, profiled, values, high, low):
    # two words a lane, so that 24-bit differences cannot overflow: sum = high * 2**32 + low
    for lane in range(start.size):
        first = start[lane]
        own = profiled[channel[lane]]
        before = value_of(codes[first], own, values)
        for i in range(first + 1, first + length[lane]):
            value = value_of(codes[i], own, values)
            square = (value - before) * (value - before)
            before = value
            high[lane] += square >> 32
            low[lane] += square & 0xFFFFFFFF


def lane_gains(codes: np.ndarray, lanes: Lanes, bins: Bins) -> np.ndarray:
    """Gain byte of every lane: its RMS difference, rounded to the nearest eighth of an octave.

    `codes` is int32 and flat, as `lanes` has it. Returns uint8 of shape (lanes,). A lane of one sample, or a constant
    one, has gain 0.
    """
    high = np.zeros(lanes.count, dtype=np.int64)
    low = np.zeros(lanes.count, dtype=np.int64)
    _sum_of_squares(codes, lanes.start, lanes.length, lanes.channel, bins.profiled, bins.values, high, low)
    return np.array(
        [
            # squares of 1/64 codes, 16 of which are a 256th of a squared code
            bisect_right(STEP_UP, ((int(h) << 32) + int(w)) // (16 * max(1, int(n) - 1)))
            for h, w, n in zip(high, low, lanes.length, strict=True)
        ],
        dtype=np.uint8,
    )
