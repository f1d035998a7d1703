"""Recordings for training: their split by sessions, and their channels as the codec codes them."""

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
from ..topology.discovery import USUAL_EARLIER
from ..topology.references import BlockChannel, ReferenceGraph

FAR = 1e6
"""Distance of the outermost edges, in codes: the first and the last bin are open."""

LANE_STEPS = 8192
"""Samples of a lane, which share a gain; about what the codec chooses for a few hundred files."""

VALIDATION_SHARE = 0.2
"""Share of the sessions that is only measured on, if no sessions.csv gives the split."""


@dataclass(frozen=True)
class Split:
    """Files by session; files of a session were recorded together."""

    train: list[list[Path]]
    val: list[list[Path]]

    def hold_out(self, share: float, seed: int) -> tuple[list[list[Path]], list[list[Path]]]:
        """Divide the training sessions at random.

        Parameters
        ----------
        share : float
            Share of the held-out sessions.
        seed : int

        Returns
        -------
        training, held_out : list of list of Path
            At least one session each.

        Raises
        ------
        InputError
            There is only one session.
        """
        sessions = list(self.train)
        random.Random(seed).shuffle(sessions)
        n = min(max(1, round(share * len(sessions))), len(sessions) - 1)
        if n < 1:
            raise InputError(
                "there is only one session to train on; add recordings of another one, which early stopping needs"
            )
        return sessions[n:], sessions[:n]


def read_split(folder: Path, seed: int) -> Split:
    """The sessions of the WAV files below a folder.

    They are read from its `sessions.csv` (columns file, session, and split: `train` or `val`) if there is one.
    Otherwise they are found by the channels' common activity and split at random.

    Raises
    ------
    InputError
        There are too few sessions, or the list is invalid.
    """
    listed = folder / "sessions.csv"
    if listed.is_file():
        split = _read_listed(listed)
    else:
        files = sorted(path for path in folder.rglob("*") if path.suffix.lower() == ".wav")
        if not files:
            raise InputError(f"{folder}: holds no WAV files; name a folder of recordings")
        scanned = (scan(path) for path in files)
        sources = [source for source in scanned if source.layout and source.layout.n_frames]
        sessions = [[Path(str(sources[i].source)) for i in session] for session in find_sessions(sources)[1]]
        random.Random(seed).shuffle(sessions)
        n = round(VALIDATION_SHARE * len(sessions))
        split = Split(sessions[n:], sessions[:n])
    if len(split.train) < 2 or not split.val:
        raise InputError(
            f"{folder}: has {len(split.train)} sessions for training and {len(split.val)} for validation; "
            "add recordings, because at least two and one are needed"
        )
    return split


def _read_listed(path: Path) -> Split:
    splits: dict[str, dict[str, list[Path]]] = {"train": {}, "val": {}}
    with path.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if not {"file", "session", "split"} <= row.keys():
                raise InputError(f"{path}: lacks a column; it needs file, session and split")
            splits.setdefault(row["split"], {}).setdefault(row["session"], []).append(path.parent / row["file"])
    shared = splits["train"].keys() & splits["val"].keys()
    if shared:
        raise InputError(f"{path}: session {sorted(shared)[0]} is in both splits; assign it to one")
    return Split(list(splits["train"].values()), list(splits["val"].values()))


@dataclass(frozen=True)
class Dataset:
    """Channels with one quantizer, concatenated. The channels of a group, which exchange messages, are adjacent."""

    codes: Tensor
    """int32, all channels one after another."""
    values: Tensor
    """Values of `codes` in 1/64 codes, int32."""
    gains: Tensor
    """Gain byte of each of `codes`."""
    edges: Tensor
    """Edges of the bins of all codes, in codes, float32; the outermost are FAR away."""
    start: np.ndarray
    """First sample of each channel in `codes`, int64."""
    coding_pass: np.ndarray
    """Of each channel, int64."""
    group_first: np.ndarray
    """First channel of each group, followed by the number of channels, int64."""
    group_length: np.ndarray
    """Samples of each channel of a group, int64."""
    first_message: np.ndarray
    """First message of each group, followed by the number of messages, int64."""
    receiver: np.ndarray
    """Channel that receives each message, int64."""
    sender: np.ndarray
    """Channel that sends each message, int64."""
    metric: np.ndarray
    """Metric of each message's peers, 0 to 255, float32."""

    @property
    def length(self) -> np.ndarray:
        """Samples of each channel, int64."""
        return np.diff(self.start, append=self.codes.numel())


