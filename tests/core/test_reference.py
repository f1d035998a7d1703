"""The core against `spikey_cli.core.reference`, bit for bit, in both directions; damaged streams, too."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import reference
from support.random_models import PARTS, random_model
from support.recordings import neural
from support.topologies import topology_of_pairs

from spikey_cli.codec import streams as streams_of_blocks
from spikey_cli.codec.cost import EFFORTS
from spikey_cli.codec.streams import MAX_LANE_GROUP, decode_channels, encode_channels
from spikey_cli.container.parts import Method, Stream
from spikey_cli.core import huffman
from spikey_cli.core.coders import CODERS
from spikey_cli.core.lane_headers import decode_lane_headers, encode_lane_headers
from spikey_cli.core.lanes import cut
from spikey_cli.core.packed import pack_codes, unpack_codes
from spikey_cli.core.quantizer import N1, Quantizer, TableQuantizer, UniformQuantizer, identity
from spikey_cli.core.reference import coding, lanes, packed, quantizer, ranks
from spikey_cli.core.reference import huffman as huffman_reference
from spikey_cli.core.reference.arithmetic import Damage, Reader
from spikey_cli.errors import ArchiveError, InputError
from spikey_cli.model.predictor import Predictor, default_predictor
from spikey_cli.model.zoo import shipped_models
from spikey_cli.streaming import stream_state
from spikey_cli.streaming.packets import LiveFormat
from spikey_cli.streaming.stream_state import StreamState
from spikey_cli.system.workers import Workers
from spikey_cli.topology.references import BlockChannel, ReferenceGraph
from spikey_cli.topology.topology import ORDERS, Topology

SIZES = [1, 2, 3, 255, 256, 1024, 4096, 4097, 2**16, 2**24]
STEPS = [UniformQuantizer("step", -7, 3, size) for size in (1, 2, 100, 4097)]
PALETTE = TableQuantizer("palette", np.array([-9, -5, -4, 0, 300, 32_000], dtype=np.int32))
QUANTIZERS = [N1, identity(1), identity(2), identity(3), *STEPS, PALETTE]
MODELS = ("none", "n1", "n1-peers", *PARTS)
seeds = st.integers(0, 2**32)


@lru_cache
def model_named(name: str) -> bytes | None:
    """An .onnx file: a shipped one, or one with random weights, with the converter's profile or without."""
    if name == "none":
        return None
    if name in shipped_models():
        return shipped_models()[name].read_bytes()
    edges = default_predictor().profile.edges.tolist()
    return random_model(**PARTS[name], edges=edges if len(name) % 2 else (), seed=len(name))


@lru_cache
def predictor_named(name: str) -> Predictor | None:
    model = model_named(name)
    return Predictor(model) if model else None


@lru_cache
def network_named(name: str) -> reference.Network | None:
    model = model_named(name)
    return reference.network_of(model) if model else None


def random_codes(random: np.random.Generator, frames: int, quantizers: list[Quantizer]) -> list[np.ndarray]:
    """Codes of channels with a common signal: quiet ones, loud ones, some noise, some constant, some with gaps."""
    shared = np.cumsum(random.normal(0, 3, frames))
    channels = []
    for each in quantizers:
        scale = 2.0 ** random.integers(-3, 18)
        codes = each.size * random.random() + scale * (shared * random.random() + random.normal(0, 1, frames))
        if random.random() < 0.1:
            codes = random.random(frames) * each.size
        if random.random() < 0.3:
            codes[random.random(frames) < 0.04] = random.choice([0, each.size])
        channels.append(np.clip(codes, 0, each.size - 1).astype(np.int32))
    return channels


