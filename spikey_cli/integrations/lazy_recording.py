"""What an object that is pickled, forked and kept for long needs of an archive: to be opened where it is read."""

from __future__ import annotations

import operator
import os
import threading
import weakref
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..api.block_cache import BlockCache
from ..api.recording import Recording, read_bytes
from ..codec.blocks import Decoder
from ..container.archive import ArchiveReader
from ..errors import ArchiveError, LimitError
from ..io.layout import MAX_HEADER_BYTES
from ..io.npy import parse_header


class LazyRecording:
    """Threads of an archive, opened when they are first read, and anew in a process that was forked: a block that its
    parent was decoding would never be there.
    """

    def __init__(self, path: Path, channels: Sequence[str] | None, workers: int | None) -> None:
        self._opened_with = (path, channels, workers)
        self._lock = threading.Lock()
        self._process: int | None = None

    def __reduce__(self) -> tuple[type[LazyRecording], tuple[Path, Sequence[str] | None, int | None]]:
        return LazyRecording, self._opened_with

    @property
    def blocks(self) -> BlockCache:
        """What to read of. Raises as `Recording` does."""
        with self._lock:
            if self._process != os.getpid():
                path, channels, workers = self._opened_with
                recording = Recording(path, channels, workers=workers)
                weakref.finalize(self, recording.close)
                self._blocks = BlockCache(recording)
                self._process = os.getpid()
            return self._blocks


def read_file(path: Path, name: str, first: int = 0, stop: int | None = None) -> bytes | None:
    """Bytes `first` to `stop`, by default all, of a file that is kept verbatim in an archive; None where it has none.

    Raises ArchiveError where they are damaged, and LimitError where all are more than should lie in memory.
    """
    with ArchiveReader(path) as reader:
        for i, file in enumerate(reader.directory.files):
            if file.name == name and file.layout is None:
                if stop is None and file.size > reader.limits.memory:
                    raise LimitError(f"{path}: {name} has {file.size} bytes, too many for such a file")
                return read_bytes(Decoder.of(reader), i, first, file.size if stop is None else stop)
    return None


class ArchivedVector:
    """An NPY file of one dimension that is kept verbatim in an archive, as an array of which what is wanted is read."""

    ndim = 1

    def __init__(self, path: Path, name: str) -> None:
        """Raises ArchiveError where there is no such file, or it is no such array."""
        self._path = path
        self._name = name
        found = parse_header(self._read(0, MAX_HEADER_BYTES))
        if found is None or len(found[1]) != 1 or found[2].kind not in "fiu":
            raise ArchiveError(f"{path}: {name} is no vector of numbers; restore the archive from a copy")
        self._head_bytes, self.shape, self.dtype, _ = found

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: object) -> np.ndarray:
        """As of NumPy's arrays; what lies between the first and the last of a slice is decoded."""
        if isinstance(key, slice):
            rows = range(*key.indices(len(self)))
            if not rows:
                return np.empty(0, self.dtype)
            return self._numbers(min(rows), max(rows) + 1)[:: rows.step]
        if isinstance(key, (int, np.integer)):
            at = range(len(self))[operator.index(key)]
            return self._numbers(at, at + 1)[0]
        return np.asarray(self)[key]  # type: ignore[call-overload]

    def __array__(self, dtype: np.dtype | None = None, copy: bool | None = None) -> np.ndarray:
        if copy is False:
            raise ValueError("numbers are decoded anew: there is no array to share")
        return np.asarray(self._numbers(0, len(self)), dtype=dtype)

    def _numbers(self, first: int, stop: int) -> np.ndarray:
        at = (self._head_bytes + n * self.dtype.itemsize for n in (first, stop))
        return np.frombuffer(self._read(*at), self.dtype)

    def _read(self, first: int, stop: int) -> bytes:
        data = read_file(self._path, self._name, first, stop)
        if data is None:
            raise ArchiveError(f"{self._path}: holds no {self._name}, of which it tells; restore it from a copy")
        return data
