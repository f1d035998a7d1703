"""Fit a network: gradient descent on the code length, with early stopping on sessions that it does not learn from."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from ..errors import InputError
from .batches import Batch, random_batches
from .config import Config
from .loss import code_length
from .network import IntegerNetwork
from .recordings import Channels

_LOOKED_AT = 200_000  # held-out samples of one look, at most
_LOOK_BATCH = 4096
_WARM_UP = 200  # steps in which the learning rate rises


@dataclass(frozen=True)
class Look:
    """A look at how far training has come."""

    step: int
    learning_rate: float
    trained_bits: float
    """Bits/sample, the mean over the steps since the last look."""
    held_out_bits: float
    """Bits/sample on the held-out sessions, by the network alone."""
    seconds_left: float
    """Until the last step, at the speed since the start."""


def fit(
    config: Config, training: Channels, held_out: Channels, checkpoint: Path | None, report: Callable[[Look], None]
) -> IntegerNetwork:
    """Train a network, from `checkpoint` where that exists; the best one seen at a look is returned.

    The same configuration and recordings on the same machine give the same network. Raises InputError where the
    checkpoint is of another configuration, or no recording is long enough.
    """
    recipe = config.training
    steps = recipe.unroll if config.is_recurrent else 1
    filling = steps // 3
    torch.manual_seed(recipe.seed)
    network = IntegerNetwork(config)
    optimiser = torch.optim.Adam(network.parameters(), lr=recipe.learning_rate)
    generator = np.random.default_rng(recipe.seed)
    batches = random_batches(training, config.window, steps, recipe.batch, generator)
    done, best, since_best = 0, math.inf, 0
    best_weights = network.state_dict()
    if checkpoint and checkpoint.exists():
        state = torch.load(checkpoint, weights_only=True)
        if state["config"] != config.model_dump_json():
            raise InputError(f"{checkpoint}: is of another configuration; remove it, or go on with that one")
        network.load_state_dict(state["network"])
        optimiser.load_state_dict(state["optimiser"])
        generator.bit_generator.state = state["generator"]
        done, best, since_best, best_weights = (state[key] for key in ("step", "best", "since_best", "best_weights"))
    started, first, trained, n_trained = time.monotonic(), done, 0.0, 0
    while done < recipe.steps and since_best < recipe.patience:
        rate = recipe.learning_rate * min(1.0, done / _WARM_UP) * 0.5 * (1 + math.cos(math.pi * done / recipe.steps))
        for group in optimiser.param_groups:
            group["lr"] = rate
        batch = next(batches)
        loss = code_length(network(batch), batch)[:, filling:].mean()
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        done, trained, n_trained = done + 1, trained + loss.item(), n_trained + 1
        if done % recipe.evaluate_every and done < recipe.steps:
            continue
        bits = held_out_bits(network, held_out)
        since_best = 0 if bits < best else since_best + 1
        if bits < best:
            best, best_weights = bits, {name: value.clone() for name, value in network.state_dict().items()}
        left = (time.monotonic() - started) / (done - first) * (recipe.steps - done)
        report(Look(done, rate, trained / n_trained, bits, left))
        trained, n_trained = 0.0, 0
        if checkpoint:
            _keep(
                checkpoint,
                {
                    "config": config.model_dump_json(),
                    "network": network.state_dict(),
                    "optimiser": optimiser.state_dict(),
                    "generator": generator.bit_generator.state,
                    "step": done,
                    "best": best,
                    "since_best": since_best,
                    "best_weights": best_weights,
                },
            )
    network.load_state_dict(best_weights)
    return network


def _keep(checkpoint: Path, state: dict[str, object]) -> None:
    part = checkpoint.with_suffix(".part")
    torch.save(state, part)
    part.replace(checkpoint)


def held_out_batches(network: IntegerNetwork, held_out: Channels) -> list[Batch]:
    """The same moments of the held-out sessions each time."""
    config = network.config
    steps = config.training.unroll if config.is_recurrent else 1
    batches = random_batches(held_out, config.window, steps, _LOOK_BATCH, np.random.default_rng(0))
    samples = min(_LOOKED_AT, held_out.codes.numel())
    return [next(batches) for _ in range(max(1, samples // _LOOK_BATCH))]


@torch.no_grad()
def held_out_bits(network: IntegerNetwork, held_out: Channels) -> float:
    """Bits/sample on the held-out sessions."""
    total, n = 0.0, 0
    for batch in held_out_batches(network, held_out):
        bits = code_length(network(batch), batch)
        bits = bits[:, bits.shape[1] // 3 :] if network.config.is_recurrent else bits
        total, n = total + bits.double().sum().item(), n + bits.numel()
    return total / n
