"""Steps and coding passes: what joins lanes, network, adaptation and coder (docs/format.md, *Window*; docs/live.md).

`encode` and `decode` are the coded streams of a block, `LiveStream` the payloads of a live stream's coded packets.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from . import gain, lanes, packed
from .adaptation import EFFORTS, ChannelState, LaneState
from .arithmetic import Damage, Reader, uvarint, width_of
from .bins import Bins
from .float32 import f32, within
from .huffman import HuffmanDecoder, HuffmanEncoder
from .network import LIMIT, Network
from .range import RangeDecoder, RangeEncoder
from .rice import Prediction, RiceDecoder, RiceEncoder

ENCODERS: dict[str, Callable[..., Any]] = {"rice": RiceEncoder, "range": RangeEncoder, "huffman": HuffmanEncoder}
DECODERS: dict[str, Callable[..., Any]] = {"rice": RiceDecoder, "range": RangeDecoder, "huffman": HuffmanDecoder}


SAMPLES_PER_STREAM = 8192
"""Samples of a live stream's packet for each range coder stream of a pass."""


@dataclass(frozen=True)
class Channel:
    """What both directions know of a channel."""

    bins: Bins
    n_codes: int
    coding_pass: int = 0
    references: Sequence[int] = ()
    """Indices of the channels that it references, all of them coded."""
    metrics: Sequence[int] = ()
    """Metric of each reference."""
    later: Sequence[int] = ()
    """Indices of the channels of the same or of later passes that it references, all of them coded."""
    lag: int = 0
    """Long lag; 0 for none."""
    order: int = 8
    """Own differences that predict it."""
    group: int = -1
    """Joint group; below 0: the channel alone."""


@dataclass
class Lane:
    """State of a lane between steps."""

    length: float
    """Number of codes; infinite in a live stream."""
    gain: int
    codes: list[int]
    values: list[int]
    adaptive: LaneState
    inputs: list[int] = field(default_factory=list)
    """The network's inputs of all steps so far."""
    latent: list[int] = field(default_factory=list)
    power: int | None = None
    """Of a live stream's lane: P, which its gain follows."""

    def append(self, code: int, bins: Bins) -> None:
        """Take in the code of the next step."""
        step = len(self.codes)
        self.codes.append(code)
        self.values.append(bins.value(code))
        self.adaptive.advance(self.values[-1], step)
        difference = 0 if self.adaptive.is_jump else self.values[-1] - self.values[-2]
        if self.power is not None:
            if not self.adaptive.is_jump:
                self.power = gain.follow(self.power, step, difference)
            if gain.is_due(step):
                self.gain = gain.nearest_gain(self.power >> 4)
        unit = f32(f32(gain.input_factor(self.gain)) / 2**30)
        x = within(f32(f32(difference) * unit), -LIMIT, LIMIT)
        self.inputs.append(int(f32(x + 1024.5)) - 1024)


class CodedChannel:
    """State of a channel between steps."""

    least_squares: ChannelState

    def __init__(self, channel: Channel, lengths: Sequence[float], gains: Sequence[int], codes: Sequence[int]) -> None:
        self.channel, self.is_damaged = channel, False
        values = [channel.bins.value(code) for code in codes]
        self.lanes = [
            Lane(length, gain, [code], [value], LaneState(value, gain))
            for length, gain, code, value in zip(lengths, gains, codes, values, strict=True)
        ]

    def lanes_at(self, step: int) -> list[tuple[int, Lane]]:
        """Return the lanes that are longer than `step`, with their numbers."""
        return [(number, lane) for number, lane in enumerate(self.lanes) if lane.length > step]


def link(channels: Sequence[CodedChannel], effort: int, has_network: bool) -> None:
    """Give each channel its least squares, which know what they refer to."""
    order = sorted(range(len(channels)), key=lambda i: channels[i].channel.coding_pass)
    for state in channels:
        lanes_of_channel = [lane.adaptive for lane in state.lanes]
        state.least_squares = ChannelState(lanes_of_channel, EFFORTS[effort], has_network=has_network)
    for i in order:
        own = channels[i].channel
        joint = [j for j in order if j == i or (own.group >= 0 and channels[j].channel.group == own.group)]
        before = [j for j in joint if channels[j].channel.coding_pass < own.coding_pass]
        squares = channels[i].least_squares
        squares.earlier = [channels[j].least_squares for j in own.references]
        squares.later = [channels[j].least_squares for j in own.later]
        squares.before = [channels[j].least_squares for j in before] if len(before) >= 2 else []
        squares.lag, squares.order, squares.number = own.lag, own.order, joint.index(i)


