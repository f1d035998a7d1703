"""Sources of bytes: a file, bytes in memory, or an array that is read piece by piece.

An array has the bytes of the .npy file that `numpy.save` would write, so that it is restored as such a file. These
bytes are generated on demand and never in memory as a whole.
"""

from __future__ import annotations

import io
import math
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NamedTuple, Protocol, cast

import numpy as np

from ..errors import InputError, system_fault
from ..system.names import name_of_path
from ..system.random_access import RangeFile
from .layout import stated_rate
from .npy import header, is_predictable
from .raw import RawFormat


class Status(NamedTuple):
    """What shows whether a source has changed."""

    size: int
    """Size in bytes."""
    modified_ns: int
    """Time of a file's last modification in nanoseconds; 0 for other sources."""


class Source(Protocol):
    """An input of `compress`: bytes that can be read several times, with a name. `str` names it in errors."""

    @property
    def name(self) -> str:
        """The name in the archive, with forward slashes."""

    @property
    def sample_rate(self) -> int:
        """Frames per second if the bytes do not state it; 0 if unknown."""

    def open(self) -> BinaryIO:
        """Open the bytes for reading and seeking. Raises InputError."""

    def status(self) -> Status:
        """Return the current size and modification time. Raises InputError."""


@dataclass(frozen=True)
class FileSource:
    """A file as an input of `compress`, with what the file does not state about its samples.

    Parameters
    ----------
    path : str or path-like
    name : str, optional
        The name in the archive, with forward slashes; by default the file's own name.
    sample_rate : int, optional
        Frames per second of a file that does not state it (.npy); 0 if unknown.
    raw : RawFormat, optional
        The format of the samples if the file has no header and its name ends in .bin, .dat or .raw. By default the
        sidecars of SpikeGLX, Open Ephys and Intan are read; without them the file is stored verbatim.

    Raises
    ------
    InputError
        The rate is not a whole number from 0 to 2**32 - 1.

    Examples
    --------
    >>> np.zeros((1000, 4), np.int16).tofile("probe.bin")
    >>> source = spikey_cli.FileSource("probe.bin", raw=spikey_cli.RawFormat(channels=4, sample_rate=30_000))
    >>> _ = spikey_cli.compress([source], "probe.spk")
    >>> spikey_cli.info("probe.spk")["files"][0]["channels"]
    4
    """

    path: Path
    name: str = ""
    sample_rate: int = 0
    raw: RawFormat | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.path, Path):
            object.__setattr__(self, "path", Path(self.path))
        if not self.name:
            object.__setattr__(self, "name", name_of_path(self.path.name))
        object.__setattr__(self, "sample_rate", stated_rate(self.sample_rate, self.path))

    def __str__(self) -> str:
        return str(self.path)

    def open(self) -> BinaryIO:
        """Open the file for reading.

        Raises
        ------
        InputError
            The file cannot be read.
        """
        return open_input(self.path)

    def status(self) -> Status:
        """Return the file's size and modification time.

        Raises
        ------
        InputError
            The file is missing, or is not a regular file.
        """
        try:
            status = os.stat(self.path)
        except OSError as error:
            raise InputError(system_fault(self.path, "read", error)) from error
        if stat.S_ISDIR(status.st_mode):
            raise InputError(f"{self.path}: is a folder; name a file")
        if not stat.S_ISREG(status.st_mode):
            raise InputError(
                f"{self.path}: is a pipe, a device or the like, and has no size; copy it to a file, or compress it as "
                "a live stream"
            )
        return Status(status.st_size, status.st_mtime_ns)


@dataclass(frozen=True)
class BytesSource:
    """Bytes in memory as an input of `compress`, such as metadata that belongs to a recording.

    Parameters
    ----------
    data : bytes
    name : str
        The name in the archive, with forward slashes.
    sample_rate : int, optional
        Frames per second if `data` is an .npy file; 0 if unknown.

    Raises
    ------
    InputError
        The rate is not a whole number from 0 to 2**32 - 1.

    Examples
    --------
    >>> metadata = spikey_cli.BytesSource(b'{"probe": "A"}', "session.json")
    >>> spikey_cli.compress(["left.wav", metadata], "session.spk").files
    2
    """

    data: bytes
    name: str
    sample_rate: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "sample_rate", stated_rate(self.sample_rate, self.name))

    def __str__(self) -> str:
        return self.name

    def open(self) -> BinaryIO:
        """Open the bytes for reading."""
        return io.BytesIO(self.data)

    def status(self) -> Status:
        """Return the number of bytes."""
        return Status(len(self.data), 0)


@dataclass(frozen=True)
class Description(BytesSource):
    """Metadata of another source, without which it is not stored."""

    describes: Source | None = None


class Samples(Protocol):
    """An array, or an object indexed like one, such as a dataset of h5py, Zarr or Dask."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(frames,) or (frames, channels)."""

    @property
    def dtype(self) -> np.dtype:
        """That of a `SampleType`."""

    def __getitem__(self, key: slice) -> object:
        """Return frames, as an object that `numpy.asarray` accepts."""


