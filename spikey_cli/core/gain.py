"""Gain of a lane: normalises the amplitude of the network's inputs.

The gain byte g of a lane stands for a root mean square of its code differences of

    RMS(g) = 2 ** (g / 8 - 2) codes,     0 <= g <= 216,     from 0.25 codes to 2**25 codes

Three integer tables, indexed by g, are derived from eight constants, ROOT[i] = round(2**30 * 2**(i/8)), by shifts. The
core multiplies by INPUT_FACTOR[g] / 2**30 and OUTPUT_FACTOR[g] / 2**16 / 64 in float32 (docs/format.md, *Window*).

    INPUT_FACTOR[g]   2**30 times what a difference in 1/64 codes becomes as an input of the network: 64 to the RMS,
                      rounded and clipped to -INPUT_LIMIT..INPUT_LIMIT
    OUTPUT_FACTOR[g]  2**16 times what the network's output y, 1024 to the RMS, becomes in 1/64 codes
    LOG_SCALE[g]      log2 of the RMS in codes, in sixteenths of an octave: 2 * g - 32
"""

from __future__ import annotations

import numpy as np

from . import _core
from .converter import Bins
from .lanes import Lanes

MAX_GAIN = 216
"""Largest gain byte; a larger one in an archive is damage."""

INPUT_LIMIT = 1023
"""Network inputs are clipped to -INPUT_LIMIT..INPUT_LIMIT, about sixteen times the RMS."""

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
    gains = np.zeros(lanes.count, dtype=np.uint8)
    _core.lane_gains(codes, lanes.start, lanes.length, lanes.channel, bins.size, bins.profiled, bins.values, gains)
    return gains
