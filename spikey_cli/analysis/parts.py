"""What each part of the codec gives: an excerpt coded again and again, each time without one of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from ..codec.block_plan import steps_for
from ..codec.presets import DEFAULT_PRESET, EFFORT, PRESETS
from ..codec.streams import encode_channels
from ..core.coders import CODERS
from ..core.quantizer import Quantizer, UniformQuantizer
from ..model.predictor import Predictor
from ..system.workers import Workers
from ..topology.references import ReferenceGraph
from ..topology.topology import MIN_ORDER
from .excerpt import ExcerptBlock, excerpt_lengths, read_blocks
from .survey import Survey

MAX_SAMPLES = 1 << 20
"""Largest number of samples of all channels together, unless `excerpt.MIN_FRAMES` of each file are more."""


class _Way(NamedTuple):
    """How a block is coded."""

    codes: Sequence[np.ndarray]
    quantizers: Sequence[Quantizer]
    graph: ReferenceGraph
    predictor: Predictor | None
    effort: int = EFFORT
    coder: str = "range"


def _without_quantizers(block: ExcerptBlock, way: _Way) -> _Way:
    """Code the samples themselves, whatever values they take."""
    lows = [int(samples.min()) for samples in block.samples]
    sizes = [int(samples.max()) - low + 1 for samples, low in zip(block.samples, lows, strict=True)]
    return way._replace(
        codes=[samples - np.int32(low) for samples, low in zip(block.samples, lows, strict=True)],
        quantizers=[UniformQuantizer("step", 0, 1, size) for size in sizes],
        graph=block.graph.subset(range(len(block.samples))),
    )


def _without_later(block: ExcerptBlock, way: _Way) -> _Way:
    return way._replace(graph=replace(way.graph, later=((),) * len(way.codes)))


def _without_lags(block: ExcerptBlock, way: _Way) -> _Way:
    return way._replace(graph=replace(way.graph, lags=(0,) * len(way.codes)))


def _without_orders(block: ExcerptBlock, way: _Way) -> _Way:
    return way._replace(graph=replace(way.graph, orders=(MIN_ORDER,) * len(way.codes)))


def _without_references(block: ExcerptBlock, way: _Way) -> _Way:
    independent = ReferenceGraph.independent(len(way.codes))
    return way._replace(graph=replace(independent, lags=way.graph.lags, orders=way.graph.orders))


PARTS: dict[str, Callable[[ExcerptBlock, _Way], _Way]] = {
    "all parts": lambda block, way: way,
    "without quantizers: samples as they are": _without_quantizers,
    "without references to later channels": _without_later,
    "without any references": _without_references,
    "without long lags": _without_lags,
    "without orders above 8": _without_orders,
    "without the network and its profile of the converter": lambda block, way: way._replace(predictor=None),
    "adaptation of the preset fast": lambda block, way: way._replace(effort=PRESETS["fast"].effort),
    "adaptation of the preset best": lambda block, way: way._replace(effort=PRESETS["best"].effort),
    "coder rice": lambda block, way: way._replace(coder="rice"),
    "coder huffman": lambda block, way: way._replace(coder="huffman"),
}
"""Ways to code an excerpt, the first one with the adaptation of the default preset and the range coder."""


def measure_parts(
    survey: Survey, predictor: Predictor, workers: Workers, seconds: float | None = None
) -> dict[str, float]:
    """Measure the streams of an excerpt, coded in each way of PARTS.

    Parameters
    ----------
    survey : Survey
    predictor : Predictor
    workers : Workers
    seconds : float, optional
        Longest excerpt of a file; by default only MAX_SAMPLES limits it.

    Returns
    -------
    dict of str to float
        Bits per sample of each way.
    """
    bits = dict.fromkeys(PARTS, 0)
    samples = 0
    for block in read_blocks(survey, excerpt_lengths(survey, seconds, MAX_SAMPLES), workers):
        lengths = [each.size for each in block.samples]
        steps = steps_for(lengths, PRESETS[DEFAULT_PRESET].lanes)
        samples += sum(lengths)
        for name, change in PARTS.items():
            way = change(block, _Way(block.codes, block.lattices.quantizers, block.graph, predictor))
            streams = encode_channels(
                way.codes, way.quantizers, way.graph, steps, CODERS[way.coder], way.predictor, workers, way.effort
            )
            bits[name] += 8 * sum(len(stream.data) for stream in streams)
    return {name: round(number / samples, 4) for name, number in bits.items()}