class ArraySource:
    """An array as an input of `compress`; it is restored as an .npy file.

    Parameters
    ----------
    array : array-like, shape (frames,) or (frames, channels)
        Integers, or float32 or float64 that are integers times a gain. An array of any byte order, or an object with
        `shape`, `dtype` and slicing along the first axis. Several threads may read slices at the same time.
    name : str, optional
        The name in the archive, with forward slashes.
    sample_rate : float, optional
        Frames per second, a whole number; 0 if unknown.
    verbatim : bool, optional
        Store the array without prediction; it may have any dtype and one or more dimensions.

    Raises
    ------
    InputError
        The array has an unsupported dtype or shape, or is an HDF5 dataset with samples in other files; or the rate is
        not a whole number from 0 to 2**32 - 1.

    Examples
    --------
    >>> samples = np.arange(6000, dtype=np.int16).reshape(3000, 2)
    >>> source = spikey_cli.ArraySource(samples, "probe.npy", sample_rate=30_000)
    >>> source
    <ArraySource 'probe.npy': int16, shape (3000, 2), 30000 Hz>
    >>> _ = spikey_cli.compress([source], "probe.spk")
    >>> _ = spikey_cli.decompress("probe.spk", "restored")
    >>> bool((np.load("restored/probe.npy") == samples).all())
    True
    """

    def __init__(
        self, array: Samples, name: str = "recording.npy", sample_rate: float = 0, *, verbatim: bool = False
    ) -> None:
        if getattr(array, "is_virtual", False) or getattr(array, "external", None):  # of h5py
            raise InputError(
                f"{name}: samples of the dataset are in other files, and HDF5 makes up those that are missing; pass "
                "the sources that spikey_cli.integrations.hdf5.dataset_sources returns"
            )
        self.name = name
        self.sample_rate = stated_rate(sample_rate, name)
        self.is_verbatim = verbatim
        """Whether the array is stored without prediction."""
        self._array = array
        self._dtype = np.dtype(array.dtype).newbyteorder("<")
        self._shape = tuple(int(n) for n in array.shape)
        if not self._shape:
            raise InputError(f"{name}: a single number is no array; pass numpy.atleast_1d(array)")
        if not verbatim and not is_predictable(self._shape, self._dtype):
            raise InputError(
                f"{name}: an array of {np.dtype(array.dtype)} and shape {self._shape} is no recording; pass integers "
                "or floats of shape (frames, channels)"
            )
        self._header = header(self._shape, self._dtype)
        self._frame_bytes = self._dtype.itemsize * math.prod(self._shape[1:])
        self._size = len(self._header) + self._shape[0] * self._frame_bytes

    def __str__(self) -> str:
        return self.name

    def __repr__(self) -> str:
        return f"<ArraySource {self.name!r}: {self._dtype.name}, shape {self._shape}, {self.sample_rate} Hz>"

    def open(self) -> BinaryIO:
        """Open the bytes of the .npy file for reading."""
        return cast(BinaryIO, _ArrayFile(self))

    def status(self) -> Status:
        """Return the size of the .npy file."""
        return Status(self._size, 0)

    def read(self, first: int, stop: int) -> bytes:
        """Return bytes `first` to `stop` of the .npy file, within its size.

        Raises
        ------
        InputError
            The array returned frames of another shape or dtype than it states.
        """
        header_part = self._header[first:stop]
        first, stop = max(first - len(self._header), 0), max(stop - len(self._header), 0)
        if first == stop:
            return header_part
        first_frame, stop_frame = first // self._frame_bytes, -(-stop // self._frame_bytes)
        frames = np.asarray(self._array[first_frame:stop_frame])
        if frames.shape != (stop_frame - first_frame, *self._shape[1:]):
            raise InputError(
                f"{self.name}: frames {first_frame} to {stop_frame} have the shape {frames.shape}, which does not fit "
                f"the array's {self._shape}; pass an array that is indexed like a NumPy array"
            )
        if frames.dtype.newbyteorder("<") != self._dtype:
            raise InputError(
                f"{self.name}: frames {first_frame} to {stop_frame} are {frames.dtype}, and the array states "
                f"{self._dtype}; pass an array that returns the dtype it states"
            )
        data = np.ascontiguousarray(frames, dtype=self._dtype).reshape(-1).view(np.uint8)
        skipped = first_frame * self._frame_bytes
        return header_part + data[first - skipped : stop - skipped].tobytes()


class _ArrayFile(RangeFile):
    """The .npy file of an array as a file object."""

    def __init__(self, source: ArraySource) -> None:
        super().__init__()
        self.name = source.name
        self.size = source.status().size
        self._source = source

    def read_at(self, offset: int, count: int) -> bytes:
        stop = min(offset + count, self.size)
        return self._source.read(offset, stop) if stop > offset else b""

    def read(self, count: int | None = -1) -> bytes:  # without the copy that `readinto` makes
        data = self.read_at(self._at, self.size if count is None or count < 0 else count)
        self._at += len(data)
        return data


def open_input(path: Path) -> BinaryIO:
    """Open a file for reading. Raises InputError, which names it."""
    try:
        return open(path, "rb")
    except OSError as error:
        raise InputError(system_fault(path, "read", error)) from error