def predict(
    channel: CodedChannel, number: int, lane: Lane, channels: Sequence[CodedChannel], network: Network | None, step: int
) -> Prediction:
    """Return the prediction of the network and the adaptation; without a network, of the adaptation alone."""
    y0, y1, outlier_weight = 0, 0, 12
    if network:
        senders = [
            (channels[i].lanes[number].latent, metric, channels[i].lanes[number].adaptive.z(step))
            for i, metric in zip(channel.channel.references, channel.channel.metrics, strict=True)
        ]
        y0, y1, y2 = network.outputs(lane.inputs[-network.window :], lane.latent, senders)
        outlier_weight = min(max(y2, 0), 31)
    state, bins = lane.adaptive, channel.channel.bins
    log2_scale = state.predict_scale(lane.gain, y0, y1)
    channel.least_squares.fill_rows(step, [number])
    mean = state.predict_mean(channel.least_squares.weights)
    state.mean = min(max(mean, bins.value(0)), bins.value(bins.size - 1))
    return Prediction(state.mean, log2_scale, outlier_weight)


def update(channel: CodedChannel, step: int) -> None:
    """Update lanes and weights of a channel from the values of a step."""
    running = [number for number, _ in channel.lanes_at(step)]
    for number in running:
        channel.lanes[number].adaptive.observe(channel.lanes[number].values[-1], step)
    if running:
        channel.least_squares.learn(step, running)


CodeOne = Callable[[int, int, int, Prediction], int]
"""Codes one code: (channel, lane, step, prediction) to the code, which it encodes or decodes."""


def run_step(channels: Sequence[CodedChannel], network: Network | None, step: int, code_one: CodeOne) -> None:
    """Code a step of all lanes that are longer, pass after pass.

    A channel whose decoder raises Damage is damaged from then on, and so are those that reference it.
    """
    network = network if network and step > network.window else None  # only at steps that it sees
    if network:
        for channel in channels:
            for _, lane in channel.lanes_at(step):
                lane.latent = network.latent(lane.inputs[-network.window :], lane.latent)
    for coding_pass in sorted({channel.channel.coding_pass for channel in channels}):
        for index, channel in enumerate(channels):
            if channel.channel.coding_pass != coding_pass:
                continue
            sources = [channels[i] for i in (*channel.channel.references, *channel.channel.later)]
            squares = [other.least_squares for other in sources] + channel.least_squares.before
            damaged = [other.least_squares for other in channels if other.is_damaged]
            channel.is_damaged |= any(other is lost for other in squares for lost in damaged)
            if channel.is_damaged:
                channel.lanes = []
            predictions = [
                predict(channel, number, lane, channels, network, step) for number, lane in channel.lanes_at(step)
            ]
            try:
                for (number, lane), prediction in zip(channel.lanes_at(step), predictions, strict=True):
                    lane.append(code_one(index, number, step, prediction), channel.channel.bins)
            except Damage:
                channel.is_damaged, channel.lanes = True, []
    for channel in channels:
        update(channel, step)


def encode(
    codes: Sequence[Sequence[int]],
    channels: Sequence[Channel],
    steps: int,
    coder: str,
    network: Network | None,
    effort: int = 2,
    by_lane: bool = False,
) -> list[bytes]:
    """Return the coded stream of each channel of a block of `steps` steps."""
    cut = [lanes.cut(own, steps) for own in codes]
    states, encoders, headers = [], [], []
    for own, channel in zip(cut, channels, strict=True):
        gains = [gain.gain_of([channel.bins.value(code) for code in lane]) for lane in own]
        lengths, initial_codes = [len(lane) for lane in own], [lane[0] for lane in own]
        states.append(CodedChannel(channel, lengths, gains, initial_codes))
        encoder = RangeEncoder(channel.bins, lengths, by_lane) if by_lane else ENCODERS[coder](channel.bins, lengths)
        encoders.append(encoder)
        headers.append(lanes.encode_headers(gains, initial_codes, channel.bins.size))

    def code_one(channel: int, lane: int, step: int, prediction: Prediction) -> int:
        encoders[channel].encode(lane, cut[channel][lane][step], prediction)
        return cut[channel][lane][step]

    link(states, effort, network is not None)
    for step in range(1, max(len(own[0]) for own in cut)):
        run_step(states, network, step, code_one)
    return [header + encoder.finish() for header, encoder in zip(headers, encoders, strict=True)]


def depends_on(channel: Channel, channels: Sequence[Channel]) -> set[int]:
    """Return the indices of the channels on which a channel depends directly."""
    joint = (i for i, other in enumerate(channels) if other.group == channel.group >= 0)
    earlier = {i for i in joint if channels[i].coding_pass < channel.coding_pass}
    return {*earlier, *channel.references, *channel.later}


