"""A range of time of some threads of an archive to WAV files of their own.

These are new files, not the bytes of the old ones: a plain header, and of the samples those that were asked for.
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np

from .archive import ArchiveReader
from .atomic import WholeFile
from .codec import Decoder
from .errors import InputError, unknown_name
from .interruption import hold
from .limits import DEFAULT_LIMITS, Limits
from .predictor import Predictor
from .recording import read_frames
from .tables import thread_names
from .workers import Workers, open_workers

_SUBTYPES = {1: "PCM_U8", 2: "PCM_16", 3: "PCM_24"}


def extract(
    archive: str | os.PathLike[str],
    folder: str | os.PathLike[str],
    *,
    threads: Sequence[str] | None = None,
    start: float = 0.0,
    stop: float = math.inf,
    workers: int | None = None,
    force: bool = False,
    predictor: Predictor | None = None,
    limits: Limits | None = None,
) -> list[Path]:
    """Write the samples from `start` to `stop` of chosen threads as WAV files below `folder`.

    Args:
        archive: path of an `.spk` file.
        folder: where to; made if it is not there.
        threads: names of threads (see `spikey info`), or of files for all their threads; by default all.
        start: seconds from the beginning of the recording; the sample nearest to it is the first.
        stop: seconds, not included; past the end is the end.
        workers: threads of execution; by default one for each processor.
        force: replace files that exist.
        predictor: the network that the archive was written with, where it did not come with the package.
        limits: what the archive may ask for; by default as `spikey_cli.Limits` has it.

    Returns the paths written, one a file that a chosen thread is from; it holds that file's chosen channels.

    Raises:
        ArchiveError: what is needed is damaged.
        ModelError: the model that it was written with is not installed.
        InputError: a name is unknown, no file reaches into the range of time, or a file cannot be written.
    """
    if not 0 <= start < stop:
        raise InputError(f"no time lies between {start} s and {stop} s; give --start less than --stop")
    written = []
    with ArchiveReader(archive, limits or DEFAULT_LIMITS) as reader, open_workers(workers) as pool:
        decoder = Decoder.of(reader, predictor)
        for file, channels in choose_threads(reader, threads).items():
            layout = reader.directory.files[file].layout
            assert layout is not None
            first = min(round(start * layout.sample_rate), layout.n_frames)
            last = layout.n_frames if math.isinf(stop) else min(round(stop * layout.sample_rate), layout.n_frames)
            if first < last:
                written.append(_write(decoder, pool, file, channels, first, last, Path(folder), force))
    if not written:
        raise InputError(
            f"{archive}: no chosen thread has samples from {start} s on; `spikey info` tells how long it is"
        )
    return written


def choose_threads(reader: ArchiveReader, names: Sequence[str] | None) -> dict[int, list[int]]:
    """The channels of each file that are chosen by names of threads, or of files for all their threads; by default all.

    Raises InputError where a name is unknown.
    """
    files = reader.directory.files
    known = thread_names(files)
    of_file = {file.name: [place for place in known.values() if place[0] == i] for i, file in enumerate(files)}
    places: list[tuple[int, int]] = []
    for name in known if names is None else names:
        if name not in known and not of_file.get(name):
            raise unknown_name(reader.path, "thread", name, known)
        places += [known[name]] if name in known else of_file[name]
    chosen: dict[int, list[int]] = {}
    for file_index, channel in dict.fromkeys(places):
        chosen.setdefault(file_index, []).append(channel)
    return chosen


def _write(
    decoder: Decoder, workers: Workers, file: int, channels: list[int], first: int, last: int, root: Path, force: bool
) -> Path:
    import soundfile

    layout = decoder.reader.directory.files[file].layout
    assert layout is not None
    target = WholeFile.below(root, decoder.reader.directory.files[file].name, force=force)
    path = target.path
    subtype = _SUBTYPES[layout.sample_bytes]
    try:
        with target.writing() as handle:
            pending = _Pending()
            with hold():
                wav = soundfile.SoundFile(pending, "w", layout.sample_rate, len(channels), subtype, format="WAV")
            for _, _, samples in read_frames(decoder, workers, {file: channels}, first, last):
                with hold():
                    wav.write(_as_soundfile_takes(samples, layout.sample_bytes))
                pending.write_to(handle)
            with hold():
                wav.close()
            pending.write_to(handle)
        target.commit()
    except soundfile.LibsndfileError as error:
        raise InputError(f"{path}: libsndfile cannot write it: {error}") from error
    finally:
        target.discard()
    return path


class _Pending:
    """What libsndfile writes, until it can be written: of an error in its callbacks only a traceback would be left."""

    def __init__(self) -> None:
        self._pieces: list[tuple[int, bytes]] = []
        self._at = 0
        self._end = 0

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._at = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._end}[whence]
        return self._at

    def write(self, data: bytes) -> int:
        self._pieces.append((self._at, data))
        self._at += len(data)
        self._end = max(self._end, self._at)
        return len(data)

    def write_to(self, file: BinaryIO) -> None:
        """Write all that is pending to where it belongs."""
        for at, data in self._pieces:
            if file.tell() != at:
                file.seek(at)
            file.write(data)
        self._pieces.clear()


def _as_soundfile_takes(samples: np.ndarray, sample_bytes: int) -> np.ndarray:
    """int16 or int32 that libsndfile narrows back to the same samples: it keeps the most significant bits."""
    if sample_bytes == 1:
        return (samples.astype(np.int16) - 128) << 8
    return samples << 8 if sample_bytes == 3 else samples
