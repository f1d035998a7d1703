"""Archives as recordings of SpikeInterface, and recordings of SpikeInterface as archives.

    read_spikey     archive -> SpikeyRecordingExtractor, which decodes traces on access
    write_spikey    recording -> archive of segment0.npy, segment1.npy, ... and recording.json

`read_spikey` also reads archives of other files. Gains are those that the files state. Of what SpikeGLX and Open Ephys
wrote, SpikeInterface's readers find gains, channel ids and probe in the metadata that were archived with the samples.
"""

from __future__ import annotations

import os
import threading
import warnings
from collections.abc import Sequence

import numpy as np

from ..api.array_metadata import subtract_offset
from ..api.channels import channel_info
from ..api.compress import Compressed, Encoding, compress
from ..api.recording import Recording, find_channels
from ..api.times import Times, times_of
from ..codec.scan import UnscaledError
from ..container.archive import ArchiveReader
from ..errors import ArchiveError, InputError, MissingPackageError
from ..io.layout import whole_rate
from ..io.source import ArraySource, BytesSource, Source
from ..system.progress import Progress
from ..system.remote import absolute, location
from ..system.workers import Workers
from .lazy_recording import ArchivedVector, LazyRecording, read_file

try:
    from spikeinterface.core import BaseRecording, BaseRecordingSegment
except ModuleNotFoundError as error:
    raise MissingPackageError(f"recordings of SpikeInterface need {error.name}: pip install spikeinterface") from error

from .spikeinterface_folders import read_folder, times_beside
from .spikeinterface_metadata import (
    FILE,
    INVALID,
    OFFSETS,
    Metadata,
    Segment,
    default_metadata,
    metadata_of,
    pack_metadata,
    unpack_metadata,
)

_REMEDY = "write the recording as acquired, before filters, or round it with recording.astype('int16', round=True)"
_FRAMES_PER_CHECK = 1 << 20
_TIME_TOLERANCE = 0.02
"""Frames by which evenly spaced times may be off: float64 seconds since 1970 are as inaccurate as that at 30 kHz."""


class SpikeyRecordingExtractor(BaseRecording):
    """An archive as a recording of SpikeInterface.

    A range of traces decodes only the blocks and channels that it needs. Archives of `write_spikey` have their
    segments, channel ids, properties, probe and times. In other archives, all channels are one segment. Raw files of
    SpikeGLX and Open Ephys that were archived with their metadata have the channel ids, gains, probe and start of
    SpikeInterface's readers; of others, the names of channels are the ids. A pickled recording opens the archive again
    by its absolute path.

    Parameters
    ----------
    file_path : path or URL
        The archive.
    channels : sequence of str, optional
        Names of channels, or of files for all their channels; ``FILE:STREAM`` is a stream of a file. By default all, or
        those of the first stream, without that of synchronisation (``FILE:sync``). Required if these differ in length,
        sample rate or sample width; refused for archives of `write_spikey`.
    sampling_frequency : float, optional
        Hz; overrides the sample rate in the archive.
    workers : int or None, optional
        Threads that decode a range together; None for one for each processor.

    Raises
    ------
    ArchiveError
        If the archive is damaged.
    ModelError
        If the model of the archive is not installed.
    InputError
        If the channels differ, no sample rate is known, or one of `channels` is unknown.
    """

    def __init__(
        self,
        file_path: str | os.PathLike[str],
        channels: Sequence[str] | None = None,
        sampling_frequency: float | None = None,
        workers: int | None = 1,
    ) -> None:
        path, shown = absolute(file_path), location(file_path)
        rate = None if sampling_frequency is None else float(sampling_frequency)
        try:
            metadata = unpack_metadata(read_file(path, FILE) or b"")
            times: Times | ArchivedVector | None = None
            if metadata is None:
                metadata, chosen, times = _describe(path, channels)
                segments = [LazyRecording(path, chosen, workers)]
            elif channels is not None:
                raise InputError(
                    f"{shown}: write_spikey wrote it; select channels with recording.select_channels([...])"
                )
            else:
                segments = [LazyRecording(path, [segment.file], workers) for segment in metadata.segments]
            rate = metadata.sampling_frequency if rate is None else rate
            if not rate > 0:
                raise InputError(f"{shown}: does not contain a sample rate; pass sampling_frequency=..., in Hz")
            BaseRecording.__init__(self, rate, metadata.channel_ids, metadata.dtype)
            for lazy, segment in zip(segments, metadata.segments, strict=True):
                vector = times if segment.times is None else ArchivedVector(path, segment.times)
                self.add_recording_segment(_ArchivedSegment(lazy, metadata, rate, segment.t_start, vector))
            metadata.set_on(self)
        except INVALID as error:
            raise ArchiveError(
                f"{shown}: {FILE} is invalid ({error!r}); restore the files with spikey_cli.decompress"
            ) from error
        self._kwargs = {
            "file_path": path,
            "channels": None if channels is None else list(channels),
            "sampling_frequency": sampling_frequency,
            "workers": workers,
        }


