"""The walk: all lanes of a group, step by step, from what is known to what comes next.

    step 0            nothing is known: gain and first code stand in the lane's entry
    steps 1..window   the last value is the centre, the gain the scale: naive deltas, until the window is full
    later steps       the network sees the window, and gives centre, scale and tail; wave after wave, so that a thread
                      can look at its peers' present, they are corrected by what was learnt of the thread (see `adapt`)

Then the coder takes its step: an encoder writes the codes, a decoder fills them in. It is the only place where the two
directions differ, so both run through the same lines here, over the same windows, tables and network.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numba import njit

from .adapt import Adaptation, input_of
from .adc import Bins, value_of
from .gain import INPUT_FACTOR, LOG_SCALE
from .lanes import Lanes, gather, scatter
from .peers import Peers
from .predictor import Predictor

TILE_STEPS = 64
"""Steps between two copies from and to the flat codes; small enough to stay in the cache."""


class CoderStep(Protocol):
    """What the walk needs of a coder in either direction."""

    def step(
        self, step: int, first: int, stop: int, centre: np.ndarray, scale: np.ndarray, tail: np.ndarray, codes: np.ndarray
    ) -> None:
        """Code sample `step` of lanes `first` to `stop`, as far as they are longer; see `spikey_cli.coders`."""


NAIVE_TAIL = 12
"""Tail index of naive deltas."""


@njit(nogil=True, cache=True)
def _centre_on_last(last, gain, log_scale, centre, scale, tail):
    for lane in range(last.size):
        centre[lane] = last[lane]
        scale[lane] = log_scale[gain[lane]]
        tail[lane] = NAIVE_TAIL


@njit(nogil=True, cache=True)
def _push(codes, last, gain, profiled, values, input_factor, row):
    for lane in range(last.size):
        value = value_of(codes[lane], profiled[lane], values)
        row[lane] = input_of(value, last[lane], gain[lane], input_factor)
        last[lane] = value


def walk(
    lanes: Lanes,
    bins: Bins,
    gains: np.ndarray,
    firsts: np.ndarray,
    codes: np.ndarray,
    predictor: Predictor | None,
    peers: Peers,
    coder: CoderStep,
) -> None:
    """Take every lane from its second sample to its last.

    `gains` uint8 and `firsts` int32 of shape (lanes,): the entries; `codes` int32, flat: read where `coder` encodes,
    filled where it decodes. Without a predictor all samples are naive deltas.
    """
    scatter(codes, lanes.start, lanes.length, 0, firsts[None, :])
    window = predictor.window if predictor else 0
    profiled = bins.profiled[lanes.thread]
    last = bins.values_of(firsts, profiled)
    first_lane = lanes.first_of_threads()
    waves = [(threads, int(first_lane[threads[0]]), int(first_lane[threads[1]])) for threads in peers.waves]
    adaptation = Adaptation(lanes, bins, gains, last.copy(), peers)
    centre = np.empty(lanes.count, dtype=np.int32)
    scale = np.empty(lanes.count, dtype=np.int32)
    tail = np.empty(lanes.count, dtype=np.int32)
    # Columns hold codes of their lane's grid or zeros, also behind a lane's end: so they index its tables safely.
    tile = np.zeros((TILE_STEPS, lanes.count), dtype=np.int32)
    # The differences of the tile's steps, behind those of the `window` steps before it: so a window is always one
    # contiguous slice.
    differences = np.zeros((window + TILE_STEPS, lanes.count), dtype=np.float32)
    for tile_start in range(1, lanes.steps, TILE_STEPS):
        gather(codes, lanes.start, lanes.length, tile_start, tile)
        for i in range(min(TILE_STEPS, lanes.steps - tile_start)):
            step = tile_start + i
            row = differences[window + i]
            if predictor is None or step <= window:
                _centre_on_last(last, gains, LOG_SCALE, centre, scale, tail)
                coder.step(step, 0, lanes.count, centre, scale, tail, tile[i])
                _push(tile[i], last, gains, profiled, bins.values, INPUT_FACTOR, row)
                continue
            outputs = predictor.predict(differences[i : i + window])
            for threads, first, stop in waves:
                adaptation.correct(step, threads, outputs, last, centre, scale, tail)
                coder.step(step, first, stop, centre, scale, tail, tile[i])
                adaptation.learn(step, threads, tile[i], last, row)
        scatter(codes, lanes.start, lanes.length, tile_start, tile)
        differences[:window] = differences[TILE_STEPS:]
