"""The encoder of live streams: what it accepts, how it chooses the quantizer, and what peers save."""

from __future__ import annotations

import numpy as np
import pytest
from support.recordings import n1_samples, neural
from support.streams import assert_each_packet_decoded, transmitted
from support.topologies import topology_of_pairs

from spikey_cli import StreamDecoder, StreamEncoder
from spikey_cli.errors import InputError
from spikey_cli.model.predictor import find_model
from spikey_cli.topology.topology import Topology


@pytest.mark.parametrize("packet", [1, 3, 64, 200])
@pytest.mark.parametrize("channels", [1, 5, 300])
def test_each_packet_can_be_decoded_at_once(random, channels, packet):
    frames = n1_samples(neural(random, 400, channels))
    packets = [packet] * (400 // packet)
    stream, decoded = transmitted(frames, packets)
    assert_each_packet_decoded(frames, decoded, packets)
    if channels == 300:
        assert len(stream) < frames.nbytes / 2


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
    ids=["8 bits", "16 bits", "24 bits", "square wave", "24-bit square wave", "zeros", "multiples of 16"],
)
def test_any_samples_are_restored(frames):
    sample_bytes = {np.dtype(np.uint8): 1, np.dtype(np.int16): 2, np.dtype(np.int32): 3}[frames.dtype]
    packets = [7] * (len(frames) // 7)
    _, decoded = transmitted(frames, packets, sample_bytes=sample_bytes)
    assert_each_packet_decoded(frames, decoded, packets)


def test_quantizer_is_found_from_the_first_samples(random):
    """Twelve significant bits of sixteen: four bits a sample are saved."""
    frames = (random.normal(0, 40, (4000, 4)).astype(np.int16)) * 16
    searched, _ = transmitted(frames, [100] * 40)
    identity, _ = transmitted(frames, [100] * 40, quantizer="identity")
    assert len(searched) < len(identity) - frames.size * 3.5 / 8


def test_samples_off_the_quantizer(random):
    """One packet off the value grid is sent uncoded; if the next one is off too, the quantizer is replaced."""
    frames = n1_samples(neural(random, 1200, 2))
    frames[600, 1] += 1
    packets = [50] * 24
    stream, decoded = transmitted(frames, packets)
    assert_each_packet_decoded(frames, decoded, packets)
    clean = n1_samples(neural(np.random.default_rng(1), 1200, 2))
    assert len(stream) < len(transmitted(clean, packets)[0]) + 50 * 2 * 2 * 2
    frames[600:] += 1
    _, decoded = transmitted(frames, packets)
    assert_each_packet_decoded(frames, decoded, packets)


@pytest.mark.parametrize("passes", [(0, 1, 0, 1, 2), (0, 0, 0, 0, 0), (2, 1, 0, 1, 0)])
@pytest.mark.parametrize("model", ["n1", "n1-peers"])
def test_peers(random, passes, model):
    frames = n1_samples(neural(random, 300, 5))
    topology = topology_of_pairs([(0, 1, 200), (2, 3, 90), (3, 4, 60)], passes)
    predictor = find_model(model)
    for packets in ([50] * 6, [1] * 40):
        stream, decoded = transmitted(frames, packets, topology=topology, quantizer="n1", predictor=predictor)
        assert_each_packet_decoded(frames, decoded, packets)
        assert len(StreamDecoder(predictor).push(stream)) == sum(packets), "the header does not contain the topology"


def test_peers_save_bits(random):
    noise = random.normal(0, 12, (20_000, 1)) + random.normal(0, 3, (20_000, 4))
    frames = n1_samples(np.clip(np.rint(500 + noise), 0, 1023).astype(np.int32))
    topology = topology_of_pairs([(0, 1, 200), (1, 2, 200), (2, 3, 200)], (0, 1, 2, 3))
    with_peers, _ = transmitted(frames, [500] * 40, topology=topology, quantizer="n1")
    independent, _ = transmitted(frames, [500] * 40, quantizer="n1")
    assert len(with_peers) < 0.93 * len(independent)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"channels": 0}, "channels"),
        ({"channels": 70_000}, "channels"),
        ({"channels": 1.5}, "channels, not 1.5"),
        ({"sample_rate": 0.5}, "whole Hz"),
        ({"sample_rate": -1}, "Hz"),
        ({"sample_rate": 2**32}, "Hz"),
        ({"sample_bytes": 4}, "bytes"),
        ({"sample_bytes": 3, "quantizer": "n1"}, "no quantizer 'n1' for samples of 3 bytes"),
        ({"quantizer": "fine"}, "no quantizer 'fine'"),
        ({"preset": "slow"}, "there is no preset 'slow'; choose one of fast"),
        ({"topology": Topology.independent(3)}, "the topology has 3 channels"),
        ({"header": bytes(70_000)}, "the header has 70000 bytes"),
    ],
)
def test_invalid_arguments(options, message):
    with pytest.raises(InputError, match=message):
        StreamEncoder(**({"channels": 2, "sample_rate": 1000} | options))


def test_invalid_frames():
    encoder = StreamEncoder(2, 1000)
    for frames in (np.zeros((1, 3), np.int16), np.zeros((1, 2), np.int32), np.zeros((1, 1, 2), np.int16)):
        with pytest.raises(InputError, match="frames of this stream"):
            encoder.push(frames)
    with pytest.raises(InputError, match="the trailer has 70000 bytes"):
        encoder.finish(bytes(70_000))
    encoder.finish()
    with pytest.raises(InputError, match="finished"):
        encoder.push(np.zeros((1, 2), np.int16))
    with pytest.raises(InputError, match="finished"):
        encoder.finish()


@pytest.mark.parametrize("quantizer", ["identity", None])
@pytest.mark.parametrize("beyond", [2**23, -(2**23) - 1])
def test_samples_beyond_24_bits_do_not_change_the_stream(quantizer, beyond):
    encoder = StreamEncoder(1, 1000, sample_bytes=3, quantizer=quantizer)
    stream = encoder.push(np.array([[-(2**23)], [2**23 - 1]], np.int32))
    with pytest.raises(InputError, match="samples of 24 bits are -8388608 to 8388607, not"):
        encoder.push(np.array([[5], [beyond]], np.int32))
    decoder = StreamDecoder()
    assert decoder.push(stream + encoder.finish()).tolist() == [[-(2**23)], [2**23 - 1]]
    decoder.close()
