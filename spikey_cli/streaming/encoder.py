"""Encoder of live streams: frames in, packets out."""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import ArrayLike

from ..codec.presets import DEFAULT_PRESET, find_preset
from ..container.quantizer_table import pack_quantizer
from ..core.quantizer import N1, Quantizer, QuantizerSearch, extended, identity
from ..errors import InputError
from ..io.layout import (
    MAX_HEADER_BYTES,
    MAX_TRAILER_BYTES,
    SAMPLE_BYTES,
    sample_dtype,
    sample_range,
    samples_to_bytes,
)
from ..io.raw import RawFormat
from ..model.predictor import Predictor, default_predictor
from ..topology.topology import Topology
from .packets import CODED, QUANTIZER, SAMPLES, LiveFormat, Packet, pack_end, pack_header, pack_packet
from .stream_state import StreamState

SEARCH_SAMPLES = 1024
"""Samples from which the quantizer is chosen. They are sent uncoded."""
QUANTIZERS = ("n1", "identity")
ORDERS = {"fast": 8, "default": 16, "best": 16}
"""Order of each channel of a stream without a topology, by preset."""


class StreamEncoder:
    """Compress frames of a recording while it is acquired.

    The bytes that `push` returns are sufficient to decode all frames pushed so far: no frame waits for later ones.
    `StreamDecoder` decodes them; docs/live.md specifies the format. An encoder must not be used by several threads at
    the same time.

    Parameters
    ----------
    channels : int
        Channels a frame, 1 to 65535.
    sample_rate : int
        Frames a second, 0 (unknown) to 2**32 - 1. The decoder reports it; compression does not depend on it.
    sample_bytes : {1, 2, 3}, optional
        Bytes a sample: 1 for uint8, 2 for int16, 3 for int32 that holds 24 bits.
    quantizer : {"n1", "identity"}, optional
        Value grid of the samples. By default it is found from the first 1024 samples.
    topology : Topology, optional
        References of each channel, as `spikey_cli.topology.discovery.find_topology` finds them in a recording of the
        same probe. By default channels are predicted independently, from 16 own differences, with `fast` from 8.
    predictor : Predictor, optional
        Network that predicts the samples; by default the package's default model.
    preset : {"default", "fast", "best"}, optional
        How much time is spent on a small stream, in both directions.
    header : bytes, optional
        Bytes that precede the first sample when the stream is decoded to a file, at most 64 KiB.

    Attributes
    ----------
    format : LiveFormat
        Channels, sample rate, sample width, model, topology and effort, as the stream's header states them.

    Raises
    ------
    InputError
        If an argument is out of range or does not fit the others.

    Examples
    --------
    >>> import numpy as np
    >>> from spikey_cli import StreamDecoder, StreamEncoder
    >>> frames = np.random.default_rng(0).normal(0, 20, (600, 4)).astype(np.int16)
    >>> encoder, decoder = StreamEncoder(channels=4, sample_rate=30_000), StreamDecoder()
    >>> for first in range(0, 600, 200):
    ...     data = encoder.push(frames[first : first + 200])  # send these bytes
    ...     received = decoder.push(data)  # on the other side
    ...     assert np.array_equal(received, frames[first : first + 200])
    >>> decoder.push(encoder.finish()).shape
    (0, 4)
    >>> decoder.finished
    True
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
        preset: str = DEFAULT_PRESET,
        header: bytes = b"",
    ) -> None:
        given = RawFormat(channels, sample_rate)  # checks both
        if sample_bytes not in SAMPLE_BYTES:
            raise InputError(f"a sample has 1, 2 or 3 bytes, not {sample_bytes}")
        if quantizer not in (None, *QUANTIZERS) or (quantizer == "n1" and sample_bytes != 2):
            raise InputError(
                f"no quantizer {quantizer!r} for samples of {sample_bytes} bytes; choose one of {', '.join(QUANTIZERS)}"
            )
        try:
            effort = find_preset(preset).effort
        except ValueError as error:
            raise InputError(str(error)) from error
        if topology is not None and len(topology.passes) != channels:
            raise InputError(f"the topology has {len(topology.passes)} channels and the stream has {channels}")
        if len(header) > MAX_HEADER_BYTES:
            raise InputError(f"the header has {len(header)} bytes; {MAX_HEADER_BYTES} is the most")
        self._predictor = predictor or default_predictor()
        topology = topology or Topology.independent(given.channels, ORDERS[preset])
        model = self._predictor.digest[:8]
        self.format = LiveFormat(sample_bytes, given.sample_rate, given.channels, model, topology, effort, header)
        self._dtype = sample_dtype(sample_bytes)
        self._sha = hashlib.sha256(header)
        self._frames = 0
        self._finished = False
        stream_header, self._crc = pack_header(self.format)
        self._output = bytearray(stream_header)
        self._search = QuantizerSearch(sample_bytes)
        self._searched_samples = 0
        self._quantizer: Quantizer | None = None
        self._state: StreamState | None = None
        self._was_off_grid = False
        if quantizer is not None:
            self._start(N1 if quantizer == "n1" else identity(sample_bytes))

    def push(self, frames: ArrayLike) -> bytes:
        """Compress the next frames.

        Parameters
        ----------
        frames : array_like
            One frame, of shape (channels,), or several, of shape (frames, channels). dtype uint8, int16 or int32, as
            `sample_bytes` requires.

        Returns
        -------
        bytes
            The next bytes of the stream. The first call also returns the stream's header.

        Raises
        ------
        InputError
            If shape, dtype or range do not fit, or the stream is finished. The stream is then unchanged.
        """
        samples = np.asarray(frames)
        samples = samples[None] if samples.ndim == 1 else samples
        if samples.ndim != 2 or samples.shape[1] != self.format.channels or samples.dtype != self._dtype:
            raise InputError(
                f"frames of this stream are {self._dtype} of shape (frames, {self.format.channels}), "
                f"not {samples.dtype} of shape {samples.shape}"
            )
        if self._finished:
            raise InputError("this stream is finished; create another encoder")
        lowest, highest = sample_range(self.format.sample_bytes)
        if self.format.sample_bytes == 3 and samples.size and not lowest <= samples.min() <= samples.max() <= highest:
            raise InputError(f"samples of 24 bits are {lowest} to {highest}, not {samples.min()} to {samples.max()}")
        for first in range(0, len(samples), self.format.max_frames):
            self._add(samples[first : first + self.format.max_frames])
        return self._take_output()

    def finish(self, trailer: bytes = b"") -> bytes:
        """End the stream.

        Parameters
        ----------
        trailer : bytes, optional
            Bytes that follow the last sample when the stream is decoded to a file, at most 64 KiB.

        Returns
        -------
        bytes
            The last bytes of the stream.

        Raises
        ------
        InputError
            If the trailer is too long or the stream is finished already.
        """
        if self._finished:
            raise InputError("this stream is finished already")
        if len(trailer) > MAX_TRAILER_BYTES:
            raise InputError(f"the trailer has {len(trailer)} bytes; {MAX_TRAILER_BYTES} is the most")
        self._finished = True
        self._sha.update(trailer)
        self._put(pack_end(self._frames, self._sha.digest(), trailer))
        return self._take_output()

    def _take_output(self) -> bytes:
        data = bytes(self._output)
        self._output.clear()
        return data

    def _put(self, packet: Packet) -> None:
        data, self._crc = pack_packet(packet, self._crc)
        self._output += data

    def _start(self, quantizer: Quantizer) -> None:
        """Send a quantizer; the coding state starts with the next coded packet."""
        self._quantizer = quantizer
        self._state = StreamState(self.format, quantizer, self._predictor)
        self._put(Packet(0, QUANTIZER, pack_quantizer(quantizer)))

    def _add(self, samples: np.ndarray) -> None:
        data = samples_to_bytes(samples, self.format.sample_bytes)
        self._sha.update(data)
        self._frames += len(samples)
        if self._quantizer is None:
            self._search.add(samples)
            self._searched_samples += samples.size
            if self._searched_samples < SEARCH_SAMPLES:
                self._put(Packet(len(samples), SAMPLES, data))
                return
            self._start(extended(self._search.quantizer(), self.format.sample_bytes))
        assert self._quantizer is not None
        try:
            codes = self._quantizer.to_codes(samples)
        except InputError:
            if not self._was_off_grid:
                # possibly a glitch: send this packet uncoded and keep the quantizer
                self._was_off_grid = True
                self._put(Packet(len(samples), SAMPLES, data))
                self._start(self._quantizer)
                return
            self._start(identity(self.format.sample_bytes))
            codes = self._quantizer.to_codes(samples)
        self._was_off_grid = False
        assert self._state is not None
        self._put(Packet(len(samples), CODED, self._state.encode(codes)))
