"""Fit a predictor: the loss is the code length of the next sample, in bits."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor

from ..coders.density import MARGIN, MAX_SCALE, MIN_SCALE, TAIL_FULL, TOTAL_BITS
from ..gain import LOG_SCALE
from .network import CENTRE_UNITS, SCALE_UNITS, TAIL_UNITS, IntegerNetwork
from .recordings import Windows


@dataclass(frozen=True)
class Recipe:
    """All that decides what comes out of training, beside the recordings."""

    window: int = 32
    hidden: tuple[int, ...] = (16, 16)
    steps: int = 100_000
    batch: int = 4096
    learning_rate: float = 3e-3
    seed: int = 0

    def as_json(self) -> dict[str, object]:
        """The recipe as JSON data."""
        return asdict(self)


def densities(outputs: Tensor, gain: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Centre and spread, in codes, and the tail's weight that outputs [n, 3] describe; see `coders.density`."""
    log2_rms = torch.from_numpy(LOG_SCALE)[gain].float() / SCALE_UNITS
    centre = outputs[:, 0] / CENTRE_UNITS * torch.exp2(log2_rms)
    log2_spread = (outputs[:, 1] / SCALE_UNITS + log2_rms).clamp(MIN_SCALE / SCALE_UNITS, MAX_SCALE / SCALE_UNITS)
    weight = torch.exp2((outputs[:, 2].clamp(0, TAIL_FULL) - TAIL_FULL) / TAIL_UNITS - 1)
    return centre, torch.exp2(log2_spread), weight


def code_length(outputs: Tensor, low: Tensor, high: Tensor, gain: Tensor) -> Tensor:
    """Bits that each next code costs: that of the mass of its bin, low..high [n], in codes less the last value."""
    centre, spread, weight = densities(outputs, gain)

    def twice(edge: Tensor) -> Tensor:
        z = (edge - centre) / (spread * math.sqrt(2))
        return (1 - weight) * torch.erf(z) + weight * torch.erf(z / 4)

    least = MARGIN / 2**TOTAL_BITS
    return -torch.log2((twice(high) - twice(low)) / 2 * (1 - 1024 * least) + least)


def fit(recipe: Recipe, training: Windows, checkpoint: Path, report: Callable[[str], None]) -> IntegerNetwork:
    """Train a network, from `checkpoint` where that exists; the learning rate falls along half a cosine.

    The same recipe and recordings on the same machine give the same network. Reports a line now and then.
    """
    torch.manual_seed(recipe.seed)
    network = IntegerNetwork(recipe.window, recipe.hidden)
    optimiser = torch.optim.Adam(network.parameters(), lr=recipe.learning_rate)
    generator = torch.Generator().manual_seed(recipe.seed)
    first_step = 0
    if checkpoint.exists():
        state = torch.load(checkpoint, weights_only=True)
        network.load_state_dict(state["network"])
        optimiser.load_state_dict(state["optimiser"])
        generator.set_state(state["generator"])
        first_step = state["step"]
    started, mean_bits = time.monotonic(), 0.0
    for step, (windows, *target) in zip(
        range(first_step, recipe.steps), training.batches(recipe.batch, generator), strict=False
    ):
        rate = min(1.0, step / 200) * 0.5 * (1 + math.cos(math.pi * step / recipe.steps))
        for group in optimiser.param_groups:
            group["lr"] = recipe.learning_rate * rate
        loss = code_length(network(windows), *target).mean()
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        mean_bits += (loss.item() - mean_bits) / min(step - first_step + 1, 500)
        if (step + 1) % 2000 == 0:
            left = (time.monotonic() - started) / (step + 1 - first_step) * (recipe.steps - step - 1)
            report(f"step {step + 1}/{recipe.steps}  {mean_bits:.4f} bits/sample  {left / 60:.1f} min left")
            torch.save(
                {
                    "network": network.state_dict(),
                    "optimiser": optimiser.state_dict(),
                    "generator": generator.get_state(),
                    "step": step + 1,
                },
                checkpoint,
            )
    return network
