"""A stretch of chosen threads of an archive, in new files.

These are not the bytes of the old files: a plain header, and of the samples those that were asked for. They are decoded
and written a stretch at a time.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np

from ..codec.blocks import Decoder
from ..container.archive import ArchiveReader
from ..container.limits import DEFAULT_LIMITS, Limits
from ..errors import InputError
from ..io import npy
from ..io.wav_writer import WavFormat, write_wav
from ..model.predictor import Predictor
from ..system.progress import Progress
from ..system.whole_file import WholeFile
from ..system.workers import open_workers
from .recording import Recording, find_channels, read_frames

SUFFIXES = (".npy", ".wav")
"""What the name of a file that is extracted may end in."""

_TO_NPY = "write it as .npy (spikey extract)"


def extract(
    archive: str | os.PathLike[str],
    target: str | os.PathLike[str] | BinaryIO,
    *,
    channels: Sequence[str] | None = None,
    start: float | None = None,
    stop: float | None = None,
    first_frame: int | None = None,
    stop_frame: int | None = None,
    workers: int | None = None,
    force: bool = False,
    predictor: Predictor | None = None,
    limits: Limits | None = None,
    progress: Progress | None = None,
) -> tuple[int, int]:
    """Write a stretch of chosen threads as one array of shape (samples, threads), or as one WAV of so many channels.

    Args:
        archive: path of an `.spk` file.
        target: path of the file to write, which ends in `.npy` or `.wav`; or a binary file, that an NPY file goes to.
        threads: names of threads (see `spikey info`), or of files for all their threads; by default all. They are the
            columns, in this order, and must agree in length, rate and width.
        start, stop: seconds from the beginning of the recording, from the sample nearest to `start` to the one before
            that nearest to `stop`; past the end is the end.
        first_frame, stop_frame: the same, counted in samples; instead of seconds.
        workers: threads of execution; by default one for each processor.
        force: replace `target` where it exists.
        predictor: the network that the archive was written with, where it did not come with the package.
        limits: what the archive may ask for; by default as `spikey_cli.Limits` has it.
        progress: called with (bytes written, bytes in all).

    Samples of 24 bits are int32 in an NPY file. Returns the shape.

    Raises:
        ArchiveError: what is needed is damaged.
        ModelError: the model that it was written with is not installed.
        InputError: a name is unknown, the threads do not agree, the stretch holds no sample, seconds are given and the
            recording tells no rate, or the file cannot be written.
        ValueError: seconds and frames are both given.
    """
    if (start is not None or stop is not None) and (first_frame is not None or stop_frame is not None):
        raise ValueError("give a stretch in seconds or in frames, not both")
    path = Path(target) if isinstance(target, (str, os.PathLike)) else None
    if path and path.suffix.lower() not in SUFFIXES:
        raise InputError(f"{path}: what is extracted is an array or a WAV; name it .npy or .wav")
    with Recording(archive, channels, workers=workers, predictor=predictor, limits=limits) as recording:
        length, width = recording.shape
        if first_frame is None and stop_frame is None:
            first, last = _frames(
                archive, start or 0.0, math.inf if stop is None else stop, recording.sample_rate, length
            )
        else:
            first, last = min(first_frame or 0, length), length if stop_frame is None else min(stop_frame, length)
        if not 0 <= first < last:
            raise InputError(
                f"{archive}: no sample lies there; its threads have {length:,} samples at {_rate(recording)}"
            )
        pieces = _pieces(recording, first, last, progress)
        if path is None:
            _write_npy(cast(BinaryIO, target), (last - first, width), recording.dtype, pieces)
            return last - first, width
        form = WavFormat(recording.sample_rate, width, recording.sample_bytes)
        is_wav = path.suffix.lower() == ".wav"
        if is_wav and (fault := form.fault(last - first)):
            raise InputError(f"{path}: {fault}; {_TO_NPY}")
        whole = WholeFile(path, force=force)
        try:
            with whole.writing() as file:
                if is_wav:
                    write_wav(file, path, form, pieces)
                else:
                    _write_npy(file, (last - first, width), recording.dtype, pieces)
            whole.commit()
        finally:
            whole.discard()
        return last - first, width


def _rate(recording: Recording) -> str:
    return f"{recording.sample_rate:,} Hz" if recording.sample_rate else "a rate that is not known"


def _pieces(recording: Recording, first: int, last: int, progress: Progress | None) -> Iterator[np.ndarray]:
    """Samples `first` to `last`, a stretch at a time."""
    width = recording.shape[1] * recording.dtype.itemsize
    for at, end in recording.stretches(first, last):
        yield recording[at:end]
        if progress:
            progress((end - first) * width, (last - first) * width)


def _write_npy(file: BinaryIO, shape: tuple[int, int], dtype: np.dtype, pieces: Iterator[np.ndarray]) -> None:
    little = dtype.newbyteorder("<")
    file.write(npy.header(shape, little))
    for samples in pieces:
        file.write(np.ascontiguousarray(samples, little).tobytes())


def _frames(name: object, start: float, stop: float, rate: int, length: int) -> tuple[int, int]:
    """The frames from `start` to `stop`, in seconds, of `length`. Raises InputError where no time lies between them, or
    there is no `rate` to count with.
    """
    if not 0 <= start < stop:
        raise InputError(f"no time lies between {start} s and {stop} s; give --start less than --stop")
    if rate == 0 and (start > 0 or not math.isinf(stop)):
        raise InputError(
            f"{name}: tells no rate, so that seconds mean nothing; count frames (spikey extract --first-frame, "
            "--stop-frame)"
        )
    return min(round(start * rate), length), length if math.isinf(stop) else min(round(stop * rate), length)


def extract_files(
    archive: str | os.PathLike[str],
    folder: str | os.PathLike[str],
    *,
    channels: Sequence[str] | None = None,
    start: float = 0.0,
    stop: float = math.inf,
    workers: int | None = None,
    force: bool = False,
    predictor: Predictor | None = None,
    limits: Limits | None = None,
) -> list[Path]:
    """Write the samples from `start` to `stop` of chosen threads as WAV files below `folder`, as `spikey decompress`
    does that is told of threads or times.

    Args:
        archive: path of an `.spk` file.
        folder: where to; made if it is not there.
        threads: names of threads (see `spikey info`), or of files for all their threads; by default all. They need not
            agree.
        start: seconds from the beginning of the recording; the sample nearest to it is the first.
        stop: seconds, not included; past the end is the end.
        workers: threads of execution; by default one for each processor.
        force: replace files that exist.
        predictor: the network that the archive was written with, where it did not come with the package.
        limits: what the archive may ask for; by default as `spikey_cli.Limits` has it.

    Returns the paths written, one a file that a chosen thread is from; it holds that file's chosen channels. A file
    that was no WAV gets the ending `.wav` behind its name.

    Raises:
        ArchiveError: what is needed is damaged.
        ModelError: the model that it was written with is not installed.
        InputError: a name is unknown, no file reaches into the range of time, a file tells no rate, or cannot be
            written.
    """
    written = []
    with ArchiveReader(archive, limits or DEFAULT_LIMITS) as reader, open_workers(workers) as pool:
        decoder = Decoder.of(reader, predictor)
        wanted: dict[str, tuple[WavFormat, int, list[int], int, int]] = {}
        for file, own in choose_channels(reader, channels).items():
            entry = reader.directory.files[file]
            assert entry.layout is not None
            first, last = _frames(entry.name, start, stop, entry.layout.sample_rate, entry.layout.n_frames)
            form = WavFormat(entry.layout.sample_rate, len(own), entry.layout.sample_bytes)
            if first < last:
                if fault := form.fault(last - first):
                    raise InputError(f"{archive}: {entry.name}: {fault}; {_TO_NPY}")
                name = entry.name if entry.layout.kind == "wav" else f"{entry.name}.wav"
                if name in wanted:
                    raise InputError(f"{archive}: two files would be {name}; choose one of them by --thread")
                wanted[name] = form, file, own, first, last
        for name, (form, file, own, first, last) in wanted.items():
            whole = WholeFile.below(Path(folder), name, force=force)
            try:
                with whole.writing() as handle:
                    read = read_frames(decoder, pool, {file: own}, first, last)
                    write_wav(handle, whole.path, form, (samples for _, _, samples in read))
                whole.commit()
            finally:
                whole.discard()
            written.append(whole.path)
    if not written:
        raise InputError(
            f"{archive}: no chosen thread has samples from {start} s on; `spikey info` tells how long it is"
        )
    return written


def choose_channels(reader: ArchiveReader, names: Sequence[str] | None) -> dict[int, list[int]]:
    """The channels of each file that are chosen by names of threads, or of files for all their threads; by default all.

    Raises InputError where a name is unknown.
    """
    chosen: dict[int, list[int]] = {}
    for file, channel in find_channels(reader, names).values():
        chosen.setdefault(file, []).append(channel)
    return chosen
