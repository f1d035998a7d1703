"""A dataset of an HDF5 file, such as the samples of an NWB file, as an input.

    spikey_cli.compress(dataset_origins("session.nwb", "acquisition/ElectricalSeries/data"), "session.spk")

Its samples become an array, `session.npy`, and what the file tells of them stands beside it:

    session.json   {"file": "session.nwb", "dataset": "acquisition/ElectricalSeries/data", "dtype": "int16",
                    "shape": [30000, 4], "subtracted": 0, "rate": 30000.0, "starting_time": 0.0,
                    "attributes": {"conversion": 1.95e-07, "offset": 0.0, "unit": "volts"}}
                   the dataset is session.npy, plus `subtracted`, as `dtype`; `rate` and `starting_time` as NWB has them
                   beside its data, or null; the attributes of the dataset that are JSON

Nothing else of the file is in the archive.
"""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

import numpy as np

from ..api.array_metadata import UINT16_OFFSET, subtract_offset
from ..errors import InputError, MissingPackageError
from ..io.layout import MAX_RATE, whole_rate
from ..io.npy import is_predictable
from ..io.source import ArraySource, BytesSource, FileSource, Source, Status

try:
    import h5py
except ImportError as error:
    raise MissingPackageError("datasets of HDF5 files need h5py: pip install 'spikey-cli[hdf5]'") from error

with contextlib.suppress(ImportError):
    import hdf5plugin  # noqa: F401 - filters that datasets may be packed with

_DTYPES = (np.dtype(np.int16), np.dtype(np.uint16), np.dtype(np.uint8))
_LEAST_CACHE_BYTES, _MOST_CACHE_BYTES = 1 << 20, 1 << 27
"""Room for the chunks of HDF5 that lie side by side: what is read of them is less than they hold."""

_OBJECTS_VISITED, _DATASETS_NAMED = 10_000, 5

_FAULTS = (OSError, RuntimeError, ValueError, LookupError, TypeError)
"""What h5py raises of files that are damaged, or of types that NumPy has not."""


def dataset_origins(
    file: str | os.PathLike[str] | FileSource, dataset: str, *, sample_rate: int = 0
) -> tuple[Source, Source]:
    """The samples of a dataset, and what is told of them, as inputs of `spikey_cli.compress`.

    Args:
        file: path of an HDF5 file; its name, but for the ending, is that of the inputs.
        dataset: path of the dataset in it: int16, uint16 or uint8 of shape (frames,) or (frames, channels).
        sample_rate: frames a second, where the file does not tell.

    Raises InputError where the file cannot be read, or holds no such dataset.
    """
    source = file if isinstance(file, FileSource) else FileSource(Path(file), Path(file).name, sample_rate)
    source.status()  # an error that is the file system's is told as such
    try:
        with h5py.File(source.path, "r") as opened:
            found = opened.get(dataset)
            if not isinstance(found, h5py.Dataset):
                raise InputError(f"{source}: holds no dataset {dataset!r}; {_told(opened)}")
            _check_elsewhere(source, found)
            dtype, shape = found.dtype, found.shape
            if not _is_recording(found):
                raise InputError(
                    f"{source}: {dataset} is {dtype} of shape {shape}, and a recording is int16, uint16 or uint8 of "
                    f"shape (frames, channels); {_told(opened)}"
                )
            about = {
                "file": PurePosixPath(source.name).name,
                "dataset": dataset,
                "dtype": dtype.name,
                "shape": shape,
                "subtracted": UINT16_OFFSET if dtype.kind == "u" and dtype.itemsize == 2 else 0,
                **_timing(found),
                "attributes": _attributes(found),
            }
            samples = _Samples(source, dataset, shape, dtype, _cache_bytes(found))
    except _FAULTS as error:
        raise _unreadable(source, dataset, error) from error
    rate = about["rate"]
    is_rate = isinstance(rate, float) and 0 < rate <= MAX_RATE
    name = PurePosixPath(source.name)
    return (
        DatasetOrigin(samples, str(name.with_suffix(".npy")), whole_rate(rate) if is_rate else source.sample_rate),
        BytesSource((json.dumps(about, indent=1) + "\n").encode(), str(name.with_suffix(".json"))),
    )


class DatasetOrigin:
    """The samples of a dataset, as the NumPy file that would hold them; it is opened when it is read, and only then."""

    def __init__(self, samples: _Samples, name: str, sample_rate: int) -> None:
        self.name = name
        self.sample_rate = sample_rate
        self._samples = samples
        self._size = ArraySource(samples, str(samples)).status().size

    def __str__(self) -> str:
        return str(self._samples)

    def open(self) -> BinaryIO:
        """The bytes of the NumPy file. Those who read it share no handle."""
        return ArraySource(self._samples.anew(), str(self)).open()

    def status(self) -> Status:
        """The size of the NumPy file, and the time of the HDF5 file. Raises InputError where that is gone."""
        return Status(self._size, self._samples.source.status().modified_ns)


