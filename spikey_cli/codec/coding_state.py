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

from ..core.adaptation import RING, AdaptiveState, init
from ..core.coding_step import take_steps_of
from ..core.converter import Bins
from ..core.lanes import Lanes, gather, scatter
from ..core.network import NO_CHAIN
from ..model.inference import inference_for
from ..model.predictor import OUTPUT_ROWS, Predictor
from ..topology.references import ReferenceTable

TILE_STEPS = 64
"""Steps that are taken together at most, between two copies from and to flat codes: they stay in the cache."""


_FAR = 1 << 30
"""Steps behind which they are counted anew from the middle: by then only multiples of small powers of two matter."""


class EntropyCoder(Protocol):
    """What the walk needs of an encoder or a decoder; see `spikey_cli.core.coders`."""

    state: Any
    fills_codes: bool
    """Whether it fills in the codes, as a decoder does, or reads them."""


class CodingState:
    """Lanes on their way, some steps at a time: what is known of them, and what the network sees."""

    def __init__(
        self, adaptive: AdaptiveState, lanes: Lanes, bins: Bins, predictor: Predictor | None, peers: ReferenceTable
    ) -> None:
        """Begin after the lanes' initial codes, which `adaptive` holds. Without a predictor all steps are naive
        deltas."""
        self.step = 1
        """The step to take next."""
        self._adaptive = adaptive
        self._values = bins.values
        self._n_passes = peers.passes.size - 1
        self._window = predictor.window if predictor else 0
        self._predictor = predictor
        self._chain = predictor.chain if predictor and predictor.chain else NO_CHAIN
        self._inference = inference_for(predictor, lanes, peers) if predictor and not predictor.chain else None
        # The differences of some steps, behind those of the `window` steps before: a window is one contiguous slice.
        self._differences = np.zeros((self._window + TILE_STEPS, lanes.count), dtype=np.float32)
        self._row = self._window
        self._outputs = np.zeros((OUTPUT_ROWS, lanes.count), dtype=np.float32)

    def take(self, coder: EntropyCoder, codes: np.ndarray) -> None:
        """Take the next steps: `codes`, int32 of shape (steps, lanes), at most TILE_STEPS of them.

        The coder reads or fills them in. Where it reads, columns must hold codes of their lane's grid or zeros, also
        behind a lane's end: they index tables.
        """
        if self.step > _FAR:
            self.step -= _FAR // 2  # a live stream never ends
        if self._row + len(codes) > len(self._differences):
            self._differences[: self._window] = self._differences[self._row - self._window : self._row]
            self._row = self._window
        naive = min(max(self._window + 1 - self.step, 0), len(codes)) if self._predictor else len(codes)
        self._take(coder, codes[:naive], True, self._outputs, 0, self._n_passes)
        self._go_on(naive)
        if self._predictor and naive < len(codes) and self.step == self._window + 1:
            self._test(coder, codes[:1])
        if self._inference is None:
            self._take(coder, codes[naive:], False, self._outputs, 0, self._n_passes)
            self._go_on(len(codes) - naive)
            return
        for row in codes[naive:]:
            self._inference.see(self._differences[self._row - self._window : self._row])
            for first, stop in self._inference.turns:
                outputs = self._inference.outputs(first, stop, self._adaptive.taps[self.step & RING])
                self._take(coder, row[None], False, outputs, first, stop)
            self._go_on(1)

    def _take(
        self, coder: EntropyCoder, codes: np.ndarray, naive: bool, outputs: np.ndarray, first_pass: int, stop_pass: int
    ) -> None:
        if len(codes):
            take_steps_of(coder)(
                self.step,
                naive,
                first_pass,
                stop_pass,
                self._chain,
                self._adaptive,
                coder.state,
                outputs,
                self._values,
                codes,
                self._differences,
                self._row,
            )

    def _test(self, coder: EntropyCoder, codes: np.ndarray) -> None:
        """The predictor's self-test, before its first step; once for each kernel in a process."""
        assert self._predictor is not None
        if self._inference is not None:
            self._predictor.test("ONNX Runtime", self._predictor.evaluate)
            return

        def by_kernel(inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
            windows = inputs["windows"]
            outputs = np.zeros((OUTPUT_ROWS, windows.shape[1]), dtype=np.float32)
            # a step of no waves: nothing is coded or learnt, but the chain fills in the outputs
            take_steps_of(coder)(
                *(self.step, False, 0, 0, self._chain, self._adaptive, coder.state, outputs, self._values, codes),
                *(windows, len(windows)),
            )
            return {"outputs": outputs}

        self._predictor.test(f"the kernel of {type(coder).__name__}", by_kernel)

    def _go_on(self, n_steps: int) -> None:
        self._row += n_steps
        self.step += n_steps


def walk(
    lanes: Lanes,
    bins: Bins,
    gains: np.ndarray,
    initial_codes: np.ndarray,
    codes: np.ndarray,
    predictor: Predictor | None,
    peers: ReferenceTable,
    coder: EntropyCoder,
) -> None:
    """Take every lane from its second sample to its last.

    `gains` uint8 and `initial_codes` int32 of shape (lanes,) are the lane headers; `codes`, int32 and flat, is read
    where
    `coder` encodes, and filled where it decodes.
    """
    if coder.fills_codes:
        scatter(codes, lanes.start, lanes.length, 0, initial_codes[None, :])
    adaptive = init(lanes, bins, gains, initial_codes, peers)
    state = CodingState(adaptive, lanes, bins, predictor, peers)
    tile = np.zeros((TILE_STEPS, lanes.count), dtype=np.int32)
    for first in range(1, lanes.steps, TILE_STEPS):
        if not coder.fills_codes:
            gather(codes, lanes.start, lanes.length, first, tile)
        state.take(coder, tile[: lanes.steps - first])
        if coder.fills_codes:
            scatter(codes, lanes.start, lanes.length, first, tile)
