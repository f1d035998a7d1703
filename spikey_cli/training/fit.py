"""Fit a network: gradient descent on the code length, with early stopping on held-out sessions."""

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
from .recordings import Dataset

_EVALUATED_SAMPLES = 200_000
"""Largest number of held-out samples of one evaluation."""
_EVALUATION_BATCH = 4096
_WARM_UP_STEPS = 200


@dataclass(frozen=True)
class Evaluation:
    """The progress of a training."""

    step: int
    learning_rate: float
    training_bits: float
    """Mean bits/sample of the steps since the last evaluation."""
    held_out_bits: float
    """Bits/sample on the held-out sessions, by the network alone, without adaptation."""
    seconds_left: float
    """Estimated time to the last step."""


def fit(
    config: Config,
    training: Dataset,
    held_out: Dataset,
    checkpoint: Path | None,
    report: Callable[[Evaluation], None],
) -> IntegerNetwork:
    """Train a network and return the one that was best on the held-out recordings.

    The same configuration and recordings give the same network on the same machine.

    Parameters
    ----------
    config : Config
    training : Dataset
        Recordings to fit.
    held_out : Dataset
        Recordings for early stopping.
    checkpoint : Path, optional
        File that the state is saved to at each evaluation. If it exists, training resumes from it.
    report : callable
        Gets each Evaluation.

    Returns
    -------
    IntegerNetwork

    Raises
    ------
    InputError
        The checkpoint belongs to another configuration, or all recordings are too short.
    """
    recipe = config.training
    steps, warm_up = _unrolled_steps(config)
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
            raise InputError(
                f"{checkpoint}: belongs to another configuration; remove it, or resume with that configuration"
            )
        network.load_state_dict(state["network"])
        optimiser.load_state_dict(state["optimiser"])
        generator.bit_generator.state = state["generator"]
        done, best, since_best, best_weights = (state[key] for key in ("step", "best", "since_best", "best_weights"))
    started, first, total_bits, n_steps = time.monotonic(), done, 0.0, 0
    while done < recipe.steps and since_best < recipe.patience:
        # half a cosine, after a linear warm-up
        rate = (
            recipe.learning_rate * min(1.0, done / _WARM_UP_STEPS) * (1 + math.cos(math.pi * done / recipe.steps)) / 2
        )
        for group in optimiser.param_groups:
            group["lr"] = rate
        batch = next(batches)
        loss = code_length(network(batch), batch)[:, warm_up:].mean()
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        done, total_bits, n_steps = done + 1, total_bits + loss.item(), n_steps + 1
        if done % recipe.evaluate_every and done < recipe.steps:
            continue
        bits = held_out_bits(network, held_out)
        since_best = 0 if bits < best else since_best + 1
        if bits < best:
            best, best_weights = bits, {name: value.clone() for name, value in network.state_dict().items()}
        seconds_left = (time.monotonic() - started) / (done - first) * (recipe.steps - done)
        report(Evaluation(done, rate, total_bits / n_steps, bits, seconds_left))
        total_bits, n_steps = 0.0, 0
        if checkpoint:
            _save(
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


def _unrolled_steps(config: Config) -> tuple[int, int]:
    """Successive steps of a row, and how many of the first ones only build up the state of a recurrent network."""
    steps = config.training.unroll if config.is_recurrent else 1
    return steps, steps // 3


def _save(checkpoint: Path, state: dict[str, object]) -> None:
    part = checkpoint.with_suffix(".part")
    torch.save(state, part)
    part.replace(checkpoint)


def held_out_batches(network: IntegerNetwork, held_out: Dataset) -> list[Batch]:
    """Batches of the held-out recordings, the same ones at each call."""
    config = network.config
    steps, _ = _unrolled_steps(config)
    batches = random_batches(held_out, config.window, steps, _EVALUATION_BATCH, np.random.default_rng(0))
    samples = min(_EVALUATED_SAMPLES, held_out.codes.numel())
    return [next(batches) for _ in range(max(1, samples // _EVALUATION_BATCH))]


@torch.no_grad()
def held_out_bits(network: IntegerNetwork, held_out: Dataset) -> float:
    """Bits/sample on the held-out recordings, by the network alone."""
    _, warm_up = _unrolled_steps(network.config)
    total, n = 0.0, 0
    for batch in held_out_batches(network, held_out):
        bits = code_length(network(batch), batch)[:, warm_up:]
        total, n = total + bits.double().sum().item(), n + bits.numel()
    return total / n
