"""Gain of a lane: normalises the amplitude of the network's inputs.

The gain byte g of a lane stands for a root mean square of its code differences of

    RMS(g) = 2 ** (g / 8 - 2) codes,     0 <= g <= 216,     from 0.25 codes to 2**25 codes

The core has integer tables indexed by g, and multiplies by input_factor[g] / 2**30 and output_factor[g] / 2**16 / 64 in
float32 (docs/format.md, *Window*).

    input_factor[g]   2**30 times what a difference in 1/64 codes becomes as an input of the network: 64 to the RMS,
                      rounded and clipped to -INPUT_LIMIT..INPUT_LIMIT
    output_factor[g]  2**16 times what the network's output y, 1024 to the RMS, becomes in 1/64 codes
    log2_rms[g]       log2 of the RMS in codes, in sixteenths of an octave: 2 * g - 32
"""

from __future__ import annotations

from functools import cache

import numpy as np

from . import _core
from .converter import Bins
from .lanes import Lanes

INPUT_LIMIT = 1023
"""Network inputs are clipped to -INPUT_LIMIT..INPUT_LIMIT, about sixteen times the RMS."""


@cache
def gain_table(name: str) -> np.ndarray:
    """Return a table of the core, int64, indexed by the gain byte."""
    return np.frombuffer(_core.tables()[name], np.int32 if name == "log2_rms" else np.int64).astype(np.int64)


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
