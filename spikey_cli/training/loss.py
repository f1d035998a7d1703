"""The loss of training: the code length of the next sample in bits, as the range coder codes it."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ..core.density import MARGIN, MAX_LOG2_SCALE, MAX_OUTLIER_WEIGHT, MIN_LOG2_SCALE, TOTAL_BITS
from ..core.gain import gain_table
from ..core.middle_out import ERROR_LIMIT
from ..core.residual_log import UNIT
from .batches import Batch

MEAN_UNITS = 1024
"""Units of output row 0: the predicted mean, to one RMS of the differences."""
SCALE_UNITS = 16
"""Units of output row 1: the log2 scale, to the octave."""
OUTLIER_UNITS = 4
"""Units of output row 2: the outlier weight, to the octave."""


def densities(outputs: Tensor, gain: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Parameters of the predicted densities; see `core.density`.

    Parameters
    ----------
    outputs : Tensor, shape (..., 3)
        Outputs of the network.
    gain : Tensor of int64, shape (...)
        Gain bytes.

    Returns
    -------
    mean, scale, outlier_weight : Tensor, shape (...)
        Mean and scale are in codes, the mean relative to the last value.
    """
    log2_rms = torch.from_numpy(gain_table("log2_rms"))[gain].float() / SCALE_UNITS
    mean = outputs[..., 0] / MEAN_UNITS * torch.exp2(log2_rms)
    log2_scale = (outputs[..., 1] / SCALE_UNITS + log2_rms).clamp(
        MIN_LOG2_SCALE / SCALE_UNITS, MAX_LOG2_SCALE / SCALE_UNITS
    )
    weight = torch.exp2((outputs[..., 2].clamp(0, MAX_OUTLIER_WEIGHT) - MAX_OUTLIER_WEIGHT) / OUTLIER_UNITS - 1)
    return mean, torch.exp2(log2_scale), weight


def code_length(outputs: Tensor, batch: Batch) -> Tensor:
    """Bits of each next code, shape (rows, steps): -log2 of the mass of its bin."""
    mean, scale, weight = densities(outputs, batch.gain)

    def twice_distribution(edge: Tensor) -> Tensor:
        z = (edge - mean) / (scale * math.sqrt(2))
        return (1 - weight) * torch.erf(z) + weight * torch.erf(z / 4)

    mass = (twice_distribution(batch.high) - twice_distribution(batch.low)) / 2
    least = MARGIN / 2**TOTAL_BITS
    return -torch.log2(mass * (1 - 1024 * least) + least)


def normalised_errors(outputs: Tensor, batch: Batch) -> Tensor:
    """Normalised prediction errors of the next values, shape (rows, steps), in the units of messages: UNIT to one."""
    mean, scale, _ = densities(outputs, batch.gain)
    z = (batch.delta - mean) / scale * UNIT
    return (z + (torch.floor(z) - z).detach()).clamp(-ERROR_LIMIT, ERROR_LIMIT)
