"""Coding step: predict, code and adapt, for all lanes and several steps, in the core."""

from __future__ import annotations

import numpy as np

from ..topology.references import ReferenceTable
from . import _core
from .converter import Bins
from .lanes import Lanes
from .network import Chain
from .residual_log import ResidualLog
from .simd import SIMD


def first_state(
    lanes: Lanes,
    bins: Bins,
    gains: np.ndarray,
    initial_codes: np.ndarray,
    references: ReferenceTable,
    *,
    window: int = 0,
    chain: Chain | None = None,
    effort: int = 2,
    gains_follow: bool = False,
    log: ResidualLog | None = None,
    simd: str | None = SIMD,
    plain: bool = False,
) -> _core.State:
    """Return the state of a group of lanes before step 1.

    Parameters
    ----------
    lanes : Lanes
    bins : Bins
    gains : uint8 array of shape (lanes,)
        Gains of the lane headers.
    initial_codes : int32 array of shape (lanes,)
        First code of each lane.
    references : ReferenceTable
        Which channels each channel references, and the coding passes.
    window : int
        Samples that the network sees; 0 if there is none.
    chain : Chain, optional
        The network, if the core evaluates it.
    effort : int
        How much the adaptation learns: 1 fast, 2 normal, 3 best; see `c/core.h`.
    gains_follow : bool
        Whether `gains` are only initial values and follow the signal.
    log : ResidualLog, optional
        Filled in while steps are taken.
    simd : str, optional
        One of `_core.simd()`; None for the best.
    plain : bool
        Whether to use only the plain loops, with which tests compare the instruction sets.

    Returns
    -------
    _core.State
        See `c/core.h`.
    """
    first_of_group = np.unique(references.groups, return_index=True)[1]
    leaders = first_of_group[references.groups]
    return _core.State(
        lanes.first_of_channels(),
        references.passes,
        references.references,
        references.later,
        references.lags,
        references.orders,
        leaders,
        bins.size,
        bins.profiled,
        bins.edges,
        lanes.length,
        lanes.start,
        gains,
        np.ascontiguousarray(initial_codes),
        window,
        chain.network if chain else None,
        effort,
        gains_follow,
        log.arrays if log else None,
        simd,
        plain,
    )
