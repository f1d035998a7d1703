"""What the entropy coders share: the core's coder object, and its streams."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

import numpy as np

from . import _core
from .converter import Bins
from .lanes import Lanes

RANGE, RICE, RANKS = range(3)
"""Kinds of coders in the core."""


def coder_of(kind: int, lanes: Lanes, bins: Bins, *, decodes: bool = False, n_steps: int | None = None) -> _core.Coder:
    """Return a coder of the core; `n_steps` steps of endless lanes, or by default all steps of the lanes."""
    steps = -1 if n_steps is None else n_steps
    return _core.Coder(
        kind, decodes, lanes.first_of_channels(), bins.size, bins.profiled, bins.edges, lanes.length, steps
    )


def open_streams(coder: _core.Coder, streams: Sequence[bytes]) -> None:
    """Give a decoder its streams, one for each channel."""
    coder.open(b"".join(streams), np.array([*accumulate(map(len, streams), initial=0)], np.int64))


def intact_streams(coder: _core.Coder, n_streams: int) -> np.ndarray:
    """Return for each channel whether its stream was used up exactly, as bool of shape (channels,)."""
    intact = np.zeros(n_streams, dtype=np.bool_)
    coder.whole(intact)
    return intact
