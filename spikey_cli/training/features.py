"""Linear features of a window, as a matrix: they fold into the first layer, and cost nothing once frozen.

All are of unit gain or near it, so that the projector's weights begin alike for each kind.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
import pywt

from .config import Cnn, Fourier, Identity, Wavelet


def linear_features(parts: Sequence[Identity | Wavelet | Fourier | Cnn], window: int) -> np.ndarray:
    """The features that are linear, float64 of shape (features, window); a window's columns are oldest first."""
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
    rows = np.concatenate([spectrum.real, spectrum.imag])
    return rows[np.abs(rows).max(axis=1) > 1e-9]  # the imaginary parts of a constant and of an alternation are zero


def _wavelet(name: str, levels: int, window: int) -> np.ndarray:
    with warnings.catch_warnings():
        # a window may be shorter than the filters of its coarsest level: the edges' effects are learnt with the rest
        warnings.simplefilter("ignore", UserWarning)
        columns = [np.concatenate(pywt.wavedec(column, name, level=levels)) for column in np.eye(window)]
    rows = np.array(columns).T
    return rows[np.abs(rows).max(axis=1) > 1e-9]


def placed_filters(filters: int, width: int, stride: int, window: int) -> np.ndarray:
    """Where the weights of filters go in a matrix over the window: int64 of shape (filters * places, window).

    Entries count the weights filter by filter; -1 is none. Places end at the newest difference.
    """
    ends = range(window, width - 1, -stride)
    table = np.full((filters, len(ends), window), -1, dtype=np.int64)
    for place, end in enumerate(ends):
        table[:, place, end - width : end] = np.arange(filters * width).reshape(filters, width)
    return table.reshape(filters * len(ends), window)
