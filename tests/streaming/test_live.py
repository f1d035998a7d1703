"""Live streams: frames come back as soon as they went, all of them, or an error does."""

from __future__ import annotations

import hashlib
import io
import json
import math
import zlib
from bisect import bisect_right

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.paths import GOLDEN
from support.recordings import n1_samples, neural

from spikey_cli import StreamDecoder, StreamEncoder
from spikey_cli.codec import coding_state
from spikey_cli.core.gain import MEAN_SQUARE, STEP_UP, gain_of
from spikey_cli.core.quantizer import N1, identity
from spikey_cli.errors import ArchiveError, InputError, SpikeyError
from spikey_cli.model.predictor import Predictor, default_predictor, find_model, read_model
from spikey_cli.streaming.pipe import decompress_pipe
from spikey_cli.streaming.stream_state import FIRST_GAIN, StreamState, n_ways
from spikey_cli.topology.topology import Topology

LIVE = GOLDEN / "live"


def through(frames: np.ndarray, packets: list[int], **options: object) -> tuple[bytes, list[np.ndarray]]:
    """Push packets of so many frames each through a stream and back: all bytes, and what came back of each packet."""
    encoder = StreamEncoder(frames.shape[1], 30_000, **options)
    decoder = StreamDecoder(options.get("predictor"))
    sent, back, at = b"", [], 0
    for count in packets:
        data = encoder.push(frames[at : at + count])
        back.append(decoder.push(data))
        sent += data
        at += count
    data = encoder.finish(b"tail")
    assert decoder.push(data).size == 0
    assert decoder.finished
    assert decoder.trailer == b"tail"
    return sent + data, back


def assert_same(frames: np.ndarray, back: list[np.ndarray], packets: list[int]) -> None:
    """That each packet came back as it went, before the next one was pushed."""
    assert [len(piece) for piece in back] == packets
    whole = np.concatenate(back)
    assert whole.dtype == frames.dtype
    np.testing.assert_array_equal(whole, frames[: len(whole)])