def load_recordings(files: Sequence[Path], profile: Profile | None = None, peers: int = 0) -> Dataset:
    """Read all channels of WAV files.

    Parameters
    ----------
    files : sequence of Path
        Files whose samples have the same quantizer.
    profile : Profile, optional
        Bins of the converter; by default all bins are equal.
    peers : int, default 0
        Largest number of references of a channel that send it messages. With 0 each channel is a group.

    Returns
    -------
    Dataset

    Raises
    ------
    InputError
        A file holds no samples that can be predicted, or the quantizers differ.
    """
    sources = [scan(path) for path in files]
    for path, source in zip(files, sources, strict=True):
        if source.layout is None or source.layout.n_frames == 0:
            raise InputError(f"{path}: holds no samples of 8, 16 or 24 bits; leave it out")
    quantizers = {(source.quantizer.kind, source.quantizer.size) for source in sources}
    if len(quantizers) != 1:
        raise InputError(f"the recordings have {len(quantizers)} quantizers; train on recordings of one converter")
    ((_, size),) = quantizers
    topology, _ = find_sessions(sources, USUAL_EARLIER if peers > 0 else 0)
    groups = topology.sessions()
    n_frames = [source.layout.n_frames for source in sources if source.layout for _ in range(source.channels)]
    graph = ReferenceGraph.of(topology, [BlockChannel(channel, 0, n) for channel, n in enumerate(n_frames)])
    channels = _read_channels(sources, profile)
    order = [channel for group in groups for channel in group]
    position = {channel: i for i, channel in enumerate(order)}
    messages = [
        [
            (position[channel], position[reference], metric)
            for channel in group
            for reference, metric in list(zip(graph.references[channel], graph.metrics[channel], strict=True))[:peers]
        ]
        for group in groups
    ]
    receiver, sender, metric = (
        np.array([message for of_group in messages for message in of_group], dtype=np.int64).reshape(-1, 3).T
    )
    edges = np.arange(size + 1) - 0.5 if profile is None else profile.edges / CODE_UNITS
    edges[0], edges[-1] = -FAR, FAR
    lengths = np.array([n_frames[channel] for channel in order], dtype=np.int64)
    codes, values, gains = (
        torch.from_numpy(np.concatenate([channels[channel][k] for channel in order])) for k in range(3)
    )
    return Dataset(
        codes,
        values,
        gains,
        torch.from_numpy(edges.astype(np.float32)),
        start=np.cumsum(lengths) - lengths,
        coding_pass=np.array([topology.passes[channel] for channel in order], dtype=np.int64),
        group_first=np.cumsum([0, *map(len, groups)]),
        group_length=np.array([n_frames[group[0]] for group in groups], dtype=np.int64),
        first_message=np.cumsum([0, *map(len, messages)]),
        receiver=receiver.copy(),
        sender=sender.copy(),
        metric=metric.astype(np.float32),
    )


def _read_channels(sources: Sequence[ScannedSource], profile: Profile | None) -> list[tuple[np.ndarray, ...]]:
    """Codes, values and gains of each channel."""
    channels: list[tuple[np.ndarray, ...]] = []
    for source in sources:
        assert source.layout is not None
        bins = Bins.of([source.quantizer], profile)
        for codes in source.codes(source.read_frames(0, source.layout.n_frames)):
            lanes = cut([codes.size], LANE_STEPS)
            values = bins.values_of(codes, np.repeat(bins.profiled, codes.size)).astype(np.int32)
            channels.append((codes, values, np.repeat(lane_gains(codes, lanes, bins), lanes.length)))
    return channels
