"""Linear features of a window as a matrix, which folds into the first layer and costs nothing after export.

All features have about unit gain, so that the projector's initial weights suit each kind.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
import pywt

from .config import Cnn, Fourier, Identity, Wavelet

_ZERO = 1e-9


def linear_features(parts: Sequence[Identity | Wavelet | Fourier | Cnn], window: int) -> np.ndarray:
    """The matrix of all linear features.

    Parameters
    ----------
    parts : sequence
        Features of a configuration; learnt filters (`Cnn`) are skipped.
    window : int

    Returns
    -------
    ndarray of float64, shape (features, window)
        Columns are differences, oldest first.
    """
    rows = [np.zeros((0, window))]
    for part in parts:
        if isinstance(part, Identity):
            rows.append(np.eye(window)[window - part.last :])
        elif isinstance(part, Fourier):
            rows.append(_fourier(part.last, window))
        elif isinstance(part, Wavelet):
            rows.append(_wavelet(part.name, part.levels, window))
    return np.concatenate(rows)


def _fourier(last: int, window: int) -> np.ndarray:
    spectrum = np.fft.rfft(np.eye(window)[window - last :], axis=0, norm="ortho")
    return _without_zero_rows(np.concatenate([spectrum.real, spectrum.imag]))


def _wavelet(name: str, levels: int, window: int) -> np.ndarray:
    with warnings.catch_warnings():
        # PyWavelets warns if the window is shorter than the coarsest filter; training adapts to the edge effects
        warnings.simplefilter("ignore", UserWarning)
        columns = [np.concatenate(pywt.wavedec(column, name, level=levels)) for column in np.eye(window)]
    return _without_zero_rows(np.array(columns).T)


def _without_zero_rows(rows: np.ndarray) -> np.ndarray:
    return rows[np.abs(rows).max(axis=1) > _ZERO]


def placed_filters(filters: int, width: int, stride: int, window: int) -> np.ndarray:
    """Indices of the weights of learnt filters in a matrix over the window.

    Returns
    -------
    ndarray of int64, shape (filters * positions, window)
        Weights are numbered filter by filter; -1 means zero. The first position ends at the newest difference.
    """
    ends = range(window, width - 1, -stride)
    indices = np.full((filters, len(ends), window), -1, dtype=np.int64)
    for position, end in enumerate(ends):
        indices[:, position, end - width : end] = np.arange(filters * width).reshape(filters, width)
    return indices.reshape(filters * len(ends), window)
