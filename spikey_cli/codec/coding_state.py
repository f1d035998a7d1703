"""Coding state: all lanes of a group, coded together step by step.

    step 0            known from the lane headers: gain and initial code
    steps 1..window   naive deltas, until the network's window is full: the last value is the mean, the gain the scale
    later steps       the network evaluates the window (within the kernel if it is a chain, else see `model.inference`);
                      coding pass after coding pass, so that a channel can use its references' samples of the same step,
                      the adaptation corrects mean and scale (see `core.adaptation`)

The coder then codes the step: an encoder reads the codes, a decoder fills them in. The two directions differ only in
that; both use the code below with the same windows, tables and network.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from ..core.adaptation import RING, AdaptiveState, init
from ..core.coding_step import take_steps
from ..core.converter import Bins
from ..core.lanes import Lanes, gather, scatter
from ..core.network import NO_CHAIN
from ..core.residual_log import NO_LOG, ResidualLog
from ..model.inference import inference_for
from ..model.predictor import OUTPUT_ROWS, Predictor
from ..topology.references import ReferenceTable

TILE_STEPS = 64
"""Largest number of steps between two copies from and to the flat codes, so that a tile stays in the cache."""

_MAX_STEP = 1 << 30
"""Step after which the count goes back by half: by then only its remainder by a small power of two matters."""


class EntropyCoder(Protocol):
    """What coding needs of an encoder or a decoder; see `spikey_cli.core.coders`."""

    state: Any
    fills_codes: bool
    """Whether it fills in the codes, as a decoder does, or reads them."""


class CodingState:
    """State of a group of lanes between steps: the adaptation, and the network's inputs.

    Parameters
    ----------
    adaptive : AdaptiveState
        State before step 1; it holds the initial codes.
    lanes : Lanes
    bins : Bins
    predictor : Predictor or None
        Without a predictor all steps are naive deltas.
    peers : ReferenceTable
    log : ResidualLog, optional
        Filled in while steps are taken.
    """

    def __init__(
        self,
        adaptive: AdaptiveState,
        lanes: Lanes,
        bins: Bins,
        predictor: Predictor | None,
        peers: ReferenceTable,
        log: ResidualLog | None = None,
    ) -> None:
        self.step = 1
        """The step to take next."""
        self._adaptive = adaptive
        self._values = bins.values
        self._n_passes = peers.passes.size - 1
        self._window = predictor.window if predictor else 0
        self._predictor = predictor
        self._chain = predictor.chain if predictor and predictor.chain else NO_CHAIN
        self._inference = inference_for(predictor, lanes, peers) if predictor and not predictor.chain else None
        self._log = log.state if log else NO_LOG
        # the differences of a tile follow those of the window before it, so that each window is a contiguous slice
        self._differences = np.zeros((self._window + TILE_STEPS, lanes.count), dtype=np.float32)
        self._row = self._window
        self._outputs = np.zeros((OUTPUT_ROWS, lanes.count), dtype=np.float32)

    def take(self, coder: EntropyCoder, codes: np.ndarray) -> None:
        """Take the next steps.

        Parameters
        ----------
        coder : EntropyCoder
        codes : int32 array of shape (steps, lanes), with at most TILE_STEPS steps
            Read or filled in by the coder. An encoder needs codes of the channel's quantizer or zeros in each column,
            also after the end of a lane, since they index tables.

        Raises
        ------
        SelfTestError
            If the predictor fails its self-test.
        """
        if self.step > _MAX_STEP:
            self.step -= _MAX_STEP // 2  # a live stream has no end
        if self._row + len(codes) > len(self._differences):
            self._differences[: self._window] = self._differences[self._row - self._window : self._row]
            self._row = self._window
        n_naive = min(max(self._window + 1 - self.step, 0), len(codes)) if self._predictor else len(codes)
        self._take(coder, codes[:n_naive], True, self._outputs, 0, self._n_passes)
        self._advance(n_naive)
        if self._predictor and n_naive < len(codes) and self.step == self._window + 1:
            self._test(coder, codes[:1])
        if self._inference is None:
            self._take(coder, codes[n_naive:], False, self._outputs, 0, self._n_passes)
            self._advance(len(codes) - n_naive)
            return
        for row in codes[n_naive:]:
            self._inference.set_windows(self._differences[self._row - self._window : self._row])
            for first, stop in self._inference.pass_groups:
                outputs = self._inference.outputs(first, stop, self._adaptive.taps[self.step & RING])
                self._take(coder, row[None], False, outputs, first, stop)
            self._advance(1)

    def _take(
        self, coder: EntropyCoder, codes: np.ndarray, naive: bool, outputs: np.ndarray, first_pass: int, stop_pass: int
    ) -> None:
        if len(codes):
            take_steps(
                self.step,
                naive,
                first_pass,
                stop_pass,
                self._chain,
                self._adaptive,
                coder.state,
                self._log,
                outputs,
                self._values,
                codes,
                self._differences,
                self._row,
            )

    def _test(self, coder: EntropyCoder, codes: np.ndarray) -> None:
        """Run the predictor's self-test; it runs once for each kernel in a process."""
        assert self._predictor is not None
        if self._inference is not None:
            self._predictor.test("ONNX Runtime", self._predictor.evaluate)
            return

        def evaluate(inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
            windows = inputs["windows"]
            outputs = np.zeros((OUTPUT_ROWS, windows.shape[1]), dtype=np.float32)
            # a step of no coding passes: it only fills in the outputs
            take_steps(
                *(self.step, False, 0, 0, self._chain, self._adaptive, coder.state, NO_LOG, outputs, self._values),
                *(codes, windows, len(windows)),
            )
            return {"outputs": outputs}

        self._predictor.test(f"the kernel of {type(coder).__name__}", evaluate)

    def _advance(self, n_steps: int) -> None:
        self._row += n_steps
        self.step += n_steps


def run(
    lanes: Lanes,
    bins: Bins,
    gains: np.ndarray,
    initial_codes: np.ndarray,
    codes: np.ndarray,
    predictor: Predictor | None,
    peers: ReferenceTable,
    coder: EntropyCoder,
    log: ResidualLog | None = None,
) -> None:
    """Code all lanes from their second sample to their last.

    Parameters
    ----------
    lanes : Lanes
    bins : Bins
    gains : uint8 array of shape (lanes,)
    initial_codes : int32 array of shape (lanes,)
        The lane headers.
    codes : int32 array, flat
        Codes of all lanes: read if `coder` encodes, filled in if it decodes.
    predictor : Predictor or None
    peers : ReferenceTable
    coder : EntropyCoder
    log : ResidualLog, optional
        Filled in with what is predicted of each sample.

    Raises
    ------
    SelfTestError
        If the predictor fails its self-test.
    """
    if coder.fills_codes:
        scatter(codes, lanes.start, lanes.length, 0, initial_codes[None, :])
    state = CodingState(init(lanes, bins, gains, initial_codes, peers), lanes, bins, predictor, peers, log)
    tile = np.zeros((TILE_STEPS, lanes.count), dtype=np.int32)
    for first in range(1, lanes.steps, TILE_STEPS):
        if not coder.fills_codes:
            gather(codes, lanes.start, lanes.length, first, tile)
        state.take(coder, tile[: lanes.steps - first])
        if coder.fills_codes:
            scatter(codes, lanes.start, lanes.length, first, tile)
