"""How the bytes of a NumPy file lie, and the header that an array gets.

    head   93 "NUMPY" major minor length, then a dictionary of dtype, order and shape: numpy.lib.format
    data   frame 0, frame 1 ..

int16 and uint8 of shape (frames,) or (frames, channels), frames one after another, are for the predictor: `parse` says
None of all others, and the caller keeps the file as it is. The file tells no sample rate.
"""

from __future__ import annotations

import io
from tokenize import TokenError
from typing import BinaryIO

import numpy as np
from numpy.lib import format as npy_format

from .layout import MAX_CHANNELS, MAX_HEADER_BYTES, MAX_TRAILER_BYTES, NPY_MAGIC, Layout

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
"""What NumPy raises of a file that is none of its own: a header is an expression of Python, and is parsed as one."""

_SAMPLE_BYTES = {np.dtype(np.uint8): 1, np.dtype("<i2"): 2}


def is_predictable(shape: tuple[int, ...], dtype: np.dtype) -> bool:
    """Whether an array, in C order, is of samples that the predictor can take."""
    if dtype not in _SAMPLE_BYTES or len(shape) not in (1, 2):
        return False
    return len(shape) == 1 or 1 <= shape[1] <= MAX_CHANNELS


def header(shape: tuple[int, ...], dtype: np.dtype) -> bytes:
    """The bytes that stand before an array of this shape and dtype, in C order, in a file of its own."""
    buffer = io.BytesIO()
    described = {"descr": npy_format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
    npy_format.write_array_header_1_0(buffer, described)
    return buffer.getvalue()


def parse(file: BinaryIO, size: int, sample_rate: int = 0) -> Layout | None:
    """Find the samples of a file of `size` bytes; frames a second are not in it, and may be told.

    Returns None where it is no array that the predictor can take. Raises OSError where it cannot be read.
    """
    file.seek(0)
    start = file.read(min(size, MAX_HEADER_BYTES))
    if not start.startswith(NPY_MAGIC):
        return None
    found = parse_header(start)
    if found is None:
        return None
    head_bytes, shape, dtype, is_fortran = found
    if is_fortran or not is_predictable(shape, dtype):
        return None
    n_frames, channels = shape[0], shape[1] if len(shape) == 2 else 1
    sample_bytes = _SAMPLE_BYTES[dtype]
    end = head_bytes + n_frames * channels * sample_bytes
    if end > size or size - end > MAX_TRAILER_BYTES:
        return None
    file.seek(end)
    return Layout(start[:head_bytes], file.read(size - end), sample_rate, channels, sample_bytes, n_frames)


def parse_header(start: bytes) -> tuple[int, tuple[int, ...], np.dtype, bool] | None:
    """What the first bytes of a file tell: (bytes of the head, shape, dtype, whether in Fortran order), or None."""
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
    if any(type(n) is not int or n < 0 for n in shape):  # NumPy takes False for a number here, and not afterwards
        return None
    return buffer.tell(), shape, dtype, is_fortran
