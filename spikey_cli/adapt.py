"""Adaptation: what the network's errors on a thread tell about its next sample.

The network is frozen and sees one lane's window. What it misses of a thread (its level, its own spectrum, the noise that
it shares with its peers) shows in the errors, and a few weights for each thread learn it on the way, in the decoder as in
the encoder: nothing is sent for it.

    innovation   z = (value - the network's centre) / spread, of each sample
    correction   p = sum of weight * term, to the centre, in spreads; the terms are

        level               (last value - slow mean of the lane) / 2 spreads
        own innovations     of the OWN_LAGS steps before
        peers' innovations  of this step and the PEER_LAGS - 1 before, of each peer of an earlier wave: all threads of a
                            wave take their step before those of the next

    learning     weight += rate * sum over the thread's lanes of (z - p) * term        (least mean squares)
    spread       shifted by a quarter of log2 of the slow mean of (z - p)**2, lane by lane

Innovations, terms and p are integers, UNIT to one spread, clipped to LIMIT; weights have WEIGHT_BITS fraction bits.

Source: B. Widrow, M. E. Hoff, "Adaptive switching circuits", IRE WESCON 1960.
"""

from __future__ import annotations

from typing import NamedTuple

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
WEIGHT_LIMIT = (1 << WEIGHT_BITS) - 1
"""With it, TERMS products of a weight's upper bits and a term add up to less than 2**31."""
NAIVE_TAIL = 12
"""Tail index of naive deltas."""
RATE, RATE_SHIFT = 3328, 16
"""RATE / 2**RATE_SHIFT in units of 2**-WEIGHT_BITS / UNIT**2: 1/5000 a sample."""
RATE_LANES = 48
"""A thread of more lanes learns from all of them as if they were so many: else its weights would swing."""

MEAN_SHIFT = 11
"""A lane's slow mean moves by 2**-MEAN_SHIFT of the way to its value."""
SQUARE_SHIFT = 7
"""The slow mean square moves by 2**-SQUARE_SHIFT of the way."""

_RING = 8  # steps whose innovations are kept: a power of two above OWN_LAGS and PEER_LAGS


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


class Learnt(NamedTuple):
    """What a walk knows of a group of lanes, on its way: as kernels take it. Values are in 1/64 codes."""

    waves: np.ndarray
    """The first thread of each wave, then the number of threads."""
    first_lane: np.ndarray
    """The first lane of each thread, then the number of lanes."""
    leans: np.ndarray
    """Threads that each thread leans on, then -1: shape (threads, MAX_LEANS)."""
    rate: np.ndarray
    """Learning rate of each thread, in units of RATE."""
    weights: np.ndarray
    """Of each thread, shape (threads, TERMS)."""
    # of each lane, from here on
    length: np.ndarray
    gain: np.ndarray
    profiled: np.ndarray
    lowest: np.ndarray
    highest: np.ndarray
    last: np.ndarray
    """Its last value."""
    mean: np.ndarray
    """Slow mean of its value, times 2**MEAN_SHIFT."""
    square: np.ndarray
    """Slow mean square of its error, times 2**SQUARE_SHIFT."""
    innovations: np.ndarray
    """Of its last steps, step s in row s & 7: shape (8, lanes)."""
    level: np.ndarray
    """Its level, as a term."""
    predicted: np.ndarray
    """What is predicted of its innovation."""
    network_centre: np.ndarray
    place: np.ndarray
    """The network's scale less MIN_SCALE."""
    error: np.ndarray
    """How far its innovation was from what was predicted."""
    # what its coder is told
    centre: np.ndarray
    scale: np.ndarray
    tail: np.ndarray


