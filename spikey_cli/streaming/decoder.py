"""Decoder of live streams: bytes in, frames out."""

from __future__ import annotations

import hashlib

import numpy as np

from ..container.limits import DEFAULT_LIMITS, Limits, beyond_memory
from ..container.quantizer_table import unpack_quantizer
from ..core.quantizer import Quantizer
from ..errors import DamageError, LimitError, SpikeyError
from ..io.layout import sample_dtype, samples_from_bytes, samples_to_bytes
from ..model.predictor import Predictor, predictor_with_digest
from .packets import CODED, END, QUANTIZER, LiveFormat, Packet, named, unpack_end, unpack_header, unpack_packet
from .stream_state import StreamState, stream_cost

TIME_FACTOR = 2
"""Estimated decoding time that a stream may take, relative to an archive of as many bytes: with one lane a channel, the
fixed cost of a step is divided among few samples."""


class StreamDecoder:
    """Decompress a stream of `StreamEncoder` while it arrives.

    A decoder must not be used by several threads at the same time.

    Parameters
    ----------
    predictor : Predictor, optional
        The network that the stream was written with. Needed only if the package does not include it.
    limits : Limits, optional
        Memory of the coding state; bytes and decoding time granted for each byte received.
    name : str, optional
        What error messages call the stream.

    Attributes
    ----------
    format : LiveFormat or None
        Channels, sample rate, sample width, model and topology; None before the header has arrived.
    frames : int
        Frames decoded so far.
    trailer : bytes
        Bytes that follow the last sample; known when the stream is finished.
    finished : bool
        Whether the end has arrived and the SHA-256 of everything decoded matches it.

    Examples
    --------
    >>> import numpy as np
    >>> from spikey_cli import StreamDecoder, StreamEncoder
    >>> encoder = StreamEncoder(channels=2, sample_rate=30_000)
    >>> stream = encoder.push(np.zeros((1000, 2), np.int16)) + encoder.finish()
    >>> decoder = StreamDecoder()
    >>> sum(len(decoder.push(stream[i : i + 16])) for i in range(0, len(stream), 16))
    1000
    >>> decoder.finished
    True
    """

    def __init__(
        self, predictor: Predictor | None = None, *, limits: Limits | None = None, name: str = "live stream"
    ) -> None:
        self._name = name
        self.format: LiveFormat | None = None
        self.frames = 0
        self.trailer = b""
        self.finished = False
        self._predictor = predictor
        self._limits = limits or DEFAULT_LIMITS
        self._packet_bytes = 0
        self._time = 0.0  # estimated nanoseconds
        self._frame_time = 0.0
        self._input = bytearray()
        self._failure: SpikeyError | None = None
        self._crc = 0
        self._sha = hashlib.sha256()
        self._quantizer: Quantizer | None = None
        self._state: StreamState | None = None

    def push(self, data: bytes) -> np.ndarray:
        """Decode the next bytes of the stream.

        Parameters
        ----------
        data : bytes
            Any number of bytes; they need not end with a packet.

        Returns
        -------
        numpy.ndarray
            Frames of all packets that `data` completes, of shape (frames, channels) and dtype uint8, int16 or int32.
            Its shape is (0, 0) before the stream's header has arrived.

        Raises
        ------
        ArchiveError
            If the stream is damaged or bytes follow its end. If frames precede the fault, they are returned, and the
            next call raises; so do all later calls. This holds for the errors below too.
        LimitError
            If the stream claims more than `limits` grants.
        ModelError
            If the model of the stream is not installed.
        """
        if self._failure is not None:
            raise self._failure
        self._input += data
        pieces: list[np.ndarray] = []
        try:
            self._decode_input(pieces)
        except SpikeyError as error:
            self._failure = named(error, self._name)
            if not pieces:
                raise self._failure from error
        if not pieces:
            stream = self.format
            return np.zeros((0, stream.channels if stream else 0), sample_dtype(stream.sample_bytes if stream else 2))
        return pieces[0] if len(pieces) == 1 else np.concatenate(pieces)

    def close(self) -> None:
        """Declare that no more bytes follow.

        Raises
        ------
        ArchiveError
            If the end of the stream has not arrived.
        """
        if self._failure is not None:
            raise self._failure
        if not self.finished:
            raise named(DamageError(f"its end is missing after {self.frames} frames"), self._name)

    def _decode_input(self, pieces: list[np.ndarray]) -> None:
        pos = 0
        try:
            if self.format is None:
                unpacked = unpack_header(self._input)
                if unpacked is None:
                    return
                stream, pos, self._crc = unpacked
                if self._predictor is None or not self._predictor.digest.startswith(stream.model):
                    self._predictor = predictor_with_digest(stream.model)
                state_bytes, self._frame_time = stream_cost(stream, self._predictor)
                if state_bytes > self._limits.memory:
                    raise beyond_memory(f"decoding its {stream.channels} channels takes {state_bytes >> 20} MiB")
                self._sha.update(stream.header)
                self.format = stream
            while pos < len(self._input):
                if self.finished:
                    raise DamageError("bytes follow its end")
                next_packet = unpack_packet(self._input, pos, self.format, self._crc)
                if next_packet is None:
                    return
                packet, stop, self._crc = next_packet
                self._packet_bytes += stop - pos
                pos = stop
                frames = self._decode(packet, self.format)
                if frames is not None:
                    pieces.append(frames)
        finally:
            del self._input[:pos]

    def _decode(self, packet: Packet, stream: LiveFormat) -> np.ndarray | None:
        if packet.kind == QUANTIZER:
            self._quantizer, used = unpack_quantizer(packet.payload, stream.sample_bytes)
            if used != len(packet.payload):
                raise DamageError("bytes follow the quantizer in its packet")
            self._state = None
            return None
        if packet.kind == END:
            self._end(packet.payload)
            return None
        if (self.frames + packet.frames) * stream.frame_bytes > self._limits.restored_bytes(self._packet_bytes):
            raise LimitError(
                f"it claims to hold more than {self._limits.expansion} times as many bytes as were received; if you "
                "trust it, raise the limit",
                parameter="expansion",
            )
        if packet.kind == CODED:
            samples = self._decode_samples(packet, stream)
            self._sha.update(samples_to_bytes(samples, stream.sample_bytes))
        else:
            if len(packet.payload) != packet.frames * stream.frame_bytes:
                raise DamageError("a packet of samples is too short")
            samples = samples_from_bytes(packet.payload, stream.channels, stream.sample_bytes)
            self._sha.update(packet.payload)
        self.frames += packet.frames
        return samples

    def _decode_samples(self, packet: Packet, stream: LiveFormat) -> np.ndarray:
        self._time += packet.frames * self._frame_time
        if self._time > TIME_FACTOR * self._limits.decoding_time(self._packet_bytes):
            raise LimitError(
                "it takes longer to decode than its size justifies; if you trust it, raise the limit",
                parameter="expansion",
            )
        if self._quantizer is None:
            raise DamageError("a coded packet precedes the first quantizer")
        if self._state is None:  # created only when needed: a hostile stream may send any number of quantizers
            assert self._predictor is not None
            self._state = StreamState(stream, self._quantizer, self._predictor)
        codes = self._state.decode(packet.payload, packet.frames)
        return self._quantizer.to_samples(codes, sample_dtype(stream.sample_bytes))

    def _end(self, payload: bytes) -> None:
        frames, sha256, trailer = unpack_end(payload)
        self._sha.update(trailer)
        if frames != self.frames or sha256 != self._sha.digest():
            raise DamageError("the decoded bytes do not match its SHA-256: do not trust them")
        self.trailer = trailer
        self.finished = True
