"""Fit a predictor: the loss is the code length of the next sample, in bits."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor

from ..gain import LOG_SCALE
from .network import CENTRE_UNITS, SCALE_UNITS, IntegerNetwork
from .recordings import Windows

DEGREES_OF_FREEDOM = 8.0
"""Student's t with eight degrees: nearly Gaussian, with the tail that spikes need."""

BIN_VARIANCE = 1 / 12
"""A code is a bin one wide; its variance keeps the density of a sure prediction finite."""


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


def code_length(outputs: Tensor, difference: Tensor, gain: Tensor) -> Tensor:
    """Bits that each next difference [n] (codes) costs under the density that outputs [n, 2] describe."""
    nu = DEGREES_OF_FREEDOM
    log2_rms = torch.from_numpy(LOG_SCALE)[gain].float() / 16
    rms = torch.exp2(log2_rms)
    error = difference - outputs[:, 0] / CENTRE_UNITS * rms
    variance = torch.exp2(2 * (outputs[:, 1] / SCALE_UNITS + log2_rms)) + BIN_VARIANCE
    constant = math.lgamma((nu + 1) / 2) - math.lgamma(nu / 2) - 0.5 * math.log(nu * math.pi)
    nats = 0.5 * torch.log(variance) - constant + (nu + 1) / 2 * torch.log1p(error**2 / (variance * nu))
    return nats / math.log(2)


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
    for step, (windows, difference, gain) in zip(
        range(first_step, recipe.steps), training.batches(recipe.batch, generator), strict=False
    ):
        rate = min(1.0, step / 200) * 0.5 * (1 + math.cos(math.pi * step / recipe.steps))
        for group in optimiser.param_groups:
            group["lr"] = recipe.learning_rate * rate
        loss = code_length(network(windows), difference, gain).mean()
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
