"""Training windows: samples of WAV files as codes, normalised as the codec will normalise them."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..adc import CODE_UNITS, Bins, Profile
from ..errors import InputError
from ..gain import INPUT_FACTOR, INPUT_LIMIT, lane_gains
from ..lanes import cut
from ..source import look_through

FAR = 1e6
"""Where the outermost edges lie, in codes: the first and the last code take all that is beyond."""

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
    values: Tensor
    """Values of `codes`, int32, in 1/64 codes."""
    gains: Tensor
    """Gain byte that applies at each of `codes`."""
    targets: Tensor
    """int32 positions in `codes` that can be predicted."""
    window: int
    edges: Tensor
    """Edges of the bins of all codes, float32, in codes; those of the first and the last code lie far outside."""

    def batch(self, choice: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """For `choice` of targets: windows [n, window] in input units; lower and upper edge of the next code's bin [n],
        in codes less the last value; gains [n].
        """
        at = self.targets[choice].long()
        stretch = self.values[at[:, None] + torch.arange(-self.window - 1, 0)].long()
        gains = self.gains[at].long()
        factor = torch.from_numpy(INPUT_FACTOR)[gains]
        x = ((stretch[:, 1:] - stretch[:, :-1]) * factor[:, None] + (1 << 29)) >> 30
        code, last = self.codes[at].long(), stretch[:, -1].float() / CODE_UNITS
        windows = x.clamp(-INPUT_LIMIT, INPUT_LIMIT).float()
        return windows, self.edges[code] - last, self.edges[code + 1] - last, gains

    def batches(self, size: int, generator: torch.Generator) -> Iterator[tuple[Tensor, Tensor, Tensor, Tensor]]:
        """Random batches without end."""
        while True:
            yield self.batch(torch.randint(self.targets.numel(), (size,), generator=generator))


def load(files: Sequence[Path], window: int, profile: Profile | None = None) -> Windows:
    """Read all threads of the given WAV files, which are on one grid; `profile` is that of its converter."""
    codes, values, gains, targets = [], [], [], []
    position, grids = 0, set()
    for path in files:
        source = look_through(path, path.name)
        if source.layout is None:
            raise InputError(f"{path}: is no WAV of 8, 16 or 24 bits; train on recordings that the codec predicts")
        grids.add((source.grid.kind, source.grid.size))
        bins = Bins.of([source.grid], profile)
        for flat in source.codes(source.read_frames(0, source.layout.n_frames)):
            lanes = cut([flat.size], LANE_STEPS)
            codes.append(flat)
            values.append(bins.values_of(flat, np.repeat(bins.profiled, flat.size)).astype(np.int32))
            gains.append(np.repeat(lane_gains(flat, lanes, bins), lanes.length))
            targets.append(np.arange(position + window + 1, position + flat.size, dtype=np.int32))
            position += flat.size
    if len(grids) != 1:
        raise InputError(f"the recordings are on {len(grids)} grids; train on those of one converter")
    ((_, size),) = grids
    edges = np.arange(size + 1) - 0.5 if profile is None else profile.edges / CODE_UNITS
    edges[0], edges[-1] = -FAR, FAR
    return Windows(
        torch.from_numpy(np.concatenate(codes)),
        torch.from_numpy(np.concatenate(values)),
        torch.from_numpy(np.concatenate(gains)),
        torch.from_numpy(np.concatenate(targets)),
        window,
        torch.from_numpy(edges.astype(np.float32)),
    )
