"""The loss of training: the code length of the next sample, in bits, as the range coder will spend it."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ..core.adaptation import LIMIT, UNIT
from ..core.density import MARGIN, MAX_LOG2_SCALE, MAX_OUTLIER_WEIGHT, MIN_LOG2_SCALE, TOTAL_BITS
from ..core.gain import LOG_SCALE
from .batches import Batch

CENTRE_UNITS = 1024
SCALE_UNITS = 16
TAIL_UNITS = 4


def densities(outputs: Tensor, gain: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Centre and spread, in codes, and the tail's weight that outputs [..., 3] describe; see `coders.density`."""
    log2_rms = torch.from_numpy(LOG_SCALE)[gain].float() / SCALE_UNITS
    centre = outputs[..., 0] / CENTRE_UNITS * torch.exp2(log2_rms)
    log2_spread = (outputs[..., 1] / SCALE_UNITS + log2_rms).clamp(
        MIN_LOG2_SCALE / SCALE_UNITS, MAX_LOG2_SCALE / SCALE_UNITS
    )
    weight = torch.exp2((outputs[..., 2].clamp(0, MAX_OUTLIER_WEIGHT) - MAX_OUTLIER_WEIGHT) / TAIL_UNITS - 1)
    return centre, torch.exp2(log2_spread), weight


def code_length(outputs: Tensor, batch: Batch) -> Tensor:
    """Bits that each next code costs [rows, steps]: those of the mass of its bin."""
    centre, spread, weight = densities(outputs, batch.gain)

    def twice(edge: Tensor) -> Tensor:
        z = (edge - centre) / (spread * math.sqrt(2))
        return (1 - weight) * torch.erf(z) + weight * torch.erf(z / 4)

    least = MARGIN / 2**TOTAL_BITS
    return -torch.log2((twice(batch.high) - twice(batch.low)) / 2 * (1 - 1024 * least) + least)


def innovations(outputs: Tensor, batch: Batch) -> Tensor:
    """Innovations of the next values [rows, steps], as messages carry them: integers, UNIT to one spread."""
    centre, spread, _ = densities(outputs, batch.gain)
    z = (batch.delta - centre) / spread * UNIT
    return (z + (torch.floor(z) - z).detach()).clamp(-LIMIT, LIMIT)
