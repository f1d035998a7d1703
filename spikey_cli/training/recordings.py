"""Recordings to train on: which files belong together, and their threads as the codec will see them."""

from __future__ import annotations

import csv
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..api.compress import find_sessions
from ..codec.scan import ScannedSource, scan
from ..core.converter import CODE_UNITS, Bins, Profile
from ..core.gain import lane_gains
from ..core.lanes import cut
from ..errors import InputError
from ..topology.references import BlockChannel, ReferenceGraph

FAR = 1e6
"""Where the outermost edges lie, in codes: the first and the last code take all that is beyond."""

LANE_STEPS = 8192
"""Length of the segments that share a gain, in samples; near what the codec chooses for a few hundred files."""

VAL_SHARE = 0.2
"""Part of the sessions that is only measured on, where no list says which."""


@dataclass(frozen=True)
class Split:
    """Files by session: each inner list was recorded together, and stays together."""

    train: list[list[Path]]
    val: list[list[Path]]

    def hold_out(self, share: float, seed: int) -> tuple[list[list[Path]], list[list[Path]]]:
        """The training sessions, shuffled and cut in two: those to fit, and `share` of them to stop early by."""
        sessions = list(self.train)
        random.Random(seed).shuffle(sessions)
        n = min(max(1, round(share * len(sessions))), len(sessions) - 1)
        if n < 1:
            raise InputError("there is one session to train on; give recordings of at least two, one to stop early by")
        return sessions[n:], sessions[:n]


def read_split(folder: Path, seed: int) -> Split:
    """The sessions below a folder: as its sessions.csv says (file, session, split), or as the threads' topology tells.

    Raises InputError where there are too few, or the list names what is not there.
    """
    listed = folder / "sessions.csv"
    if listed.is_file():
        split = _read_listed(listed)
    else:
        files = sorted(path for path in folder.rglob("*") if path.suffix.lower() == ".wav")
        if not files:
            raise InputError(f"{folder}: holds no WAV files; give a folder of recordings")
        looks = (scan(path) for path in files)
        sources = [source for source in looks if source.layout and source.layout.n_frames]
        sessions = [[Path(str(sources[i].source)) for i in session] for session in find_sessions(sources)[1]]
        random.Random(seed).shuffle(sessions)
        n = round(VAL_SHARE * len(sessions))
        split = Split(sessions[n:], sessions[:n])
    if len(split.train) < 2 or not split.val:
        raise InputError(
            f"{folder}: {len(split.train)} sessions to train on and {len(split.val)} to measure on; "
            "at least two and one are needed"
        )
    return split


def _read_listed(sessions_csv: Path) -> Split:
    splits: dict[str, dict[str, list[Path]]] = {"train": {}, "val": {}}
    with sessions_csv.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if not {"file", "session", "split"} <= row.keys():
                raise InputError(f"{sessions_csv}: has no columns file, session and split")
            path = sessions_csv.parent / row["file"]
            splits.setdefault(row["split"], {}).setdefault(row["session"], []).append(path)
    shared = splits["train"].keys() & splits["val"].keys()
    if shared:
        raise InputError(f"{sessions_csv}: the session {sorted(shared)[0]} is in both splits; put it into one")
    return Split(list(splits["train"].values()), list(splits["val"].values()))


@dataclass(frozen=True)
class Channels:
    """Threads of recordings on one grid, flat; those of a group, which send each other messages, stand together."""

    codes: Tensor
    """int32, all threads one after another."""
    values: Tensor
    """Values of `codes`, int32, in 1/64 codes."""
    gains: Tensor
    """Gain byte that applies at each of `codes`."""
    edges: Tensor
    """Edges of the bins of all codes, float32, in codes; those of the first and the last code lie far outside."""
    start: np.ndarray
    """First sample of each thread in `codes`, int64."""
    coding_pass: np.ndarray
    """Of each thread, int64."""
    group_first: np.ndarray
    """First thread of each group, then the number of threads: int64."""
    group_length: np.ndarray
    """Samples of each of a group's threads, int64."""
    first_message: np.ndarray
    """First message of each group, then the number of messages: int64."""
    receiver: np.ndarray
    """Thread that each message goes to, int64."""
    sender: np.ndarray
    metric: np.ndarray
    """float32, 0..255."""

    @property
    def length(self) -> np.ndarray:
        """Samples of each thread, int64."""
        return np.diff(self.start, append=self.codes.numel())


