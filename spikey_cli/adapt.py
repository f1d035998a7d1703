"""Adaptation: what the network's errors on a thread tell about its next sample.

The network is frozen and sees one lane's window. What it misses of a thread (its level, its own spectrum, the noise that
it shares with its peers) shows in the errors, and a few weights for each thread learn it on the way, in the decoder as in
the encoder: nothing is sent for it.

    innovation   z = (value - the network's centre) / spread, of each sample
    correction   p = sum of weight * term, to the centre, in spreads; the terms are

        level               (last value - slow mean of the lane) / 4 spreads
        own innovations     of the OWN_LAGS steps before
        peers' innovations  of this step and the PEER_LAGS - 1 before, of each peer of an earlier wave: all threads of a
                            wave take their step before those of the next

    learning     weight += rate * sum over the thread's lanes of (z - p) * term        (least mean squares)
    spread       shifted by a quarter of log2 of the slow mean of (z - p)**2, lane by lane

Innovations, terms and p are integers, UNIT to one spread, clipped to LIMIT; weights have WEIGHT_BITS fraction bits.

Source: B. Widrow, M. E. Hoff, "Adaptive switching circuits", IRE WESCON 1960.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from .adc import Bins, value_of
from .coders.density import INVERSE_SPREAD, MAX_SCALE, MIN_SCALE, SPREAD
from .gain import INPUT_FACTOR, INPUT_LIMIT, LOG_SCALE, OUTPUT_FACTOR, ROOT
from .lanes import Lanes
from .peers import MAX_LEANS, Peers

OWN_LAGS = 4
PEER_LAGS = 3
TERMS = 1 + OWN_LAGS + PEER_LAGS * MAX_LEANS

UNIT = 256
LIMIT = 4 * UNIT - 1
ERROR_LIMIT = 3 * UNIT
"""Largest error that weights learn from: outliers count no more than that."""

WEIGHT_BITS = 24
WEIGHT_LIMIT = 2 << WEIGHT_BITS
RATE, RATE_SHIFT = 3328, 16
"""RATE / 2**RATE_SHIFT in units of 2**-WEIGHT_BITS / UNIT**2: 1/5000 a sample."""
RATE_LANES = 48
"""A thread of more lanes learns from all of them as if they were so many: else its weights would swing."""

MEAN_SHIFT = 11
"""A lane's slow mean moves by 2**-MEAN_SHIFT of the way to its value."""
SQUARE_SHIFT = 8
"""The slow mean square moves by 2**-SQUARE_SHIFT of the way."""

_RING = 8  # steps whose innovations are kept: a power of two above OWN_LAGS and PEER_LAGS
_ONE = UNIT * UNIT


def _scale_shifts() -> np.ndarray:
    """By mean square / 256, the shift of the scale: round(4 log2(mean square / UNIT**2)), in 1/16 octaves."""
    shifts = []
    for square in range(128, LIMIT * LIMIT + 256, 256):
        # 2**((2n - 1)/8) <= square / UNIT**2, as ROOT[i] = 2**30 * 2**(i/8)
        shift = -40
        while True:
            octaves, eighth = divmod(2 * (shift + 1) - 1, 8)
            if ROOT[eighth] << 16 > square << (30 - octaves):
                break
            shift += 1
        shifts.append(shift)
    return np.array(shifts, dtype=np.int32)


SCALE_SHIFT = _scale_shifts()


class Adaptation:
    """What has been learnt of the threads of a group, on the way through their lanes."""

    def __init__(self, lanes: Lanes, bins: Bins, gains: np.ndarray, firsts: np.ndarray, peers: Peers) -> None:
        """Begin with the lanes' entries: `gains` uint8 and `firsts`, their first values in 1/64 codes."""
        profiled = bins.profiled[lanes.thread]
        lowest, highest = bins.range_of_values(lanes.thread)
        first_lane = lanes.first_of_threads()
        n_lanes = np.diff(first_lane)
        rate = RATE * np.minimum(n_lanes, RATE_LANES) // n_lanes
        self._thread = (first_lane, lanes.length, peers.leans, rate)
        self._lane = (gains, lowest, highest)
        self._bins = (profiled, bins.values)
        self._weights = np.zeros((lanes.n_threads, TERMS), dtype=np.int64)
        self._ring = np.zeros((_RING, lanes.count), dtype=np.int64)
        mean = np.add.reduceat(firsts, first_lane[:-1]) // n_lanes
        # of each lane: slow mean of its value, slow mean square of its error, level, what is predicted of z
        self._slow = np.zeros((4, lanes.count), dtype=np.int64)
        self._slow[0] = np.repeat(mean, n_lanes) << MEAN_SHIFT
        self._slow[1] = _ONE << SQUARE_SHIFT
        # of each lane: the network's centre, and the place of its scale in the tables
        self._raw = np.zeros((2, lanes.count), dtype=np.int64)

    def correct(
        self,
        step: int,
        threads: tuple[int, int],
        outputs: np.ndarray,
        last: np.ndarray,
        centre: np.ndarray,
        scale: np.ndarray,
        tail: np.ndarray,
    ) -> None:
        """From the network's outputs for `step` to centre, scale and tail of the lanes of `threads`, first to stop."""
        _correct(
            step, *threads, outputs, last, *self._thread, *self._lane,
            self._weights, self._ring, self._slow, self._raw, _TABLES, centre, scale, tail,
        )  # fmt: skip

    def learn(
        self, step: int, threads: tuple[int, int], codes: np.ndarray, last: np.ndarray, row: np.ndarray
    ) -> None:
        """Take in the codes of `step`: learn from them, and push them as `push` does."""
        _learn(
            step, *threads, codes, last, *self._thread, self._lane[0], *self._bins,
            self._weights, self._ring, self._slow, self._raw, _TABLES, row,
        )  # fmt: skip


