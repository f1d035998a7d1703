"""Interleaved samples become channels, and the other way round."""

from __future__ import annotations

import numpy as np

from . import _core


def transposed(array: np.ndarray) -> np.ndarray:
    """Return the transpose of an array as one that is contiguous.

    NumPy's own copy reads each line of a wide array from memory once for every column.

    Parameters
    ----------
    array : ndarray of an integer or floating type, shape (rows, columns)

    Returns
    -------
    ndarray of the same dtype, shape (columns, rows)
        In C order; a view where nothing has to move.

    Examples
    --------
    >>> transposed(np.array([[1, 2, 3], [4, 5, 6]])).tolist()
    [[1, 4], [2, 5], [3, 6]]
    """
    if array.T.flags.c_contiguous:
        return array.T
    result = np.empty(array.shape[::-1], array.dtype)
    bits = f"u{array.itemsize}"
    _core.transpose(np.require(array, requirements=["C", "A"]).view(bits), array.shape[1], result.view(bits))
    return result
