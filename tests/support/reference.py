"""Objects of `spikey_cli.core.reference` made of the core's, and both directions of a block by the reference."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np

from spikey_cli.codec import streams as streams_of_blocks
from spikey_cli.codec.presets import EFFORT
from spikey_cli.container.parts import Method, Stream
from spikey_cli.core.converter import Bins as CoreBins
from spikey_cli.core.lanes import Lanes
from spikey_cli.core.quantizer import Quantizer
from spikey_cli.core.reference import coding, packed
from spikey_cli.core.reference.arithmetic import Damage
from spikey_cli.core.reference.bins import Bins
from spikey_cli.core.reference.network import Network, Operator
from spikey_cli.core.reference.rice import Prediction
from spikey_cli.model.graph import Graph, read_graph
from spikey_cli.topology.references import ReferenceGraph


def network_of(model: bytes | Graph) -> Network:
    """The network of an .onnx file, or of its graph."""
    graph = read_graph(model) if isinstance(model, bytes) else model
    operators = [Operator(node.operator, node.inputs, node.output) for node in graph.nodes]
    constants = {name: values.tolist() for name, values in graph.constants.items()}
    return Network(operators, constants, graph.inputs, graph.metadata)


def bins_of(quantizer: Quantizer, model: bytes | None = None) -> Bins:
    """The bins of a quantizer: those of the model's profile if it has one and the quantizer is n1."""
    edges = read_graph(model).metadata.get("adc_edges", "") if model else ""
    if edges and quantizer.kind == "n1":
        return Bins(tuple(map(int, edges.split())), True)
    return Bins.equal(quantizer.size)


def each_channels_bins(bins: CoreBins) -> list[Bins]:
    """The bins of each channel of the core's table."""
    return [
        Bins(tuple(bins.edges.tolist()), True) if profiled else Bins.equal(int(size))
        for size, profiled in zip(bins.size, bins.profiled, strict=True)
    ]


def encode_lanes(coder: str, lanes: Lanes, bins: CoreBins, codes: np.ndarray, *prediction: np.ndarray) -> list[bytes]:
    """Streams of lanes under any predictions; see `support.lane_runs`."""
    lengths = [lanes.length[lanes.channel == i].tolist() for i in range(lanes.n_channels)]
    first = lanes.first_of_channels().tolist()
    encoders = [coding.ENCODERS[coder](*each) for each in zip(each_channels_bins(bins), lengths, strict=True)]
    for step in range(1, lanes.steps):
        for lane in np.flatnonzero(lanes.length > step).tolist():
            channel = int(lanes.channel[lane])
            at = Prediction(*(int(row[step, lane]) for row in prediction))
            encoders[channel].encode(lane - first[channel], int(codes[step, lane]), at)
    return [encoder.finish() for encoder in encoders]


def channels_of(
    lengths: Sequence[int], bins: Sequence[Bins], graph: ReferenceGraph, coded: Collection[int]
) -> list[coding.Channel]:
    """The coded channels of a block."""
    new = {position: i for i, position in enumerate(sorted(coded))}
    channels = []
    for i in new:
        kept = [(new[j], metric) for j, metric in zip(graph.references[i], graph.metrics[i], strict=True) if j in new]
        references, metrics = zip(*kept, strict=True) if kept else ((), ())
        later = [new[j] for j in graph.later[i] if j in new]
        channels.append(
            coding.Channel(
                *(bins[i], lengths[i], graph.passes[i], references, metrics, later),
                *(graph.lags[i], graph.orders[i], graph.joint_groups[i]),
            )
        )
    return channels


def dependencies(graph: ReferenceGraph, coded: Collection[int]) -> dict[int, set[int]]:
    """The coded channels on which each coded channel depends directly."""
    joint, passes = graph.joint_groups, graph.passes
    return {
        i: {j for j in coded if (joint[j] == joint[i] and passes[j] < passes[i]) or j in graph.later[i]} for i in coded
    }


def encode_block(
    codes: Sequence[np.ndarray],
    bins: Sequence[Bins],
    graph: ReferenceGraph,
    steps: int,
    coder: str,
    network: Network | None,
    effort: int = EFFORT,
) -> list[Stream]:
    """Streams of a block's channels: packed if that is not longer, and then no channel references it."""
    lengths, coded = [len(own) for own in codes], set(range(len(codes)))
    streams = {i: packed.pack(own.tolist(), bins[i].size) for i, own in enumerate(codes)}
    chosen = [Stream(Method.PACKED, streams[i]) for i in streams]
    predicted = [i for i in coded if bins[i].size > 1]
    by_lane = coder == "range" and len(predicted) < streams_of_blocks.VECTOR * len({graph.passes[i] for i in predicted})
    while coded:
        channels = channels_of(lengths, bins, graph, coded)
        found = dict(
            zip(
                sorted(coded),
                coding.encode(
                    [codes[i].tolist() for i in sorted(coded)], channels, steps, coder, network, effort, by_lane
                ),
                strict=True,
            )
        )
        longer = {i for i in coded if len(found[i]) >= len(streams[i])}
        if not any(longer & dependencies(graph, coded)[i] for i in coded - longer):
            return [Stream(Method.CODED, found[i]) if i in coded - longer else chosen[i] for i in streams]
        coded -= longer
    return chosen


def decode_block(
    streams: Sequence[Stream],
    lengths: Sequence[int],
    bins: Sequence[Bins],
    graph: ReferenceGraph,
    steps: int,
    coder: str,
    network: Network | None,
    effort: int = EFFORT,
) -> list[list[int] | None]:
    """Codes of a block's channels; None for a channel that a decoder must refuse."""
    coded = [i for i, stream in enumerate(streams) if stream.method == Method.CODED]
    channels = channels_of(lengths, bins, graph, coded)
    by_channel = dict(
        zip(
            coded,
            coding.decode([streams[i].data for i in coded], channels, steps, coder, network, effort) if coded else [],
            strict=True,
        )
    )
    for i, stream in enumerate(streams):
        if i not in by_channel:
            try:
                by_channel[i] = packed.unpack(stream.data, lengths[i], bins[i].size)
            except Damage:
                by_channel[i] = None
    return [by_channel[i] for i in range(len(streams))]
