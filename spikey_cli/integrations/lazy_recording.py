"""Archives for objects that are pickled, forked and kept for long: the process that reads opens the file."""

from __future__ import annotations

import operator
import os
import threading
import weakref
from collections.abc import Sequence

import numpy as np

from ..api.block_cache import BlockCache
from ..api.read_bytes import read_bytes
from ..api.recording import Recording
from ..codec.decoder import Decoder
from ..container.archive import FROM_COPY, ArchiveReader
from ..errors import DamageError, LimitError
from ..io.layout import MAX_HEADER_BYTES
from ..io.npy import parse_header
from ..system.remote import location


class LazyRecording:
    """Channels of an archive that is opened by the first read, and again in each forked process.

    A forked process cannot share the block cache: it would wait forever for a block that a thread of its parent was
    decoding.

    Parameters
    ----------
    path : str
        The archive: its absolute path, or its URL.
    channels : sequence of str or None
        Names of channels, or of files for all their channels; None for all of the archive.
    workers : int or None
        Threads that decode a range together; None for one for each processor.
    """

    def __init__(self, path: str, channels: Sequence[str] | None, workers: int | None) -> None:
        self._arguments = (path, channels, workers)
        self._lock = threading.Lock()
        self._process: int | None = None

    def __reduce__(self) -> tuple[type[LazyRecording], tuple[str, Sequence[str] | None, int | None]]:
        return LazyRecording, self._arguments

    @property
    def blocks(self) -> BlockCache:
        """The open recording. Raises the errors of `Recording`."""
        with self._lock:
            if self._process != os.getpid():
                path, channels, workers = self._arguments
                recording = Recording(path, channels, workers=workers)
                weakref.finalize(self, recording.close)
                self._blocks = BlockCache(recording)
                self._process = os.getpid()
            return self._blocks


def read_file(path: str, name: str, first: int = 0, stop: int | None = None) -> bytes | None:
    """Read a file of an archive that has no samples, or a range of its bytes.

    Parameters
    ----------
    path : str
        The archive: its absolute path, or its URL.
    name : str
        Name of the file in it.
    first, stop : int, optional
        Range of bytes; by default all.

    Returns
    -------
    bytes or None
        None if the archive has no such file.

    Raises
    ------
    ArchiveError
        If the bytes are damaged.
    LimitError
        If the whole file is read and has more bytes than `Limits.memory` grants.
    """
    with ArchiveReader(path) as reader:
        for i, file in enumerate(reader.directory.files):
            has_groups = file.records is not None and len(file.records.groups) > 0
            if file.name == name and file.layout is None and not has_groups:
                if stop is None and file.size > reader.limits.memory:
                    raise LimitError(f"{reader.path}: {name} has {file.size} bytes; {reader.limits.memory} is the most")
                return read_bytes(Decoder.without_samples(reader), i, first, file.size if stop is None else stop)
    return None


class ArchivedVector:
    """One-dimensional array in an NPY file without samples; indexing reads only the bytes needed.

    Parameters
    ----------
    path : str
        The archive: its absolute path, or its URL.
    name : str
        Name of the file in it.
    divisor : float, optional
        What the numbers are divided by, such as a rate if they number samples.

    Raises
    ------
    ArchiveError
        If there is no such file, or it is not a vector of numbers.
    """

    ndim = 1

    def __init__(self, path: str, name: str, divisor: float | None = None) -> None:
        self._path = path
        self._name = name
        self._divisor = divisor
        header = parse_header(self._read(0, MAX_HEADER_BYTES))
        if header is None or len(header[1]) != 1 or header[2].kind not in "fiu":
            raise DamageError(f"{name} is not a vector of numbers", path=location(path), remedy=FROM_COPY)
        self._header_bytes, self.shape, self._stored, _ = header
        self.dtype = self._stored if divisor is None else np.dtype(np.float64)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: object) -> np.ndarray:
        """Index like a NumPy array. A slice reads everything between its first and last element."""
        if isinstance(key, slice):
            rows = range(*key.indices(len(self)))
            if not rows:
                return np.empty(0, self.dtype)
            return self._numbers(min(rows), max(rows) + 1)[:: rows.step]
        if isinstance(key, (int, np.integer)):
            row = range(len(self))[operator.index(key)]
            return self._numbers(row, row + 1)[0]
        return np.asarray(self)[key]  # type: ignore[call-overload]

    def __array__(self, dtype: np.dtype | None = None, copy: bool | None = None) -> np.ndarray:
        if copy is False:
            raise ValueError("reading an archive always copies; pass copy=None")
        return np.asarray(self._numbers(0, len(self)), dtype=dtype)

    def _numbers(self, first: int, stop: int) -> np.ndarray:
        ends = (self._header_bytes + n * self._stored.itemsize for n in (first, stop))
        numbers = np.frombuffer(self._read(*ends), self._stored)
        return numbers if self._divisor is None else numbers / self._divisor

    def _read(self, first: int, stop: int) -> bytes:
        data = read_file(self._path, self._name, first, stop)
        if data is None:
            raise DamageError(f"{self._name} is missing", path=location(self._path), remedy=FROM_COPY)
        return data
