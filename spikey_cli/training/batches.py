"""Batches for training: successive samples of channels, at the same times for channels that were recorded together."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from ..core.converter import CODE_UNITS
from ..core.gain import INPUT_LIMIT, gain_table
from ..errors import InputError
from .recordings import Dataset


@dataclass(frozen=True)
class Batch:
    """Rows of successive steps of one channel each, and the messages between rows. Amplitudes are in codes."""

    windows: Tensor
    """Inputs of the network, float32 [rows, steps, window]."""
    low: Tensor
    """Lower edge of the next code's bin minus the last value, float32 [rows, steps]."""
    high: Tensor
    """Upper edge of the next code's bin minus the last value, float32 [rows, steps]."""
    delta: Tensor
    """Next value minus the last value, float32 [rows, steps]."""
    gain: Tensor
    """Gain bytes, int64 [rows, steps]."""
    passes: Tensor
    """Coding pass of each row, int64 [rows]."""
    receiver: Tensor
    """Row that receives each message, int64 [messages]."""
    sender: Tensor
    """Row that sends each message, int64 [messages]."""
    metric: Tensor
    """Metric of each message's peers, 0 to 255, float32 [messages]."""

    def rows(self, index: Tensor) -> Batch:
        """Some of the rows, without messages."""
        return Batch(
            self.windows[index],
            self.low[index],
            self.high[index],
            self.delta[index],
            self.gain[index],
            self.passes[index],
            self.receiver[:0],
            self.sender[:0],
            self.metric[:0],
        )


def channel_batch(dataset: Dataset, channels: np.ndarray, first: np.ndarray, window: int, steps: int) -> Batch:
    """One row for each of some channels, without messages.

    Parameters
    ----------
    dataset : Dataset
    channels : ndarray of int64, shape (rows,)
    first : ndarray of int64, shape (rows,)
        Index of each row's first sample in its channel, greater than `window`.
    window : int
        Differences that the network sees.
    steps : int
        Successive samples of each row.

    Returns
    -------
    Batch
    """
    start = torch.from_numpy(dataset.start[channels] + first)
    values = dataset.values[start[:, None] + torch.arange(-window - 1, steps)].long()
    samples = start[:, None] + torch.arange(steps)
    gain = dataset.gains[samples].long()
    differences = values[:, 1:] - values[:, :-1]
    windows = differences[:, :-1].unfold(1, window, 1)
    factor = torch.from_numpy(gain_table("input_factor"))[gain]
    inputs = ((windows * factor[..., None] + (1 << 29)) >> 30).clamp(-INPUT_LIMIT, INPUT_LIMIT)
    code = dataset.codes[samples].long()
    last = values[:, window:-1].float() / CODE_UNITS
    no_messages = torch.zeros(0, dtype=torch.int64)
    return Batch(
        inputs.float(),
        dataset.edges[code] - last,
        dataset.edges[code + 1] - last,
        differences[:, window:].float() / CODE_UNITS,
        gain,
        torch.from_numpy(dataset.coding_pass[channels]),
        no_messages,
        no_messages,
        no_messages.float(),
    )


def random_batches(
    dataset: Dataset, window: int, steps: int, size: int, generator: np.random.Generator
) -> Iterator[Batch]:
    """Batches of about `size` samples without end, at random times of random groups, each as often as it has samples.

    Raises
    ------
    InputError
        All recordings are too short.
    """
    usable = np.maximum(dataset.group_length - window - steps, 0)
    if not usable.any():
        raise InputError(
            f"no recording is longer than {window + steps} samples; train on longer ones, or with a smaller window"
        )
    ends = np.cumsum(usable)
    mean_channels = np.diff(dataset.group_first) @ usable / ends[-1]
    n_groups = max(1, round(size / steps / mean_channels))
    while True:
        position = generator.integers(0, ends[-1], n_groups)
        group = np.searchsorted(ends, position, "right")
        first = position - (ends[group] - usable[group]) + window + 1
        yield group_batch(dataset, group, first, window, steps)


def group_batch(dataset: Dataset, group: np.ndarray, first: np.ndarray, window: int, steps: int) -> Batch:
    """One row for each channel of some groups, from the groups' samples `first` on, with the messages between rows."""
    group_of_row, k = _expand(np.diff(dataset.group_first)[group])
    batch = channel_batch(dataset, dataset.group_first[group][group_of_row] + k, first[group_of_row], window, steps)
    first_row = np.searchsorted(group_of_row, np.arange(group.size))
    group_of_message, k = _expand(np.diff(dataset.first_message)[group])
    message = dataset.first_message[group][group_of_message] + k
    offset = first_row[group_of_message] - dataset.group_first[group][group_of_message]
    return replace(
        batch,
        receiver=torch.from_numpy(dataset.receiver[message] + offset),
        sender=torch.from_numpy(dataset.sender[message] + offset),
        metric=torch.from_numpy(dataset.metric[message]),
    )


def _expand(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For counts 2, 0, 3: owners 0 0 2 2 2, and positions within the owner 0 1 0 1 2."""
    owner = np.repeat(np.arange(counts.size), counts)
    return owner, np.arange(owner.size) - np.repeat(np.cumsum(counts) - counts, counts)