def _describe(
    path: str, channels: Sequence[str] | None
) -> tuple[Metadata, Sequence[str] | None, Times | ArchivedVector | None]:
    """Return what is known of an archive without `recording.json`.

    Of files whose channels belong to several streams, the first stream is chosen by default.

    Returns
    -------
    metadata : Metadata
    channels : sequence of str or None
        Names of the channels that it describes.
    times : Times, ArchivedVector or None
        None if they are evenly spaced, from the start that the metadata have.
    """
    with ArchiveReader(path) as reader:
        places = find_channels(reader, channels)
        described = channel_info(reader)
        streams = dict.fromkeys(info.stream for place in places.values() if (info := described.get(place)))
        if channels is None and len(streams) > 1:
            first = next(iter(streams))
            channels = [
                name for name, place in places.items() if place in described and described[place].stream == first
            ]
            places = {name: places[name] for name in channels}
        with Recording(path, channels) as stored:
            entries = list(dict.fromkeys(entry for entry, _ in places.values()))
            infos = [described.get(place) for place in places.values()]
            stated = _common_times(reader, entries, stored.exact_sample_rate)
            times: Times | ArchivedVector | None = None if stated is None or stated.is_regular else stated
            metadata = default_metadata(stored, None if stated is None else float(stated[0]))
            kinds = {info.stream if info else "" for info in infos}
            if len(entries) > 1 or len(kinds) > 1 or reader.directory.files[entries[0]].header:
                return metadata, channels, times
            times = times or times_beside(path, reader, entries[0], stored.exact_sample_rate)
            with read_folder(reader, entries[0], kinds.pop()) as by_reader:
                if by_reader is not None:
                    labels = [info.name if info else "" for info in infos]
                    metadata, channels = metadata_of(by_reader, labels, stored)
            return metadata, channels, times


def _common_times(reader: ArchiveReader, entries: Sequence[int], sample_rate: float) -> Times | None:
    """Return the times that files or groups of an archive state; None, with a warning, if they differ."""
    found = times_of(reader, entries, sample_rate)
    first = found[0]
    if all(times is None for times in found):
        return None
    if first is None or not all(times and first.agrees_with(times) for times in found):
        warnings.warn(
            f"{reader.path}: its files state different times, so these count from 0; choose channels of files that "
            "were recorded together",
            stacklevel=4,
        )
        return None
    return first


def read_spikey(
    file_path: str | os.PathLike[str],
    channels: Sequence[str] | None = None,
    sampling_frequency: float | None = None,
    workers: int | None = 1,
) -> SpikeyRecordingExtractor:
    """Open an archive as a recording of SpikeInterface.

    Parameters
    ----------
    file_path, channels, sampling_frequency, workers
        See `SpikeyRecordingExtractor`, also for the errors raised.

    Returns
    -------
    SpikeyRecordingExtractor
        Traces of shape (frames, channels), decoded on access.

    Examples
    --------
    >>> import numpy as np
    >>> import spikey_cli
    >>> from spikey_cli.integrations.spikeinterface import read_spikey
    >>> np.save("probe.npy", np.random.default_rng(0).normal(0, 20, (3000, 2)).astype(np.int16))
    >>> _ = spikey_cli.compress(["probe.npy"], "probe.spk")
    >>> recording = read_spikey("probe.spk", sampling_frequency=30_000.0)  # an NPY file has no sample rate
    >>> recording.get_traces(start_frame=1000, end_frame=1100).shape
    (100, 2)
    """
    return SpikeyRecordingExtractor(file_path, channels, sampling_frequency, workers)


