"""The walk: all lanes of a group, step by step, from what is known to what comes next.

    step 0            nothing is known: gain and first code stand in the lane's entry
    steps 1..window   the last value is the centre, the gain the scale: naive deltas, until the window is full
    later steps       the network sees the window, and gives centre, scale and tail (see `forecast`); wave after wave,
                      so that a thread can look at its peers' present, they are corrected by what was learnt of the
                      thread (see `adapt`)

Then the coder takes its step: an encoder writes the codes, a decoder fills them in. It is the only place where the two
directions differ, so both run through the same lines here, over the same windows, tables and network.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from .adapt import RING, begin
from .adc import Bins
from .forecast import forecast_of
from .lanes import Lanes, gather, scatter
from .peers import Peers
from .predictor import OUTPUT_ROWS, Predictor
from .steps import take_step_of

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
    take_step = take_step_of(coder)
    learnt = begin(lanes, bins, gains, firsts, peers)
    forecast = forecast_of(predictor, lanes, peers) if predictor else None
    n_waves = peers.waves.size - 1
    # Columns hold codes of their lane's grid or zeros, also behind a lane's end: so they index its tables safely.
    tile = np.zeros((TILE_STEPS, lanes.count), dtype=np.int32)
    # The differences of the tile's steps, behind those of the `window` steps before it: so a window is always one
    # contiguous slice.
    differences = np.zeros((window + TILE_STEPS, lanes.count), dtype=np.float32)
    nothing = np.zeros((OUTPUT_ROWS, 0), dtype=np.float32)
    for tile_start in range(1, lanes.steps, TILE_STEPS):
        if not coder.fills_codes:
            gather(codes, lanes.start, lanes.length, tile_start, tile)
        for i in range(min(TILE_STEPS, lanes.steps - tile_start)):
            step = tile_start + i
            row = differences[window + i]
            if forecast is None or step <= window:
                take_step(step, True, 0, n_waves, learnt, coder.state, nothing, bins.values, tile[i], row)
                continue
            forecast.see(differences[i : i + window])
            for first, stop in forecast.turns:
                outputs = forecast.outputs(first, stop, learnt.terms[step & RING])
                take_step(step, False, first, stop, learnt, coder.state, outputs, bins.values, tile[i], row)
        if coder.fills_codes:
            scatter(codes, lanes.start, lanes.length, tile_start, tile)
        differences[:window] = differences[TILE_STEPS:]
