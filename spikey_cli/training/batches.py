"""Batches of training: the same moments of threads that were recorded together."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..core.converter import CODE_UNITS
from ..core.gain import INPUT_FACTOR, INPUT_LIMIT
from ..errors import InputError
from .recordings import Channels


@dataclass(frozen=True)
class Batch:
    """Rows, each some successive steps of one thread, and who sends whom messages among them."""

    windows: Tensor
    """Inputs of the network, float32 [rows, steps, window]."""
    low: Tensor
    """Lower edge of the next code's bin, in codes less the last value: float32 [rows, steps]."""
    high: Tensor
    """Its upper edge."""
    delta: Tensor
    """The next value less the last one, in codes: float32 [rows, steps]."""
    gain: Tensor
    """Gain bytes, int64 [rows, steps]."""
    passes: Tensor
    """Wave of each row, int64 [rows]."""
    receiver: Tensor
    """Row that each message goes to, int64 [messages]."""
    sender: Tensor
    metric: Tensor
    """float32 [messages], 0..255."""

    def part(self, rows: Tensor) -> Batch:
        """Some rows, without messages."""
        none = self.receiver[:0]
        return Batch(
            self.windows[rows],
            self.low[rows],
            self.high[rows],
            self.delta[rows],
            self.gain[rows],
            self.passes[rows],
            none,
            none,
            self.metric[:0],
        )


def at_moments(channels: Channels, rows: np.ndarray, at: np.ndarray, window: int, steps: int) -> Batch:
    """Threads `rows` from their sample `at` on, both int64 [rows]; without messages. `at` is beyond `window`."""
    first = torch.from_numpy(channels.start[rows] + at)
    stretch = channels.values[first[:, None] + torch.arange(-window - 1, steps)].long()
    own = first[:, None] + torch.arange(steps)
    gain = channels.gains[own].long()
    step = stretch[:, 1:] - stretch[:, :-1]
    # of each step: the `window` differences before it
    before = step[:, :-1].unfold(1, window, 1)
    factor = torch.from_numpy(INPUT_FACTOR)[gain]
    x = ((before * factor[..., None] + (1 << 29)) >> 30).clamp(-INPUT_LIMIT, INPUT_LIMIT)
    code = channels.codes[own].long()
    last = stretch[:, window:-1].float() / CODE_UNITS
    none = torch.zeros(0, dtype=torch.int64)
    return Batch(
        x.float(),
        channels.edges[code] - last,
        channels.edges[code + 1] - last,
        step[:, window:].float() / CODE_UNITS,
        gain,
        torch.from_numpy(channels.coding_pass[rows]),
        none,
        none,
        none.float(),
    )


def random_batches(
    channels: Channels, window: int, steps: int, size: int, generator: np.random.Generator
) -> Iterator[Batch]:
    """Batches of about `size` samples without end: random moments of random groups, as often as they have samples.

    Raises InputError where all recordings are too short.
    """
    usable = np.maximum(channels.group_length - window - steps, 0)
    if not usable.any():
        raise InputError(f"no recording is longer than {window + steps} samples; give longer ones, or a smaller window")
    reach = np.cumsum(usable)
    mean_channels = np.diff(channels.group_first) @ usable / reach[-1]
    n_groups = max(1, round(size / steps / mean_channels))
    while True:
        place = generator.integers(0, reach[-1], n_groups)
        group = np.searchsorted(reach, place, "right")
        at = place - (reach[group] - usable[group]) + window + 1
        yield of_groups(channels, group, at, window, steps)


def of_groups(channels: Channels, group: np.ndarray, at: np.ndarray, window: int, steps: int) -> Batch:
    """All threads of the groups from their samples `at` on, with the messages among them."""
    which, inside = _spread(np.diff(channels.group_first)[group])
    batch = at_moments(channels, channels.group_first[group][which] + inside, at[which], window, steps)
    first_row = np.searchsorted(which, np.arange(group.size))
    message_of, k = _spread(np.diff(channels.first_message)[group])
    message = channels.first_message[group][message_of] + k
    offset = first_row[message_of] - channels.group_first[group][message_of]
    return Batch(
        batch.windows,
        batch.low,
        batch.high,
        batch.delta,
        batch.gain,
        batch.passes,
        torch.from_numpy(channels.receiver[message] + offset),
        torch.from_numpy(channels.sender[message] + offset),
        torch.from_numpy(channels.metric[message]),
    )


def _spread(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For counts 2, 0, 3: owners 0 0 2 2 2, and their places 0 1 0 1 2."""
    owner = np.repeat(np.arange(counts.size), counts)
    return owner, np.arange(owner.size) - np.repeat(np.cumsum(counts) - counts, counts)