class _Samples:
    """Frames of a dataset, as int16 or uint8; the file is closed once nothing refers to them."""

    def __init__(
        self, source: FileSource, dataset: str, shape: tuple[int, ...], dtype: np.dtype, cache_bytes: int
    ) -> None:
        self.source = source
        self.shape = shape
        self.dtype = np.dtype(np.uint8 if dtype.itemsize == 1 else np.int16)
        self._dataset = dataset
        self._of = (dtype, cache_bytes)
        self._opened: Any = None

    def __str__(self) -> str:
        return f"{self.source}: {self._dataset}"

    def anew(self) -> _Samples:
        """The same, not yet opened."""
        return _Samples(self.source, self._dataset, self.shape, *self._of)

    def __getitem__(self, key: slice) -> np.ndarray:
        dtype, cache_bytes = self._of
        try:
            if self._opened is None:
                self._opened = h5py.File(self.source.path, "r", rdcc_nbytes=cache_bytes)[self._dataset]
            frames = self._opened[key]
        except _FAULTS as error:
            raise _unreadable(self.source, self._dataset, error) from error
        if dtype.kind == "u" and dtype.itemsize == 2:
            return subtract_offset(frames, UINT16_OFFSET)
        return frames


def _check_elsewhere(source: FileSource, dataset: Any) -> None:
    """Raise InputError where samples lie in another file that is in none of the places where HDF5 looks for it: it
    would give zeros in their place.
    """
    beside = Path(dataset.file.filename)
    places = [beside.parent, beside.resolve().parent, Path(os.environ.get("HDF5_VDS_PREFIX", "")), Path()]
    for part in dataset.virtual_sources() if dataset.is_virtual else []:
        name = part.file_name
        if "%" in name:
            continue  # numbers, as many as there are files
        tried = [Path(place, one) for place in places for one in {name, Path(name).name}]
        if not any(map(os.path.exists, tried)):
            raise InputError(f"{source}: {dataset.name} has samples in {name}, which is not there; bring it back")


def _is_recording(dataset: Any) -> bool:
    """Whether its samples are of a dtype and shape that the predictor takes, if need be as others of the same width."""
    if dataset.shape is None or dataset.dtype.newbyteorder("=") not in _DTYPES:
        return False
    return is_predictable(dataset.shape, np.dtype(np.uint8))


def _cache_bytes(dataset: Any) -> int:
    """Room for as many chunks as a stretch of time crosses."""
    if not dataset.chunks:
        return _LEAST_CACHE_BYTES
    chunk_bytes = int(np.prod(dataset.chunks, dtype=np.int64)) * dataset.dtype.itemsize
    across = -(-dataset.shape[1] // dataset.chunks[1]) if len(dataset.chunks) == 2 else 1
    return min(max(_LEAST_CACHE_BYTES, chunk_bytes * across), _MOST_CACHE_BYTES)


def _timing(dataset: Any) -> dict[str, float | None]:
    """What NWB tells, beside the data of a series, of its time."""
    starting_time = dataset.parent.get("starting_time")
    if not isinstance(starting_time, h5py.Dataset) or starting_time.shape != ():
        return {"rate": None, "starting_time": None}
    return {"rate": _number(starting_time.attrs.get("rate")), "starting_time": _number(starting_time[()])}


def _number(value: object) -> float | None:
    """A number that JSON has."""
    if not isinstance(value, (int, float, np.integer, np.floating)) or not np.isfinite(value):
        return None
    return float(value)


def _attributes(dataset: Any) -> dict[str, object]:
    """The attributes that are JSON."""
    told: dict[str, object] = {}
    for name in dataset.attrs:
        if not isinstance(name, str):
            continue  # it is no UTF-8
        with contextlib.suppress(*_FAULTS):
            value = dataset.attrs[name]
            value = value.tolist() if isinstance(value, (np.ndarray, np.generic)) else value
            value = value.decode() if isinstance(value, bytes) else value
            json.dumps(value, allow_nan=False)
            told[name] = value
    return told


def _candidates(file: Any) -> str:
    """Datasets of two dimensions that may be recordings, by name, with dtype and shape."""
    found: list[str] = []
    visited = 0

    def visit(name: str, item: object) -> bool | None:
        nonlocal visited
        visited += 1
        with contextlib.suppress(*_FAULTS):
            if isinstance(item, h5py.Dataset) and item.ndim == 2 and _is_recording(item):
                found.append(f"{name} ({item.dtype}, {' x '.join(map(str, item.shape))})")
        return True if len(found) > _DATASETS_NAMED or visited >= _OBJECTS_VISITED else None

    file.visititems(visit)
    return ", ".join(found[:_DATASETS_NAMED]) + (" and more" if len(found) > _DATASETS_NAMED else "")


def _told(file: Any) -> str:
    candidates = _candidates(file)
    return f"it holds {candidates}" if candidates else "it holds none; leave out --dataset to keep the file as it is"


def _unreadable(source: FileSource, dataset: str, error: Exception) -> InputError:
    return InputError(
        f"{source}: cannot read {dataset} as HDF5: {error}; check that the file is whole, and that its filters are "
        "installed (pip install hdf5plugin)"
    )