def damage(random: np.random.Generator, stream: bytes) -> bytes:
    """The stream with some bits flipped, a part replaced, cut off, or longer; one time in three as it is."""
    kind, at = random.integers(0, 6), int(random.integers(0, len(stream) + 1))
    if kind == 0:
        return stream[:at]
    if kind == 1:
        return stream[:at] + random.bytes(int(random.integers(0, 9)))
    if kind == 2:
        return stream[:at] + b"\xff" * (len(stream) - at)
    if kind == 3 and stream:
        at = int(random.integers(0, len(stream)))
        return stream[:at] + bytes([stream[at] ^ 1 << int(random.integers(0, 8))]) + stream[at + 1 :]
    return stream


def found_or_none(function, *arguments):
    """The result, or None if the reference refuses the stream."""
    try:
        return function(*arguments)
    except Damage:
        return None


@given(st.sampled_from([1, 2, 3]), seeds)
def test_quantizers(sample_bytes, seed):
    random = np.random.default_rng(seed)
    whole = quantizer.identity(sample_bytes)
    size = int(random.integers(1, 200))
    step = int(random.integers(1, len(whole) // size + 1))
    offset = int(random.integers(whole[0], whole[-1] - step * (size - 1) + 1))
    gaps = random.integers(0, max(1, len(whole) // 300), size - 1).tolist()
    table = quantizer.palette(whole[0], gaps)
    pairs = [
        (identity(sample_bytes), whole),
        (UniformQuantizer("step", offset, step, size), quantizer.step(offset, step, size)),
        (TableQuantizer("palette", np.array(table, dtype=np.int32)), table),
        *([(N1, quantizer.n1())] if sample_bytes == 2 else []),
    ]
    dtype = {1: np.uint8, 2: np.int16, 3: np.int32}[sample_bytes]
    for core, values in pairs:
        assert core.size == len(values)
        codes = random.integers(0, core.size, 20).tolist()
        samples = quantizer.to_samples(codes, values)
        assert core.to_samples(np.array(codes, dtype=np.int32), dtype).tolist() == samples
        assert core.to_codes(np.array(samples, dtype=dtype)).tolist() == quantizer.to_codes(samples, values) == codes
        others = random.integers(whole[0], whole[-1] + 1, 3).tolist()
        try:
            expected = quantizer.to_codes(others, values)
        except ValueError:
            with pytest.raises(InputError):
                core.to_codes(np.array(others, dtype=dtype))
        else:
            assert core.to_codes(np.array(others, dtype=dtype)).tolist() == expected
        with pytest.raises(ArchiveError):
            core.to_samples(np.array([0, core.size], dtype=np.int32), dtype)


@given(st.sampled_from(SIZES), st.integers(0, 30), seeds)
def test_packed_streams(size, n, seed):
    random = np.random.default_rng(seed)
    codes = random.integers(0, size, n).astype(np.int32)
    stream = pack_codes(codes, size)
    assert stream == packed.pack(codes.tolist(), size)
    for _ in range(10):
        damaged = damage(random, stream)
        found = unpack_codes(damaged, n, size)
        assert (None if found is None else found.tolist()) == found_or_none(packed.unpack, damaged, n, size)


@given(st.sampled_from(SIZES), st.integers(1, 60), st.integers(1, 12), seeds)
def test_lanes_and_their_headers(size, n, steps, seed):
    random = np.random.default_rng(seed)
    core = cut([n], steps)
    assert core.length.tolist() == lanes.lengths_of_lanes(n, steps)
    gains = random.integers(0, 217, core.count).astype(np.uint8)
    codes = np.clip(random.normal(size / 2, 2.0 ** random.integers(0, 22), core.count), 0, size - 1).astype(np.int32)
    (stream,) = encode_lane_headers(core, np.array([size]), gains, codes)
    assert stream == lanes.encode_headers(gains.tolist(), codes.tolist(), size)
    for _ in range(10):
        damaged = damage(random, stream)
        found_gains, found_codes, (used,) = decode_lane_headers(core, np.array([size]), [damaged])
        found = (found_gains.tolist(), found_codes.tolist()) if used <= len(damaged) else None
        assert found == found_or_none(lanes.decode_headers, Reader(damaged), core.count, size)


@given(st.sampled_from(SIZES), st.integers(0, 60), st.integers(0, 20), seeds)
def test_huffman_streams(size, n, log2_deviation, seed):
    random = np.random.default_rng(seed)
    ranks = np.minimum(np.abs(random.normal(0, 2.0**log2_deviation, n)), size - 1).astype(np.int32)
    stream = huffman.pack_ranks(ranks, size)
    assert stream == huffman_reference.encode_ranks(ranks.tolist(), size)
    for _ in range(10):
        damaged = damage(random, stream)
        found = huffman.unpack_ranks(damaged, n, size)
        expected = found_or_none(huffman_reference.decode_ranks, damaged, n, size)
        assert (None if found is None else found.tolist()) == expected


@given(st.integers(1, 40), st.data())
def test_ranks(size, data):
    nearest, upwards = data.draw(st.integers(0, size - 1)), data.draw(st.booleans())
    order = ranks.outwards(nearest, upwards, size)
    assert [ranks.rank_of(code, nearest, upwards, size) for code in order] == list(range(size))
    assert [ranks.code_of(rank, nearest, upwards, size) for rank in range(size)] == order
    with pytest.raises(Damage):
        ranks.code_of(size, nearest, upwards, size)


def test_huffman_codes():
    for log2_variance in range(huffman.MAX_LOG2_VARIANCE + 1):
        assert list(huffman.code_counts(log2_variance)) == huffman_reference.code_counts(log2_variance)


class Block:
    """Channels of a block, coded by the core and by the reference."""

    def __init__(self, quantizers, codes, graph, steps, coder, model, effort=2) -> None:
        self.codes, self.coder, self.effort = codes, coder, effort
        self.plan = (graph, steps, CODERS[coder], predictor_named(model), Workers(None, 1))
        self.quantizers = quantizers
        self.bins = [reference.bins_of(each, model_named(model)) for each in quantizers]
        self.reference_plan = (self.bins, graph, steps, coder, network_named(model), effort)
        self.lengths = [own.size for own in codes]

    def encoded(self) -> list[Stream]:
        """The streams, which must be those of the reference."""
        streams = encode_channels(self.codes, self.quantizers, *self.plan, effort=self.effort)
        assert streams == reference.encode_block(self.codes, *self.reference_plan)
        return streams

    def decoded(self, streams: list[Stream]) -> list[list[int] | None]:
        """The codes, which must be those of the reference, and so must be the channels that are refused."""
        found = decode_channels(streams, self.lengths, self.quantizers, *self.plan, MAX_LANE_GROUP, self.effort)
        as_lists = [None if own is None else own.tolist() for own in found]
        assert as_lists == reference.decode_block(streams, self.lengths, *self.reference_plan)
        return as_lists


def random_topology(random: np.random.Generator, n: int) -> Topology:
    links = [(i, j, int(random.integers(0, 256))) for i in range(n) for j in range(i) if random.random() < 0.5]
    return topology_of_pairs(links, random.integers(0, 3, n).tolist())


@st.composite
def blocks(draw) -> Block:
    """Channels of one dependency group; random references between those of equal length."""
    random = np.random.default_rng(draw(seeds))
    quantizers = draw(st.lists(st.sampled_from(QUANTIZERS), min_size=1, max_size=4))
    if draw(st.booleans()):
        quantizers = quantizers[:1] * len(quantizers)
    n, frames = len(quantizers), draw(st.integers(1, 70))
    lengths = [frames if random.random() < 0.8 else int(random.integers(1, 70)) for _ in range(n)]
    codes = [own[:k].copy() for own, k in zip(random_codes(random, 70, quantizers), lengths, strict=True)]
    graph = ReferenceGraph.of(
        random_topology(random, n), [BlockChannel(i, 0, length) for i, length in enumerate(lengths)]
    )
    lags, orders = random.choice([0, 32, 40], n), random.choice(ORDERS, n)
    graph = replace(graph, lags=tuple(lags.tolist()), orders=tuple(orders.tolist()))
    return Block(
        *(quantizers, codes, graph, draw(st.integers(1, 50))),
        *(draw(st.sampled_from([*CODERS])), draw(st.sampled_from(MODELS)), draw(st.sampled_from([*EFFORTS]))),
    )


@given(blocks(), st.sampled_from([1, 8]), seeds)
def test_blocks(block, few, seed):
    """Streams; codes; and with damaged streams, the codes of all channels and which are refused."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(streams_of_blocks, "VECTOR", few)  # whether lanes have numbers of their own depends on it
        streams = block.encoded()
    assert block.decoded(streams) == [own.tolist() for own in block.codes]
    random = np.random.default_rng(seed)
    for _ in range(2):
        block.decoded([Stream(stream.method, damage(random, stream.data)) for stream in streams])


def test_a_channel_of_as_many_terms_as_there_can_be(random):
    """Order 32, the network, eight references, two later ones, means and a long lag: 75 terms."""
    pairs = [(i, 8, 90 - i) for i in range(8)] + [(8, 9, 5), (8, 10, 4)]
    topology = topology_of_pairs(pairs, [*range(8), 8, 9, 9], [32] * 11, [32] * 11)
    graph = ReferenceGraph.of(topology, [BlockChannel(i, 0, 60) for i in range(11)])
    codes = [np.ascontiguousarray(own) for own in neural(random, 60, 11).T]
    block = Block([N1] * 11, codes, graph, 60, "range", "n1")
    assert block.decoded(block.encoded()) == [own.tolist() for own in codes]


def test_channels_that_depend_on_a_damaged_stream_are_refused(random):
    """Through references, later references, and earlier passes of the joint group; the damage is found at the end."""
    topology = topology_of_pairs([(0, 1, 90), (1, 3, 90), (2, 3, 90), (0, 4, 90)], (0, 1, 0, 2, 1))
    graph = ReferenceGraph.of(topology, [BlockChannel(i, 0, 60) for i in range(5)])
    codes = [np.ascontiguousarray(own) for own in neural(random, 60, 5).T]
    lost_with = {0: {0, 1, 3, 4}, 1: {1, 3}, 2: {1, 2, 3, 4}, 3: {3}, 4: {3, 4}}
    for later in ((), (4,)):  # of channel 1
        own = replace(graph, later=((), later, (), (), ()))
        block = Block([N1] * 5, codes, own, 30, "rice", "none")
        streams = block.encoded()
        assert {stream.method for stream in streams} == {Method.CODED}
        for i, lost in lost_with.items():
            longer = [Stream(stream.method, stream.data + b"\1" * (k == i)) for k, stream in enumerate(streams)]
            decoded = block.decoded(longer)
            assert {k for k in range(5) if decoded[k] is None} == lost | ({1} if i in later else set())


PAIRS = [
    pytest.param(model, coder, marks=() if (i + j) % 3 == 0 else pytest.mark.slow)
    for i, model in enumerate(MODELS)
    for j, coder in enumerate(CODERS)
]
"""Each model and each coder in the default tier, all pairs in the slow one."""


@pytest.mark.parametrize(("model", "coder"), PAIRS)
def test_every_coder_with_every_model(random, model, coder):
    """A neural recording, with references, on the profile and beside it, with a packed channel."""
    codes = neural(random, 60, 2)
    channels = [np.ascontiguousarray(codes[:, 0]), np.ascontiguousarray(codes[:, 1]), codes[:3, 0].copy()]
    channels += [random.integers(0, 2**16, 60).astype(np.int32), codes[:, 1] + codes[::-1, 0] + 30_000]
    topology = topology_of_pairs([(0, 1, 90), (1, 4, 255), (0, 4, 7)], (0, 1, 0, 1, 2))
    graph = ReferenceGraph.of(topology, [BlockChannel(i, 0, 3 if i == 2 else 60) for i in range(5)])
    block = Block([N1, identity(2), N1, identity(2), identity(2)], channels, graph, 30, coder, model)
    streams = block.encoded()
    assert (streams[1].method, streams[3].method) == (Method.CODED, Method.PACKED)
    assert block.decoded(streams) == [own.tolist() for own in channels]


LIVE_MODELS = [name for name in MODELS if name != "none"]


def compare_live_streams(
    quantizer: Quantizer, topology: Topology, model: str, effort: int, packets: list[np.ndarray], seed: int
):
    """Payloads and codes of both, packet by packet; then the decoders' verdicts on the last payload, damaged."""
    n = len(topology.passes)
    graph = ReferenceGraph.of(topology, [BlockChannel(i, 0, 1) for i in range(n)])
    bins = [reference.bins_of(quantizer, model_named(model))] * n
    channels = reference.channels_of([0] * n, bins, graph, range(n))
    stream = LiveFormat(2, 0, n, b"", topology, effort)
    encoder = StreamState(stream, quantizer, predictor_named(model))
    expected = coding.LiveStream(channels, network_named(model), effort)
    payloads = [encoder.encode(frames) for frames in packets]
    assert payloads == [expected.encode(frames.tolist()) for frames in packets]
    random = np.random.default_rng(seed)
    for last in (payloads[-1], damage(random, payloads[-1])):
        decoder = StreamState(stream, quantizer, predictor_named(model))
        by_reference = coding.LiveStream(channels, network_named(model), effort)
        for payload, frames in zip([*payloads[:-1], last], packets, strict=True):
            try:
                decoded = decoder.decode(payload, len(frames)).tolist()
            except ArchiveError:
                decoded = None
            assert decoded == found_or_none(by_reference.decode, payload, len(frames))
            assert decoded == frames.tolist() or last is not payloads[-1]


@given(st.data())
def test_live_streams(data):
    """Gains that follow the signal, several streams a pass, references."""
    random = np.random.default_rng(data.draw(seeds))
    model, quantizer = data.draw(st.sampled_from(LIVE_MODELS)), data.draw(st.sampled_from(QUANTIZERS))
    n = data.draw(st.integers(1, 5))
    topology = random_topology(random, n)
    lengths = data.draw(st.lists(st.sampled_from([1, 2, 9, 30]), min_size=1, max_size=4))
    frames = np.stack(random_codes(random, sum(lengths), [quantizer] * n), axis=1)
    packets = np.split(frames, np.cumsum(lengths)[:-1])
    with pytest.MonkeyPatch.context() as patch:
        for module in (stream_state, coding):
            patch.setattr(module, "SAMPLES_PER_STREAM", 32)
        compare_live_streams(
            quantizer, topology, model, data.draw(st.sampled_from([*EFFORTS])), packets, data.draw(seeds)
        )


def test_a_long_live_stream(random):
    """Gains are set every 64 steps, and the mean power forgets."""
    codes = neural(random, 500, 1)
    codes[300:] //= 4
    compare_live_streams(N1, Topology.independent(1), "n1", 2, np.split(codes, [200, 201]), 0)


@pytest.mark.parametrize(("effort", "channels", "n"), [(1, 9, 530), (3, 2, 720)], ids=["teaching steps", "solutions"])
def test_channels_of_a_live_stream_take_turns(random, effort, channels, n):
    """From step 512 on, every eight channels learn at steps of their own, and each is solved at one of its own."""
    passes = [channel % 2 for channel in range(channels)]
    codes = neural(random, n, channels)
    compare_live_streams(N1, topology_of_pairs([], passes), "n1", effort, np.split(codes, [300, n - 8]), 0)
