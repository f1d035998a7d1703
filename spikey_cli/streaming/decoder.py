"""Packets to frames."""

from __future__ import annotations

import hashlib

import numpy as np

from ..codec.cost import decoding_time
from ..container.limits import DEFAULT_LIMITS, Limits
from ..container.quantizer_table import unpack_quantizer
from ..core.coders import CODERS
from ..core.quantizer import Quantizer
from ..errors import ArchiveError, LimitError, SpikeyError
from ..io.layout import sample_dtype, samples_from_bytes, samples_to_bytes
from ..model.predictor import Predictor, predictor_with_digest
from .packets import CODED, END, QUANTIZER, LiveFormat, Packet, unpack_end, unpack_header, unpack_packet
from .stream_state import StreamState

SILENCE = 8
"""How much longer than an archive a live stream may take for each of its bytes: one lane a thread wastes many steps."""


class StreamDecoder:
    """Decompresses what a `StreamEncoder` wrote, as it comes.

        decoder = StreamDecoder()
        while not decoder.finished:
            frames = decoder.push(link.receive())      # those that are whole, of shape (frames, channels)

    Not safe for use from several threads of execution at once.
    """

    def __init__(self, predictor: Predictor | None = None, *, limits: Limits | None = None) -> None:
        """`predictor` is the network that the stream was written with, where it did not come with the package;
        `limits` tell how many bytes may be restored for each that came.
        """
        self.format: LiveFormat | None = None
        """What the stream is of; known once its header is there."""
        self.frames = 0
        """Frames so far."""
        self.trailer = b""
        """What comes behind the last frame; known at the end."""
        self.finished = False
        """Whether the stream's end was reached, and all of it is as it was."""
        self._predictor = predictor
        self._limits = limits or DEFAULT_LIMITS
        self._taken = 0
        self._time = 0.0
        self._frame_time = 0.0  # nanoseconds, about, that decoding a frame takes
        self._data = bytearray()
        self._failure: SpikeyError | None = None
        self._crc = 0
        self._sha = hashlib.sha256()
        self._grid: Quantizer | None = None
        self._lockstep: StreamState | None = None

    def push(self, data: bytes) -> np.ndarray:
        """Take in the next bytes, any number of them: the frames that are whole with them, of shape (frames, channels)
        and dtype uint8, int16 or int32; of shape (0, 0) until the header is there.

        Raises ArchiveError where the stream is damaged, or goes on behind its end, LimitError where it asks for more
        than the limits grant, and ModelError where its model is not installed. Frames before that come first: then it
        is the next call that raises.
        """
        if self._failure is not None:
            raise self._failure
        self._data += data
        pieces: list[np.ndarray] = []
        try:
            self._take_all(pieces)
        except SpikeyError as error:
            if not pieces:
                self._failure = error
                raise
            self._failure = error
        if not pieces:
            form = self.format
            return np.zeros((0, form.channels if form else 0), sample_dtype(form.sample_bytes if form else 2))
        return pieces[0] if len(pieces) == 1 else np.concatenate(pieces)

    def close(self) -> None:
        """Tell that no more bytes come. Raises ArchiveError where the stream is not at its end."""
        if self._failure is not None:
            raise self._failure
        if not self.finished:
            raise ArchiveError(f"its end is missing: it breaks off behind {self.frames} frames; transmit it again")

    def _take_all(self, pieces: list[np.ndarray]) -> None:
        at = 0
        try:
            if self.format is None:
                header = unpack_header(self._data)
                if header is None:
                    return
                form, at, self._crc = header
                if self._predictor is None or not self._predictor.digest.startswith(form.model):
                    self._predictor = predictor_with_digest(form.model)
                passes = len(set(form.topology.passes))
                self._frame_time = decoding_time(form.channels, 1, passes, CODERS["range"], self._predictor)
                self._sha.update(form.header)
                self.format = form
            while at < len(self._data):
                if self.finished:
                    raise ArchiveError("goes on behind its end; what follows is no part of it")
                found = unpack_packet(self._data, at, self.format, self._crc)
                if found is None:
                    return
                packet, stop, self._crc = found
                self._taken += stop - at
                at = stop
                frames = self._take(packet, self.format)
                if frames is not None:
                    pieces.append(frames)
        finally:
            del self._data[:at]

    def _take(self, packet: Packet, form: LiveFormat) -> np.ndarray | None:
        if packet.kind == QUANTIZER:
            self._grid, used = unpack_quantizer(packet.payload, form.sample_bytes)
            if used != len(packet.payload):
                raise ArchiveError("is damaged: a packet holds more than a grid; transmit it again")
            self._lockstep = None
            return None
        if packet.kind == END:
            self._end(packet.payload)
            return None
        if (self.frames + packet.frames) * form.frame_bytes > self._limits.restored_bytes(self._taken):
            raise LimitError(
                f"claims to hold more than {self._limits.expansion} times as many bytes as came; if you trust it, "
                "raise the limit with --max-expansion"
            )
        if packet.kind == CODED:
            self._check_work(packet.frames)
            if self._grid is None:
                raise ArchiveError("is damaged: a packet comes before its grid; transmit it again")
            if self._lockstep is None:  # not before, since an enemy's grids could follow each other without end
                assert self._predictor is not None
                self._lockstep = StreamState(form.channels, self._grid, self._predictor, form.topology)
            codes = self._lockstep.decode(packet.payload, packet.frames)
            samples = self._grid.to_samples(codes, sample_dtype(form.sample_bytes))
            self._sha.update(samples_to_bytes(samples, form.sample_bytes))
        else:
            if len(packet.payload) != packet.frames * form.frame_bytes:
                raise ArchiveError("is damaged: a packet of samples is too short; transmit it again")
            samples = samples_from_bytes(packet.payload, form.channels, form.sample_bytes)
            self._sha.update(packet.payload)
        self.frames += packet.frames
        return samples

    def _check_work(self, frames: int) -> None:
        """Refuse a packet with which decoding what came takes longer than is granted."""
        self._time += frames * self._frame_time
        if self._time > SILENCE * self._limits.decoding_time(self._taken):
            raise LimitError(
                "takes longer to decode than is usual for as many bytes; if you trust it, raise the limit with "
                "--max-expansion"
            )

    def _end(self, payload: bytes) -> None:
        frames, sha256, trailer = unpack_end(payload)
        self._sha.update(trailer)
        if frames != self.frames or sha256 != self._sha.digest():
            raise ArchiveError("is damaged: what was decoded does not match its SHA-256; do not trust it")
        self.trailer = trailer
        self.finished = True