def write_spikey(
    recording: BaseRecording,
    file_path: str | os.PathLike[str],
    *,
    coder: str | Encoding | None = None,
    force: bool = False,
    verify: bool = True,
    workers: int | Workers | None = None,
    progress: Progress | None = None,
) -> Compressed:
    """Write a recording of SpikeInterface as an archive, which `read_spikey` opens.

    The recording is read twice, a range of frames at a time, and may be longer than memory. Traces that are computed on
    access must be the same both times. Segment i is stored as `segment<i>.npy`, of shape (frames, channels), and the
    metadata as `recording.json`. uint16 traces are stored as int16, less 32,768, and read back as uint16.

    Properties and annotations that JSON cannot represent are left out, with a warning that names them.

    Parameters
    ----------
    recording : BaseRecording
        Traces of integers, or of floats that are integers times a gain.
    file_path : path-like
        The archive to write.
    coder, force, verify, workers, progress
        See `spikey_cli.compress`.

    Returns
    -------
    Compressed
        Sizes and ratio.

    Raises
    ------
    InputError
        If the traces are others, or for the reasons of `spikey_cli.compress`.

    Examples
    --------
    >>> import numpy as np
    >>> from spikeinterface.core import NumpyRecording
    >>> from spikey_cli.integrations.spikeinterface import read_spikey, write_spikey
    >>> traces = np.random.default_rng(0).normal(0, 20, (3000, 4)).astype(np.int16)
    >>> recording = NumpyRecording([traces], sampling_frequency=30_000.0)
    >>> _ = write_spikey(recording, "recording.spk")
    >>> np.array_equal(read_spikey("recording.spk").get_traces(), traces)
    True
    """
    dtype = recording.get_dtype()
    if dtype.name not in OFFSETS:
        raise InputError(f"{file_path}: traces are {dtype.name}, and an archive holds {', '.join(OFFSETS)}: {_REMEDY}")
    rate = whole_rate(recording.sampling_frequency)
    sources: list[Source] = []
    segments = []
    lock = threading.Lock()  # segments may share the files of a reader, which need not be thread-safe
    for i in range(recording.get_num_segments()):
        info = recording.get_time_info(i)
        file, times_file = f"segment{i}.npy", f"times{i}.npy"
        sources.append(ArraySource(_Traces(recording, i, lock), file, rate))
        if _has_even_times(recording, i):
            segments.append(Segment(file, info["t_start"], None))
        else:
            times = info["time_vector"]
            sources.append(ArraySource(recording.get_times(i) if times is None else times, times_file, verbatim=True))
            segments.append(Segment(file, None, times_file))
    data, left_out = pack_metadata(recording, segments)
    if left_out:
        warnings.warn(
            f"{file_path}: not preserved, because JSON cannot represent them: {', '.join(left_out)}", stacklevel=2
        )
    try:
        return compress(
            [*sources, BytesSource(data, FILE)],
            file_path,
            coder=coder,
            force=force,
            verify=verify,
            workers=workers,
            progress=progress,
        )
    except UnscaledError as error:
        raise InputError(f"{file_path}: traces are {dtype.name} but no integers times a gain: {_REMEDY}") from error


def _has_even_times(recording: BaseRecording, segment: int) -> bool:
    """Whether the times of a segment follow from its start and the sampling frequency.

    A slice of a recording has no time vector but returns the times of its parent, so the times are compared.
    """
    if recording.has_time_vector(segment):
        return False
    start = recording.get_time_info(segment)["t_start"] or 0.0
    length = recording.get_num_samples(segment)
    for first in range(0, length, _FRAMES_PER_CHECK):
        stop = min(first + _FRAMES_PER_CHECK, length)
        seconds = recording.get_times(segment, first, stop) - start
        if np.abs(seconds * recording.sampling_frequency - np.arange(first, stop)).max() > _TIME_TOLERANCE:
            return False
    return True


class _Traces:
    """A segment as an array that is indexed by slices of frames; the lock serialises reads."""

    def __init__(self, recording: BaseRecording, segment: int, lock: threading.Lock) -> None:
        self._recording = recording
        self._segment = segment
        self._lock = lock
        name = recording.get_dtype().name
        self._offset = OFFSETS[name]
        self.dtype = np.dtype(np.int16) if self._offset else np.dtype(name)
        self.shape = (recording.get_num_samples(segment), recording.get_num_channels())

    def __getitem__(self, key: slice) -> np.ndarray:
        with self._lock:
            traces = self._recording.get_traces(self._segment, key.start, key.stop)
        if self._offset:
            traces = subtract_offset(traces, self._offset)
        return traces


class _ArchivedSegment(BaseRecordingSegment):
    """A segment whose traces are decoded on access."""

    def __init__(
        self,
        lazy: LazyRecording,
        metadata: Metadata,
        sampling_frequency: float,
        t_start: float | None,
        times: ArchivedVector | Times | None,
    ) -> None:
        BaseRecordingSegment.__init__(self, sampling_frequency, t_start, times)
        stored = lazy.blocks.recording
        if stored.dtype != (np.int16 if metadata.offset else metadata.dtype):
            raise ValueError(f"traces are {metadata.dtype}, but samples are {stored.dtype}")
        if stored.shape[1] != metadata.channel_ids.size:
            raise ValueError(f"there are {metadata.channel_ids.size} channel ids, but {stored.shape[1]} channels")
        self._lazy = lazy
        self._dtype = metadata.dtype
        self._offset = metadata.offset
        self._length = len(stored)

    def get_num_samples(self) -> int:
        """Number of frames."""
        return self._length

    def get_traces(
        self,
        start_frame: int | None = None,
        end_frame: int | None = None,
        channel_indices: slice | np.ndarray | list[int] | None = None,
    ) -> np.ndarray:
        """Traces of shape (frames, channels)."""
        first, stop, _ = slice(start_frame, end_frame).indices(self._length)
        samples = self._lazy.blocks.read(first, max(first, stop), channel_indices)
        return samples.astype(self._dtype) + self._dtype.type(self._offset) if self._offset else samples
