"""A dataset of an HDF5 file, such as the samples of an NWB file, as a source of `spikey_cli.compress`.

The samples of `session.nwb` become the NumPy file `session.npy`; `session.json` beside it holds the metadata of the
dataset. The archive contains nothing else of the file.

    {"file": "session.nwb", "dataset": "acquisition/ElectricalSeries/data", "dtype": "int16", "shape": [30000, 4],
     "subtracted": 0, "rate": 30000.0, "starting_time": 0.0,
     "attributes": {"conversion": 1.95e-07, "offset": 0.0, "unit": "volts"}}

    dtype, subtracted       the dataset is session.npy plus `subtracted`, as `dtype`
    rate, starting_time     Hz and seconds, as NWB stores them beside the data, or null
    attributes              attributes of the dataset that can be written as JSON

Importing this module registers the filter of `hdf5_filter`, so that h5py reads and writes datasets that are compressed
with Spikey.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

import numpy as np

from ..api.array_metadata import UINT16_OFFSET, subtract_offset
from ..errors import InputError, MissingPackageError
from ..io.layout import MAX_RATE, whole_rate
from ..io.npy import is_predictable
from ..io.source import ArraySource, Description, FileSource, Source, Status

try:
    import h5py
except ImportError as error:
    raise MissingPackageError("datasets of HDF5 files need h5py: pip install h5py") from error

from .hdf5_filter import Spikey
from .hdf5_storage import FAULTS, READABLE, Storage

with contextlib.suppress(ImportError):
    import hdf5plugin  # noqa: F401 - registers compression filters

__all__ = ["Spikey", "dataset_sources"]

_DTYPES = (np.dtype(np.int16), np.dtype(np.uint16), np.dtype(np.uint8))
_MIN_CACHE_BYTES, _MAX_CACHE_BYTES = 1 << 20, 1 << 27

_MAX_OBJECTS_VISITED, _MAX_DATASETS_NAMED = 10_000, 5


def dataset_sources(
    file: str | os.PathLike[str] | FileSource, dataset: str, *, sample_rate: int = 0
) -> tuple[Source, Source]:
    """Samples and metadata of a dataset in an HDF5 file, as sources of `spikey_cli.compress`.

    Parameters
    ----------
    file : path-like or FileSource
        The HDF5 file. The sources have its name, with the suffixes ``.npy`` and ``.json``.
    dataset : str
        Path of the dataset in the file: int16, uint16 or uint8 of shape (frames,) or (frames, channels).
    sample_rate : int, optional
        Frames a second, used if the file does not contain a rate.

    Returns
    -------
    samples, metadata : Source
        The file is read while `samples` is read, a range of frames at a time.

    Raises
    ------
    InputError
        If the file cannot be read or has no such dataset.

    Examples
    --------
    >>> import h5py
    >>> import numpy as np
    >>> import spikey_cli
    >>> from spikey_cli.integrations.hdf5 import dataset_sources
    >>> with h5py.File("session.h5", "w") as file:
    ...     file["probe/traces"] = np.zeros((3000, 4), np.int16)
    >>> spikey_cli.compress(dataset_sources("session.h5", "probe/traces"), "session.spk").files
    2
    """
    source = file if isinstance(file, FileSource) else FileSource(Path(file), Path(file).name, sample_rate)
    source.status()  # reports errors of the file system as such
    source.open().close()
    try:
        with h5py.File(source.path, "r") as hdf5:
            data = hdf5.get(dataset)
            if not isinstance(data, h5py.Dataset):
                raise InputError(f"{source}: has no dataset {dataset!r}; {candidates(hdf5)}", parameter="dataset")
            dtype, shape = data.dtype, data.shape
            if not _is_recording(data):
                raise InputError(
                    f"{source}: {dataset} is {dtype} of shape {shape}; a recording is int16, uint16 or uint8 of shape "
                    f"(frames,) or (frames, channels); {candidates(hdf5)}",
                    parameter="dataset",
                )
            metadata = {
                "file": PurePosixPath(source.name).name,
                "dataset": dataset,
                "dtype": dtype.name,
                "shape": shape,
                "subtracted": UINT16_OFFSET if dtype.kind == "u" and dtype.itemsize == 2 else 0,
                **_timing(data),
                "attributes": _attributes(data),
            }
            others = Storage(data, str(source)).check()
            samples = _Samples(source, dataset, shape, dtype, _cache_bytes(data), sorted(others))
    except FAULTS as error:
        raise _unreadable(source, dataset, error) from error
    rate = metadata["rate"]
    has_rate = isinstance(rate, float) and 0 < rate <= MAX_RATE
    name = PurePosixPath(source.name)
    dataset_source = DatasetSource(
        samples, str(name.with_suffix(".npy")), whole_rate(rate) if has_rate else source.sample_rate
    )
    text = json.dumps(metadata, indent=1) + "\n"
    return dataset_source, Description(text.encode(), str(name.with_suffix(".json")), describes=dataset_source)


class DatasetSource:
    """The samples of a dataset as a NumPy file. The HDF5 file is open only while its samples are read."""

    def __init__(self, samples: _Samples, name: str, sample_rate: int) -> None:
        self.name = name
        self.sample_rate = sample_rate
        self._samples = samples
        self._size = ArraySource(samples, str(samples)).status().size

    def __str__(self) -> str:
        return str(self._samples)

    def open(self) -> BinaryIO:
        """Open the NumPy file. Each call opens the HDF5 file anew, so that readers do not share a handle."""
        return ArraySource(self._samples.unopened(), str(self)).open()

    def status(self) -> Status:
        """Size of the NumPy file, and sum of the times of modification. Raises InputError if a file cannot be read."""
        others = (FileSource(Path(path)).status().modified_ns for path in self._samples.others)
        return Status(self._size, sum(others, self._samples.source.status().modified_ns))


class _Samples:
    """Frames of a dataset as int16 or uint8. The file is closed with the last reference."""

    def __init__(
        self,
        source: FileSource,
        dataset: str,
        shape: tuple[int, ...],
        dtype: np.dtype,
        cache_bytes: int,
        others: Sequence[str],
    ) -> None:
        self.source = source
        self.others = others
        """Other files that hold some of the samples."""
        self.shape = shape
        self.dtype = np.dtype(np.uint8 if dtype.itemsize == 1 else np.int16)
        self._dataset = dataset
        self._stored_dtype = dtype
        self._cache_bytes = cache_bytes
        self._storage: Storage | None = None

    def __str__(self) -> str:
        return f"{self.source}: {self._dataset}"

    def unopened(self) -> _Samples:
        """A copy that opens the file for itself."""
        return _Samples(self.source, self._dataset, self.shape, self._stored_dtype, self._cache_bytes, self.others)

    def __getitem__(self, key: slice) -> np.ndarray:
        try:
            if self._storage is None:
                file = h5py.File(self.source.path, "r", rdcc_nbytes=self._cache_bytes)
                self._storage = Storage(file[self._dataset], str(self.source))
            frames = self._storage.read(key.start, key.stop)
        except FAULTS as error:
            raise _unreadable(self.source, self._dataset, error) from error
        if self._stored_dtype.kind == "u" and self._stored_dtype.itemsize == 2:
            return subtract_offset(frames, UINT16_OFFSET)
        return frames


def _is_recording(data: Any) -> bool:
    """Whether a dataset has a dtype and shape that the predictor supports."""
    if data.shape is None or data.dtype.newbyteorder("=") not in _DTYPES:
        return False
    return is_predictable(data.shape, np.dtype(np.uint8))


def _cache_bytes(data: Any) -> int:
    """Size of the chunk cache: frames are read across all chunks that lie side by side."""
    if not data.chunks:
        return _MIN_CACHE_BYTES
    chunk_bytes = int(np.prod(data.chunks, dtype=np.int64)) * data.dtype.itemsize
    n_chunks = -(-data.shape[1] // data.chunks[1]) if len(data.chunks) == 2 else 1
    return min(max(_MIN_CACHE_BYTES, chunk_bytes * n_chunks), _MAX_CACHE_BYTES)


def _timing(data: Any) -> dict[str, float | None]:
    """Rate (Hz) and starting time (seconds), which NWB stores beside the data of a series."""
    starting_time = data.parent.get("starting_time")
    if not isinstance(starting_time, h5py.Dataset) or starting_time.shape != ():
        return {"rate": None, "starting_time": None}
    return {"rate": _finite(starting_time.attrs.get("rate")), "starting_time": _finite(starting_time[()])}


def _finite(value: object) -> float | None:
    """A finite number as float, which JSON can represent; None for anything else."""
    if not isinstance(value, (int, float, np.integer, np.floating)) or not np.isfinite(value):
        return None
    return float(value)


def _attributes(data: Any) -> dict[str, object]:
    """Attributes that can be written as JSON."""
    attributes: dict[str, object] = {}
    for name in data.attrs:
        if not isinstance(name, str):
            continue  # the name is not valid UTF-8
        with contextlib.suppress(*FAULTS):
            value = data.attrs[name]
            value = value.tolist() if isinstance(value, (np.ndarray, np.generic)) else value
            value = value.decode() if isinstance(value, bytes) else value
            json.dumps(value, allow_nan=False)
            attributes[name] = value
    return attributes


def candidates(hdf5: Any) -> str:
    """Names two-dimensional datasets that may be recordings, with dtype and shape, for an error message."""
    names: list[str] = []
    visited = 0

    def visit(name: str, item: object) -> bool | None:
        nonlocal visited
        visited += 1
        with contextlib.suppress(*FAULTS):
            if isinstance(item, h5py.Dataset) and item.ndim == 2 and _is_recording(item):
                names.append(f"{name} ({item.dtype}, {' x '.join(map(str, item.shape))})")
        return True if len(names) > _MAX_DATASETS_NAMED or visited >= _MAX_OBJECTS_VISITED else None

    hdf5.visititems(visit)
    if not names:
        return "the file has no recording; compress it as a file"
    return f"the file has {', '.join(names[:_MAX_DATASETS_NAMED])}" + " and more" * (len(names) > _MAX_DATASETS_NAMED)


def _unreadable(source: FileSource, dataset: str, error: Exception) -> InputError:
    return InputError(f"{source}: cannot read {dataset} as HDF5: {error}; {READABLE}")
