"""Cost estimate: the memory and time that decoding a block takes, before it is decoded.

An archive states how many samples, lanes and steps a block has, and which network evaluates them. A few bytes can
claim very many of these, so a reader compares the estimate with its limits (see `container.limits`) first.
"""

from __future__ import annotations

from ..model.predictor import Predictor
from .presets import EFFORT_SHARE

LANE_MEMORY = 1024
"""Bytes of the coding state per lane, without the network's tensors."""

SAMPLE_TIME, TERM_TIME, PAIR_TIME = 60, 2.5, 0.12
"""Nanoseconds per sample, per term of its prediction, and per pair of terms of a sample that teaches."""
STEP_TIME, CALL_TIME, OPERATOR_TIME = 2_000, 25_000, 2_000
"""Nanoseconds per step of a coding pass beside its samples; per call of ONNX Runtime; per operator in a call."""
PRODUCT_TIME, ELEMENT_TIME = 0.5, 1.0
"""Nanoseconds per multiply-add and per element of a tensor that ONNX Runtime computes, for each column."""
CHAIN_TIME, FLOAT_CHAIN_TIME = 0.1, 1.5
"""Nanoseconds per multiply-add or element of a chain for each column, in integers and in floats."""
_CHAIN_COLUMNS = 16
"""Columns that the core evaluates at once; of channels with lanes of their own, a quarter may be in use."""


def lane_memory(model: Predictor | None) -> int:
    """Return the bytes that decoding takes per lane with this model."""
    if model is None:
        return LANE_MEMORY
    # ONNX Runtime holds several tensors of all lanes; a chain is evaluated for some lanes at a time
    return LANE_MEMORY + 4 * model.window + (0 if model.chain else 16 * model.widest)


def adaptation_time(n_earlier: int, n_later: int, effort: int) -> float:
    """Estimate the nanoseconds that a sample of a channel with these numbers of references takes, without a network."""
    terms = 32 + 3 * n_earlier + 2 * n_later if n_earlier or n_later else 24
    return SAMPLE_TIME + TERM_TIME * terms + PAIR_TIME * terms**2 * EFFORT_SHARE[effort]


def network_time(samples: int, steps: int, passes: int, model: Predictor | None) -> float:
    """Estimate the nanoseconds that the network of a block takes; parameters as in `decoding_time`."""
    if model is None:
        return 0.0
    if model.chain:
        work, columns = model.work["outputs"], 4 * samples + _CHAIN_COLUMNS * steps
        each = CHAIN_TIME if model.chain.network.is_integer else FLOAT_CHAIN_TIME
        return columns * each * (work.products + work.elements)
    time = 0.0
    n_operators = sum(work.operators for work in model.work.values())  # a call runs all, most of them without columns
    for output, work in model.work.items():
        calls = steps * (passes if model.message_peers and output != "latent" else 1)
        columns = samples * (model.message_peers if output == "region" else 1)
        time += calls * (CALL_TIME + OPERATOR_TIME * n_operators)
        time += columns * (PRODUCT_TIME * work.products + ELEMENT_TIME * work.elements)
    return time


def decoding_time(adapting: float, samples: int, steps: int, passes: int, model: Predictor | None) -> float:
    """Estimate the time in nanoseconds that decoding takes.

    Parameters
    ----------
    adapting : float
        Sum of `adaptation_time` of all samples.
    samples : int
        Samples of all channels.
    steps : int
        Steps that are taken: the length of the longest lane, for each group of lanes that are decoded together.
    passes : int
        Number of coding passes.
    model : Predictor or None
    """
    return adapting + STEP_TIME * steps * passes + network_time(samples, steps, passes, model)


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
