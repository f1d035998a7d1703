"""Lockstep: all threads of a live stream step by step, one lane each.

It is the walk of archives (see `codec.coding_state`), begun anew behind the first frame on a grid, with lanes that
never end, and gains that follow what was seen (see `adapt`). A packet's payload is

    codes of the first frame, packed       where the walk begins with it; then, for the frames behind it,
    uvarint words of each but the last     \\  range coder streams, `n_ways` for each wave: lanes are shared out among
    words, stream after stream             /   them, those of a wave in runs of about equal length

Several ways make a decoder fast, which can then follow several streams at a time; each costs some bytes a packet. So
there is one for every WAY_SAMPLES samples.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..codec.coding_state import TILE_STEPS, CodingState
from ..core.adaptation import init
from ..core.converter import Bins
from ..core.lanes import Lanes
from ..core.packed import pack_codes, packed_bytes, unpack_codes
from ..core.quantizer import Quantizer
from ..core.range import RangeDecoder, RangeEncoder
from ..core.varint import get_uvarint, put_uvarint
from ..errors import ArchiveError
from ..model.predictor import Predictor
from ..topology.references import BlockChannel, ReferenceGraph, ReferenceTable
from ..topology.topology import Topology

FIRST_GAIN = 40
"""Where gains begin: a root mean square difference of 8 codes."""
WAY_SAMPLES = 8192
MAX_WAYS = 8
_ENDLESS = 2**31 - 1
_WORD = 4


def n_ways(n_samples: int) -> int:
    """Range coder streams of each wave in a packet of so many samples behind its first frame."""
    return min(max(n_samples // WAY_SAMPLES, 1), MAX_WAYS)


class StreamState:
    """Threads of a live stream on one grid, and what is known of them. One direction only."""

    def __init__(self, channels: int, quantizer: Quantizer, predictor: Predictor, topology: Topology) -> None:
        """Before the first frame of `channels` threads."""
        reference_graph = ReferenceGraph.of(
            topology, [BlockChannel(channel, 0, _ENDLESS) for channel in range(channels)]
        )
        order = sorted(range(channels), key=lambda channel: reference_graph.passes[channel])
        self._order = np.array(order) if order != list(range(channels)) else None
        self._grid, self._channels, self._predictor = quantizer, channels, predictor
        self._peers = ReferenceTable.of(reference_graph, order)
        self._lanes = _lanes_of(np.arange(channels))
        self._walk: CodingState | None = None
        self._encoders: dict[int, RangeEncoder] = {}
        self._decoders: dict[int, RangeDecoder] = {}

    def encode(self, codes: np.ndarray) -> bytes:
        """The payload for some frames: `codes`, int32 of shape (frames, channels), at least one frame."""
        payload = bytearray()
        rows = self._in_order(codes)
        if self._walk is None:
            payload += pack_codes(codes[0], self._grid.size)
            self._walk = self._begin(rows[0])
            rows = rows[1:]
        if len(rows):
            encoder = self._encoder(len(rows))
            encoder.restart(len(rows))
            for first in range(0, len(rows), TILE_STEPS):
                self._walk.take(encoder, rows[first : first + TILE_STEPS])
            streams = encoder.finish()
            for stream in streams[:-1]:
                put_uvarint(payload, len(stream) // _WORD)
            payload += b"".join(streams)
        return bytes(payload)

    def decode(self, payload: bytes, n_frames: int) -> np.ndarray:
        """The reverse of `encode`: codes, int32 of shape (frames, channels). Raises ArchiveError."""
        codes = np.zeros((n_frames, self._channels), dtype=np.int32)
        rows, at = codes, 0
        if self._walk is None:
            at = packed_bytes(self._channels, self._grid.size)
            first = unpack_codes(payload[:at], self._channels, self._grid.size)
            if first is None:
                raise _damaged()
            codes[0] = first
            rows = codes[1:]
            self._walk = self._begin(self._in_order(codes[:1])[0])
        if len(rows):
            decoder = self._decoder(len(rows))
            decoder.restart(_split(payload, at, decoder.state.size.size))
            taken = rows if self._order is None else np.zeros_like(rows)
            for first_row in range(0, len(rows), TILE_STEPS):
                self._walk.take(decoder, taken[first_row : first_row + TILE_STEPS])
            if not decoder.finish().all():
                raise _damaged()
            if self._order is not None:
                rows[:, self._order] = taken
        elif at != len(payload):
            raise _damaged()
        return codes

    def _in_order(self, codes: np.ndarray) -> np.ndarray:
        return codes if self._order is None else np.ascontiguousarray(codes[:, self._order])

    def _begin(self, initial_codes: np.ndarray) -> CodingState:
        bins = self._bins(self._channels)
        gains = np.full(self._channels, FIRST_GAIN, dtype=np.uint8)
        adaptive = init(self._lanes, bins, gains, initial_codes, self._peers, gains_follow=True)
        return CodingState(adaptive, self._lanes, bins, self._predictor, self._peers)

    def _bins(self, n_channels: int) -> Bins:
        return Bins.of([self._grid] * n_channels, self._predictor.profile)

    def _encoder(self, n_steps: int) -> RangeEncoder:
        ways = n_ways(n_steps * self._channels)
        if ways not in self._encoders:
            lanes = self._ways(ways)
            self._encoders[ways] = RangeEncoder(lanes, self._bins(lanes.n_channels), 0)
        return self._encoders[ways]

    def _decoder(self, n_steps: int) -> RangeDecoder:
        ways = n_ways(n_steps * self._channels)
        if ways not in self._decoders:
            lanes = self._ways(ways)
            self._decoders[ways] = RangeDecoder(lanes, self._bins(lanes.n_channels), [b""] * lanes.n_channels)
        return self._decoders[ways]

    def _ways(self, ways: int) -> Lanes:
        """The lanes as a coder takes them: a way is what it calls a thread."""
        passes = self._peers.passes
        of_lane = [
            coding_pass * ways + lane * ways // int(passes[coding_pass + 1] - passes[coding_pass])
            for coding_pass in range(passes.size - 1)
            for lane in range(int(passes[coding_pass + 1] - passes[coding_pass]))
        ]
        # a wave of few lanes leaves ways empty: number those that are not
        return _lanes_of(np.unique(of_lane, return_inverse=True)[1])


def _lanes_of(channel: np.ndarray) -> Lanes:
    """Endless lanes of these threads, in order."""
    count = channel.size
    return Lanes(
        channel.astype(np.int32),
        np.zeros(count, dtype=np.int64),
        np.full(count, _ENDLESS, dtype=np.int32),
        int(channel[-1]) + 1,
    )


def _split(payload: bytes, at: int, n_streams: int) -> Sequence[bytes]:
    """The streams that stand in a payload from byte `at` on."""
    lengths = []
    for _ in range(n_streams - 1):
        words, at = get_uvarint(payload, at)
        lengths.append(words * _WORD)
    streams = []
    for length in lengths:
        if length > len(payload) - at:
            raise _damaged()
        streams.append(payload[at : at + length])
        at += length
    return [*streams, payload[at:]]


def _damaged() -> ArchiveError:
    return ArchiveError("is damaged: a packet holds what no encoder writes; transmit it again")
