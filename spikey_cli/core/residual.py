"""Residuals: what a channel does not say of itself beforehand, by which channels are compared.

The samples at the start of each channel are predicted linearly from those before. Channels that were recorded together
share a part of what remains, whereas hum and slow potentials, which each channel predicts by itself, are gone.
"""

from __future__ import annotations

import numpy as np

from ..topology.discovery import Residual
from . import _core

EXCERPT_SAMPLES = 1 << 16
"""Samples at the start of a channel that are compared."""


def residuals(samples: np.ndarray) -> tuple[Residual, ...]:
    """Return the residuals of each channel, as `topology.discovery.find_topology` takes them.

    They are clipped at four deviations, so that spikes and artefacts do not outweigh the rest.

    Parameters
    ----------
    samples : ndarray of uint8, int16 or int32, shape (frames, channels) or (frames,)
        Frames after EXCERPT_SAMPLES are ignored.

    Returns
    -------
    tuple of Residual
        One for each channel; zeros where there is none.
    """
    excerpt = np.ascontiguousarray(samples[:EXCERPT_SAMPLES])
    n_frames, n_channels = excerpt.shape if excerpt.ndim == 2 else (excerpt.size, 1)
    found, saved = np.zeros((n_channels, n_frames), dtype=np.int8), np.zeros((n_channels, 2))
    if found.size:
        _core.residuals(excerpt, n_channels, found, saved)
    return tuple(map(Residual, found, map(tuple, saved.tolist())))
