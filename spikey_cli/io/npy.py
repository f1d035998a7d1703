"""NumPy's .npy files, as `numpy.lib.format` specifies them.

    header   93 "NUMPY" major minor length, then a Python dictionary with dtype, order and shape
    data     frame 0, frame 1, ...

`parse` accepts little-endian arrays of a `SampleType`; other arrays are stored verbatim. In an array of shape
(channels, frames) in C order, or (frames, channels) in Fortran order, samples stand channel by channel: it is one
record. If it is too large for a record, it is one channel, which is one row after another. An array of more dimensions
is one matrix after another, see `axes`.

The file does not state a sampling rate. Times and sample numbers, one-dimensional arrays of
int64 or float64 that count up, have no samples to predict: `parse_times` finds their numbers.
"""

from __future__ import annotations

import io
from tokenize import TokenError
from typing import BinaryIO, NamedTuple

import numpy as np
from numpy.lib import format as npy_format

from .axes import as_matrices, is_transposed
from .layout import MAX_CHANNELS, MAX_HEADER_BYTES, MAX_TRAILER_BYTES, Layout, SampleType
from .records import FLOAT64, MAX_RECORD_BYTES, Field, Group, RecordLayout

MAGIC = b"\x93NUMPY"

_MAX_RECORD_SAMPLES = 1 << 22
"""Most samples of a record; readers accept as many in a block by default."""

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


def parse(file: BinaryIO, size: int, sample_rate: int = 0, *, is_array: bool = False) -> Layout | RecordLayout | None:
    """Find the samples of an .npy file.

    Parameters
    ----------
    file : binary file
        Open for reading, seekable.
    size : int
        Its size in bytes.
    sample_rate : int, optional
        Frames per second, for the layout; 0 if unknown.
    is_array : bool, optional
        Whether the first axis is known to be time: the file is one of an array that a caller passed as frames.

    Returns
    -------
    Layout, RecordLayout or None
        None if it is not an .npy file, or the predictor does not accept its array.

    Raises
    ------
    OSError
        The file cannot be read.
    """
    file.seek(0)
    start = file.read(min(size, MAX_HEADER_BYTES))
    fields = parse_header(start)
    if fields is None or fields.dtype not in _TYPES or not fields.shape or (is_array and len(fields.shape) > 2):
        return None
    depth, rows, columns = as_matrices(fields.shape[::-1] if fields.is_fortran else fields.shape)
    matrix_bytes = rows * columns * fields.dtype.itemsize
    end = fields.length + depth * matrix_bytes
    if not 0 <= size - end <= MAX_TRAILER_BYTES or not columns:
        return None
    file.seek(end)
    ends, sample_type = (start[: fields.length], file.read(size - end)), _TYPES[fields.dtype]
    middle = fields.length + depth // 2 * matrix_bytes
    if (
        not is_array
        and depth
        and is_transposed((rows, columns), lambda part: _read_part(file, middle, fields.dtype, columns, *part))
    ):
        if matrix_bytes <= MAX_RECORD_BYTES and rows * columns <= _MAX_RECORD_SAMPLES:
            group, field = Group(sample_type, sample_rate, columns), Field(rows, 0, by_channel=True)
            return RecordLayout(*ends, depth, (group,), (field,))
        rows, columns = rows * columns, 1
    return Layout(*ends, sample_rate, columns, sample_type, depth * rows) if columns <= MAX_CHANNELS else None


def _read_part(file: BinaryIO, at: int, dtype: np.dtype, length: int, rows: slice, columns: slice) -> np.ndarray:
    """Read some samples of a matrix at offset `at`, whose rows have this length."""
    part = []
    for row in range(rows.start, rows.stop):
        file.seek(at + (row * length + columns.start) * dtype.itemsize)
        part.append(file.read((columns.stop - columns.start) * dtype.itemsize))
    return np.frombuffer(b"".join(part), dtype).reshape(rows.stop - rows.start, -1)


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


def is_row_by_row(layout: Layout) -> bool:
    """Return whether the rows of an array are coded one after another, as one channel."""
    fields = parse_header(layout.header)
    return fields is not None and layout.channels == 1 and sum(n > 1 for n in fields.shape) > 1


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
