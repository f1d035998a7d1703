"""Where the bytes of a source come from: a file, bytes in memory, or an array that is read a stretch at a time.

An array is given the bytes of the NumPy file that would hold it, so that it comes back as a file that `numpy.load`
opens; they are made as they are read, and never lie in memory as a whole.
"""

from __future__ import annotations

import io
import math
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol, cast

import numpy as np

from ..errors import InputError, system_fault
from .layout import MAX_RATE
from .npy import header, is_predictable


@dataclass(frozen=True)
class Status:
    """What tells whether a source is what it was."""

    size: int
    """Bytes."""
    modified_ns: int
    """Of a file, when it was last written, in nanoseconds; otherwise 0."""


class Source(Protocol):
    """What bytes can be read from, time and again. `str` names it in errors."""

    @property
    def name(self) -> str:
        """The name that it gets in an archive."""

    @property
    def sample_rate(self) -> int:
        """Frames a second, where its bytes do not tell; 0 where nothing does."""

    def open(self) -> BinaryIO:
        """Its bytes, to seek and read in. Raises InputError, naming it."""

    def status(self) -> Status:
        """What it is by now. Raises InputError where it cannot be told."""


@dataclass(frozen=True)
class FileSource:
    """A file on the disk."""

    path: Path
    name: str
    sample_rate: int = 0

    def __str__(self) -> str:
        return str(self.path)

    def open(self) -> BinaryIO:
        """The file, to read. Raises InputError, naming it."""
        return open_input(self.path)

    def status(self) -> Status:
        """Its size and time. Raises InputError where it is gone, or is none whose size the system can tell."""
        try:
            status = os.stat(self.path)
        except OSError as error:
            raise InputError(system_fault(self.path, "read", error)) from error
        if not stat.S_ISREG(status.st_mode):
            raise InputError(f"{self.path}: is a pipe, a device or the like; pipe it in, as in `spikey compress -`")
        return Status(status.st_size, status.st_mtime_ns)


@dataclass(frozen=True)
class BytesSource:
    """Bytes in memory, to stand beside recordings in an archive: what belongs to them, as text or JSON."""

    data: bytes
    name: str
    sample_rate: int = 0

    def __str__(self) -> str:
        return self.name

    def open(self) -> BinaryIO:
        """The bytes."""
        return io.BytesIO(self.data)

    def status(self) -> Status:
        """Their number."""
        return Status(len(self.data), 0)


class Samples(Protocol):
    """An array, or what is indexed like one and read from elsewhere: of h5py, Zarr, Dask ..."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(frames,) or (frames, channels)."""

    @property
    def dtype(self) -> np.dtype:
        """int16 or uint8."""

    def __getitem__(self, key: slice) -> object:
        """Frames, as something that NumPy makes an array of."""


class ArraySource:
    """Samples of shape (frames,) or (frames, channels), int16 or uint8, of any byte order; or an array beside them."""

    def __init__(
        self, array: Samples, name: str = "recording.npy", sample_rate: float = 0, *, verbatim: bool = False
    ) -> None:
        """`sample_rate`: frames a second, in whole Hz. With `verbatim` the array may be any of one dimension or more,
        and is packed as it stands.

        Its stretches are asked for by several threads of execution, each while another's is made.

        Raises InputError where `array` is of another dtype or shape, or the rate is none.
        """
        if not 0 <= sample_rate <= MAX_RATE or sample_rate != int(sample_rate):
            raise InputError(f"{name}: a rate of {sample_rate} Hz does not go into an archive; give it in whole Hz")
        self.name = name
        self.sample_rate = int(sample_rate)
        self._array = array
        self._dtype = np.dtype(array.dtype).newbyteorder("<")
        self._shape = tuple(int(n) for n in array.shape)
        if not self._shape:
            raise InputError(f"{name}: a single number is no array; wrap it as numpy.atleast_1d does")
        if not verbatim and not is_predictable(self._shape, self._dtype):
            raise InputError(
                f"{name}: an array of {np.dtype(array.dtype)} and shape {self._shape} is no recording; give int16 or "
                "uint8 of shape (frames, channels)"
            )
        self._head = header(self._shape, self._dtype)
        self._frame_bytes = self._dtype.itemsize * math.prod(self._shape[1:])
        self._size = len(self._head) + self._shape[0] * self._frame_bytes

    def __str__(self) -> str:
        return self.name

    def open(self) -> BinaryIO:
        """The bytes of the file that would hold the array."""
        return cast(BinaryIO, _ArrayFile(self))

    def status(self) -> Status:
        """The size of that file."""
        return Status(self._size, 0)

    def read(self, first: int, stop: int) -> bytes:
        """Bytes `first` to `stop` of that file, within its size."""
        header = self._head[first:stop]
        first, stop = max(first - len(self._head), 0), max(stop - len(self._head), 0)
        if first == stop:
            return header
        first_frame, stop_frame = first // self._frame_bytes, -(-stop // self._frame_bytes)
        frames = np.asarray(self._array[first_frame:stop_frame])
        if frames.shape != (stop_frame - first_frame, *self._shape[1:]):
            raise InputError(f"{self.name}: frames {first_frame} to {stop_frame} came in the shape {frames.shape}")
        if frames.dtype.newbyteorder("<") != self._dtype:
            raise InputError(
                f"{self.name}: frames {first_frame} to {stop_frame} came as {frames.dtype}, and the array says it is "
                f"{self._dtype}; wrap one that gives what it says"
            )
        data = np.ascontiguousarray(frames, dtype=self._dtype).reshape(-1).view(np.uint8)
        skipped = first_frame * self._frame_bytes
        return header + data[first - skipped : stop - skipped].tobytes()


class _ArrayFile(io.RawIOBase):
    """An array as a file that is read."""

    def __init__(self, array: ArraySource) -> None:
        super().__init__()
        self.name = array.name
        self._array = array
        self._size = array.status().size
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._at = max(0, offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence])
        return self._at

    def read(self, count: int | None = -1) -> bytes:
        stop = self._size if count is None or count < 0 else min(self._at + count, self._size)
        if stop <= self._at:
            return b""
        data = self._array.read(self._at, stop)
        self._at = stop
        return data


def open_input(path: Path) -> BinaryIO:
    """Open a file to read. Raises InputError, naming it."""
    try:
        return open(path, "rb")
    except OSError as error:
        raise InputError(system_fault(path, "read", error)) from error
