"""Coding states of the core with a choice of the instruction set."""

from __future__ import annotations

from typing import Any

import numpy as np

from spikey_cli.codec.coding_state import CodingState
from spikey_cli.core.coding_step import first_state
from spikey_cli.core.converter import Bins
from spikey_cli.core.lanes import Lanes
from spikey_cli.core.residual_log import ResidualLog
from spikey_cli.model.predictor import Predictor
from spikey_cli.topology.references import ReferenceTable


def state_of(
    lanes: Lanes,
    bins: Bins,
    gains: np.ndarray,
    initial_codes: np.ndarray,
    predictor: Predictor | None,
    table: ReferenceTable,
    *,
    log: ResidualLog | None = None,
    **how: Any,
) -> CodingState:
    """A coding state whose core takes `how`: `simd` or `plain` of `first_state`."""
    state = CodingState(lanes, bins, gains, initial_codes, predictor, table, log=log)
    window, chain = (predictor.window, predictor.chain) if predictor else (0, None)
    state.core = first_state(lanes, bins, gains, initial_codes, table, window=window, chain=chain, log=log, **how)
    return state