def decode(
    streams: Sequence[bytes],
    channels: Sequence[Channel],
    steps: int,
    coder: str,
    network: Network | None,
    effort: int = 2,
) -> list[list[int] | None]:
    """Return the codes of each channel; None if a decoder must refuse its stream or one that it depends on."""
    states, decoders = [], []
    for stream, channel in zip(streams, channels, strict=True):
        lengths, reader = lanes.lengths_of_lanes(channel.n_codes, steps), Reader(stream)
        try:
            gains, initial_codes = lanes.decode_headers(reader, len(lengths), channel.bins.size)
            decoders.append(DECODERS[coder](channel.bins, lengths, reader.rest()))
            states.append(CodedChannel(channel, lengths, gains, initial_codes))
        except Damage:
            decoders.append(None)
            states.append(CodedChannel(channel, [1], [0], [0]))
            states[-1].is_damaged = True

    def code_one(channel: int, lane: int, step: int, prediction: Prediction) -> int:
        return decoders[channel].decode(lane, prediction)

    link(states, effort, network is not None)
    for step in range(1, max(lanes.lengths_of_lanes(channel.n_codes, steps)[0] for channel in channels)):
        run_step(states, network, step, code_one)
    refused = set()
    for i, state in enumerate(states):
        try:
            if state.is_damaged:
                raise Damage("a code or a header is damaged")
            decoders[i].finish()
        except Damage:
            refused.add(i)
    sources = [depends_on(channel, channels) for channel in channels]
    while more := {i for i, needed in enumerate(sources) if needed & refused} - refused:
        refused |= more
    return [
        None if i in refused else [code for lane in state.lanes for code in lane.codes]
        for i, state in enumerate(states)
    ]


class LiveStream:
    """Coding state of a live stream on one quantizer (docs/live.md, *Coded packets*); it encodes or decodes.

    All channels have the same bins, and no length.
    """

    def __init__(self, channels: Sequence[Channel], network: Network, effort: int) -> None:
        self.channels, self.network, self.effort, self.step = channels, network, effort, 0
        self.bins = channels[0].bins
        self.states: list[CodedChannel] = []

    def encode(self, frames: Sequence[Sequence[int]]) -> bytes:
        """Return the payload of a packet of frames of codes."""
        payload = b""
        if self.step == 0:
            payload = packed.pack(frames[0], self.bins.size)
            self._start(frames[0])
            frames = frames[1:]
        if not frames:
            return payload
        stream_of, first = self._streams(len(frames)), self.step
        encoders = [RangeEncoder(self.bins, []) for _ in range(max(stream_of) + 1)]

        def code_one(channel: int, lane: int, step: int, prediction: Prediction) -> int:
            encoders[stream_of[channel]].encode(lane, frames[step - first][channel], prediction)
            return frames[step - first][channel]

        self._run(len(frames), code_one)
        streams = [encoder.finish() for encoder in encoders]
        return payload + b"".join(uvarint(len(stream) // 4) for stream in streams[:-1]) + b"".join(streams)

    def decode(self, payload: bytes, n_frames: int) -> list[list[int]]:
        """Return the frames of a packet. Raises Damage."""
        reader, frames = Reader(payload), []
        if self.step == 0:
            n_bytes = -(-len(self.channels) * width_of(self.bins.size) // 8) if self.bins.size > 1 else 0
            frames.append(packed.unpack(payload[:n_bytes], len(self.channels), self.bins.size))
            self._start(frames[0])
            reader.position = 8 * n_bytes
        if len(frames) == n_frames:
            reader.end()
            return frames
        first, stream_of = self.step, self._streams(n_frames - len(frames))
        sizes = [4 * reader.uvarint() for _ in range(max(stream_of))]
        rest, ends = reader.rest(), [sum(sizes[:i]) for i in range(len(sizes) + 1)]
        if ends[-1] > len(rest):
            raise Damage("a stream is longer than the payload")
        decoders = [RangeDecoder(self.bins, [], rest[a:b]) for a, b in pairwise([*ends, len(rest)])]

        def code_one(channel: int, lane: int, step: int, prediction: Prediction) -> int:
            return decoders[stream_of[channel]].decode(lane, prediction)

        self._run(n_frames - len(frames), code_one)
        if any(state.is_damaged for state in self.states):
            raise Damage("a code is out of range")
        for decoder in decoders:
            decoder.finish()
        frames += [[state.lanes[0].codes[step] for state in self.states] for step in range(first, self.step)]
        return frames

    def _start(self, codes: Sequence[int]) -> None:
        for channel, code in zip(self.channels, codes, strict=True):
            state = CodedChannel(channel, [float("inf")], [gain.INITIAL_GAIN], [code])
            state.lanes[0].power = gain.mean_square(gain.INITIAL_GAIN)
            self.states.append(state)
        link(self.states, self.effort, True)
        order = sorted(range(len(self.channels)), key=lambda i: self.channels[i].coding_pass)
        for rank, i in enumerate(order):  # so that they do not all learn at the same step
            squares = self.states[i].least_squares
            squares.number, squares.turn = rank, rank // 8
        self.step = 1

    def _run(self, n_steps: int, code_one: CodeOne) -> None:
        for step in range(self.step, self.step + n_steps):
            run_step(self.states, self.network, step, code_one)
        self.step += n_steps

    def _streams(self, n_frames: int) -> list[int]:
        """Return the stream of each channel, for `n_frames` coded frames."""
        per_pass = min(max(n_frames * len(self.channels) // SAMPLES_PER_STREAM, 1), 8)
        keys = []
        for index, channel in enumerate(self.channels):
            own = [i for i, other in enumerate(self.channels) if other.coding_pass == channel.coding_pass]
            keys.append((channel.coding_pass, own.index(index) * per_pass // len(own)))
        return [sorted(set(keys)).index(key) for key in keys]
