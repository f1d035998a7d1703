"""Adaptation: a linear predictor per channel that corrects the network while coding.

The network is frozen and sees one lane's window. What it misses of a channel (its level, its own spectrum, the noise
that it shares with its peers) is in its errors. A few weights per channel adapt to these errors, in the decoder as in
the encoder, so nothing is sent for them.

    normalised error    z = (value - network mean) / network scale, of each sample
    correction          p = sum of weight * tap, added to the network mean, in units of the network scale; the taps are

        DC term             (last value - slow mean of the lane) / 2 network scales
        own errors          z of the OWN_LAGS steps before
        references' errors  z of this step and of the PEER_LAGS - 1 steps before, of each channel that this one
                            references: those are in earlier coding passes, so their step is known

    update              weight += step size * sum over the channel's lanes of (z - p) * tap     (least mean squares);
                        the step size decays from step to step down to a constant
    scale               shifted by a quarter of log2 of the slow mean of (z - p)**2, for each lane
    gain                stored in an archive. In a live stream, which cannot know it in advance, it follows the slow
                        mean of the lane's squared differences and is set again every GAIN_INTERVAL steps

z, taps and p are integers, in 1/UNIT of the network scale, clipped to LIMIT; weights have WEIGHT_BITS fractional bits.

References
----------
B. Widrow, M. E. Hoff, "Adaptive switching circuits", IRE WESCON 1960.
C. Darken, J. Moody, "Towards faster stochastic gradient search", NIPS 4, 1991 (step sizes that decay with 1/t).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from ..topology.references import MAX_REFERENCES, ReferenceTable
from .converter import Bins, value_of
from .density import INVERSE_SCALE, MAX_LOG2_SCALE, MIN_LOG2_SCALE, SCALE
from .gain import INPUT_FACTOR, INPUT_LIMIT, LOG_SCALE, MEAN_SQUARE, OUTPUT_FACTOR, ROOT, gain_of
from .lanes import Lanes

OWN_LAGS = 4
PEER_LAGS = 3
_OWN = 1 + OWN_LAGS
N_TAPS = _OWN + PEER_LAGS * MAX_REFERENCES

UNIT = 256
LIMIT = 4 * UNIT - 1
ERROR_LIMIT = 3 * UNIT
"""Errors are clipped to this before they update weights, so that outliers do not dominate."""

WEIGHT_BITS = 24
WEIGHT_LIMIT = (1 << WEIGHT_BITS) - 1
"""Bounds the sum of N_TAPS products of a weight's upper bits and a tap to less than 2**31."""
NAIVE_OUTLIER_WEIGHT = 12
"""Outlier weight of naive deltas."""
STEP_SIZE, STEP_SIZE_SHIFT = 3328, 16
"""Constant step size: STEP_SIZE / 2**STEP_SIZE_SHIFT in units of 2**-WEIGHT_BITS / UNIT**2, 1/5000 a sample."""
STEP_SIZE_LANES = 48
"""Lanes of a channel that count in full for its constant step size: with more, weights would oscillate."""
DECAYING_STEP_SIZE, DECAY_OFFSET = 1 << 27, 256
"""The step size of step t, DECAYING_STEP_SIZE / lanes / (t + DECAY_OFFSET), is 8 / (t + 256) for the mean of all lanes,
as long as that is above the constant one.
"""

PRIOR_STEPS, POWER_SHIFT = 3, 10
"""The power that a gain follows is the mean over the steps so far, with its initial value counted PRIOR_STEPS times;
later it moves by 2**-POWER_SHIFT of the difference.
"""
GAIN_INTERVAL = 64
"""Steps after which a gain that follows the power is set again; up to step GAIN_INTERVAL it is set at every step."""

MEAN_SHIFT = 11
"""A lane's slow mean moves by 2**-MEAN_SHIFT of the difference to its value."""
SQUARE_SHIFT = 7
"""The slow mean square moves by 2**-SQUARE_SHIFT of the difference."""

RING = 7
"""Normalised errors of step s are in row s & RING of the taps: a ring as long as OWN_LAGS and PEER_LAGS need."""
_DC = RING + 1  # the row of the DC terms


