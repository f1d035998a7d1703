"""Coding state of a live stream: all channels advance step by step, one lane a channel.

The stream uses the coding state of archives (`codec.coding_state`) with two differences: lanes have no end, and the
gain of a lane follows the signal (docs/live.md, *Gain*). The state starts with the first coded frame after each
quantizer packet. The payload of a coded packet is:

    packed codes of the first frame              only in the packet that starts the state
    uvarint words of each stream but the last    for the remaining frames, if there are any
    32-bit words, stream after stream

Each coding pass has `streams_per_pass` range coder streams, over which its lanes are distributed in runs of about equal
length. Several streams decode faster because the processor can follow them at the same time; each costs a few bytes.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from ..codec.coding_state import CodingState
from ..codec.cost import block_cost
from ..container.limits import NO_LIMITS
from ..container.table_reader import TableReader
from ..core import _core
from ..core.converter import Bins
from ..core.lanes import Lanes
from ..core.packed import pack_codes, packed_bytes, unpack_codes
from ..core.quantizer import Quantizer
from ..core.stream_coder import RANGE, coder_of, intact_streams, open_streams
from ..core.varint import put_uvarint
from ..errors import DamageError
from ..model.predictor import Predictor
from ..topology.references import BlockChannel, ReferenceGraph, ReferenceTable
from .packets import LiveFormat

INITIAL_GAIN = 40
"""Gain of each lane before its first difference: a root mean square difference of 8 codes."""
SAMPLES_PER_STREAM = 8192
MAX_STREAMS_PER_PASS = 8
_ENDLESS = 2**31 - 1
_WORD_BYTES = 4


_COUNTED_FRAMES = 1024
"""Frames after the start of a coding state, where learning takes most, whose time stands for that of all."""


def stream_cost(stream: LiveFormat, predictor: Predictor) -> tuple[int, float]:
    """Estimate what decoding a stream takes: bytes of its coding state, and nanoseconds per frame."""
    topology = stream.topology
    earlier = tuple(tuple(reference.channel for reference in references) for references in topology.earlier)
    n = len(earlier)
    # as if all channels depended on each other, since they take their steps together
    graph = ReferenceGraph(topology.passes, earlier, earlier, topology.later, topology.lags, topology.orders, (0,) * n)
    cost = block_cost([_COUNTED_FRAMES] * n, _COUNTED_FRAMES, graph, stream.effort, predictor, NO_LIMITS)
    return cost.group_bytes, cost.time / _COUNTED_FRAMES


def streams_per_pass(n_samples: int) -> int:
    """Range coder streams of each coding pass in a packet that codes `n_samples` samples after its initial codes."""
    return min(max(n_samples // SAMPLES_PER_STREAM, 1), MAX_STREAMS_PER_PASS)


class StreamState:
    """Coding state of all channels of a live stream on one quantizer. An instance either encodes or decodes.

    Parameters
    ----------
    stream : LiveFormat
        Channels, topology and effort.
    quantizer : Quantizer
        Value grid of the codes.
    predictor : Predictor
        Network that predicts the codes.
    """

    def __init__(self, stream: LiveFormat, quantizer: Quantizer, predictor: Predictor) -> None:
        channels = stream.channels
        graph = ReferenceGraph.of(stream.topology, [BlockChannel(channel, 0, _ENDLESS) for channel in range(channels)])
        order = sorted(range(channels), key=lambda channel: graph.passes[channel])
        self._order = np.array(order) if order != list(range(channels)) else None
        self._quantizer, self._channels, self._predictor = quantizer, channels, predictor
        self._effort = stream.effort
        self._references = ReferenceTable.of(graph, order)
        self._lanes = _endless_lanes(np.arange(channels))
        self._state: CodingState | None = None
        self._coders: dict[int, tuple[_core.Coder, int]] = {}

    def encode(self, codes: np.ndarray) -> bytes:
        """Payload of a packet: `codes` is int32 of shape (frames, channels), at least one frame."""
        payload = bytearray()
        steps = self._in_coding_order(codes)
        if self._state is None:
            payload += pack_codes(codes[0], self._quantizer.size)
            self._state = self._start(steps[0])
            steps = steps[1:]
        if len(steps):
            encoder, _ = self._coder(len(steps), decodes=False)
            encoder.restart(len(steps))
            self._state.take(encoder, steps, len(steps), by_step=True)
            streams = encoder.finish()
            for stream in streams[:-1]:
                put_uvarint(payload, len(stream) // _WORD_BYTES)
            payload += b"".join(streams)
        return bytes(payload)

    def decode(self, payload: bytes, n_frames: int) -> np.ndarray:
        """Codes of a packet's payload, int32 of shape (frames, channels). Raises DamageError if it is damaged."""
        codes = np.zeros((n_frames, self._channels), dtype=np.int32)
        rows, pos = codes, 0
        if self._state is None:
            pos = packed_bytes(self._channels, self._quantizer.size)
            initial_codes = unpack_codes(payload[:pos], self._channels, self._quantizer.size)
            if initial_codes is None:
                raise DamageError("the initial codes of a packet are invalid")
            codes[0] = initial_codes
            rows = codes[1:]
            self._state = self._start(self._in_coding_order(codes[:1])[0])
        if len(rows):
            decoder, n_streams = self._coder(len(rows), decodes=True)
            open_streams(decoder, _split(payload[pos:], n_streams))
            steps = rows if self._order is None else np.zeros_like(rows)
            self._state.take(decoder, steps, len(steps), by_step=True)
            if not intact_streams(decoder, n_streams).all():
                raise DamageError("the streams of a packet are invalid")
            if self._order is not None:
                rows[:, self._order] = steps
        elif pos != len(payload):
            raise DamageError("bytes follow the initial codes of a packet")
        return codes

    def _in_coding_order(self, codes: np.ndarray) -> np.ndarray:
        return np.ascontiguousarray(codes if self._order is None else codes[:, self._order])

    def _start(self, initial_codes: np.ndarray) -> CodingState:
        bins = self._bins(self._channels)
        gains = np.full(self._channels, INITIAL_GAIN, dtype=np.uint8)
        return CodingState(
            self._lanes,
            bins,
            gains,
            initial_codes,
            self._predictor,
            self._references,
            effort=self._effort,
            gains_follow=True,
        )

    def _bins(self, n_channels: int) -> Bins:
        return Bins.of([self._quantizer] * n_channels, self._predictor.profile)

    def _coder(self, n_steps: int, *, decodes: bool) -> tuple[_core.Coder, int]:
        """Return the range coder for a packet of so many steps, and its number of streams."""
        per_pass = streams_per_pass(n_steps * self._channels)
        if per_pass not in self._coders:
            lanes = self._lanes_by_stream(per_pass)
            coder = coder_of(RANGE, lanes, self._bins(lanes.n_channels), decodes=decodes, n_steps=0)
            self._coders[per_pass] = coder, lanes.n_channels
        return self._coders[per_pass]

    def _lanes_by_stream(self, n_streams: int) -> Lanes:
        """Lanes for an entropy coder, which writes one stream a "channel": here, a run of lanes of one coding pass."""
        passes = self._references.passes.tolist()
        stream_of_lane = [
            coding_pass * n_streams + lane * n_streams // (stop - first)
            for coding_pass, (first, stop) in enumerate(pairwise(passes))
            for lane in range(stop - first)
        ]
        # a pass with fewer lanes than streams leaves streams empty: number the others consecutively
        return _endless_lanes(np.unique(stream_of_lane, return_inverse=True)[1])


def _endless_lanes(channel: np.ndarray) -> Lanes:
    """One lane without end for each element of `channel`, which is sorted."""
    count = channel.size
    return Lanes(
        channel.astype(np.int32),
        np.zeros(count, dtype=np.int64),
        np.full(count, _ENDLESS, dtype=np.int32),
        int(channel[-1]) + 1,
    )


def _split(data: bytes, n_streams: int) -> list[bytes]:
    """Streams of a payload after the initial codes; the last stream has no length and takes the rest."""
    table = TableReader(data)
    lengths = [_WORD_BYTES * table.count("the length of a stream") for _ in range(n_streams - 1)]
    return [*(table.take(length, "a stream") for length in lengths), bytes(table.rest())]
