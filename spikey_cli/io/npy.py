"""NumPy's .npy files, as `numpy.lib.format` specifies them.

    header   93 "NUMPY" major minor length, then a Python dictionary with dtype, order and shape
    data     frame 0, frame 1, ...

`parse` accepts little-endian arrays of a `SampleType`, of shape (frames,) or (frames, channels), in C order; other
arrays are stored verbatim. The file does not state a sampling rate. Times and sample numbers, one-dimensional arrays of
int64 or float64 that count up, have no samples to predict: `parse_times` finds their numbers.
"""

from __future__ import annotations

import io
from dataclasses import replace
from tokenize import TokenError
from typing import BinaryIO, NamedTuple

import numpy as np
from numpy.lib import format as npy_format

from .layout import MAX_CHANNELS, MAX_HEADER_BYTES, MAX_TRAILER_BYTES, Layout, SampleType, samples_from_bytes
from .records import FLOAT64, Field, RecordLayout

MAGIC = b"\x93NUMPY"

_ROWS_COMPARED = 64

FAULTS = (
    ValueError,
    TypeError,
    OverflowError,
    EOFError,
    LookupError,
    SyntaxError,
    TokenError,
    MemoryError,
    RecursionError,
)
"""Exceptions that NumPy raises for malformed files: it parses the header as a Python expression."""

_TYPES = {dtype.newbyteorder("<"): each for each in SampleType if SampleType.of(dtype := each.dtype) is each}


_TIMES = {np.dtype("<i8"): 8, np.dtype("<u8"): 8, np.dtype("<f8"): FLOAT64}
"""Types of the numbers of arrays of times."""
_MIN_TIMES = 16
_PIECES, _PIECE_TIMES = 8, 1 << 12
"""In how many pieces, of how many numbers, an array is checked for counting up."""


class NpyHeader(NamedTuple):
    """The fields of an .npy file's header."""

    length: int
    """Length of the header in bytes."""
    shape: tuple[int, ...]
    dtype: np.dtype
    is_fortran: bool
    """Whether the array is stored in Fortran order."""


def is_predictable(shape: tuple[int, ...], dtype: np.dtype) -> bool:
    """Return whether an array in C order consists of samples that the predictor accepts."""
    if dtype not in _TYPES or len(shape) not in (1, 2):
        return False
    return len(shape) == 1 or 1 <= shape[1] <= MAX_CHANNELS


def header(shape: tuple[int, ...], dtype: np.dtype) -> bytes:
    """Return the header of an .npy file for an array of this shape and dtype in C order."""
    buffer = io.BytesIO()
    fields = {"descr": npy_format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
    npy_format.write_array_header_1_0(buffer, fields)
    return buffer.getvalue()


def parse(file: BinaryIO, size: int, sample_rate: int = 0) -> Layout | None:
    """Find the samples of an .npy file.

    Parameters
    ----------
    file : binary file
        Open for reading, seekable.
    size : int
        Its size in bytes.
    sample_rate : int, optional
        Frames per second, for the layout; 0 if unknown.

    Returns
    -------
    Layout or None
        None if it is not an .npy file, or the predictor does not accept its array.

    Raises
    ------
    OSError
        The file cannot be read.
    """
    file.seek(0)
    start = file.read(min(size, MAX_HEADER_BYTES))
    fields = parse_header(start)
    if fields is None or fields.is_fortran or not is_predictable(fields.shape, fields.dtype):
        return None
    n_frames, channels = fields.shape[0], fields.shape[1] if len(fields.shape) == 2 else 1
    end = fields.length + n_frames * channels * fields.dtype.itemsize
    if end > size or size - end > MAX_TRAILER_BYTES:
        return None
    file.seek(end)
    trailer = file.read(size - end)
    return Layout(start[: fields.length], trailer, sample_rate, channels, _TYPES[fields.dtype], n_frames)


def parse_times(file: BinaryIO, size: int) -> RecordLayout | None:
    """Find the numbers of an .npy file of times; return None if it is none."""
    file.seek(0)
    fields = parse_header(file.read(min(size, MAX_HEADER_BYTES)))
    if fields is None or len(fields.shape) != 1 or fields.dtype not in _TIMES or fields.shape[0] < _MIN_TIMES:
        return None
    n, end = fields.shape[0], fields.length + 8 * fields.shape[0]
    if not 0 <= size - end <= MAX_TRAILER_BYTES:
        return None
    for i in range(_PIECES):
        first = max(n - _PIECE_TIMES, 0) * i // (_PIECES - 1)
        file.seek(fields.length + 8 * first)
        piece = np.frombuffer(file.read(8 * min(_PIECE_TIMES, n)), fields.dtype)
        if not (piece[1:] >= piece[:-1]).all() or not piece[-1] > piece[0]:
            return None
    file.seek(0)
    header = file.read(fields.length)
    file.seek(end)
    return RecordLayout(header, file.read(size - end), n, (), (Field(1, kept_type=_TIMES[fields.dtype]),))


def looks_transposed(layout: Layout) -> bool:
    """Return whether the samples of an array of shape (channels, frames) were laid out one row after another."""
    fields = parse_header(layout.header)
    return fields is not None and len(fields.shape) == 2 and (layout.n_frames, layout.channels) != fields.shape


def transposed(file: BinaryIO, layout: Layout) -> Layout:
    """Return the layout of an array whose rows seem to be channels: one channel, which is one row after another.

    There are more columns than rows, and samples resemble the next ones of their row more than those of their column.
    """
    if layout.n_frames >= layout.channels:
        return layout
    file.seek(layout.data_offset)
    rows = min(layout.n_frames, _ROWS_COMPARED)
    data = file.read(rows * layout.frame_bytes)
    if rows == 0 or len(data) < rows * layout.frame_bytes:
        return layout
    samples = samples_from_bytes(data, layout.channels, layout.sample_type).astype(np.float64)
    if rows > 1:
        with np.errstate(invalid="ignore", over="ignore"):
            along_rows, along_columns = (np.abs(np.diff(samples, axis=axis)) for axis in (1, 0))
        if not np.mean(along_rows) < np.mean(along_columns) / 2:
            return layout
    return replace(layout, channels=1, n_frames=layout.n_frames * layout.channels)


def parse_header(start: bytes) -> NpyHeader | None:
    """Parse the header in the first bytes of a file; return None if they are not those of an .npy file."""
    if not start.startswith(MAGIC):
        return None
    buffer = io.BytesIO(start)
    try:
        version = npy_format.read_magic(buffer)
        if version == (1, 0):
            shape, is_fortran, dtype = npy_format.read_array_header_1_0(buffer)
        elif version == (2, 0):
            shape, is_fortran, dtype = npy_format.read_array_header_2_0(buffer)
        else:
            return None
    except FAULTS:
        return None
    # NumPy's header parser accepts False as a length, which later calls reject
    if any(type(n) is not int or n < 0 for n in shape):
        return None
    return NpyHeader(buffer.tell(), shape, dtype, is_fortran)


def holds_16_bit_integers(start: bytes) -> bool:
    """Return whether the first bytes of a file are the header of a non-empty array of 16-bit integers."""
    fields = parse_header(start)
    return fields is not None and 0 not in fields.shape and fields.dtype.kind in "iu" and fields.dtype.itemsize == 2
