"""Coding state: all lanes of a group, coded together step by step.

    step 0         known from the lane headers: gain and initial code
    other steps    the network evaluates its window (within the core if it is a chain, else see `model.inference`);
                   while the window is not full, it expects no difference, and the scale of the gain. The adaptation
                   predicts mean and scale (docs/format.md, *Adaptation*) coding pass after coding pass, so that a
                   channel can use its references' samples of the same step

The coder then codes the step: an encoder reads the codes, a decoder fills them in. The two directions differ only in
that; both use the code below with the same windows, tables and network.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np

from ..core import _core
from ..core.coding_step import first_state
from ..core.converter import Bins
from ..core.lanes import Lanes
from ..core.residual_log import ResidualLog
from ..model.inference import inference_for
from ..model.predictor import Predictor
from ..topology.references import ReferenceTable
from .presets import EFFORT


class EntropyCoder(Protocol):
    """What coding needs of an encoder or a decoder; see `spikey_cli.core.coders`."""

    core: _core.Coder
    fills_codes: bool
    """Whether it fills in the codes, as a decoder does, or reads them."""


class CodingState:
    """State of a group of lanes between steps: the adaptation, and the network's inputs.

    Parameters
    ----------
    lanes : Lanes
    bins : Bins
    gains : uint8 array of shape (lanes,)
    initial_codes : int32 array of shape (lanes,)
        The lane headers.
    predictor : Predictor or None
        Without a predictor the adaptation predicts alone.
    references : ReferenceTable
    effort : int
        How much the adaptation learns; see `presets`.
    gains_follow : bool
        Whether `gains` are only initial values and follow the signal, as in a live stream.
    log : ResidualLog, optional
        Filled in while steps are taken.
    """

    def __init__(
        self,
        lanes: Lanes,
        bins: Bins,
        gains: np.ndarray,
        initial_codes: np.ndarray,
        predictor: Predictor | None,
        references: ReferenceTable,
        *,
        effort: int = EFFORT,
        gains_follow: bool = False,
        log: ResidualLog | None = None,
    ) -> None:
        self._window = predictor.window if predictor else 0
        self.core = first_state(
            lanes,
            bins,
            gains,
            initial_codes,
            references,
            window=self._window,
            chain=predictor.chain if predictor else None,
            effort=effort,
            gains_follow=gains_follow,
            log=log,
        )
        self._lanes = lanes
        self._predictor = predictor
        self._inference = inference_for(predictor, lanes, references) if predictor and not predictor.chain else None

    def run(self, coder: EntropyCoder, codes: np.ndarray) -> None:
        """Code all lanes from their second sample to their last.

        Parameters
        ----------
        coder : EntropyCoder
        codes : int32 array, flat
            Codes of all lanes: read if `coder` encodes, filled in if it decodes.

        Raises
        ------
        SelfTestError
            If the predictor fails its self-test.
        """
        if coder.fills_codes:
            self.core.initial_codes(codes)
        self.take(coder.core, codes, self._lanes.steps - 1, by_step=False)

    def take(self, coder: _core.Coder, codes: np.ndarray, n_steps: int, *, by_step: bool) -> None:
        """Take the next steps.

        Parameters
        ----------
        coder : Coder of the core
        codes : int32 array
            Read or filled in by the coder: codes of all lanes, flat, at the positions that `lanes` has; or, if
            `by_step`, those of the steps, of shape (n_steps, lanes).
        n_steps : int
        by_step : bool

        Raises
        ------
        SelfTestError
            If the predictor fails its self-test.
        """
        if self._predictor and self.core.step + n_steps > self._window + 1:
            self.test(self._predictor)
        if self._inference is None:
            self.core.take(coder, codes, by_step, n_steps)
            return
        n_naive = min(max(self._window + 1 - self.core.step, 0), n_steps)
        self.core.take(coder, codes, by_step, n_naive)
        windows = np.empty((self._window, self._lanes.count), dtype=np.float32)
        errors = np.zeros(self._lanes.count, dtype=np.int32)
        for i in range(n_naive, n_steps):
            self.core.windows(windows)
            self._inference.set_windows(windows)
            for first, stop in self._inference.pass_groups:
                self.core.normalised_errors(errors)
                outputs = self._inference.outputs(first, stop, errors)
                self.core.take_passes(coder, outputs, first, stop, codes[i : i + 1] if by_step else codes, by_step)

    @staticmethod
    def test(predictor: Predictor) -> None:
        """Run the predictor's self-test; it runs once in a process. Raises SelfTestError if it fails."""
        chain = predictor.chain
        if chain is None:
            predictor.test("ONNX Runtime", predictor.evaluate)
        else:
            predictor.test("the compiled core", lambda inputs: {"outputs": chain.evaluate(inputs["windows"])})
