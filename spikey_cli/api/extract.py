"""Extracts ranges of samples of chosen channels into new files.

Unlike restored files, these have a plain header of their own and only the requested samples. They are decoded and
written piece by piece.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np

from ..codec.decoder import Decoder
from ..container.archive import ArchiveReader
from ..container.limits import DEFAULT_LIMITS, Limits
from ..errors import InputError
from ..io import npy
from ..io.formats import format_name
from ..io.layout import Layout, SampleType
from ..io.wav_writer import WavFormat, write_wav
from ..model.predictor import Predictor
from ..system.progress import Progress
from ..system.remote import location
from ..system.whole_file import WholeFile
from ..system.workers import Workers, open_workers
from .recording import Recording, choose_channels, read_frames

SUFFIXES = (".npy", ".wav")
"""Suffixes of the file that `extract` can write."""

Range = tuple[float | None, float | None]

_WRITE_NPY = "extract to an .npy file instead"


@dataclass(frozen=True)
class Extracted:
    """The result of `extract`.

    Attributes
    ----------
    paths : tuple of pathlib.Path
        The files that were written; empty if the target is an open file.
    shapes : tuple of (int, int)
        (samples, channels) of each file.

    Examples
    --------
    >>> _ = spikey_cli.compress(["left.wav", "right.wav"], "session.spk")
    >>> spikey_cli.extract("session.spk", "piece.npy", frames=(0, 1000)).shapes
    ((1000, 2),)
    """

    paths: tuple[Path, ...]
    shapes: tuple[tuple[int, int], ...]


def extract(
    archive: str | os.PathLike[str],
    target: str | os.PathLike[str] | BinaryIO,
    *,
    channels: Sequence[str] | None = None,
    seconds: Range | None = None,
    frames: tuple[int | None, int | None] | None = None,
    microvolts: bool = False,
    force: bool = False,
    workers: int | None = None,
    predictor: Predictor | None = None,
    limits: Limits | None = None,
    progress: Progress | None = None,
) -> Extracted:
    """Write a range of samples of chosen channels as an array or as WAV.

    `decompress` restores the original files instead.

    Parameters
    ----------
    archive : path or URL
        An ``.spk`` file.
    target : path or binary file
        One of

        - a file that ends in ``.npy``: an array of shape (samples, channels);
        - a file that ends in ``.wav``: one WAV file with these channels;
        - an existing folder, or a string that ends in a separator: one WAV file for each source file, with the chosen
          channels of that file. The name of a source file that is not WAV gets the suffix ``.wav``; if its channels
          have several rates, ``.0.wav``, ``.1.wav`` and so on for each rate;
        - a binary file open for writing, which receives the bytes of an ``.npy`` file.
    channels : sequence of str, optional
        Names of channels, or of files for all their channels; by default all. They become the columns in this order,
        and must agree in length, rate and width unless the target is a folder.
    seconds : (start, stop), optional
        The range in seconds from the beginning: from the sample nearest to `start` to the one before that nearest to
        `stop`. None stands for the beginning or the end, and a later `stop` for the end.
    frames : (first, stop), optional
        The range in samples, instead of `seconds`; `stop` is exclusive.
    microvolts : bool, optional
        Write microvolts, as float32, instead of samples, if the archived files state the gains of all channels. Not for
        a folder.
    force : bool, optional
        Overwrite existing files.
    workers : int, optional
        Number of threads, by default (or 0) one per processor.
    predictor : Predictor, optional
        The network that the archive was written with, if it does not come with the package.
    limits : Limits, optional
        What the archive may ask for.
    progress : callable, optional
        Is called with (bytes written, total bytes).

    Returns
    -------
    Extracted

    Raises
    ------
    ArchiveError
        A block that is needed is damaged.
    ModelError
        The network that the archive was written with is not installed.
    InputError
        A name is unknown, the channels do not agree, the range holds no samples, `seconds` is given and the sampling
        rate is unknown, `microvolts` are wanted and a gain is unknown, or a file cannot be written.
    ValueError
        Both `seconds` and `frames` are given, or `workers` is negative.

    Notes
    -----
    24-bit samples are int32 in an ``.npy`` file.

    Examples
    --------
    >>> _ = spikey_cli.compress(["left.wav", "right.wav"], "session.spk")
    >>> result = spikey_cli.extract("session.spk", "piece.npy", channels=["right.wav"], seconds=(1, 1.5))
    >>> np.load("piece.npy").shape
    (9765, 1)
    >>> spikey_cli.extract("session.spk", "pieces/", frames=(1000, 2000)).shapes
    ((1000, 1), (1000, 1))
    """
    if seconds is not None and frames is not None:
        raise ValueError("pass the range in seconds or in frames, not both")
    if _is_folder(target):
        if microvolts:
            raise ValueError("microvolts are written to one file, not to a folder")
        root = Path(cast("str | os.PathLike[str]", target))
        with ArchiveReader(archive, limits or DEFAULT_LIMITS) as reader, open_workers(workers) as pool:
            return _extract_files(Decoder.of(reader, predictor), pool, root, channels, seconds, frames, force, progress)
    path = Path(target) if isinstance(target, (str, os.PathLike)) else None
    if path and path.suffix.lower() not in SUFFIXES:
        raise InputError(f"{path}: is neither an array, a WAV file nor a folder; give it the suffix .npy or .wav")
    with Recording(archive, channels, workers=workers, predictor=predictor, limits=limits) as recording:
        n_frames, n_channels = recording.shape
        name = location(archive)
        exact_rate = recording.exact_sample_rate if seconds is not None else 0.0  # it may stand in another file
        first, stop = _frame_range(name, seconds, frames, exact_rate, n_frames)
        if first >= stop:
            rate = f"{recording.sample_rate:,} Hz" if recording.sample_rate else "an unknown rate"
            raise _empty_range(f"{name}: the range holds no samples; its channels have {n_frames:,} at {rate}", frames)
        shape = stop - first, n_channels
        pieces, sample_type, dtype = _pieces(recording, first, stop, progress), recording.sample_type, recording.dtype
        if microvolts:
            pieces = _in_microvolts(recording, pieces, name)
            sample_type, dtype = SampleType.FLOAT32, np.dtype(np.float32)
        if path is None:
            _write_npy(cast(BinaryIO, target), shape, dtype, pieces)
            return Extracted((), (shape,))
        wav_format = WavFormat(recording.sample_rate, n_channels, sample_type)
        is_wav = path.suffix.lower() == ".wav"
        if is_wav and (fault := wav_format.fault(stop - first)):
            raise InputError(f"{path}: {fault}; {_WRITE_NPY}")
        whole_file = WholeFile(path, force=force)
        try:
            with whole_file.writing() as file:
                if is_wav:
                    write_wav(file, path, wav_format, pieces)
                else:
                    _write_npy(file, shape, dtype, pieces)
            whole_file.commit()
        finally:
            whole_file.discard()
        return Extracted((path,), (shape,))


def _is_folder(target: object) -> bool:
    if not isinstance(target, (str, os.PathLike)):
        return False
    name = os.fspath(target)
    return os.path.isdir(name) or name.endswith(("/", os.sep))


def _in_microvolts(recording: Recording, pieces: Iterator[np.ndarray], name: object) -> Iterator[np.ndarray]:
    if recording.microvolts is None:
        raise InputError(
            f"{name}: does not state the gain of each channel in volts; leave microvolts out, or choose channels of "
            "which the gain is known",
            parameter="channels",
        )
    gains, offsets = recording.microvolts
    return ((samples * gains + offsets).astype(np.float32) for samples in pieces)


def _frame_range(
    name: object, seconds: Range | None, frames: Range | None, sample_rate: float, n_frames: int
) -> tuple[int, int]:
    """Return the first and last frame (exclusive) of a range, within `n_frames`; it may be empty."""
    start, stop = (frames if seconds is None else seconds) or (None, None)
    start = 0 if start is None else start
    if start < 0 or (stop is not None and stop <= start):
        unit = "frame" if seconds is None else "second"
        raise _empty_range(f"{name}: no samples are between {unit} {start} and {unit} {stop}; exchange them", frames)
    if seconds is not None:
        if not sample_rate and (start or stop is not None):
            raise InputError(
                f"{name}: its sampling rate is unknown, so a range in seconds has no meaning; give it in frames",
                parameter="frames",
            )
        start, stop = start * sample_rate, None if stop is None else stop * sample_rate
    return min(round(start), n_frames), n_frames if stop is None else min(round(stop), n_frames)


def _empty_range(message: str, frames: Range | None) -> InputError:
    return InputError(message, parameter="frames" if frames else "seconds")


def _pieces(recording: Recording, first: int, stop: int, progress: Progress | None) -> Iterator[np.ndarray]:
    frame_bytes = recording.shape[1] * recording.dtype.itemsize
    for start, end in recording.pieces(first, stop):
        yield recording[start:end]
        if progress:
            progress((end - first) * frame_bytes, (stop - first) * frame_bytes)


def _write_npy(file: BinaryIO, shape: tuple[int, int], dtype: np.dtype, pieces: Iterable[np.ndarray]) -> None:
    little_endian = dtype.newbyteorder("<")
    file.write(npy.header(shape, little_endian))
    for samples in pieces:
        file.write(np.ascontiguousarray(samples, little_endian).tobytes())


@dataclass(frozen=True)
class _WavPiece:
    """What one WAV file in a folder will hold."""

    source: int
    """Index of the source file."""
    channels: list[int]
    first: int
    stop: int
    wav_format: WavFormat

    @property
    def bytes(self) -> int:
        return (self.stop - self.first) * self.wav_format.channels * self.wav_format.sample_type.bytes


def _extract_files(
    decoder: Decoder,
    workers: Workers,
    root: Path,
    names: Sequence[str] | None,
    seconds: Range | None,
    frames: Range | None,
    force: bool,
    progress: Progress | None,
) -> Extracted:
    """Write one WAV file below `root` for each file that a chosen channel belongs to."""
    reader = decoder.reader
    pieces: dict[str, _WavPiece] = {}
    for source, channels in choose_channels(reader, names).items():
        entry = reader.directory.files[source]
        layout = cast(Layout, entry.layout)
        first, stop = _frame_range(entry.name, seconds, frames, layout.sample_rate, layout.n_frames)
        if first >= stop:
            continue
        wav_format = WavFormat(layout.sample_rate, len(channels), layout.sample_type)
        if fault := wav_format.fault(stop - first):
            raise InputError(f"{reader.path}: {entry.name}: {fault}; {_WRITE_NPY}")
        name = entry.name if format_name(entry.header) == "wav" else f"{entry.name}.wav"
        if entry.records and len(entry.records.groups) > 1:
            name = f"{entry.name}.{entry.group}.wav"
        if name in pieces:
            raise InputError(
                f"{reader.path}: two files would be extracted as {name}; choose channels of one of them",
                parameter="channels",
            )
        pieces[name] = _WavPiece(source, channels, first, stop, wav_format)
    if not pieces:
        raise _empty_range(f"{reader.path}: the range holds no samples of the chosen channels", frames)
    done, total = 0, sum(piece.bytes for piece in pieces.values())

    def samples_of(piece: _WavPiece) -> Iterator[np.ndarray]:
        nonlocal done
        for _, _, samples in read_frames(decoder, workers, {piece.source: piece.channels}, piece.first, piece.stop):
            yield samples
            done += samples.size * piece.wav_format.sample_type.bytes
            if progress:
                progress(done, total)

    paths = []
    for name, piece in pieces.items():
        whole_file = WholeFile.below(root, name, force=force)
        try:
            with whole_file.writing() as file:
                write_wav(file, whole_file.path, piece.wav_format, samples_of(piece))
            whole_file.commit()
        finally:
            whole_file.discard()
        paths.append(whole_file.path)
    return Extracted(
        tuple(paths), tuple((piece.stop - piece.first, piece.wav_format.channels) for piece in pieces.values())
    )
