"""Effort: what decoding a block takes of memory and time, reckoned before it is begun.

An archive says how many samples, lanes and steps a block has, and which network sees them. A few bytes may ask for very
many of these, so a reader reckons first, and compares with its `limits`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from ..core.coders import Coder
from ..model.predictor import Predictor

LANE_MEMORY = 1024
"""Bytes that are known of a lane on its walk, beside what the network makes of it."""

SAMPLE_TIME, PRODUCT_TIME = 30, 0.3
"""Nanoseconds that a sample takes, and each multiply-add of the network for it: on the slow side."""
STEP_TIME, CALL_TIME = 2_000, 25_000
"""Nanoseconds that a wave's step takes beside its samples, and each call of ONNX Runtime."""


def lane_memory(model: Predictor | None) -> int:
    """Bytes that a lane takes on its walk."""
    if model is None:
        return LANE_MEMORY
    # what ONNX Runtime makes of a lane stands in memory a few times over; a chain's lanes take turns
    return LANE_MEMORY + 4 * model.window + (0 if model.chain else 16 * model.widest)


def decoding_time(samples: int, steps: int, passes: int, coder: Coder, model: Predictor | None) -> float:
    """Nanoseconds, about, that so many samples take where so many waves take so many steps."""
    products, calls = 0, 0
    if model is not None:
        products = model.multiply_adds
        if not model.chain:
            calls = 1 + (2 * passes if model.message_peers else 1 if model.latent_rows else 0)
    return samples * (SAMPLE_TIME + PRODUCT_TIME * products) + steps * (STEP_TIME * passes + CALL_TIME * calls)


@dataclass
class CostBudget:
    """What decoding an archive took so far."""

    time: float = 0.0
    """Nanoseconds."""
    _blocks: set[int] = field(default_factory=set)

    def add(self, block: int, time: float) -> None:
        """Add a block's time; however often it is decoded, it counts once."""
        if block not in self._blocks:
            self._blocks.add(block)
            self.time += time