_TABLES = (LOG_SCALE, OUTPUT_FACTOR, INPUT_FACTOR, SPREAD, INVERSE_SPREAD, SCALE_SHIFT)


@njit(inline="always")
def _clip(x, limit):
    return min(max(x, -limit), limit)


@njit(inline="always")
def input_of(value, last, gain, input_factor):
    """The network's input for the step from the value `last` to `value`."""
    return _clip(((value - last) * input_factor[gain] + (1 << 29)) >> 30, INPUT_LIMIT)


@njit(nogil=True, cache=True)
def _correct(
    step, first, stop, outputs, last, first_lane, length, leans, rate, gain, lowest, highest,
    weights, ring, slow, raw, tables, centre, scale, tail,
):  # fmt: skip
    log_scale, output_factor, _, spreads, inverse_spreads, scale_shift = tables
    for thread in range(first, stop):
        w = weights[thread]
        for lane in range(first_lane[thread], first_lane[thread + 1]):
            own_scale = log_scale[gain[lane]] + np.int64(outputs[1, lane])
            place = min(max(own_scale, MIN_SCALE), MAX_SCALE) - MIN_SCALE
            raw_centre = last[lane] + ((np.int64(outputs[0, lane]) * output_factor[gain[lane]] + (1 << 15)) >> 16)
            away = last[lane] - (slow[0, lane] >> MEAN_SHIFT)
            level = _clip(away * inverse_spreads[place] >> 23, LIMIT)
            p = w[0] * level
            for k in range(OWN_LAGS):
                p += w[1 + k] * ring[(step - 1 - k) & (_RING - 1), lane]
            for j in range(MAX_LEANS):
                peer = leans[thread, j]
                if peer < 0:
                    break
                other = first_lane[peer] + lane - first_lane[thread]
                for k in range(PEER_LAGS):
                    p += w[1 + OWN_LAGS + PEER_LAGS * j + k] * ring[(step - k) & (_RING - 1), other]
            # from 1/UNIT spreads, 2**-24 of them, to 1/16 of that
            p = _clip(p >> (WEIGHT_BITS - 4), LIMIT << 4)
            slow[2, lane] = level
            slow[3, lane] = p >> 4
            raw[0, lane] = raw_centre
            raw[1, lane] = place
            corrected = raw_centre + ((p * spreads[place] + (1 << 21)) >> 22)
            centre[lane] = min(max(corrected, np.int64(lowest[lane])), np.int64(highest[lane]))
            scale[lane] = own_scale + scale_shift[slow[1, lane] >> (SQUARE_SHIFT + 8)]
            tail[lane] = np.int64(outputs[2, lane])


@njit(nogil=True, cache=True)
def _learn(
    step, first, stop, codes, last, first_lane, length, leans, rate, gain, profiled, values,
    weights, ring, slow, raw, tables, row,
):  # fmt: skip
    _, _, input_factor, _, inverse_spreads, _ = tables
    now = step & (_RING - 1)
    g = np.zeros(TERMS, dtype=np.int64)
    for thread in range(first, stop):
        g[:] = 0
        for lane in range(first_lane[thread], first_lane[thread + 1]):
            value = value_of(codes[lane], profiled[lane], values)
            row[lane] = input_of(value, last[lane], gain[lane], input_factor)
            last[lane] = value
            if length[lane] <= step:
                continue
            z = _clip((value - raw[0, lane]) * inverse_spreads[raw[1, lane]] >> 21, LIMIT)
            ring[now, lane] = z
            slow[0, lane] += value - (slow[0, lane] >> MEAN_SHIFT)
            error = _clip(z - slow[3, lane], LIMIT)
            slow[1, lane] += error * error - (slow[1, lane] >> SQUARE_SHIFT)
            error = _clip(error, ERROR_LIMIT)
            g[0] += error * slow[2, lane]
            for k in range(OWN_LAGS):
                g[1 + k] += error * ring[(step - 1 - k) & (_RING - 1), lane]
            for j in range(MAX_LEANS):
                peer = leans[thread, j]
                if peer < 0:
                    break
                other = first_lane[peer] + lane - first_lane[thread]
                for k in range(PEER_LAGS):
                    g[1 + OWN_LAGS + PEER_LAGS * j + k] += error * ring[(step - k) & (_RING - 1), other]
        for k in range(TERMS):
            weights[thread, k] = _clip(weights[thread, k] + (g[k] * rate[thread] >> RATE_SHIFT), WEIGHT_LIMIT)
