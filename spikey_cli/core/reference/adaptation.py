"""Adaptation of mean and scale (docs/format.md, *Adaptation*; B. Widrow, M. E. Hoff, IRE WESCON 1960).

A channel has one linear predictor of its normalised prediction errors. `predict` and `update` are the LMS filter; the
rest are its inputs and what follows from its output. Values and means are in 1/64 codes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from .arithmetic import clip
from .density import inverse_scale, scale

N_WEIGHTS = 17


def predict(weights: Sequence[int], inputs: Sequence[int]) -> int:
    """p: predicted normalised error, times 16."""
    total = sum((weight >> 8) * x for weight, x in zip(weights, inputs, strict=False))
    return clip(total >> 12, 16 * 1023)


def update(weights: list[int], errors: Sequence[int], inputs: Sequence[Sequence[int]], rate: int) -> None:
    """Move the weights down the gradient; `errors` and `inputs` have an element for each lane."""
    for i in range(len(inputs[0]) if inputs else 0):
        total = sum(clip(e, 768) * x[i] for e, x in zip(errors, inputs, strict=True))
        weights[i] = clip(weights[i] + (total * rate >> 16), 2**24 - 1)


def rate(step: int, n_lanes: int) -> int:
    """Step size of a step: it decays to a constant."""
    return max(3328 * min(n_lanes, 48) // n_lanes, 2**27 // (step + 256) // n_lanes)


@dataclass
class LaneState:
    """What the adaptation keeps of a lane."""

    slow_mean: int
    """A, times 2**11."""
    square: int = 2**23
    """Q."""
    errors: dict[int, int] = field(default_factory=dict)
    """z by step; 0 at steps that are missing."""
    # of the current step
    log2_scale: int = 0
    """s, before adaptation."""
    mean: int = 0
    """n, before adaptation."""
    inputs: list[int] = field(default_factory=list)
    p: int = 0
    error: int = 0
    """e."""

    def z(self, step: int) -> int:
        """Return the normalised prediction error of a step."""
        return self.errors.get(step, 0)


def inputs_of(lane: LaneState, references: Sequence[LaneState], last_value: int, step: int) -> list[int]:
    """Return the inputs of the filter: DC term, own taps, taps of each reference."""
    dc_term = clip((last_value - (lane.slow_mean >> 11)) * inverse_scale(lane.log2_scale) >> 22, 1023)
    own = [lane.z(step - lag) for lag in (1, 2, 3, 4)]
    return [dc_term, *own, *(other.z(step - lag) for other in references for lag in (0, 1, 2))]


def corrected_mean(lane: LaneState) -> int:
    """Return the mean after adaptation, before it is clipped to the values of the quantizer."""
    return lane.mean + (lane.p * scale(lane.log2_scale) + 2**21 >> 22)


def corrected_scale(lane: LaneState) -> int:
    """Return s + round(4 log2(m / 2**16)): round(4 log2(x)) is floor((log2(x**8) + 1) / 2)."""
    m = (lane.square >> 15) * 256 + 128
    return lane.log2_scale + ((m**8).bit_length() - 8 * 16 >> 1)


def observe(lane: LaneState, value: int, step: int) -> None:
    """Take in the value of the step's code."""
    z = lane.errors[step] = clip((value - lane.mean) * inverse_scale(lane.log2_scale) >> 21, 1023)
    lane.slow_mean += value - (lane.slow_mean >> 11)
    lane.error = clip(z - (lane.p >> 4), 1023)
    lane.square += lane.error**2 - (lane.square >> 7)
