"""Cost estimate: the memory and time that decoding a block takes, before it is decoded.

An archive states how many samples, lanes and steps a block has, what its channels are predicted from, and which network
evaluates them. A few bytes can claim very much of this, so a reader compares the estimate with its limits (see
`container.limits`) first.

Memory is the size of the core's coding state, as `core/c/group.c` and `core/c/adaptation.c` divide it. Times were
measured by `python benchmarks/cost.py`, which compares them with the estimate, and hold for a slow machine.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ..container.limits import Limits
from ..model.predictor import Predictor
from ..topology.references import ReferenceGraph
from .streams import MAX_LANE_GROUP, VECTOR

HISTORY_BYTES = 8 * 48 * 4
"""Bytes of the last steps of a lane's place in vectors: eight histories of 48 entries."""
PLACE_BYTES = 64 * 4 + 258
"""Bytes of a place beside them and its terms: a tile of 64 codes, and what is kept once."""
LANE_BYTES = 160
"""Bytes of a lane beside its place, with a stream of its own."""
CHANNEL_BYTES = 1024
"""Bytes of a channel beside its terms, rounded up as its arrays are."""
GROUP_BYTES = 3 << 15
"""Bytes of a group of lanes beside them."""
LANES_AT_ONCE = 512
"""Lanes that pass through a network together."""

SAMPLE_TIME, TERM_TIME = 80, 1.0
"""Nanoseconds per sample, and per term of its prediction."""
SUM_TIME, SOLUTION_TIME = 0.15, 0.8
"""Nanoseconds per product of two terms that is summed, and per multiply-add of a solution."""
STEP_TIME, CALL_TIME, OPERATOR_TIME = 600, 25_000, 2_000
"""Nanoseconds per step of a coding pass beside its samples; per call of ONNX Runtime; per operator in a call."""
PRODUCT_TIME, ELEMENT_TIME = 0.5, 1.0
"""Nanoseconds per multiply-add and per element of a tensor that ONNX Runtime computes, for each column."""
CHAIN_TIME, FLOAT_CHAIN_TIME = 0.1, 1.5
"""Nanoseconds per multiply-add or element of a chain for each column, in integers and in floats."""
FIELD_TIME = 20_000
"""Nanoseconds per field of records, kept numbers or samples, for all consecutive records of a part."""
_CHAIN_COLUMNS = 16
"""Columns that the core evaluates at once; of channels with lanes of their own, a quarter may be in use."""


class Effort(NamedTuple):
    """How much the adaptation learns, as `core/c/core.h` has it."""

    every: int
    """Steps from one that teaches to the next, after the first EVERY_STEP."""
    every_of_many: int
    """The same of a channel with MANY_LANES."""
    longest_gap: int
    """Steps between solutions, at most."""


EFFORTS = {1: Effort(8, 8, 256), 2: Effort(2, 4, 256), 3: Effort(1, 1, 64)}
EVERY_STEP, MANY_LANES = 512, 4


class BlockCost(NamedTuple):
    """What decoding a block takes."""

    group_bytes: int
    """Memory of the largest joint group, whose lanes must be decoded together."""
    max_lanes: int
    """About the largest number of lanes of different joint groups that the memory limit lets decode together."""
    time: float
    """Nanoseconds on one processor."""


