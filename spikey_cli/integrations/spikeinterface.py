"""SpikeInterface: an archive is a recording, and a recording becomes an archive.

    read_spikey    .spk -> SpikeyRecordingExtractor, whose traces are decoded as they are asked for
    write_spikey   any recording -> .spk: segment0.npy, segment1.npy ... and recording.json, which `read_spikey` reads

Archives of WAV files and others are read just as well: what they do not tell (gains, a probe), they do not have.
"""

from __future__ import annotations

import os
import threading
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..api.array_metadata import subtract_offset
from ..api.compress import Compressed, Encoding, compress
from ..core.coders import DEFAULT_CODER
from ..errors import ArchiveError, InputError, MissingPackageError
from ..io.layout import whole_rate
from ..io.source import ArraySource, BytesSource, Source
from ..model.predictor import Predictor
from ..system.progress import Progress
from .lazy_recording import ArchivedVector, LazyRecording, read_file

try:
    from spikeinterface.core import BaseRecording, BaseRecordingSegment
except ModuleNotFoundError as error:
    raise MissingPackageError(
        f"recordings of SpikeInterface need {error.name}: pip install 'spikey-cli[spikeinterface]'"
    ) from error

from .spikeinterface_metadata import (
    FILE,
    NONSENSE,
    OFFSETS,
    Metadata,
    Segment,
    bare_metadata,
    pack_metadata,
    unpack_metadata,
)

_FRAMES_ASKED = 1 << 20
_EVEN_WITHIN = 0.02
"""Of a frame: what seconds since 1970, as numbers of 64 bits, are off at 30 kHz."""


class SpikeyRecordingExtractor(BaseRecording):
    """An archive as a recording. A range of traces decodes the blocks and channels that it needs, no others.

    What `write_spikey` wrote comes back with its segments, channel ids, properties, probe and times. In any other
    archive all threads are the channels of one segment, by their names.
    """

    def __init__(
        self,
        file_path: str | os.PathLike[str],
        channels: Sequence[str] | None = None,
        sampling_frequency: float | None = None,
        workers: int | None = 1,
    ) -> None:
        """Open the archive at `file_path`.

        `channels` are the names of those to take, or of files for all of theirs, where not all of an archive agree in
        length, rate and width; not for what `write_spikey` wrote. `sampling_frequency`, in Hz, takes the place of what
        the archive tells. `workers` are the threads of execution that decode a range together; None is one for each
        processor.

        Raises ArchiveError where the archive is damaged, ModelError where its model is not installed, and InputError
        where its threads disagree, have no rate, or one of `channels` is unknown.
        """
        path = Path(file_path).absolute()
        given = None if sampling_frequency is None else float(sampling_frequency)
        try:
            known = unpack_metadata(read_file(path, FILE) or b"")
            if known is None:
                sources = [LazyRecording(path, channels, workers)]
                known = bare_metadata(sources[0].blocks.recording)
            elif channels is not None:
                raise InputError(f"{path}: write_spikey wrote it; choose channels by recording.select_channels([...])")
            else:
                sources = [LazyRecording(path, [segment.file], workers) for segment in known.segments]
            rate = known.sampling_frequency if given is None else given
            if not rate > 0:
                raise InputError(f"{path}: does not tell its sample rate; give sampling_frequency=..., in Hz")
            BaseRecording.__init__(self, rate, known.channel_ids, known.dtype)
            for source, segment in zip(sources, known.segments, strict=True):
                times = None if segment.times is None else ArchivedVector(path, segment.times)
                self.add_recording_segment(_ArchivedSegment(source, known, rate, segment.t_start, times))
            known.give_to(self)
        except NONSENSE as error:
            raise ArchiveError(
                f"{path}: {FILE} makes no sense ({error!r}); restore its files with `spikey decompress`"
            ) from error
        self._kwargs = {
            "file_path": str(path),
            "channels": None if channels is None else list(channels),
            "sampling_frequency": sampling_frequency,
            "workers": workers,
        }


def read_spikey(
    file_path: str | os.PathLike[str],
    channels: Sequence[str] | None = None,
    sampling_frequency: float | None = None,
    workers: int | None = 1,
) -> SpikeyRecordingExtractor:
    """An archive as a recording: see `SpikeyRecordingExtractor`, which tells of the arguments, and what is raised."""
    return SpikeyRecordingExtractor(file_path, channels, sampling_frequency, workers)


