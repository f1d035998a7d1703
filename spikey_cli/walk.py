"""The walk: all lanes of a group, step by step, from what is known to what comes next.

    step 0            nothing is known: gain and first code stand in the lane's entry
    steps 1..window   the last value is the centre, the gain the scale: naive deltas, until the window is full
    later steps       the network sees the window, and gives centre, scale and tail (see `chain`, or `forecast` where it
                      is more than that); wave after wave, so that a thread can look at its peers' present, they are
                      corrected by what was learnt of the thread (see `adapt`)

Then the coder takes its step: an encoder writes the codes, a decoder fills them in. It is the only place where the two
directions differ, so both run through the same lines here, over the same windows, tables and network.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from .adapt import RING, begin
from .adc import Bins
from .chain import NO_CHAIN
from .forecast import forecast_of
from .lanes import Lanes, gather, scatter
from .peers import Peers
from .predictor import OUTPUT_ROWS, Predictor
from .steps import take_steps_of

TILE_STEPS = 64
"""Steps between two copies from and to the flat codes; small enough to stay in the cache."""


class Stepper(Protocol):
    """What the walk needs of an encoder or a decoder; see `spikey_cli.coders`."""

    state: Any
    fills_codes: bool
    """Whether it fills in the codes, as a decoder does, or reads them."""


def walk(
    lanes: Lanes,
    bins: Bins,
    gains: np.ndarray,
    firsts: np.ndarray,
    codes: np.ndarray,
    predictor: Predictor | None,
    peers: Peers,
    coder: Stepper,
) -> None:
    """Take every lane from its second sample to its last.

    `gains` uint8 and `firsts` int32 of shape (lanes,): the entries; `codes` int32, flat: read where `coder` encodes,
    filled where it decodes. Without a predictor all samples are naive deltas.
    """
    if coder.fills_codes:
        scatter(codes, lanes.start, lanes.length, 0, firsts[None, :])
    window = predictor.window if predictor else 0
    take_steps = take_steps_of(coder)
    learnt = begin(lanes, bins, gains, firsts, peers)
    forecast = forecast_of(predictor, lanes, peers) if predictor and not predictor.chain else None
    n_waves = peers.waves.size - 1
    # Columns hold codes of their lane's grid or zeros, also behind a lane's end: so they index its tables safely.
    tile = np.zeros((TILE_STEPS, lanes.count), dtype=np.int32)
    # The differences of the tile's steps, behind those of the `window` steps before it: so a window is always one
    # contiguous slice.
    differences = np.zeros((window + TILE_STEPS, lanes.count), dtype=np.float32)
    outputs = np.zeros((OUTPUT_ROWS, lanes.count), dtype=np.float32)
    chain = predictor.chain if predictor and predictor.chain else NO_CHAIN

    def take(first_step: int, stop_step: int, naive: bool, first_wave: int, stop_wave: int) -> None:
        at = first_step - tile_start
        take_steps(
            first_step,
            stop_step,
            at,
            naive,
            first_wave,
            stop_wave,
            chain,
            learnt,
            coder.state,
            outputs,
            bins.values,
            tile,
            differences,
        )

    for tile_start in range(1, lanes.steps, TILE_STEPS):
        tile_stop = min(tile_start + TILE_STEPS, lanes.steps)
        if not coder.fills_codes:
            gather(codes, lanes.start, lanes.length, tile_start, tile)
        first_full = min(max(tile_start, window + 1), tile_stop) if predictor else tile_stop
        take(tile_start, first_full, True, 0, n_waves)
        if forecast is None:
            take(first_full, tile_stop, False, 0, n_waves)
        else:
            for step in range(first_full, tile_stop):
                forecast.see(differences[step - tile_start : step - tile_start + window])
                for first, stop in forecast.turns:
                    outputs = forecast.outputs(first, stop, learnt.terms[step & RING])
                    take(step, step + 1, False, first, stop)
        if coder.fills_codes:
            scatter(codes, lanes.start, lanes.length, tile_start, tile)
        differences[:window] = differences[TILE_STEPS:]
