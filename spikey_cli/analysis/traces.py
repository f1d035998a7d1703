"""Traces of some threads over a range of time, as a picture can show them: no more columns than it has dots.

What lies between two columns is there as its extremes, so that no spike is lost however long the range is.
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..api.extract import choose_channels
from ..api.recording import read_frames
from ..codec.blocks import Decoder
from ..container.archive import ArchiveReader
from ..container.directory import channel_names
from ..container.limits import DEFAULT_LIMITS, Limits
from ..errors import InputError
from ..model.predictor import Predictor
from ..system.progress import Progress
from ..system.workers import open_workers

COLUMNS = 1500
"""Columns of a trace that has more frames than can be drawn."""

_FRAMES_DRAWN = 3 * COLUMNS
"""Frames that are drawn one by one, at most."""


@dataclass(frozen=True)
class Trace:
    """One thread over a range of time."""

    name: str
    start: float
    """Seconds from the beginning of the recording to its first sample here."""
    stop: float
    """To where its last sample here ends."""
    seconds: np.ndarray
    """Times of the columns, from the beginning of the recording, float64 of shape (columns,)."""
    low: np.ndarray
    """The least sample of each column, of the same shape."""
    high: np.ndarray
    """The greatest. Where a column is one frame, the same as `low`."""


def read_traces(
    archive: str | os.PathLike[str],
    names: Sequence[str] | None = None,
    start: float = 0.0,
    stop: float = math.inf,
    *,
    most: int | None = None,
    workers: int | None = None,
    predictor: Predictor | None = None,
    limits: Limits | None = None,
    progress: Progress | None = None,
) -> list[Trace]:
    """Traces of an archive's threads from `start` to `stop`, in seconds; blocks and threads not in them stay packed.

    Args:
        archive: path of an `.spk` file.
        names: threads, or files for all their threads; by default the first `most` threads, or all.
        start: seconds from the beginning of the recording.
        stop: seconds, not included; past the end is the end.
        most: see `names`.
        workers: threads of execution; by default one for each processor.
        predictor: the network that the archive was written with, where it did not come with the package.
        limits: what the archive may ask for.
        progress: called with (samples done, samples in all).

    Threads that have no samples there are left out. Raises InputError where none is left, a name is unknown or a file
    does not tell its rate, and ArchiveError or ModelError where what is needed cannot be decoded.
    """
    with ArchiveReader(archive, limits or DEFAULT_LIMITS) as reader, open_workers(workers) as pool:
        known = channel_names(reader.directory.files)
        if not known:
            raise InputError(f"{archive}: holds no channels, only files kept verbatim; there is nothing to draw")
        chosen = choose_channels(reader, names if names is not None else list(known)[:most])
        envelopes = {file: _begin(reader, file, channels, start, stop) for file, channels in chosen.items()}
        envelopes = {file: envelope for file, envelope in envelopes.items() if envelope.frames > 0}
        if not envelopes:
            raise InputError(
                f"{archive}: no chosen thread has samples from {start:g} s on; `spikey info` tells how long it is"
            )
        by_range: dict[tuple[int, int], dict[int, list[int]]] = {}
        for file, envelope in envelopes.items():
            by_range.setdefault((envelope.first, envelope.frames), {})[file] = chosen[file]
        decoder = Decoder.of(reader, predictor)
        done, total = 0, sum(envelope.samples for envelope in envelopes.values())
        for (first, frames), channels in by_range.items():
            for file, at, samples in read_frames(decoder, pool, channels, first, first + frames):
                envelopes[file].add(at, samples)
                done += samples.size
                if progress:
                    progress(done, total)
        name_of = {place: name for name, place in known.items()}
        return [
            envelope.trace(i, name_of[file, channel])
            for file, envelope in envelopes.items()
            for i, channel in enumerate(chosen[file])
        ]


def _begin(reader: ArchiveReader, file: int, channels: Sequence[int], start: float, stop: float) -> _Envelope:
    entry = reader.directory.files[file]
    layout = entry.layout
    assert layout is not None
    if layout.sample_rate == 0:
        raise InputError(
            f"{reader.path}: {entry.name} does not tell its sample rate, and so has no seconds to draw; "
            "give --rate when it is compressed"
        )
    first = min(round(start * layout.sample_rate), layout.n_frames)
    last = layout.n_frames if math.isinf(stop) else min(round(stop * layout.sample_rate), layout.n_frames)
    return _Envelope(first, last - first, layout.sample_rate, len(channels))


class _Envelope:
    """The least and the greatest sample of each column, of some threads of one file."""

    def __init__(self, first: int, frames: int, sample_rate: int, channels: int) -> None:
        self.first = first
        self.frames = frames
        self.samples = frames * channels
        self._rate = sample_rate
        self._columns = frames if frames <= _FRAMES_DRAWN else COLUMNS
        limits = np.iinfo(np.int32)
        self._low = np.full((channels, self._columns), limits.max, np.int32)
        self._high = np.full((channels, self._columns), limits.min, np.int32)

    def add(self, at: int, samples: np.ndarray) -> None:
        """Take in samples [frames, threads] from frame `at` on."""
        column = np.arange(at - self.first, at - self.first + len(samples)) * self._columns // self.frames
        starts = np.flatnonzero(np.diff(column, prepend=-1))
        here = column[starts]
        low, high = np.minimum.reduceat(samples, starts), np.maximum.reduceat(samples, starts)
        self._low[:, here] = np.minimum(self._low[:, here], low.T)
        self._high[:, here] = np.maximum(self._high[:, here], high.T)

    def trace(self, channel: int, name: str) -> Trace:
        """What it has become of its `channel`-th."""
        middle = 0.0 if self._columns == self.frames else 0.5
        frames = self.first + (np.arange(self._columns) + middle) * (self.frames / self._columns)
        start, stop = self.first / self._rate, (self.first + self.frames) / self._rate
        return Trace(name, start, stop, frames / self._rate, self._low[channel], self._high[channel])
