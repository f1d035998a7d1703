"""The decoder of live streams: bytes in any pieces, damaged streams, hostile streams."""

from __future__ import annotations

import io
import struct
import tracemalloc
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.archive_builder import joined
from support.recordings import n1_samples, neural
from support.streams import restored, transmitted
from support.topologies import topology_of_pairs

from spikey_cli import Limits, StreamDecoder, StreamEncoder
from spikey_cli.container.limits import DEFAULT_LIMITS, TIME_PER_BYTE
from spikey_cli.container.quantizer_table import pack_quantizer
from spikey_cli.container.topology_table import pack_topology
from spikey_cli.core.packed import packed_bytes
from spikey_cli.core.quantizer import identity
from spikey_cli.errors import ArchiveError, LimitError, SpikeyError
from spikey_cli.model.predictor import default_predictor
from spikey_cli.streaming import decoder as decoder_module
from spikey_cli.streaming.decoder import TIME_FACTOR
from spikey_cli.streaming.packets import CODED, END, QUANTIZER, SAMPLES, Packet, pack_packet
from spikey_cli.streaming.pipe import decompress_pipe
from spikey_cli.streaming.stream_state import streams_per_pass
from spikey_cli.topology.topology import Topology

ONE_VALUE = b"\2\0\1\1"
"""A quantizer of one value: any number of samples on it takes no bits."""


@given(st.lists(st.integers(1, 5000), max_size=20), st.integers(0, 2**31))
def test_bytes_may_arrive_in_any_pieces(cuts, seed):
    frames = n1_samples(neural(np.random.default_rng(seed), 200, 3))
    stream, _ = transmitted(frames, [40] * 5, header=b"header")
    decoder = StreamDecoder()
    pieces, pos = [], 0
    for cut in [*cuts, len(stream)]:
        decoded = decoder.push(stream[pos : pos + cut])
        if decoded.size:
            pieces.append(decoded)
        pos += cut
    assert decoder.finished
    assert decoder.format is not None
    assert decoder.format.header == b"header"
    np.testing.assert_array_equal(np.concatenate(pieces), frames)


@pytest.fixture(scope="module")
def small() -> tuple[bytes, np.ndarray]:
    """A stream of some hundred bytes, and its frames."""
    frames = n1_samples(neural(np.random.default_rng(8), 30, 4))
    stream, _ = transmitted(frames, [10] * 3, quantizer="n1", header=b"header")
    return stream, frames


