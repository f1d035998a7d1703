"""Decoding times beside their estimates: `python benchmarks/cost.py` prints what `spikey_cli.codec.cost` is based on.

Times are processor time of one thread, the least of three runs. The estimate is meant for a slow machine: no row should
take longer.
"""

from __future__ import annotations

import time

import numpy as np

from spikey_cli.codec.cost import block_cost
from spikey_cli.codec.presets import PRESETS
from spikey_cli.codec.streams import MAX_LANE_GROUP, decode_channels, encode_channels
from spikey_cli.container.limits import DEFAULT_LIMITS
from spikey_cli.core.coders import CODERS
from spikey_cli.core.quantizer import identity
from spikey_cli.model.predictor import Predictor, find_model
from spikey_cli.system.workers import Workers
from spikey_cli.topology.references import BlockChannel, ReferenceGraph
from spikey_cli.topology.topology import MAX_EARLIER, MAX_LATER, MIN_ORDER, Reference, Topology

BLOCKS = {
    "one lane": (1, 40_000, 40_000),
    "a lane in each of 8 channels": (8, 20_000, 20_000),
    "8 lanes": (1, 160_000, 20_000),
    "512 short channels": (512, 1024, 1024),
    "32 channels together": (32, 16_384, 16_384),
    "8 lanes in each of 32 channels together": (32, 32_768, 4096),
}
"""Channels, samples of each, and steps."""


def _graph(n_channels: int, frames: int, references: int) -> ReferenceGraph:
    """Coding passes of four channels, each of which references the channels before it."""
    if not references:
        return ReferenceGraph.independent(n_channels)
    passes = tuple(i // 4 % 16 for i in range(n_channels))
    near = [
        [j for j in range(i - references, i + references + 1) if j != i and 0 <= j < n_channels]
        for i in range(n_channels)
    ]
    earlier = (tuple(Reference(j, 9) for j in own if passes[j] < passes[i]) for i, own in enumerate(near))
    later = (tuple(j for j in own if passes[j] >= passes[i]) for i, own in enumerate(near))
    topology = Topology(
        passes,
        tuple(own[:MAX_EARLIER] for own in earlier),
        tuple(own[:MAX_LATER] for own in later),
        (0,) * n_channels,
        (MIN_ORDER,) * n_channels,
    )
    return ReferenceGraph.of(topology, [BlockChannel(i, 0, frames) for i in range(n_channels)])


def _decoding_time(
    channels: list[np.ndarray], steps: int, graph: ReferenceGraph, coder: str, model: Predictor | None, effort: int
) -> float:
    rest = ([identity(2)] * len(channels), graph, steps, CODERS[coder], model, Workers(None, 1))
    streams = encode_channels(channels, *rest, effort)
    times = []
    for _ in range(3):
        start = time.process_time_ns()
        decode_channels(streams, [codes.size for codes in channels], *rest, MAX_LANE_GROUP, effort)
        times.append(time.process_time_ns() - start)
    return min(times)


def main() -> None:
    """Print the table."""
    random = np.random.default_rng(0)
    print("| block | preset, coder | network | ns/sample | estimated |\n|---|---|---|---|---|")
    for name, (n, frames, steps) in BLOCKS.items():
        walk = np.cumsum(random.normal(0, 3, (n, frames)), axis=1) * 0.3 + random.normal(0, 5, (n, frames))
        channels = list(np.clip(walk.round() + 20_000, 0, 65_535).astype(np.int32))
        for preset in PRESETS:
            graph = _graph(n, frames, PRESETS[preset].earlier if "together" in name else 0)
            for coder in ("rice", "range"):
                for network in ("none", "n1", "n1-peers"):
                    model = None if network == "none" else find_model(network)
                    if model and not model.chain and steps > 4096:
                        continue  # a call of ONNX Runtime for each step takes long
                    effort = PRESETS[preset].effort
                    measured = _decoding_time(channels, steps, graph, coder, model, effort) / (n * frames)
                    cost = block_cost([frames] * n, steps, graph, effort, model, DEFAULT_LIMITS)
                    estimated = cost.time / (n * frames)
                    print(f"| {name} | {preset}, {coder} | {network} | {measured:.0f} | {estimated:.0f} |", flush=True)


if __name__ == "__main__":
    main()