def write_spikey(
    recording: BaseRecording,
    file_path: str | os.PathLike[str],
    *,
    coder: str = DEFAULT_CODER,
    workers: int | None = None,
    force: bool = False,
    predictor: Predictor | None = None,
    peers: bool = True,
    verify: bool = True,
    progress: Progress | None = None,
) -> Compressed:
    """Write a recording of any length as an archive that `read_spikey` gives back, with all that is known of it.

    It is read twice, a stretch at a time: what computes its traces anew each time must compute the same. Its segments
    become `segment0.npy`, `segment1.npy` ..., samples by channels, as int16 or uint8; `recording.json` tells the rest.
    uint16 is stored less 32,768, so that it fits into int16, and comes back as uint16.

    The arguments are those of `spikey_cli.compress`. A property or annotation that can be no JSON is left out, and a
    warning names it.

    Raises InputError where traces have another dtype, or as `compress` does.
    """
    dtype = recording.get_dtype()
    if dtype.name not in OFFSETS:
        raise InputError(
            f"{file_path}: traces are {dtype.name}, and an archive takes {', '.join(OFFSETS)}: write the recording as "
            "it was acquired, before it is filtered or scaled, or round it with recording.astype('int16', round=True)"
        )
    rate = whole_rate(recording.sampling_frequency)
    sources: list[Source] = []
    segments = []
    one_at_a_time = threading.Lock()  # segments may share what a reader has open
    for i in range(recording.get_num_segments()):
        info = recording.get_time_info(i)
        file, times = f"segment{i}.npy", f"times{i}.npy"
        sources.append(ArraySource(_Traces(recording, i, one_at_a_time), file, rate))
        if _is_even(recording, i):
            segments.append(Segment(file, info["t_start"], None))
        else:
            own = info["time_vector"]
            sources.append(ArraySource(recording.get_times(i) if own is None else own, times, verbatim=True))
            segments.append(Segment(file, None, times))
    data, not_kept = pack_metadata(recording, segments)
    if not_kept:
        warnings.warn(f"{file_path}: not kept, for JSON has no such values: {', '.join(not_kept)}", stacklevel=2)
    return compress(
        [*sources, BytesSource(data, FILE)],
        file_path,
        coder=Encoding(coder, predictor, peers),
        workers=workers,
        force=force,
        verify=verify,
        progress=progress,
    )


def _is_even(recording: BaseRecording, segment: int) -> bool:
    """Whether the times of a segment are those of its start and its rate.

    One that was sliced, and what was made of it, has no vector of times of its own, but asks another for them.
    """
    if recording.has_time_vector(segment):
        return False
    start = recording.get_time_info(segment)["t_start"] or 0.0
    length = recording.get_num_samples(segment)
    for first in range(0, length, _FRAMES_ASKED):
        stop = min(first + _FRAMES_ASKED, length)
        behind = recording.get_times(segment, first, stop) - start
        if np.abs(behind * recording.sampling_frequency - np.arange(first, stop)).max() > _EVEN_WITHIN:
            return False
    return True


class _Traces:
    """A segment, indexed by frames, as samples that the codec takes, a stretch at a time of all that share a lock."""

    def __init__(self, recording: BaseRecording, segment: int, one_at_a_time: threading.Lock) -> None:
        self._recording = recording
        self._segment = segment
        self._one_at_a_time = one_at_a_time
        name = recording.get_dtype().name
        self._offset = OFFSETS[name]
        self.dtype = np.dtype(np.int16) if self._offset else np.dtype(name)
        self.shape = (recording.get_num_samples(segment), recording.get_num_channels())

    def __getitem__(self, key: slice) -> np.ndarray:
        with self._one_at_a_time:
            traces = self._recording.get_traces(self._segment, key.start, key.stop)
        if self._offset:
            traces = subtract_offset(traces, self._offset)
        return traces


class _ArchivedSegment(BaseRecordingSegment):
    """A segment whose traces are decoded as they are asked for."""

    def __init__(
        self,
        opened: LazyRecording,
        known: Metadata,
        sampling_frequency: float,
        t_start: float | None,
        times: ArchivedVector | None,
    ) -> None:
        BaseRecordingSegment.__init__(self, sampling_frequency, t_start, times)
        stored = opened.blocks.recording
        if stored.dtype != (np.int16 if known.offset else known.dtype):
            raise ValueError(f"traces of {known.dtype}, and samples of {stored.dtype}")
        if stored.shape[1] != known.channel_ids.size:
            raise ValueError(f"{known.channel_ids.size} channels, and {stored.shape[1]} threads")
        self._opened = opened
        self._dtype = known.dtype
        self._offset = known.offset
        self._length = len(stored)

    def get_num_samples(self) -> int:
        """Frames."""
        return self._length

    def get_traces(
        self,
        start_frame: int | None = None,
        end_frame: int | None = None,
        channel_indices: slice | np.ndarray | list[int] | None = None,
    ) -> np.ndarray:
        """Frames by channels."""
        first, stop, _ = slice(start_frame, end_frame).indices(self._length)
        samples = self._opened.blocks.read(first, max(first, stop), channel_indices)
        return samples.astype(self._dtype) + self._dtype.type(self._offset) if self._offset else samples
