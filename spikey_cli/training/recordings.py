"""Training windows: samples of WAV files as codes, normalised as the codec will normalise them."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..errors import InputError
from ..gain import INPUT_FACTOR, INPUT_LIMIT, lane_gains
from ..lanes import cut
from ..source import look_through

LANE_STEPS = 8192
"""Length of the segments that share a gain, in samples; near what the codec chooses for a few hundred files."""


def read_split(sessions_csv: Path) -> dict[str, list[list[Path]]]:
    """Files of each split, grouped by session: {split: [[file, ...], ...]}, from a CSV of file, session, split."""
    splits: dict[str, dict[str, list[Path]]] = {}
    with sessions_csv.open(newline="") as file:
        for row in csv.DictReader(file):
            path = sessions_csv.parent / row["file"]
            splits.setdefault(row["split"], {}).setdefault(row["session"], []).append(path)
    return {split: list(sessions.values()) for split, sessions in splits.items()}


@dataclass(frozen=True)
class Windows:
    """Every sample of a set of threads that has a full window before it."""

    codes: Tensor
    """int32, all threads one after another."""
    gains: Tensor
    """Gain byte that applies at each of `codes`."""
    targets: Tensor
    """int32 positions in `codes` that can be predicted."""
    window: int

    def batch(self, choice: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """For `choice` of targets: windows [n, window] in input units, next differences [n] in codes, gains [n]."""
        at = self.targets[choice].long()
        stretch = self.codes[at[:, None] + torch.arange(-self.window - 1, 1)].long()
        difference = stretch[:, 1:] - stretch[:, :-1]
        gains = self.gains[at].long()
        factor = torch.from_numpy(INPUT_FACTOR)[gains]
        x = (difference[:, :-1] * factor[:, None] + (1 << 23)) >> 24
        return x.clamp(-INPUT_LIMIT, INPUT_LIMIT).float(), difference[:, -1].float(), gains

    def batches(self, size: int, generator: torch.Generator) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """Random batches without end."""
        while True:
            yield self.batch(torch.randint(self.targets.numel(), (size,), generator=generator))


def load(files: Sequence[Path], window: int) -> Windows:
    """Read all threads of the given WAV files."""
    codes, gains, targets = [], [], []
    position = 0
    for path in files:
        source = look_through(path, path.name)
        if source.layout is None:
            raise InputError(f"{path}: is no WAV of 8, 16 or 24 bits; train on recordings that the codec predicts")
        for flat in source.codes(source.read_frames(0, source.layout.n_frames)):
            lanes = cut([flat.size], LANE_STEPS)
            lane_gain = lane_gains(flat, lanes.start, lanes.length)
            codes.append(flat)
            gains.append(np.repeat(lane_gain, lanes.length))
            targets.append(np.arange(position + window + 1, position + flat.size, dtype=np.int32))
            position += flat.size
    return Windows(
        torch.from_numpy(np.concatenate(codes)),
        torch.from_numpy(np.concatenate(gains)),
        torch.from_numpy(np.concatenate(targets)),
        window,
    )