def load(files: Sequence[Path], profile: Profile | None = None, peers: int = 0) -> Channels:
    """Read all threads of WAV files, which are on one grid; `profile` is that of its converter.

    At most `peers` of those that each thread leans on send it messages; without any, each thread is its own group.
    Raises InputError where a file cannot be predicted, or grids differ.
    """
    sources = [scan(path) for path in files]
    for path, source in zip(files, sources, strict=True):
        if source.layout is None or source.layout.n_frames == 0:
            raise InputError(
                f"{path}: is no WAV of 8, 16 or 24 bits with samples in it; train on recordings without it"
            )
    quantizers = {(source.quantizer.kind, source.quantizer.size) for source in sources}
    if len(quantizers) != 1:
        raise InputError(f"the recordings are on {len(quantizers)} grids; train on those of one converter")
    ((_, size),) = quantizers
    topology, _ = find_sessions(sources, peers > 0)
    in_groups = topology.sessions()
    frames = [source.layout.n_frames for source in sources if source.layout for _ in range(source.channels)]
    reference_graph = ReferenceGraph.of(topology, [BlockChannel(channel, 0, n) for channel, n in enumerate(frames)])
    flats = _read_channels(sources, profile)
    order = [channel for group in in_groups for channel in group]
    new = {channel: i for i, channel in enumerate(order)}
    messages = [
        [
            (new[channel], new[other], metric)
            for channel in group
            for other, metric in list(
                zip(reference_graph.references[channel], reference_graph.metrics[channel], strict=True)
            )[:peers]
        ]
        for group in in_groups
    ]
    flat_messages = np.array([message for own in messages for message in own], dtype=np.int64).reshape(-1, 3)
    edges = np.arange(size + 1) - 0.5 if profile is None else profile.edges / CODE_UNITS
    edges[0], edges[-1] = -FAR, FAR
    lengths = np.array([frames[channel] for channel in order], dtype=np.int64)
    codes, values, gains = (torch.from_numpy(np.concatenate([flats[t][k] for t in order])) for k in range(3))
    return Channels(
        codes,
        values,
        gains,
        torch.from_numpy(edges.astype(np.float32)),
        start=np.cumsum(lengths) - lengths,
        coding_pass=np.array([topology.passes[channel] for channel in order], dtype=np.int64),
        group_first=np.cumsum([0, *map(len, in_groups)]),
        group_length=np.array([frames[group[0]] for group in in_groups], dtype=np.int64),
        first_message=np.cumsum([0, *map(len, messages)]),
        receiver=flat_messages[:, 0].copy(),
        sender=flat_messages[:, 1].copy(),
        metric=flat_messages[:, 2].astype(np.float32),
    )


def _read_channels(sources: Sequence[ScannedSource], profile: Profile | None) -> list[tuple[np.ndarray, ...]]:
    """Codes, values and gains of each thread."""
    channels: list[tuple[np.ndarray, ...]] = []
    for source in sources:
        assert source.layout is not None
        bins = Bins.of([source.quantizer], profile)
        for flat in source.codes(source.read_frames(0, source.layout.n_frames)):
            lanes = cut([flat.size], LANE_STEPS)
            values = bins.values_of(flat, np.repeat(bins.profiled, flat.size)).astype(np.int32)
            channels.append((flat, values, np.repeat(lane_gains(flat, lanes, bins), lanes.length)))
    return channels
