"""Frames to packets."""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import ArrayLike

from ..container.quantizer_table import pack_quantizer
from ..core.quantizer import N1, Quantizer, QuantizerSearch, every, identity
from ..errors import InputError
from ..io.layout import MAX_HEADER_BYTES, MAX_TRAILER_BYTES, SAMPLE_BYTES, sample_dtype, sample_range, samples_to_bytes
from ..model.predictor import Predictor, default_predictor
from ..topology.topology import Topology
from .packets import CODED, MAX_CHANNELS, QUANTIZER, SAMPLES, LiveFormat, Packet, pack_end, pack_header, pack_packet
from .stream_state import StreamState

SURVEYED = 1024
"""Samples after which a grid is chosen: until then they are sent as they are."""
QUANTIZERS = ("n1", "identity")


class StreamEncoder:
    """Compresses frames as they come, without a look at what comes after them.

        encoder = StreamEncoder(channels=1024, sample_rate=19531)
        for frame in frames:                       # int16 of shape (channels,), or (frames, channels)
            link.send(encoder.push(frame))
        link.send(encoder.finish())

    Not safe for use from several threads of execution at once.
    """

    def __init__(
        self,
        channels: int,
        sample_rate: int,
        *,
        sample_bytes: int = 2,
        quantizer: str | None = None,
        topology: Topology | None = None,
        predictor: Predictor | None = None,
        header: bytes = b"",
    ) -> None:
        """Begin a stream.

        Args:
            channels: threads, 1 to 65535.
            sample_rate: frames a second, for whoever reads the stream.
            sample_bytes: 1 (uint8), 2 (int16) or 3 (int32 that holds 24 bits).
            grid: "n1" or "identity"; by default found from the first samples.
            topology: which threads are peers, as `spikey_cli.topology.find_topology` finds it in a recording of the
                same implant; by default none are.
            predictor: the network to predict with; by default the one that comes with the package.
            head: bytes that come before the first frame when the stream is decoded to a file, at most 64 KiB.

        Raises InputError where an argument does not fit.
        """
        is_whole = channels % 1 == 0 and sample_rate % 1 == 0
        if not is_whole or not 1 <= channels <= MAX_CHANNELS or not 0 <= sample_rate < 1 << 32:
            raise InputError(
                f"{channels} channels at {sample_rate} frames a second make no stream; give whole numbers within limits"
            )
        if (
            sample_bytes not in SAMPLE_BYTES
            or quantizer not in (None, *QUANTIZERS)
            or (quantizer == "n1" and sample_bytes != 2)
        ):
            raise InputError(
                f"no grid {quantizer!r} for samples of {sample_bytes} bytes; choose one of {', '.join(QUANTIZERS)}"
            )
        if topology is not None and len(topology.peers) != channels:
            raise InputError(f"the topology is of {len(topology.peers)} threads, the stream of {channels}")
        if len(header) > MAX_HEADER_BYTES:
            raise InputError(f"a head of {len(header)} bytes is longer than {MAX_HEADER_BYTES}")
        self._predictor = predictor or default_predictor()
        topology = topology or Topology.independent(channels)
        model = self._predictor.digest[:8]
        self.format = LiveFormat(sample_bytes, int(sample_rate), int(channels), model, topology, header)
        """What the stream is of."""
        self._dtype = sample_dtype(sample_bytes)
        self._sha = hashlib.sha256(header)
        self._frames = 0
        self._finished = False
        header, self._crc = pack_header(self.format)
        self._waiting = [header]
        self._survey = QuantizerSearch(sample_bytes)
        self._surveyed = 0
        self._grid: Quantizer | None = None
        self._lockstep: StreamState | None = None
        self._astray = False
        if quantizer is not None:
            self._begin(N1 if quantizer == "n1" else identity(sample_bytes))

    def push(self, frames: ArrayLike) -> bytes:
        """Compress a frame, of shape (channels,), or some, of shape (frames, channels): the bytes to send, which are
        enough to decode all frames so far. Raises InputError where shape, dtype or range are others: then nothing
        has become of them.
        """
        samples = np.asarray(frames)
        samples = samples[None] if samples.ndim == 1 else samples
        if samples.ndim != 2 or samples.shape[1] != self.format.channels or samples.dtype != self._dtype:
            raise InputError(
                f"frames of this stream are {self._dtype} of shape (frames, {self.format.channels}), "
                f"not {samples.dtype} of shape {samples.shape}"
            )
        if self._finished:
            raise InputError("this stream is finished; begin another")
        lowest, highest = sample_range(self.format.sample_bytes)
        if self.format.sample_bytes == 3 and samples.size and not lowest <= samples.min() <= samples.max() <= highest:
            raise InputError(f"samples of 24 bits are {lowest} to {highest}, not {samples.min()} to {samples.max()}")
        for first in range(0, len(samples), self.format.max_frames):
            self._add(samples[first : first + self.format.max_frames])
        return self._take_waiting()

    def finish(self, trailer: bytes = b"") -> bytes:
        """End the stream; `trailer`, at most 64 KiB, comes behind the last frame when it is decoded to a file."""
        if self._finished or len(trailer) > MAX_TRAILER_BYTES:
            raise InputError("this stream is finished, or its tail is longer than 64 KiB")
        self._finished = True
        self._sha.update(trailer)
        self._put(pack_end(self._frames, self._sha.digest(), trailer))
        return self._take_waiting()

    def _take_waiting(self) -> bytes:
        data = b"".join(self._waiting)
        self._waiting.clear()
        return data

    def _put(self, packet: Packet) -> None:
        data, self._crc = pack_packet(packet, self._crc)
        self._waiting.append(data)

    def _begin(self, quantizer: Quantizer) -> None:
        self._grid = quantizer
        self._lockstep = StreamState(self.format.channels, quantizer, self._predictor, self.format.topology)
        self._put(Packet(0, QUANTIZER, pack_quantizer(quantizer)))

    def _add(self, samples: np.ndarray) -> None:
        data = samples_to_bytes(samples, self.format.sample_bytes)
        self._sha.update(data)
        self._frames += len(samples)
        if self._grid is None:
            self._survey.add(samples)
            self._surveyed += samples.size
            if self._surveyed >= SURVEYED:
                self._begin(every(self._survey.quantizer(), self.format.sample_bytes))
        if self._grid is None or self._lockstep is None:
            self._put(Packet(len(samples), SAMPLES, data))
            return
        try:
            codes = self._grid.to_codes(samples)
        except InputError:
            self._take_astray(samples, data)
            return
        self._astray = False
        self._put(Packet(len(samples), CODED, self._lockstep.encode(codes)))

    def _take_astray(self, samples: np.ndarray, data: bytes) -> None:
        """Samples off the grid: once, they go as they are and lanes begin anew; twice, and the grid is given up."""
        assert self._grid is not None
        if not self._astray:
            self._astray = True
            self._put(Packet(len(samples), SAMPLES, data))
            self._begin(self._grid)
            return
        self._begin(identity(self.format.sample_bytes))
        assert self._lockstep is not None
        self._put(Packet(len(samples), CODED, self._lockstep.encode(self._grid.to_codes(samples))))
