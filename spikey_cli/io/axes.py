"""Which axis of an array is time.

It is the first one, as in (frames, channels), unless an array has more columns than rows. That may be of shape
(channels, frames), as MNE and MATLAB store recordings, and is taken for it if it has at least 32 times as many columns
as rows, or more than there may be channels. Between these, samples are compared: the mean difference of neighbours in a
row, divided by the number of columns, must be less than that of neighbours in a column, divided by the number of rows.

An array of more dimensions has time along its first axis, and channels along all others, if that is not shorter than
these make together. Otherwise it consists of matrices, one after another in time: those of its last two axes.

The lengths count, whatever the rows are: few long channels take fewer bytes than many short ones, each of which a
predictor has to learn anew.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from .layout import MAX_CHANNELS

_LONGER = 32
_ROWS_COMPARED, _COLUMNS_COMPARED = 64, 1024


def as_matrices(shape: tuple[int, ...]) -> tuple[int, int, int]:
    """Return how many matrices an array of one or more dimensions consists of, and their rows and columns."""
    channels = math.prod(shape[1:])
    if len(shape) < 3 or shape[0] >= channels:
        return 1, shape[0], channels
    return math.prod(shape[:-2]), shape[-2], shape[-1]


def is_transposed(shape: tuple[int, ...], excerpt: Callable[[tuple[slice, slice]], np.ndarray]) -> bool:
    """Return whether an array is likelier of shape (channels, frames) than of shape (frames, channels).

    Parameters
    ----------
    shape : tuple of int
    excerpt : callable
        Returns the samples of some rows and columns, of which it is asked for at most once.
    """
    if len(shape) != 2 or not 0 < shape[0] < shape[1]:
        return False
    rows, columns = shape
    if columns > MAX_CHANNELS or columns >= _LONGER * rows:
        return True
    n, m = min(rows, _ROWS_COMPARED), min(columns, _COLUMNS_COMPARED)
    row, column = (rows - n) // 2, (columns - m) // 2
    samples = excerpt((slice(row, row + n), slice(column, column + m)))
    with np.errstate(invalid="ignore", over="ignore"):
        samples = samples.astype(np.float64)
        along_columns, along_rows = (np.abs(np.diff(samples, axis=axis)).sum() for axis in (0, 1))
        return bool(along_rows * (rows * (n - 1) * m) < along_columns * (columns * n * (m - 1)))