@pytest.mark.parametrize("packet", [1, 3, 64, 200])
@pytest.mark.parametrize("channels", [1, 5, 300])
def test_each_packet_comes_back_at_once(random, channels, packet):
    frames = n1_samples(neural(random, 400, channels))
    packets = [packet] * (400 // packet)
    data, back = through(frames, packets)
    assert_same(frames, back, packets)
    if channels == 300:
        assert len(data) < frames.nbytes / 2


@pytest.mark.parametrize(
    "frames",
    [
        np.random.default_rng(1).integers(0, 256, (300, 3)).astype(np.uint8),
        np.random.default_rng(2).integers(-32768, 32768, (300, 3)).astype(np.int16),
        np.random.default_rng(3).integers(-(2**23), 2**23, (300, 3)).astype(np.int32),
        np.where(np.arange(900).reshape(300, 3) // 7 % 2, 32767, -32768).astype(np.int16),
        np.where(np.arange(900).reshape(300, 3) // 7 % 2, 2**23 - 1, -(2**23)).astype(np.int32),
        np.zeros((2000, 2), np.int16),
        (np.random.default_rng(4).normal(0, 40, (3000, 2)).astype(np.int16) * 16),
    ],
    ids=["8 bits", "16 bits", "24 bits", "square", "square of 24 bits", "silence", "steps of 16"],
)
def test_any_samples(frames):
    sample_bytes = {np.dtype(np.uint8): 1, np.dtype(np.int16): 2, np.dtype(np.int32): 3}[frames.dtype]
    packets = [7] * (len(frames) // 7)
    _, back = through(frames, packets, sample_bytes=sample_bytes)
    assert_same(frames, back, packets)


def test_steps_of_a_grid_are_found(random):
    """Twelve bits in sixteen: four bits a sample are not sent."""
    frames = (random.normal(0, 40, (4000, 4)).astype(np.int16)) * 16
    stepped, _ = through(frames, [100] * 40)
    plain, _ = through(frames, [100] * 40, quantizer="identity")
    assert len(stepped) < len(plain) - frames.size * 3.5 / 8


@pytest.mark.parametrize("passes", [(0, 1, 0, 1, 2), (0, 0, 0, 0, 0), (2, 1, 0, 1, 0)])
@pytest.mark.parametrize("model", ["n1", "n1-peers"])
def test_peers(random, passes, model):
    frames = n1_samples(neural(random, 300, 5))
    topology = Topology.from_pairs([(0, 1, 200), (2, 3, 90), (3, 4, 60)], passes)
    predictor = find_model(model)
    for packets in ([50] * 6, [1] * 40):
        data, back = through(frames, packets, topology=topology, quantizer="n1", predictor=predictor)
        assert_same(frames, back, packets)
        decoder = StreamDecoder(predictor)
        assert len(decoder.push(data)) == sum(packets), "the topology stands in the header"


def test_peers_save_bits(random):
    noise = random.normal(0, 12, (20_000, 1)) + random.normal(0, 3, (20_000, 4))
    frames = n1_samples(np.clip(np.rint(500 + noise), 0, 1023).astype(np.int32))
    topology = Topology.from_pairs([(0, 1, 200), (1, 2, 200), (2, 3, 200)], (0, 1, 2, 3))
    with_peers, _ = through(frames, [500] * 40, topology=topology, quantizer="n1")
    independent, _ = through(frames, [500] * 40, quantizer="n1")
    assert len(with_peers) < 0.93 * len(independent)


def test_samples_off_the_grid(random):
    """A glitch costs a packet; a recording that leaves its grid is coded on another."""
    frames = n1_samples(neural(random, 1200, 2))
    frames[600, 1] += 1
    packets = [50] * 24
    data, back = through(frames, packets)
    assert_same(frames, back, packets)
    clean = n1_samples(neural(np.random.default_rng(1), 1200, 2))
    assert len(data) < len(through(clean, packets)[0]) + 50 * 2 * 2 * 2
    frames[600:] += 1
    data, back = through(frames, packets)
    assert_same(frames, back, packets)


@given(st.lists(st.integers(1, 5000), max_size=20), st.integers(0, 2**31))
def test_bytes_may_come_in_any_pieces(cuts, seed):
    frames = n1_samples(neural(np.random.default_rng(seed), 200, 3))
    data, _ = through(frames, [40] * 5, header=b"head")
    decoder = StreamDecoder()
    pieces, at = [], 0
    for cut in [*cuts, len(data)]:
        frames_back = decoder.push(data[at : at + cut])
        if frames_back.size:
            pieces.append(frames_back)
        at += cut
    assert decoder.finished
    assert decoder.format is not None
    assert decoder.format.header == b"head"
    np.testing.assert_array_equal(np.concatenate(pieces), frames)


@pytest.fixture(scope="module")
def small() -> tuple[bytes, np.ndarray]:
    """A stream of under a kilobyte, and its frames."""
    frames = n1_samples(neural(np.random.default_rng(8), 60, 6))
    data, _ = through(frames, [20] * 3, quantizer="n1", header=b"head")
    return data, frames


def restored(data: bytes, predictor: Predictor | None = None) -> bytes:
    """What a stream is restored to; raises where it is not whole."""
    out: list[bytes] = []
    decompress_pipe(io.BytesIO(data), out.append, predictor=predictor)
    return b"".join(out)


def test_no_flipped_bit_passes(small):
    data, frames = small
    assert restored(data) == b"head" + frames.tobytes() + b"tail"
    for bit in range(8 * len(data)):
        damaged = bytearray(data)
        damaged[bit // 8] ^= 1 << bit % 8
        with pytest.raises(SpikeyError):
            restored(bytes(damaged))


def test_no_prefix_passes_and_its_frames_come(small):
    data, frames = small
    for length in range(len(data)):
        decoder = StreamDecoder()
        back = decoder.push(data[:length])
        if back.size:
            np.testing.assert_array_equal(back, frames[: len(back)])
        with pytest.raises(ArchiveError, match="end is missing"):
            decoder.close()
    with pytest.raises(ArchiveError, match="behind its end"):
        restored(data + b"\0")


def packet_edges(frames: np.ndarray, count: int) -> list[bytes]:
    """Header, packets and end of a stream, one by one."""
    encoder = StreamEncoder(frames.shape[1], 30_000, quantizer="n1")
    pieces = [encoder.push(frames[:0])]
    pieces += [encoder.push(frames[at : at + count]) for at in range(0, len(frames), count)]
    return [*pieces, encoder.finish()]


def test_packets_lost_doubled_or_moved(random):
    frames = n1_samples(neural(random, 120, 3))
    pieces = packet_edges(frames, 20)
    assert restored(b"".join(pieces)) == frames.tobytes()
    for i in range(1, len(pieces) - 1):
        lost = pieces[:i] + pieces[i + 1 :]
        doubled = [*pieces[:i], pieces[i], *pieces[i:]]
        moved = [*pieces[:i], pieces[i + 1], pieces[i], *pieces[i + 2 :]]
        for wrong in (lost, doubled, moved):
            with pytest.raises(ArchiveError):
                restored(b"".join(wrong))


def test_frames_before_damage_come_first(random):
    frames = n1_samples(neural(random, 120, 3))
    pieces = packet_edges(frames, 20)
    pieces[4] = pieces[4][:-1] + bytes([pieces[4][-1] ^ 1])
    decoder = StreamDecoder()
    np.testing.assert_array_equal(decoder.push(b"".join(pieces)), frames[:60])
    for _ in range(2):
        with pytest.raises(ArchiveError, match="does not match its checksum"):
            decoder.push(b"")


def test_a_model_that_is_not_here(random):
    encoder = StreamEncoder(2, 100)
    header = bytearray(encoder.push(np.zeros((0, 2), np.int16)))
    header[12] ^= 1
    header[24:28] = zlib.crc32(header[28:], zlib.crc32(header[:24])).to_bytes(4, "little")
    with pytest.raises(SpikeyError, match="is not installed"):
        StreamDecoder().push(bytes(header))


@pytest.mark.parametrize(
    "options",
    [
        {"channels": 0},
        {"channels": 70_000},
        {"sample_bytes": 4},
        {"sample_bytes": 3, "quantizer": "n1"},
        {"quantizer": "fine"},
        {"topology": Topology.independent(3)},
        {"head": bytes(70_000)},
    ],
)
def test_arguments_that_do_not_fit(options):
    with pytest.raises(InputError):
        StreamEncoder(**({"channels": 2, "sample_rate": 1000} | options))


def test_frames_that_do_not_fit():
    encoder = StreamEncoder(2, 1000)
    for frames in (np.zeros((1, 3), np.int16), np.zeros((1, 2), np.int32), np.zeros((1, 1, 2), np.int16)):
        with pytest.raises(InputError, match="frames of this stream"):
            encoder.push(frames)
    encoder.finish()
    with pytest.raises(InputError, match="finished"):
        encoder.push(np.zeros((1, 2), np.int16))


@pytest.mark.parametrize("quantizer", ["identity", None])
@pytest.mark.parametrize("beyond", [2**23, -(2**23) - 1])
def test_samples_beyond_24_bits_leave_a_stream_as_it_was(quantizer, beyond):
    encoder = StreamEncoder(1, 1000, sample_bytes=3, quantizer=quantizer)
    stream = encoder.push(np.array([[-(2**23)], [2**23 - 1]], np.int32))
    with pytest.raises(InputError, match="samples of 24 bits are -8388608 to 8388607, not"):
        encoder.push(np.array([[5], [beyond]], np.int32))
    decoder = StreamDecoder()
    assert decoder.push(stream + encoder.finish()).tolist() == [[-(2**23)], [2**23 - 1]]
    decoder.close()


def test_gains_follow_the_differences(random):
    """Against floating point, one thread at a time."""
    codes = neural(random, 300, 4, amplitude=20.0)
    codes[150:] = 500 + (codes[150:] - 500) // 8
    lockstep = StreamState(4, identity(2), default_predictor(), Topology.independent(4))
    lockstep.encode(codes + 32768 - 512)
    assert lockstep._walk is not None
    for channel, gain in enumerate(lockstep._walk._adaptive.gain):
        power = 64.0 * MEAN_SQUARE[FIRST_GAIN] / 64
        at_regain = power
        for step, difference in enumerate(np.diff(codes[:, channel].astype(float) * 64), start=1):
            power += (difference**2 - power) / min(step + 3, 1024)
            if step <= 64 or step % 64 == 0:
                at_regain = power
        assert abs(gain - 8 * (math.log2(at_regain**0.5 / 64) + 2)) < 0.6


@given(st.integers(0, 2**62))
def test_gain_of_a_mean_square(mean_square):
    assert gain_of(mean_square) == bisect_right(STEP_UP, mean_square >> 4)


def test_mean_squares_of_gains():
    for gain, mean_square in enumerate(MEAN_SQUARE):
        assert mean_square == pytest.approx(4096 * 2 ** (gain / 4 - 4), rel=1e-2)
        assert gain_of(mean_square) == gain


def test_steps_may_go_on_for_ever(random, monkeypatch):
    """Behind 2**30 steps they are counted anew, which shows nowhere."""
    codes = neural(random, 400, 3)

    def payloads(step: int) -> list[bytes]:
        encoder, decoder = (StreamState(3, N1, default_predictor(), Topology.independent(3)) for _ in range(2))
        out = []
        for at in range(0, 400, 50):
            data = encoder.encode(codes[at : at + 50])
            np.testing.assert_array_equal(decoder.decode(data, 50), codes[at : at + 50])
            out.append(data)
            if at == 100:
                for lockstep in (encoder, decoder):
                    lockstep._walk.step += step
        return out

    # multiples of what steps are counted by; the power is no mean any more in both
    assert payloads(coding_state._FAR - 256) == payloads(coding_state._FAR - 256 - 2**20)


def test_ways_depend_on_a_packet_alone():
    assert [n_ways(n) for n in (0, 1, 8191, 8192, 16384, 65536, 10**6)] == [1, 1, 1, 1, 2, 8, 8]


def test_golden_streams_decode():
    """What earlier releases wrote; tests/golden/make_golden.py adds to them, and changes none."""
    told = json.loads((LIVE / "live.json").read_text())
    assert told
    parts = read_model(LIVE.parent / "models" / "parts.onnx")
    for name, sha256 in told.items():
        data = restored((LIVE / name).read_bytes(), parts if "-parts" in name else None)
        assert hashlib.sha256(data).hexdigest() == sha256, name