def _scale_shifts() -> np.ndarray:
    """By mean square / 256: shift of the log2 scale, round(4 log2(mean square / UNIT**2)), in 1/16 octaves."""
    # a shift of n begins at 2**((2n - 1)/8) UNIT**2, where ROOT[i] = 2**30 * 2**(i/8)
    starts = [-(-ROOT[(2 * n - 1) % 8] >> 14 - (2 * n - 1) // 8) for n in range(-39, 20)]
    squares = np.arange(128, LIMIT * LIMIT + 256, 256)
    return (np.searchsorted(starts, squares, "right") - 40).astype(np.int32)


SCALE_SHIFT = _scale_shifts()


class AdaptiveState(NamedTuple):
    """Adaptive state of a group of lanes, as kernels take it. Values are in 1/64 codes."""

    passes: np.ndarray
    """The first channel of each coding pass, then the number of channels."""
    first_lane: np.ndarray
    """The first lane of each channel, then the number of lanes."""
    references: np.ndarray
    """Channels that each channel references, then -1: shape (channels, MAX_REFERENCES)."""
    step_size: np.ndarray
    """Constant step size of each channel, in units of STEP_SIZE."""
    weights: np.ndarray
    """Weights of each channel, shape (N_TAPS, channels)."""
    # of each lane, from here on
    length: np.ndarray
    gain: np.ndarray
    profiled: np.ndarray
    lowest: np.ndarray
    highest: np.ndarray
    last: np.ndarray
    """Last value."""
    slow_mean: np.ndarray
    """Slow mean of the value, times 2**MEAN_SHIFT."""
    slow_square: np.ndarray
    """Slow mean square of z - p, times 2**SQUARE_SHIFT."""
    taps: np.ndarray
    """Normalised errors of the last steps, step s in row s & RING, then the DC term: shape (9, lanes)."""
    predicted: np.ndarray
    """p, the prediction of z."""
    network_mean: np.ndarray
    scale_index: np.ndarray
    """Network's log2 scale - MIN_LOG2_SCALE."""
    error: np.ndarray
    """z - p, clipped to ERROR_LIMIT."""
    power: np.ndarray
    """Slow mean square of the differences, int64; empty if gains do not follow it."""
    # the prediction that its coder takes
    predicted_mean: np.ndarray
    log2_scale: np.ndarray
    outlier_weight: np.ndarray


def init(
    lanes: Lanes,
    bins: Bins,
    gains: np.ndarray,
    initial_codes: np.ndarray,
    peers: ReferenceTable,
    *,
    gains_follow: bool = False,
) -> AdaptiveState:
    """Return the state before the first step.

    Parameters
    ----------
    lanes : Lanes
    bins : Bins
    gains : uint8 array of shape (lanes,)
        Gains of the lane headers. Modified if `gains_follow`.
    initial_codes : int32 array of shape (lanes,)
        First code of each lane.
    peers : ReferenceTable
        Which channels each channel references, and the coding passes.
    gains_follow : bool
        Whether `gains` are only initial values and follow the signal.
    """
    first_lane = lanes.first_of_channels()
    n_lanes = np.diff(first_lane)
    profiled = bins.profiled[lanes.channel]
    last = bins.values_of(initial_codes, profiled)
    lowest, highest = bins.range_of_values(lanes.channel)

    def zeros() -> np.ndarray:
        return np.zeros(lanes.count, dtype=np.int32)

    return AdaptiveState(
        passes=peers.passes,
        first_lane=first_lane,
        references=peers.references,
        step_size=STEP_SIZE * np.minimum(n_lanes, STEP_SIZE_LANES) // n_lanes,
        weights=np.zeros((N_TAPS, lanes.n_channels), dtype=np.int64),
        length=lanes.length,
        gain=gains,
        profiled=profiled,
        lowest=lowest,
        highest=highest,
        last=last,
        slow_mean=np.repeat(np.add.reduceat(last, first_lane[:-1]) // n_lanes, n_lanes) << MEAN_SHIFT,
        slow_square=np.full(lanes.count, UNIT * UNIT << SQUARE_SHIFT, dtype=np.int64),
        taps=np.zeros((_DC + 1, lanes.count), dtype=np.int32),
        predicted=zeros(),
        network_mean=np.zeros(lanes.count, dtype=np.int64),
        scale_index=zeros(),
        error=zeros(),
        power=np.array([MEAN_SQUARE[g] for g in gains] if gains_follow else [], dtype=np.int64),
        predicted_mean=zeros(),
        log2_scale=zeros(),
        outlier_weight=zeros(),
    )


@njit(inline="always")
def _clip(x, limit):
    return min(max(x, -limit), limit)


@njit
def predict_naive(adaptive, first, stop):
    """Naive deltas for the lanes `first` to `stop` - 1: the last value is the mean, the gain the scale."""
    predicted_mean, log2_scale, outlier_weight, last, gain = (
        adaptive.predicted_mean,
        adaptive.log2_scale,
        adaptive.outlier_weight,
        adaptive.last,
        adaptive.gain,
    )
    for lane in range(first, stop):
        predicted_mean[lane] = last[lane]
        log2_scale[lane] = LOG_SCALE[gain[lane]]
        outlier_weight[lane] = NAIVE_OUTLIER_WEIGHT


@njit
def _follow_gain(adaptive, step, first, stop, codes, values):
    profiled, last, gain, power = adaptive.profiled, adaptive.last, adaptive.gain, adaptive.power
    count = step + PRIOR_STEPS
    for lane in range(np.uint64(first), np.uint64(stop)):
        difference = value_of(codes[lane], profiled[lane], values) - last[lane]
        change = difference * difference - power[lane]
        power[lane] += change // count if count < 1 << POWER_SHIFT else change >> POWER_SHIFT
    if step <= GAIN_INTERVAL or step % GAIN_INTERVAL == 0:
        for lane in range(np.uint64(first), np.uint64(stop)):
            gain[lane] = gain_of(power[lane])


@njit
def advance(adaptive, step, first, stop, codes, values, row):
    """Advance the lanes `first` to `stop` - 1 by a step with these codes; `row` is filled with the network's inputs."""
    profiled, last, gain = adaptive.profiled, adaptive.last, adaptive.gain
    if adaptive.power.size > 0:
        _follow_gain(adaptive, step, first, stop, codes, values)
    for lane in range(np.uint64(first), np.uint64(stop)):
        value = value_of(codes[lane], profiled[lane], values)
        x = ((value - last[lane]) * INPUT_FACTOR[gain[lane]] + (1 << 29)) >> 30
        row[lane] = _clip(x, INPUT_LIMIT)
        last[lane] = value


@njit(inline="always")
def _rows(taps, step):
    """Of all lanes: DC terms, normalised errors of `step`, and those of the four steps before, latest first."""
    before = taps[step - 1 & RING], taps[step - 2 & RING], taps[step - 3 & RING], taps[step - 4 & RING]
    return taps[_DC], taps[step & RING], before


@njit
def predict(adaptive, step, first_channel, stop_channel, outputs):
    """From the network's outputs for `step` to mean, scale and outlier weight of the lanes of some channels."""
    gains, last, slow_mean, slow_square = adaptive.gain, adaptive.last, adaptive.slow_mean, adaptive.slow_square
    network_mean, scale_indices, taps = adaptive.network_mean, adaptive.scale_index, adaptive.taps
    log2_scale, outlier_weight = adaptive.log2_scale, adaptive.outlier_weight
    first_lane, references, weights, predicted = (
        adaptive.first_lane,
        adaptive.references,
        adaptive.weights,
        adaptive.predicted,
    )
    predicted_mean, lowest, highest = adaptive.predicted_mean, adaptive.lowest, adaptive.highest
    for lane in range(np.uint64(first_lane[first_channel]), np.uint64(first_lane[stop_channel])):
        gain = np.uint64(gains[lane])
        own_scale = LOG_SCALE[gain] + np.int64(outputs[1, lane])
        scale_index = min(max(own_scale, MIN_LOG2_SCALE), MAX_LOG2_SCALE) - MIN_LOG2_SCALE
        network_mean[lane] = last[lane] + ((np.int64(outputs[0, lane]) * OUTPUT_FACTOR[gain] + (1 << 15)) >> 16)
        scale_indices[lane] = scale_index
        distance = last[lane] - (slow_mean[lane] >> MEAN_SHIFT)
        taps[_DC, lane] = _clip(distance * INVERSE_SCALE[np.uint64(scale_index)] >> 22, LIMIT)
        log2_scale[lane] = own_scale + SCALE_SHIFT[np.uint64(slow_square[lane]) >> np.uint64(SQUARE_SHIFT + 8)]
        outlier_weight[lane] = np.int64(outputs[2, lane])
    dc, now, before = _rows(taps, step)
    one_lane_each = first_lane[stop_channel] - first_lane[first_channel] == stop_channel - first_channel
    if one_lane_each:
        _predict_each_from_own(weights, dc, before, predicted, first_channel, first_lane[first_channel], stop_channel)
    for channel in range(first_channel, stop_channel):
        # unsigned: Numba does not check for negative indices in the loops over lanes
        first, stop = np.uint64(first_lane[channel]), np.uint64(first_lane[channel + 1])
        if not one_lane_each:
            _predict_from_own(weights, channel, dc, before, predicted, first, stop)
        for j in range(references.shape[1]):
            if references[channel, j] < 0:
                break
            offset = first - np.uint64(first_lane[references[channel, j]])
            tap = _OWN + PEER_LAGS * j
            _predict_from_peer(weights, channel, tap, now, before, predicted, first, stop, offset)
    for lane in range(np.uint64(first_lane[first_channel]), np.uint64(first_lane[stop_channel])):
        # from 2**-16 of 1/UNIT scales to 1/16 of them
        p = _clip(np.int64(predicted[lane]) >> 12, LIMIT << 4)
        predicted[lane] = p >> 4
        corrected = network_mean[lane] + ((p * SCALE[np.uint64(scale_indices[lane])] + (1 << 21)) >> 22)
        predicted_mean[lane] = min(max(corrected, np.int64(lowest[lane])), np.int64(highest[lane]))


@njit(inline="always")
def _upper(weight):
    return np.int32(weight >> 8)


@njit
def _predict_from_own(weights, channel, dc, before, predicted, first, stop):
    w0, w1, w2 = _upper(weights[0, channel]), _upper(weights[1, channel]), _upper(weights[2, channel])
    w3, w4 = _upper(weights[3, channel]), _upper(weights[4, channel])
    z1, z2, z3, z4 = before
    for lane in range(first, stop):
        p = np.int32(w0 * dc[lane]) + np.int32(w1 * z1[lane]) + np.int32(w2 * z2[lane])
        predicted[lane] = p + np.int32(w3 * z3[lane]) + np.int32(w4 * z4[lane])


@njit
def _predict_each_from_own(weights, dc, before, predicted, first_channel, first, stop_channel):
    """`_predict_from_own` for channels of one lane each, as in live streams: all at once."""
    z1, z2, z3, z4 = before
    for i in range(np.uint64(stop_channel - first_channel)):
        channel, lane = np.uint64(first_channel) + i, np.uint64(first) + i
        p = np.int32(_upper(weights[0, channel]) * dc[lane]) + np.int32(_upper(weights[1, channel]) * z1[lane])
        p = np.int32(p + np.int32(_upper(weights[2, channel]) * z2[lane]))
        p = np.int32(p + np.int32(_upper(weights[3, channel]) * z3[lane]))
        predicted[lane] = p + np.int32(_upper(weights[4, channel]) * z4[lane])


@njit
def _predict_from_peer(weights, channel, tap, now, before, predicted, first, stop, offset):
    w0, w1, w2 = _upper(weights[tap, channel]), _upper(weights[tap + 1, channel]), _upper(weights[tap + 2, channel])
    z1, z2, _, _ = before
    for lane in range(first, stop):
        other = lane - offset
        p = np.int32(w0 * now[other]) + np.int32(w1 * z1[other]) + np.int32(w2 * z2[other])
        predicted[lane] += np.int32(p)


@njit
def update(adaptive, step, first_channel, stop_channel):
    """Update the weights of some channels from the last values of their lanes, those of `step`."""
    length, last, slow_mean, slow_square = adaptive.length, adaptive.last, adaptive.slow_mean, adaptive.slow_square
    network_mean, scale_indices, taps = adaptive.network_mean, adaptive.scale_index, adaptive.taps
    first_lane, references, predicted, error = (
        adaptive.first_lane,
        adaptive.references,
        adaptive.predicted,
        adaptive.error,
    )
    weights, step_sizes = adaptive.weights, adaptive.step_size
    now = step & RING
    for lane in range(np.uint64(first_lane[first_channel]), np.uint64(first_lane[stop_channel])):
        distance = last[lane] - network_mean[lane]
        z = _clip(distance * INVERSE_SCALE[np.uint64(scale_indices[lane])] >> 21, LIMIT)
        off = _clip(z - predicted[lane], LIMIT)
        slow_mean[lane] += last[lane] - (slow_mean[lane] >> MEAN_SHIFT)
        slow_square[lane] += off * off - (slow_square[lane] >> SQUARE_SHIFT)
        # a lane that has ended does not count
        taps[now, lane] = z if length[lane] > step else 0
        error[lane] = _clip(off, ERROR_LIMIT) if length[lane] > step else 0
    dc, now, before = _rows(taps, step)
    one_lane_each = first_lane[stop_channel] - first_lane[first_channel] == stop_channel - first_channel
    decaying = DECAYING_STEP_SIZE // (step + DECAY_OFFSET)
    if one_lane_each:
        step_size = max(STEP_SIZE, decaying)
        _update_each_own(weights, step_size, dc, before, error, first_channel, first_lane[first_channel], stop_channel)
    for channel in range(first_channel, stop_channel):
        first, stop = np.uint64(first_lane[channel]), np.uint64(first_lane[channel + 1])
        step_size = max(step_sizes[channel], decaying // np.int64(stop - first))
        if not one_lane_each:
            _update_own(weights, channel, step_size, dc, before, error, first, stop)
        for j in range(references.shape[1]):
            if references[channel, j] < 0:
                break
            offset = first - np.uint64(first_lane[references[channel, j]])
            tap = _OWN + PEER_LAGS * j
            _update_peer(weights, channel, tap, step_size, now, before, error, first, stop, offset)


@njit
def _update_own(weights, channel, step_size, dc, before, error, first, stop):
    z1, z2, z3, z4 = before
    s0, s1, s2, s3, s4 = np.int64(0), np.int64(0), np.int64(0), np.int64(0), np.int64(0)
    for lane in range(first, stop):
        s0 += error[lane] * dc[lane]
        s1 += error[lane] * z1[lane]
        s2 += error[lane] * z2[lane]
        s3 += error[lane] * z3[lane]
        s4 += error[lane] * z4[lane]
    _add_to_weight(weights, channel, 0, step_size, s0)
    _add_to_weight(weights, channel, 1, step_size, s1)
    _add_to_weight(weights, channel, 2, step_size, s2)
    _add_to_weight(weights, channel, 3, step_size, s3)
    _add_to_weight(weights, channel, 4, step_size, s4)


@njit
def _update_each_own(weights, step_size, dc, before, error, first_channel, first, stop_channel):
    """`_update_own` for channels of one lane each."""
    z1, z2, z3, z4 = before
    _add_to_each_weight(weights, 0, step_size, error, dc, first_channel, first, stop_channel)
    _add_to_each_weight(weights, 1, step_size, error, z1, first_channel, first, stop_channel)
    _add_to_each_weight(weights, 2, step_size, error, z2, first_channel, first, stop_channel)
    _add_to_each_weight(weights, 3, step_size, error, z3, first_channel, first, stop_channel)
    _add_to_each_weight(weights, 4, step_size, error, z4, first_channel, first, stop_channel)


@njit
def _add_to_each_weight(weights, tap, step_size, error, factor, first_channel, first, stop_channel):
    row = np.uint64(tap)
    for i in range(np.uint64(stop_channel - first_channel)):
        channel, lane = np.uint64(first_channel) + i, np.uint64(first) + i
        _add_to_weight(weights, channel, row, step_size, np.int64(error[lane]) * np.int64(factor[lane]))


@njit
def _update_peer(weights, channel, tap, step_size, now, before, error, first, stop, offset):
    z1, z2, _, _ = before
    s0, s1, s2 = np.int64(0), np.int64(0), np.int64(0)
    for lane in range(first, stop):
        other = lane - offset
        s0 += error[lane] * now[other]
        s1 += error[lane] * z1[other]
        s2 += error[lane] * z2[other]
    _add_to_weight(weights, channel, tap, step_size, s0)
    _add_to_weight(weights, channel, tap + 1, step_size, s1)
    _add_to_weight(weights, channel, tap + 2, step_size, s2)


@njit(inline="always")
def _add_to_weight(weights, channel, tap, step_size, gradient):
    weights[tap, channel] = _clip(weights[tap, channel] + (gradient * step_size >> STEP_SIZE_SHIFT), WEIGHT_LIMIT)