def test_every_flipped_bit_is_detected(small):
    stream, frames = small
    assert restored(stream) == b"header" + frames.tobytes() + b"trailer"
    for bit in range(8 * len(stream)):
        damaged = bytearray(stream)
        damaged[bit // 8] ^= 1 << bit % 8
        with pytest.raises(SpikeyError):
            restored(bytes(damaged))


def test_every_truncation_is_detected_after_its_frames(small):
    stream, frames = small
    for length in range(len(stream)):
        decoder = StreamDecoder()
        decoded = decoder.push(stream[:length])
        if decoded.size:
            np.testing.assert_array_equal(decoded, frames[: len(decoded)])
        with pytest.raises(ArchiveError, match="end is missing"):
            decoder.close()
    with pytest.raises(ArchiveError, match="bytes follow its end"):
        restored(stream + b"\0")


def packets_of(frames: np.ndarray, count: int) -> list[bytes]:
    """Header, packets of `count` frames and end of a stream, one by one."""
    encoder = StreamEncoder(frames.shape[1], 30_000, quantizer="n1")
    pieces = [encoder.push(frames[:0])]
    pieces += [encoder.push(frames[first : first + count]) for first in range(0, len(frames), count)]
    return [*pieces, encoder.finish()]


def test_lost_repeated_and_reordered_packets_are_detected(random):
    frames = n1_samples(neural(random, 120, 3))
    pieces = packets_of(frames, 20)
    assert restored(b"".join(pieces)) == frames.tobytes()
    for i in range(1, len(pieces) - 1):
        lost = pieces[:i] + pieces[i + 1 :]
        repeated = [*pieces[:i], pieces[i], *pieces[i:]]
        reordered = [*pieces[:i], pieces[i + 1], pieces[i], *pieces[i + 2 :]]
        for wrong in (lost, repeated, reordered):
            with pytest.raises(ArchiveError):
                restored(b"".join(wrong))


def test_frames_before_damage_are_returned_first(random):
    frames = n1_samples(neural(random, 120, 3))
    pieces = packets_of(frames, 20)
    pieces[4] = pieces[4][:-1] + bytes([pieces[4][-1] ^ 1])
    decoder = StreamDecoder()
    np.testing.assert_array_equal(decoder.push(b"".join(pieces)), frames[:60])
    for _ in range(2):
        with pytest.raises(ArchiveError, match="does not match its checksum"):
            decoder.push(b"")


def test_a_model_that_is_not_installed():
    header = bytearray(StreamEncoder(2, 100).push(np.zeros((0, 2), np.int16)))
    at = header.index(default_predictor().digest[:8])
    header[at] ^= 1
    header[24:28] = zlib.crc32(header[28:], zlib.crc32(header[:24])).to_bytes(4, "little")
    with pytest.raises(SpikeyError, match="is not installed"):
        StreamDecoder().push(bytes(header))


# Hostile streams


def forged(channels: int, *packets: Packet, description: bytes | None = None, size: int | None = None) -> bytes:
    """A live stream of these packets with valid checksums."""
    if description is None:
        description = joined([1000, channels, 0]) + pack_topology(Topology.independent(min(channels, 70_000)))
    length = len(description) if size is None else size
    fixed = b"\x89SPS\r\n\x1a\n\1\2\2\0" + default_predictor().digest[:8] + struct.pack("<I", length)
    crc = zlib.crc32(description, zlib.crc32(fixed))
    out = fixed + struct.pack("<I", crc) + description
    for packet in packets:
        data, crc = pack_packet(packet, crc)
        out += data
    return out


@pytest.mark.parametrize(
    "stream",
    [
        forged(2, size=2**32 - 1),
        forged(2, description=joined([1000, 1 << 60, 0])),
        forged(2, description=joined([1000, 65_536, 0]) + bytes(65_536)),
        forged(2, description=joined([1000, 2, 1 << 60])),
        forged(2, description=joined([1000, 2, 2**70])),
        forged(2, description=joined([1 << 60, 2, 0, b"\0\0"])),
        forged(2) + joined([(1 << 60) * 4 + CODED, 8]),
        forged(2) + joined([(1 << 22) * 4 + CODED, 8]),
        forged(2) + joined([4 + CODED, 1 << 60]),
        forged(2) + joined([4 + SAMPLES, 1 << 30]),
        forged(2) + joined([QUANTIZER, 1 << 30]),
        forged(2) + joined([END, 1 << 30]),
        forged(65_535) + joined([4 * 65 + CODED, 8]),
    ],
)
def test_excessive_claims_are_refused_before_their_bytes_arrive(stream):
    default_predictor()
    tracemalloc.start()
    try:
        with pytest.raises(SpikeyError):
            StreamDecoder().push(stream)
        assert tracemalloc.get_traced_memory()[1] < 16 << 20
    finally:
        tracemalloc.stop()


def packet_without_bits(channels: int, n_frames: int, *, first: bool = False) -> Packet:
    """Frames on a quantizer of one value: one word for each range coder stream, after the word counts."""
    n_streams = min(streams_per_pass((n_frames - first) * channels), channels)
    initial_codes = bytes(packed_bytes(channels, 1)) if first else b""
    return Packet(n_frames, CODED, initial_codes + b"\1" * (n_streams - 1) + bytes(4 * n_streams))


def test_restored_bytes_are_limited():
    packets = [Packet(0, QUANTIZER, ONE_VALUE), packet_without_bits(64, 1 << 16, first=True)]
    packets += [packet_without_bits(64, 1 << 16)] * 40
    stream = forged(64, *packets)
    decoder = StreamDecoder()
    assert len(decoder.push(stream)) * 128 <= 16 << 20, "frames beyond the limit were returned"
    with pytest.raises(LimitError, match=r"raise the limit \(Limits\.expansion\)") as raised:
        decoder.push(b"")
    assert raised.value.parameter == "expansion"
    with pytest.raises(LimitError, match=r"^stdin: it claims to hold .* \(Limits\.expansion\)") as raised:
        decompress_pipe(io.BytesIO(stream), lambda data: None, name="stdin")
    assert raised.value.parameter == "expansion"
    trusting = StreamDecoder(limits=Limits(expansion=1 << 30))
    assert len(trusting.push(forged(64, *packets[:4]))) == 3 << 16


def test_decoding_time_is_limited():
    stream = forged(1, Packet(0, QUANTIZER, ONE_VALUE), packet_without_bits(1, 1 << 20, first=True))
    with pytest.raises(LimitError, match="takes longer to decode") as raised:
        StreamDecoder(limits=Limits(expansion=DEFAULT_LIMITS.expansion // 10)).push(stream)
    assert raised.value.parameter == "expansion"


@pytest.mark.parametrize(("channels", "references"), [(65_535, 0), (4000, 8)])
def test_a_coding_state_of_many_channels_is_refused_before_it_is_made(channels, references):
    pairs = [(i, i + gap, 0) for gap in range(1, references + 1) for i in range(channels - gap)]
    topology = pack_topology(topology_of_pairs(pairs, [i % 16 for i in range(channels)]))
    stream = forged(channels, description=joined([1000, channels, 0]) + topology)
    with pytest.raises(LimitError, match=r"takes \d+ MiB, which exceeds the memory limit") as raised:
        StreamDecoder().push(stream)
    assert raised.value.parameter == "memory"
    StreamDecoder(limits=Limits(memory=1 << 30)).push(stream)


def test_quantizers_alone_create_no_coding_state(monkeypatch):
    """Tables for 5,000 channels, 20,000 times, would take minutes."""
    created = []
    monkeypatch.setattr(decoder_module, "StreamState", lambda *arguments: created.append(arguments))
    StreamDecoder().push(forged(5000, *[Packet(0, QUANTIZER, pack_quantizer(identity(2)))] * 2000))
    assert not created


def test_constant_signals_are_within_the_limits():
    """Packets that an encoder writes of a constant signal stay within the default limits."""
    for channels, n_frames in ((1, 1953), (64, 1024)):
        encoder, decoder = StreamEncoder(channels, 19_531), StreamDecoder()
        sent = received = 0
        for _ in range(10):
            data = encoder.push(np.full((n_frames, channels), 5, np.int16))
            received += decoder.push(data).nbytes
            sent += len(data)
        assert received == 20 * n_frames * channels
        assert received < DEFAULT_LIMITS.expansion * sent
        assert decoder._time < TIME_FACTOR * TIME_PER_BYTE * sent
