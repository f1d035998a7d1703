"""Gain of a lane: normalises the amplitude of the network's inputs.

The gain byte g of a lane stands for a root mean square of its code differences of

    RMS(g) = 2 ** (g / 8 - 2) codes,     0 <= g <= 216,     from 0.25 codes to 2**25 codes

Three integer tables, indexed by g, are derived from eight constants, ROOT[i] = round(2**30 * 2**(i/8)), by shifts:

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
"""Network inputs are clipped to -INPUT_LIMIT..INPUT_LIMIT, about sixteen times the RMS."""

OCTAVE = 16
"""Scales are log2 in 1/16 octaves."""

# ROOT[i] = round(2**30 * 2**(i/8))
ROOT = (1073741824, 1170923762, 1276901417, 1392470869, 1518500250, 1655936265, 1805811301, 1969251188)


def shifted(number: int, by: int) -> int:
    """Return `number` times 2**by, rounded down."""
    return number << by if by >= 0 else number >> -by


def _input_factor(gain: int) -> int:
    # 2**24 * 64 / RMS(g) = 2**32 * 2**(-g/8); ROOT carries 2**30, which leaves 2**(octaves + 2)
    octaves, eighth = divmod(-gain, 8)
    return shifted(ROOT[eighth], octaves + 2)


def _output_factor(gain: int) -> int:
    # 2**16 * 64 * RMS(g) / 1024 = 2**12 * 2**(g/8 - 2); ROOT carries 2**30, which leaves 2**(octaves - 20)
    octaves, eighth = divmod(gain, 8)
    return shifted(ROOT[eighth], octaves - 20)


INPUT_FACTOR = np.array([_input_factor(g) for g in range(MAX_GAIN + 1)], dtype=np.int64)
OUTPUT_FACTOR = np.array([_output_factor(g) for g in range(MAX_GAIN + 1)], dtype=np.int64)
LOG_SCALE = np.array([2 * g - 32 for g in range(MAX_GAIN + 1)], dtype=np.int32)

# Least mean squares, in 1/256 code**2, of gain g, for g = 1..MAX_GAIN:
# RMS(g - 1/2)**2 * 256 = 2**((2 * g + 31) / 8), rounded down
STEP_UP = [shifted(ROOT[(2 * g + 31) % 8], (2 * g + 31) // 8 - 30) for g in range(1, MAX_GAIN + 1)]


MEAN_SQUARE = [shifted(ROOT[2 * g % 8], 2 * g // 8 + 8 - 30) for g in range(MAX_GAIN + 1)]
"""Mean square difference, in (1/64 codes)**2, that a gain stands for: 4096 RMS(g)**2."""
_STEPS_UP = np.array(STEP_UP, dtype=np.int64)


@njit
def gain_of(mean_square):
    """Gain of differences with this mean square, in (1/64 codes)**2, rounded as in `lane_gains`."""
    low, high = 0, _STEPS_UP.size
    while low < high:
        middle = (low + high) >> 1
        if _STEPS_UP[middle] <= mean_square >> 4:  # in 1/256 code**2
            low = middle + 1
        else:
            high = middle
    return low


@kernel
def _sum_of_squares(codes, start, length, channel, profiled, values, high, low):
    # two words a lane, so that 24-bit differences cannot overflow: sum = high * 2**32 + low
    for lane in range(start.size):
        first = start[lane]
        on_profile = profiled[channel[lane]]
        previous = value_of(codes[first], on_profile, values)
        for i in range(first + 1, first + length[lane]):
            value = value_of(codes[i], on_profile, values)
            square = (value - previous) * (value - previous)
            previous = value
            high[lane] += square >> 32
            low[lane] += square & 0xFFFFFFFF


def lane_gains(codes: np.ndarray, lanes: Lanes, bins: Bins) -> np.ndarray:
    """Return the gain byte of each lane: its RMS difference, rounded to the nearest eighth of an octave.

    Parameters
    ----------
    codes : int32 array, flat
        Codes of all lanes, at the positions that `lanes` has.
    lanes : Lanes
    bins : Bins

    Returns
    -------
    uint8 array of shape (lanes,)
        0 for a lane of one sample and for a constant one.
    """
    high = np.zeros(lanes.count, dtype=np.int64)
    low = np.zeros(lanes.count, dtype=np.int64)
    _sum_of_squares(codes, lanes.start, lanes.length, lanes.channel, bins.profiled, bins.values, high, low)
    return np.array(
        [
            # from (1/64 codes)**2 to 1/256 code**2
            bisect_right(STEP_UP, ((int(h) << 32) + int(w)) // (16 * max(1, int(n) - 1)))
            for h, w, n in zip(high, low, lanes.length, strict=True)
        ],
        dtype=np.uint8,
    )
