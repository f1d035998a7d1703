"""Cost estimate: the memory and time that decoding a block takes, before it is decoded.

An archive states how many samples, lanes and steps a block has, and which network evaluates them. A few bytes can
claim very many of these, so a reader compares the estimate with its limits (see `container.limits`) first.
"""

from __future__ import annotations

from ..model.predictor import Predictor

LANE_MEMORY = 1024
"""Bytes of the coding state per lane, without the network's tensors."""

SAMPLE_TIME, PRODUCT_TIME = 30, 0.3
"""Nanoseconds per sample, and per multiply-add of the network, on a slow machine."""
STEP_TIME, CALL_TIME = 2_000, 25_000
"""Nanoseconds per step of a coding pass in addition to its samples, and per call of ONNX Runtime."""


def lane_memory(model: Predictor | None) -> int:
    """Return the bytes that decoding takes per lane with this model."""
    if model is None:
        return LANE_MEMORY
    # ONNX Runtime holds several tensors of all lanes; a chain is evaluated for some lanes at a time
    return LANE_MEMORY + 4 * model.window + (0 if model.chain else 16 * model.widest)


def decoding_time(samples: int, steps: int, passes: int, model: Predictor | None) -> float:
    """Estimate the time in nanoseconds that decoding takes.

    Parameters
    ----------
    samples : int
        Samples of all channels.
    steps : int
        Length of the longest lane.
    passes : int
        Number of coding passes.
    model : Predictor or None
    """
    products, calls = 0, 0
    if model is not None:
        products = model.multiply_adds
        if not model.chain:
            calls = 1 + (2 * passes if model.message_peers else 1 if model.latent_rows else 0)
    return samples * (SAMPLE_TIME + PRODUCT_TIME * products) + steps * (STEP_TIME * passes + CALL_TIME * calls)


class CostBudget:
    """Estimated cost of the blocks of an archive that were decoded so far."""

    def __init__(self) -> None:
        self.time = 0.0
        """Nanoseconds."""
        self._blocks: set[int] = set()

    def add(self, block: int, time: float) -> None:
        """Add the time of a block, unless it was added before."""
        if block not in self._blocks:
            self._blocks.add(block)
            self.time += time
