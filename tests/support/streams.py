"""Live streams in memory."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from support.recordings import n1_samples, neural, wav_bytes

from spikey_cli import StreamDecoder, StreamEncoder
from spikey_cli.model.predictor import Predictor
from spikey_cli.streaming.pipe import decompress_pipe


def transmitted(frames: np.ndarray, packets: list[int], **options: object) -> tuple[bytes, list[np.ndarray]]:
    """Encode and decode packets of these numbers of frames: the whole stream, and the frames decoded of each packet."""
    encoder = StreamEncoder(frames.shape[1], 30_000, **options)
    decoder = StreamDecoder(options.get("predictor"))
    stream, decoded, first = b"", [], 0
    for count in packets:
        data = encoder.push(frames[first : first + count])
        decoded.append(decoder.push(data))
        stream += data
        first += count
    data = encoder.finish(b"trailer")
    assert decoder.push(data).size == 0
    assert decoder.finished
    assert decoder.trailer == b"trailer"
    return stream + data, decoded


def assert_each_packet_decoded(frames: np.ndarray, decoded: list[np.ndarray], packets: list[int]) -> None:
    """Each packet was decoded before the next one was encoded."""
    assert [len(piece) for piece in decoded] == packets
    samples = np.concatenate(decoded)
    assert samples.dtype == frames.dtype
    np.testing.assert_array_equal(samples, frames[: len(samples)])


def restored(stream: bytes, predictor: Predictor | None = None) -> bytes:
    """The recording that a stream restores. Raises SpikeyError if the stream is not complete."""
    out: list[bytes] = []
    decompress_pipe(io.BytesIO(stream), out.append, predictor=predictor)
    return b"".join(out)


@dataclass(frozen=True)
class PacketStream:
    """A WAV file of two channels, and its live stream in packets of PACKET_FRAMES frames."""

    PACKET_FRAMES: ClassVar = 100
    FRAMES: ClassVar = 3000
    TRAILER: ClassVar = b"LIST\x04\x00\x00\x00abcd"

    wav: bytes
    wav_header_bytes: int
    data: bytes
    header_bytes: int
    ends: list[int]
    """Where each packet ends."""

    @classmethod
    def of(cls, random: np.random.Generator) -> PacketStream:
        """The stream of a random recording."""
        samples = n1_samples(neural(random, cls.FRAMES, 2))
        wav = wav_bytes(samples, trailer=cls.TRAILER)
        wav_header = wav[: len(wav) - samples.nbytes - len(cls.TRAILER)]
        encoder = StreamEncoder(2, 19531, header=wav_header)
        header = encoder.push(samples[:0])
        packets = [encoder.push(piece) for piece in np.split(samples, cls.FRAMES // cls.PACKET_FRAMES)]
        ends = np.cumsum([len(header), *map(len, packets)])[1:].tolist()
        data = header + b"".join(packets) + encoder.finish(cls.TRAILER)
        return cls(wav, len(wav_header), data, len(header), ends)

    def restored(self, frames: int) -> bytes:
        """The WAV file up to this frame."""
        return self.wav[: self.wav_header_bytes + 4 * frames]
