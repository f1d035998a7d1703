"""Traces of channels over a range of time, reduced to what a plot can show.

A column of a reduced trace holds the extremes of all its samples, so that no spike is lost however long the range is.
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..api.channels import channel_info
from ..api.recording import choose_channels, read_frames
from ..codec.decoder import Decoder
from ..container.archive import ArchiveReader
from ..container.directory import channel_names
from ..container.limits import DEFAULT_LIMITS, Limits
from ..errors import InputError
from ..io.reading import ChannelInfo
from ..model.predictor import Predictor
from ..system.progress import Progress
from ..system.workers import Workers, open_workers

COLUMNS = 1500
"""Columns of a reduced trace."""

_MAX_UNREDUCED = 3 * COLUMNS
"""Largest number of frames that are kept one by one."""


@dataclass(frozen=True)
class Trace:
    """One channel over a range of time."""

    name: str
    start: float
    """Time of the first sample, in seconds from the beginning of the recording."""
    stop: float
    """Time at which the last sample ends, in seconds."""
    seconds: np.ndarray
    """Times of the columns, in seconds: float64, shape (columns,)."""
    low: np.ndarray
    """Smallest sample of each column: int32, or float64 for microvolts, shape (columns,)."""
    high: np.ndarray
    """Largest sample of each column; shape and type as of `low`, which it equals if the trace is not reduced."""
    unit: str = ""
    """"uV" if all traces are in microvolts; empty for samples."""


def read_traces(
    archive: str | os.PathLike[str],
    names: Sequence[str] | None = None,
    start: float = 0.0,
    stop: float = math.inf,
    *,
    max_channels: int | None = None,
    workers: int | Workers | None = None,
    predictor: Predictor | None = None,
    limits: Limits | None = None,
    progress: Progress | None = None,
) -> list[Trace]:
    """Decode traces of an archive, and only the blocks and channels that they need.

    Parameters
    ----------
    archive : path or URL
        An `.spk` file.
    names : sequence of str, optional
        Channels, or files for all of their channels; by default the first `max_channels` channels.
    start : float, default 0
        In seconds from the beginning of the recording.
    stop : float, default inf
        In seconds, exclusive. It may exceed the end of the recording.
    max_channels : int, optional
        Largest number of channels if `names` is not given; by default all.
    workers : int or Workers, optional
        Number of worker threads; by default one for each processor.
    predictor : Predictor, optional
        The model of the archive, if it is neither shipped nor embedded.
    limits : Limits, optional
        Bounds on what decoding may use.
    progress : callable, optional
        Called with the number of decoded samples and their total.

    Returns
    -------
    list of Trace
        Channels without samples in the range are left out.

    Raises
    ------
    InputError
        A name is unknown, a file has no sample rate, or no channel has samples in the range.
    ArchiveError, ModelError
        A needed part of the archive cannot be decoded.
    """
    with ArchiveReader(archive, limits or DEFAULT_LIMITS) as reader, open_workers(workers) as pool:
        known = channel_names(reader.directory.files)
        if not known:
            raise InputError(f"{reader.path}: there is nothing to plot, because it holds only files kept verbatim")
        chosen = choose_channels(reader, names if names is not None else list(known)[:max_channels])
        described = channel_info(reader)
        envelopes = {
            file: _empty_envelope(reader, file, channels, start, stop, [described.get((file, i)) for i in channels])
            for file, channels in chosen.items()
        }
        envelopes = {file: envelope for file, envelope in envelopes.items() if envelope.frames > 0}
        if not envelopes:
            raise InputError(
                f"{reader.path}: no chosen channel has samples in the range from {start:g} s; choose an earlier range",
                parameter="start",
            )
        by_range: dict[tuple[int, int], dict[int, list[int]]] = {}
        for file, envelope in envelopes.items():
            by_range.setdefault((envelope.first, envelope.frames), {})[file] = chosen[file]
        decoder = Decoder.of(reader, predictor)
        done, total = 0, sum(envelope.samples for envelope in envelopes.values())
        for (first, frames), channels in by_range.items():
            for file, frame, samples in read_frames(decoder, pool, channels, first, first + frames):
                envelopes[file].add(frame, samples)
                done += samples.size
                if progress:
                    progress(done, total)
        name_of = {location: name for name, location in known.items()}
        traces = [
            (envelope.trace(i, name_of[file, channel]), described.get((file, channel)))
            for file, envelope in envelopes.items()
            for i, channel in enumerate(chosen[file])
        ]
        are_microvolts = all(info and info.microvolts for _, info in traces)
        return [_labelled(trace, info, are_microvolts) for trace, info in traces]


def _labelled(trace: Trace, info: ChannelInfo | None, are_microvolts: bool) -> Trace:
    """Add to a trace what its file says of the channel."""
    if info and info.name and not trace.name.endswith(info.name):
        trace = replace(trace, name=f"{trace.name} {info.name}")
    if not (are_microvolts and info and info.microvolts):
        return trace
    gain, offset = info.microvolts
    ends = trace.low * gain + offset, trace.high * gain + offset
    return replace(trace, low=np.minimum(*ends), high=np.maximum(*ends), unit="uV")


def _empty_envelope(
    reader: ArchiveReader,
    file: int,
    channels: Sequence[int],
    start: float,
    stop: float,
    infos: Sequence[ChannelInfo | None],
) -> _Envelope:
    entry = reader.directory.files[file]
    layout = entry.layout
    assert layout is not None
    rate = next((info.sample_rate for info in infos if info and info.sample_rate), layout.sample_rate)
    if rate == 0:
        raise InputError(
            f"{reader.path}: {entry.name} has no sample rate, so its samples have no times; "
            "give the sample rate when compressing",
            parameter="sample_rate",
        )
    first = min(round(start * rate), layout.n_frames)
    last = layout.n_frames if math.isinf(stop) else min(round(stop * rate), layout.n_frames)
    return _Envelope(first, last - first, rate, len(channels))


class _Envelope:
    """The extremes of each column, of some channels of one file."""

    def __init__(self, first: int, frames: int, sample_rate: float, channels: int) -> None:
        self.first = first
        self.frames = frames
        self.samples = frames * channels
        self._rate = sample_rate
        self._columns = frames if frames <= _MAX_UNREDUCED else COLUMNS
        limits = np.iinfo(np.int32)
        self._low = np.full((channels, self._columns), limits.max, np.int32)
        self._high = np.full((channels, self._columns), limits.min, np.int32)

    def add(self, first: int, samples: np.ndarray) -> None:
        """Include samples of shape (frames, channels) from frame `first` on."""
        offset = first - self.first
        column = np.arange(offset, offset + len(samples)) * self._columns // self.frames
        starts = np.flatnonzero(np.diff(column, prepend=-1))
        columns = column[starts]
        low, high = np.minimum.reduceat(samples, starts), np.maximum.reduceat(samples, starts)
        self._low[:, columns] = np.minimum(self._low[:, columns], low.T)
        self._high[:, columns] = np.maximum(self._high[:, columns], high.T)

    def trace(self, channel: int, name: str) -> Trace:
        """The trace of the `channel`-th channel."""
        middle = 0.0 if self._columns == self.frames else 0.5
        frames = self.first + (np.arange(self._columns) + middle) * (self.frames / self._columns)
        start, stop = self.first / self._rate, (self.first + self.frames) / self._rate
        return Trace(name, start, stop, frames / self._rate, self._low[channel], self._high[channel])