def block_cost(
    lengths: Sequence[int], steps: int, graph: ReferenceGraph, effort: int, model: Predictor | None, limits: Limits
) -> BlockCost:
    """Estimate what decoding the coded channels of a block takes.

    Parameters
    ----------
    lengths : sequence of int
        Samples of each channel; 0 for one that is not coded.
    steps : int
        Length of the longest lane, at most.
    graph : ReferenceGraph
    effort : int
    model : Predictor or None
    limits : Limits
        Bounds the lanes that are decoded together.

    Returns
    -------
    BlockCost
    """
    samples = np.array(lengths, dtype=np.int64)
    coded = np.flatnonzero(samples)
    if coded.size == 0:
        return BlockCost(0, MAX_LANE_GROUP, 0.0)
    samples, rule = samples[coded], EFFORTS[effort]
    lanes = -(-samples // steps)
    lane_steps = -(-samples // lanes)
    passes, groups, lags, orders = (
        np.array(numbers, dtype=np.int64)[coded]
        for numbers in (graph.passes, graph.joint_groups, graph.lags, graph.orders)
    )
    earlier, later = (
        np.array([len(others) for others in references], dtype=np.int64)[coded]
        for references in (graph.references, graph.later)
    )
    terms = _terms(orders, earlier, later, lags > 0, _has_mean(groups, passes), model is not None)
    blocks = -(-(terms + 1) // VECTOR)  # of terms, the target being one
    products = VECTOR * VECTOR * (blocks * (blocks + 1) // 2)

    number = np.unique(groups, return_inverse=True)[1]
    group_lanes = np.bincount(number, lanes)
    vectors = _vectors_of(number, lanes)
    most_terms = np.zeros(group_lanes.size, dtype=np.int64)
    np.maximum.at(most_terms, number, VECTOR * blocks)
    group_bytes = np.bincount(number, _channel_bytes(lanes, blocks, products, lags) + lanes * LANE_BYTES)
    group_bytes += VECTOR * vectors.rows * (HISTORY_BYTES + PLACE_BYTES + _network_bytes(model))
    group_bytes += vectors.number * (12 * VECTOR + 4) * most_terms  # weights, and where the terms stand
    padding = VECTOR * vectors.longest * HISTORY_BYTES
    max_lanes = min(MAX_LANE_GROUP, limits.lanes(int((group_bytes / group_lanes).max())))

    every = np.where(lanes >= MANY_LANES, rule.every_of_many, rule.every)
    taught = lanes * (np.minimum(lane_steps, EVERY_STEP) + np.maximum(lane_steps - EVERY_STEP, 0) // every)
    # solutions become rarer: 8 times in each factor of e, until there are `longest_gap` steps between two
    solutions = 8.5 * np.log(np.maximum(lane_steps, 16) / 16) + 8 + lane_steps / rule.longest_gap
    time = samples * (SAMPLE_TIME + TERM_TIME * VECTOR * blocks)
    time = time + SUM_TIME * taught * products + SOLUTION_TIME * solutions * (terms**3 / 6 + 4 * products)
    all_steps, n_passes = _steps_of_groups(lanes, lane_steps, max_lanes), len(set(passes.tolist()))
    return BlockCost(
        int((group_bytes + padding).max()) + _fixed_bytes(model),
        max_lanes,
        float(time.sum())
        + STEP_TIME * all_steps * n_passes
        + network_time(int(samples.sum()), all_steps, n_passes, model),
    )


def _has_mean(groups: np.ndarray, passes: np.ndarray) -> np.ndarray:
    """Whether each channel's joint group has two channels or more in earlier coding passes."""
    place = groups * (int(passes.max()) + 1)
    order = np.sort(place + passes)
    return np.searchsorted(order, place + passes) - np.searchsorted(order, place) >= 2


def _terms(
    orders: np.ndarray,
    earlier: np.ndarray,
    later: np.ndarray,
    has_lag: np.ndarray,
    has_mean: np.ndarray,
    has_network: bool,
) -> np.ndarray:
    """Number of each channel's terms (docs/format.md, *Terms*)."""
    first = has_network & (earlier > 0)
    past = orders + 1 + 4 * has_network + 2 * (earlier + later + first + has_lag) + has_mean
    present = earlier + first + 2 * has_mean
    return np.where(present > 0, VECTOR * -(-past // VECTOR) + present, past)


def _channel_bytes(lanes: np.ndarray, blocks: np.ndarray, products: np.ndarray, lags: np.ndarray) -> np.ndarray:
    """Rows of terms and sums of each channel, and what it keeps for a long lag."""
    rows = lanes * -(-VECTOR // lanes)
    long_past = 8 * lanes * 2 ** np.ceil(np.log2(lags + 1)).astype(np.int64) * (lags > 0)
    return CHANNEL_BYTES + 4 * VECTOR * blocks * (1 + rows) + 4 * rows + 12 * products + long_past


class _Vectors(NamedTuple):
    """How lanes of one, two, four or eight channels stand in vectors. Arrays, by joint group."""

    number: np.ndarray
    """Vectors of channels, each of some rows."""
    rows: np.ndarray
    """Rows of all of them."""
    longest: np.ndarray
    """Most rows of one."""


def _vectors_of(number: np.ndarray, lanes: np.ndarray) -> _Vectors:
    """Return the vectors of joint groups, of which `number` is that of each channel."""
    channels, longest = np.bincount(number), np.zeros(number.max() + 1, dtype=np.int64)
    np.maximum.at(longest, number, lanes)
    best = _Vectors(channels, np.bincount(number, -(-lanes // VECTOR)).astype(np.int64), -(-longest // VECTOR))
    for at_once in (2, 4, VECTOR):
        count, rows = -(-channels // at_once), -(-longest * at_once // VECTOR)
        fewer = count * rows <= best.rows
        best = _Vectors(
            *(np.where(fewer, new, old) for new, old in zip((count, count * rows, rows), best, strict=True))
        )
    return best


def _network_bytes(model: Predictor | None) -> int:
    """Bytes of a lane's place for the network: its window, and the tensors of ONNX Runtime if that evaluates it."""
    if model is None:
        return 4
    return 2 * (1 << (model.window + 1).bit_length()) + (0 if model.chain else 4 * model.window + 16 * model.widest)


def _fixed_bytes(model: Predictor | None) -> int:
    """Bytes of a group of lanes, however many they are."""
    return GROUP_BYTES + (4 * (model.window + 2 * model.widest) * LANES_AT_ONCE if model and model.chain else 0)


def _steps_of_groups(lanes: np.ndarray, lane_steps: np.ndarray, max_lanes: int) -> int:
    """Steps of all groups of lanes, which are of similar length (see `streams.share_channels`)."""
    octave = np.log2(lane_steps).astype(np.int64)
    longest = np.zeros(octave.max() + 1, dtype=np.int64)
    np.maximum.at(longest, octave, lane_steps)
    return int((longest * np.ceil(np.bincount(octave, lanes) / max_lanes)).sum())


def network_time(samples: int, steps: int, passes: int, model: Predictor | None) -> float:
    """Estimate the nanoseconds that the network of a block takes.

    Parameters
    ----------
    samples : int
        Samples of all channels.
    steps : int
        Steps that are taken: the length of the longest lane, for each group of lanes that are decoded together.
    passes : int
        Number of coding passes.
    model : Predictor or None
    """
    if model is None:
        return 0.0
    if model.chain:
        work, columns = model.work["outputs"], 4 * samples + _CHAIN_COLUMNS * steps
        each = CHAIN_TIME if model.chain.network.is_integer else FLOAT_CHAIN_TIME
        return columns * each * (work.products + work.elements)
    time = 0.0
    n_operators = sum(work.operators for work in model.work.values())  # a call runs all, most of them without columns
    for output, work in model.work.items():
        calls = steps * (passes if model.message_peers and output != "latent" else 1)
        columns = samples * (model.message_peers if output == "region" else 1)
        time += calls * (CALL_TIME + OPERATOR_TIME * n_operators)
        time += columns * (PRODUCT_TIME * work.products + ELEMENT_TIME * work.elements)
    return time


class CostBudget:
    """Estimated cost of the blocks of an archive that were decoded so far."""

    def __init__(self) -> None:
        self.time = 0.0
        """Nanoseconds."""
        self._blocks: set[int] = set()

    def add(self, block: int, time: float) -> None:
        """Add the time of a block, unless it was added before."""
        if block not in self._blocks:
            self._blocks.add(block)
            self.time += time