def begin(lanes: Lanes, bins: Bins, gains: np.ndarray, firsts: np.ndarray, peers: Peers) -> Learnt:
    """Nothing learnt yet of lanes with these entries: `gains` uint8 and `firsts`, codes, int32."""
    first_lane = lanes.first_of_threads()
    n_lanes = np.diff(first_lane)
    profiled = bins.profiled[lanes.thread]
    last = bins.values_of(firsts, profiled)
    lowest, highest = bins.range_of_values(lanes.thread)

    def zeros() -> np.ndarray:
        return np.zeros(lanes.count, dtype=np.int32)

    return Learnt(
        waves=peers.waves,
        first_lane=first_lane,
        leans=peers.leans,
        rate=RATE * np.minimum(n_lanes, RATE_LANES) // n_lanes,
        weights=np.zeros((lanes.n_threads, TERMS), dtype=np.int64),
        length=lanes.length,
        gain=gains,
        profiled=profiled,
        lowest=lowest,
        highest=highest,
        last=last,
        mean=np.repeat(np.add.reduceat(last, first_lane[:-1]) // n_lanes, n_lanes) << MEAN_SHIFT,
        square=np.full(lanes.count, UNIT * UNIT << SQUARE_SHIFT, dtype=np.int64),
        innovations=np.zeros((_RING, lanes.count), dtype=np.int32),
        level=zeros(),
        predicted=zeros(),
        network_centre=np.zeros(lanes.count, dtype=np.int64),
        place=zeros(),
        error=zeros(),
        centre=zeros(),
        scale=zeros(),
        tail=zeros(),
    )


@njit(inline="always")
def _clip(x, limit):
    return min(max(x, -limit), limit)


@njit
def centre_on_last(learnt, first, stop):
    """Naive deltas for the lanes from `first` to `stop`: the last value is the centre, the gain the scale."""
    for lane in range(first, stop):
        learnt.centre[lane] = learnt.last[lane]
        learnt.scale[lane] = LOG_SCALE[learnt.gain[lane]]
        learnt.tail[lane] = NAIVE_TAIL


@njit
def push(learnt, first, stop, codes, values, row):
    """Take in the codes of the lanes from `first` to `stop`; `row` becomes the network's inputs for their steps."""
    for lane in range(first, stop):
        value = value_of(codes[lane], learnt.profiled[lane], values)
        x = ((value - learnt.last[lane]) * INPUT_FACTOR[learnt.gain[lane]] + (1 << 29)) >> 30
        row[lane] = _clip(x, INPUT_LIMIT)
        learnt.last[lane] = value


@njit
def correct(learnt, step, first_thread, stop_thread, outputs):
    """From the network's outputs for `step` to centre, scale and tail of the lanes of some threads."""
    predicted, innovations = learnt.predicted, learnt.innovations
    for lane in range(learnt.first_lane[first_thread], learnt.first_lane[stop_thread]):
        gain = learnt.gain[lane]
        own_scale = LOG_SCALE[gain] + np.int64(outputs[1, lane])
        place = min(max(own_scale, MIN_SCALE), MAX_SCALE) - MIN_SCALE
        shift = (np.int64(outputs[0, lane]) * OUTPUT_FACTOR[gain] + (1 << 15)) >> 16
        learnt.network_centre[lane] = learnt.last[lane] + shift
        learnt.place[lane] = place
        away = learnt.last[lane] - (learnt.mean[lane] >> MEAN_SHIFT)
        learnt.level[lane] = _clip(away * INVERSE_SPREAD[place] >> 22, LIMIT)
        learnt.scale[lane] = own_scale + SCALE_SHIFT[learnt.square[lane] >> (SQUARE_SHIFT + 8)]
        learnt.tail[lane] = np.int64(outputs[2, lane])
    for thread in range(first_thread, stop_thread):
        first, stop = learnt.first_lane[thread], learnt.first_lane[thread + 1]
        weight = np.int32(learnt.weights[thread, 0] >> 8)
        for lane in range(first, stop):
            predicted[lane] = np.int32(weight * learnt.level[lane])
        for k in range(OWN_LAGS):
            weight = np.int32(learnt.weights[thread, 1 + k] >> 8)
            row = innovations[(step - 1 - k) & (_RING - 1)]
            for lane in range(first, stop):
                predicted[lane] += np.int32(weight * row[lane])
        for j in range(MAX_LEANS):
            peer = learnt.leans[thread, j]
            if peer < 0:
                break
            aside = learnt.first_lane[peer] - first
            for k in range(PEER_LAGS):
                weight = np.int32(learnt.weights[thread, 1 + OWN_LAGS + PEER_LAGS * j + k] >> 8)
                row = innovations[(step - k) & (_RING - 1)]
                for lane in range(first, stop):
                    predicted[lane] += np.int32(weight * row[lane + aside])
    for lane in range(learnt.first_lane[first_thread], learnt.first_lane[stop_thread]):
        # 2**-16 of 1/UNIT spreads, to 1/16 of them
        p = _clip(np.int64(predicted[lane]) >> 12, LIMIT << 4)
        predicted[lane] = p >> 4
        centre = learnt.network_centre[lane] + ((p * SPREAD[learnt.place[lane]] + (1 << 21)) >> 22)
        learnt.centre[lane] = min(max(centre, np.int64(learnt.lowest[lane])), np.int64(learnt.highest[lane]))


@njit
def learn(learnt, step, first_thread, stop_thread):
    """Learn from the last values of the lanes of some threads, those of `step`."""
    innovations, error = learnt.innovations, learnt.error
    now = innovations[step & (_RING - 1)]
    for lane in range(learnt.first_lane[first_thread], learnt.first_lane[stop_thread]):
        if learnt.length[lane] <= step:
            now[lane] = 0
            error[lane] = 0
            continue
        away = learnt.last[lane] - learnt.network_centre[lane]
        z = _clip(away * INVERSE_SPREAD[learnt.place[lane]] >> 21, LIMIT)
        now[lane] = z
        learnt.mean[lane] += learnt.last[lane] - (learnt.mean[lane] >> MEAN_SHIFT)
        off = _clip(z - learnt.predicted[lane], LIMIT)
        learnt.square[lane] += off * off - (learnt.square[lane] >> SQUARE_SHIFT)
        error[lane] = _clip(off, ERROR_LIMIT)
    for thread in range(first_thread, stop_thread):
        first, stop = learnt.first_lane[thread], learnt.first_lane[thread + 1]
        slope = np.int64(0)
        for lane in range(first, stop):
            slope += error[lane] * learnt.level[lane]
        _move(learnt, thread, 0, slope)
        for k in range(OWN_LAGS):
            row = innovations[(step - 1 - k) & (_RING - 1)]
            slope = np.int64(0)
            for lane in range(first, stop):
                slope += error[lane] * row[lane]
            _move(learnt, thread, 1 + k, slope)
        for j in range(MAX_LEANS):
            peer = learnt.leans[thread, j]
            if peer < 0:
                break
            aside = learnt.first_lane[peer] - first
            for k in range(PEER_LAGS):
                row = innovations[(step - k) & (_RING - 1)]
                slope = np.int64(0)
                for lane in range(first, stop):
                    slope += error[lane] * row[lane + aside]
                _move(learnt, thread, 1 + OWN_LAGS + PEER_LAGS * j + k, slope)


@njit(inline="always")
def _move(learnt, thread, term, slope):
    weight = learnt.weights[thread, term] + (slope * learnt.rate[thread] >> RATE_SHIFT)
    learnt.weights[thread, term] = _clip(weight, WEIGHT_LIMIT)
