"""Instruction sets: each gives the bits of the plain loops; and which arguments are refused."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.c_core import state_of
from support.random_models import PARTS, random_model
from support.topologies import topology_of_pairs

from spikey_cli.codec.cost import EFFORTS
from spikey_cli.core import _core, coding_step
from spikey_cli.core.coders import CODERS
from spikey_cli.core.converter import Bins
from spikey_cli.core.gain import lane_gains
from spikey_cli.core.lane_headers import decode_lane_headers, encode_lane_headers
from spikey_cli.core.lanes import cut
from spikey_cli.core.quantizer import N1, TableQuantizer, UniformQuantizer, identity
from spikey_cli.core.reference.arithmetic import bytes_from_bits
from spikey_cli.core.reference.gain import MAX_GAIN
from spikey_cli.core.residual_log import ResidualLog
from spikey_cli.model.predictor import Predictor, default_predictor
from spikey_cli.streaming.packets import LiveFormat
from spikey_cli.streaming.stream_state import StreamState
from spikey_cli.topology.references import ReferenceGraph, ReferenceTable
from spikey_cli.topology.topology import MAX_EARLIER, MAX_LATER, ORDERS, Topology

EDGES = (np.arange(1025) * 64 - 32 + np.random.default_rng(5).integers(-31, 32, 1025)).tolist()
SMALL = [UniformQuantizer("step", 0, 2, size) for size in (1, 2, 3, 100, 4096)]
QUANTIZERS = [N1, identity(1), identity(2), identity(3), *SMALL, UniformQuantizer("step", 0, 1, 4097)]
HOW = [{"simd": name} for name in _core.simd()]


@lru_cache
def predictor_of(name: str) -> Predictor | None:
    if name == "none":
        return None
    if name == "default":
        return default_predictor()
    seed = sum(map(ord, name))
    return Predictor(random_model(**PARTS[name], seed=seed, edges=EDGES if seed % 2 else (), window=seed % 5 + 3))


@st.composite
def groups(draw, predictors=("none", "default", "chain", *PARTS)):
    """Lanes of a few channels on various grids, and who references whom: (lanes, bins, codes, predictor, table)."""
    predictor = predictor_of(draw(st.sampled_from(predictors)))
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    one_kind = draw(st.booleans())
    quantizers = draw(st.lists(st.sampled_from(QUANTIZERS), min_size=1, max_size=20))
    if one_kind:
        quantizers = quantizers[:1] * len(quantizers)
    n_channels = len(quantizers)
    usual = draw(st.integers(1, 200))
    lengths = [usual if random.random() < 0.8 else int(random.integers(1, 200)) for _ in quantizers]
    lanes = cut(lengths, draw(st.integers(1, 90)))
    bins = Bins.of(quantizers, predictor.profile if predictor else None)
    passes = np.sort(random.integers(0, draw(st.integers(1, 4)), n_channels))
    references = np.full((n_channels, MAX_EARLIER), -1, np.int64)
    metrics = np.zeros_like(references)
    for channel in range(n_channels):
        near = [c for c in range(n_channels) if passes[c] < passes[channel] and lengths[c] == lengths[channel]]
        chosen = random.permutation(near)[: int(random.integers(0, 5))]
        references[channel, : len(chosen)] = chosen
        metrics[channel, : len(chosen)] = random.integers(0, 256, len(chosen))
    starts = np.flatnonzero(np.diff(passes, prepend=-1))
    later = np.full((n_channels, MAX_LATER), -1, np.int64)
    for channel in range(n_channels):
        near = [c for c in range(n_channels) if passes[c] >= passes[channel] and lengths[c] == lengths[channel]]
        chosen = random.permutation([c for c in near if c != channel])[: int(random.integers(0, MAX_LATER + 1))]
        later[channel, : len(chosen)] = chosen
    lags, orders = random.choice([0, 32, 45], n_channels), random.choice(ORDERS, n_channels)
    joint = np.unique(lengths, return_inverse=True)[1] if random.random() < 0.5 else np.arange(n_channels)
    table = ReferenceTable(np.array([*starts, n_channels], np.int64), references, metrics, later, lags, orders, joint)
    shared = np.cumsum(random.normal(0, 3, max(lengths)))
    codes = []
    for n, quantizer in zip(lengths, quantizers, strict=True):
        scale = 2.0 ** random.integers(-3, 20)
        wave = quantizer.size / 2 + scale * (shared[:n] * random.random() + random.normal(0, 1, n))
        if random.random() < 0.1:
            wave = random.random(n) * quantizer.size
        codes.append(np.clip(wave, 0, quantizer.size - 1).astype(np.int32))
    return lanes, bins, np.concatenate(codes), predictor, table


def by_plain_loops(group, name):
    lanes, bins, codes, predictor, table = group
    gains, initial_codes = lane_gains(codes, lanes, bins), codes[lanes.start]
    encoder = CODERS[name].encoder(lanes, bins)
    state_of(lanes, bins, gains, initial_codes, predictor, table, plain=True).run(encoder, codes)
    return gains, initial_codes, encoder.finish()


@settings(deadline=None)
@given(groups(), st.sampled_from(["range", "rice", "huffman"]))
def test_streams_are_those_of_the_plain_loops(group, name):
    lanes, bins, codes, predictor, table = group
    gains, initial_codes, streams = by_plain_loops(group, name)
    for how in HOW:
        encoder = CODERS[name].encoder(lanes, bins)
        state_of(lanes, bins, gains, initial_codes, predictor, table, **how).run(encoder, codes)
        assert encoder.finish() == streams
        decoder = CODERS[name].decoder(lanes, bins, streams)
        back = np.zeros_like(codes)
        state_of(lanes, bins, gains, initial_codes, predictor, table, **how).run(decoder, back)
        assert np.array_equal(back, codes)
        assert decoder.finish().all()


@settings(deadline=None)
@given(groups(), st.sampled_from(["range", "rice"]), st.integers(0, 2**32))
def test_damaged_streams_are_decoded_as_by_the_plain_loops(group, name, seed):
    lanes, bins, codes, predictor, table = group
    gains, initial_codes, streams = by_plain_loops(group, name)
    random = np.random.default_rng(seed)
    damaged = [_damage(stream, random) for stream in streams]
    decoder = CODERS[name].decoder(lanes, bins, damaged)
    expected = np.zeros_like(codes)
    state_of(lanes, bins, gains, initial_codes, predictor, table, plain=True).run(decoder, expected)
    for how in HOW:
        found = np.zeros_like(codes)
        other = CODERS[name].decoder(lanes, bins, damaged)
        state_of(lanes, bins, gains, initial_codes, predictor, table, **how).run(other, found)
        assert np.array_equal(found, expected)
        assert np.array_equal(other.finish(), decoder.finish())


@settings(deadline=None, max_examples=40)
@given(groups())
def test_residual_log_is_that_of_the_plain_loops(group):
    lanes, bins, codes, predictor, table = group
    gains, initial_codes = lane_gains(codes, lanes, bins), codes[lanes.start]
    expected = ResidualLog(lanes)
    encoder = CODERS["rice"].encoder(lanes, bins)
    state_of(lanes, bins, gains, initial_codes, predictor, table, log=expected, plain=True).run(encoder, codes)
    for how in HOW:
        found = ResidualLog(lanes)
        encoder = CODERS["rice"].encoder(lanes, bins)
        state_of(lanes, bins, gains, initial_codes, predictor, table, log=found, **how).run(encoder, codes)
        for ours, theirs in zip(found.arrays, expected.arrays, strict=True):
            assert np.array_equal(ours, theirs)


def _damage(stream: bytes, random: np.random.Generator) -> bytes:
    kind = random.integers(0, 6)
    if kind < 2:
        return stream
    if kind == 2:
        return stream[: int(random.integers(0, len(stream) + 1))]
    if kind == 3:
        return random.bytes(int(random.integers(0, 2 * len(stream) + 9)))
    if kind == 4:
        return stream + random.bytes(4)
    data = bytearray(stream)
    for _ in range(int(random.integers(1, 4))):
        if data:
            data[int(random.integers(0, len(data)))] ^= 1 << int(random.integers(0, 8))
    return bytes(data)


@settings(deadline=None, max_examples=40)
@given(
    st.sampled_from([N1, identity(1), identity(2), identity(3), *SMALL]),
    st.sampled_from(["default", "chain", "messages"]),
    st.lists(st.integers(1, 90), min_size=1, max_size=5),
    st.integers(1, 40),
    st.integers(0, 2**32),
)
def test_live_streams_are_those_of_the_plain_loops(quantizer, name, packets, channels, seed):
    random = np.random.default_rng(seed)
    n = sum(packets)
    scale = 2.0 ** random.integers(-2, 20)
    shared = np.cumsum(random.normal(0, 1, n))[:, None]
    wave = quantizer.size / 2 + scale * (shared + random.normal(0, 1, (n, channels)))
    codes = np.clip(wave, 0, quantizer.size - 1).astype(np.int32)
    predictor = predictor_of(name)
    topology = Topology.independent(channels) if channels < 2 or random.random() < 0.3 else _ring(channels)
    stream = LiveFormat(2, 0, channels, b"", topology, int(random.choice([*EFFORTS])))
    for how in HOW:
        with pytest.MonkeyPatch.context() as patch:
            plain, core, back = (StreamState(stream, quantizer, predictor) for _ in range(3))
            for rows in np.split(codes, np.cumsum(packets)[:-1]):
                patch.setattr(coding_step, "_core", _Plain)
                payload = plain.encode(rows)
                patch.undo()
                patch.setattr(coding_step, "SIMD", how["simd"])
                assert core.encode(rows) == payload
                assert np.array_equal(back.decode(payload, len(rows)), rows)
                patch.undo()


class _Plain:
    """The core, whose states run in the plain loops."""

    @staticmethod
    def State(*arguments):  # noqa: N802
        return _core.State(*arguments[:-1], True)


def _ring(channels: int) -> Topology:
    pairs = [(c, c + 1, 200 - c) for c in range(channels - 1)]
    return topology_of_pairs(pairs, [c % 3 for c in range(channels)])


@given(st.lists(st.integers(0, 2**24 - 1), min_size=1, max_size=60), st.integers(1, 24))
def test_packed_codes(codes, width):
    codes = [code % 2**width for code in codes]
    packed = _core.pack(np.array(codes, np.int32), width)
    assert packed == bytes_from_bits("".join(format(code, f"0{width}b") for code in codes))
    back = np.zeros(len(codes), np.int32)
    assert _core.unpack(packed, width, 2**width, back)
    assert back.tolist() == codes
    assert _core.unpack(packed, width, max(codes), back) is False


@settings(deadline=None)
@given(groups(("none", "default")), st.integers(0, 2**32))
def test_lane_headers_and_gains(group, seed):
    lanes, bins, codes, *_ = group
    gains, initial_codes = lane_gains(codes, lanes, bins), codes[lanes.start]
    found = np.zeros(lanes.count, np.uint8)
    _core.lane_gains(codes, lanes.start, lanes.length, lanes.channel, bins.size, bins.profiled, bins.values, found)
    assert np.array_equal(found, gains)
    random = np.random.default_rng(seed)
    if seed % 2:
        gains = random.integers(0, MAX_GAIN + 1, lanes.count).astype(np.uint8)
    streams = encode_lane_headers(lanes, bins.size, gains, initial_codes)
    damaged = [_damage(stream, random) for stream in streams]
    expected = decode_lane_headers(lanes, bins.size, damaged)
    for channel, (a, b) in enumerate(zip(lanes.first_of_channels()[:-1], lanes.first_of_channels()[1:], strict=True)):
        size = int(bins.size[channel])
        assert _core.encode_lane_headers(gains[a:b], initial_codes[a:b], size) == streams[channel]
        own_gains, own_codes = np.zeros(b - a, np.uint8), np.zeros(b - a, np.int32)
        used = _core.decode_lane_headers(damaged[channel], size, own_gains, own_codes)
        assert used == expected[2][channel]
        assert np.array_equal(own_gains, expected[0][a:b])
        assert np.array_equal(own_codes, expected[1][a:b])


@given(st.sampled_from([np.uint8, np.int16, np.int32]), st.integers(-300, 300), st.integers(1, 40), st.integers(1, 60))
def test_uniform_codes(dtype, offset, step, size):
    info = np.iinfo(dtype)
    samples = np.arange(max(info.min, offset - 50), min(info.max, offset + step * size + 50) + 1).astype(dtype)
    codes = np.zeros(samples.size, np.int32)
    for sample in (samples, *samples[:, None][::7]):
        own = codes[: sample.size]
        on_grid = _core.uniform_codes(sample, offset, step, size, own)
        distance = sample.astype(int) - offset
        assert on_grid == bool(((distance >= 0) & (distance % step == 0) & (distance // step < size)).all())
        if on_grid:
            assert np.array_equal(own, distance // step)
            back = np.zeros_like(sample)
            assert _core.uniform_samples(own, offset, step, size, back)
            assert np.array_equal(back, sample)
    assert not _core.uniform_samples(np.array([size], np.int32), offset, step, size, np.zeros(1, dtype))


@given(st.sets(st.integers(-500, 500), min_size=2, max_size=30))
def test_table_codes(values):
    quantizer = TableQuantizer("palette", np.array(sorted(values), np.int32))
    samples = np.arange(-510, 511, dtype=np.int16)
    codes = np.zeros(1, np.int32)
    for sample in samples[:, None]:
        on_grid = _core.table_codes(sample, int(quantizer.values[0]), quantizer._table(), codes)
        assert on_grid == (int(sample[0]) in values)
        if on_grid:
            assert sorted(values)[codes[0]] == sample[0]
            back = np.zeros(1, np.int16)
            assert _core.table_samples(codes, quantizer.values, back)
            assert back == sample
    assert not _core.table_samples(np.array([-1], np.int32), quantizer.values, np.zeros(1, np.int16))
    seen = np.zeros(1021, np.uint8)
    assert _core.mark(quantizer.values, -510, seen) == (min(values), max(values))
    assert np.array_equal(np.flatnonzero(seen) - 510, quantizer.values)
    assert _core.mark(np.array([511, -511], np.int16), -510, seen) == (-511, 511)
    assert seen.sum() == len(values), "a sample outside was marked"


@pytest.mark.parametrize("name", ["default", "chain"])
def test_network_is_that_of_onnx_runtime(name):
    predictor = predictor_of(name)
    windows = np.random.default_rng(1).integers(-1023, 1024, (predictor.window, 700)).astype(np.float32)
    outputs = np.zeros((3, 700), np.float32)
    for how in HOW:
        predictor.chain.network.run(windows, outputs, how["simd"])
        assert np.array_equal(outputs, predictor.predict(windows))


def test_arguments_are_checked():
    codes = np.zeros(8, np.int32)
    with pytest.raises(TypeError, match="must have another"):
        _core.pack(codes.astype(np.int64), 3)
    with pytest.raises(ValueError, match=r"not in 1\.\.31"):
        _core.pack(codes, 32)
    with pytest.raises(ValueError, match="must have"):
        _core.unpack(b"", 3, 8, codes)
    lanes, bins = cut([8], 4), Bins.of([identity(1)], None)
    table = ReferenceTable.of(ReferenceGraph.independent(1), [0])
    state = state_of(lanes, bins, np.zeros(2, np.uint8), np.zeros(2, np.int32), None, table)
    encoder = CODERS["range"].encoder(lanes, bins)
    with pytest.raises(ValueError, match="not on its grid"):
        state.take(encoder.core, codes - 1, 3, by_step=False)
    with pytest.raises(ValueError, match="do not fit"):
        state.take(encoder.core, codes[:7], 3, by_step=False)
    with pytest.raises(ValueError, match="more steps"):
        state.take(encoder.core, codes, 4, by_step=False)
    with pytest.raises(ValueError, match="do not fit"):
        state_of(lanes, bins, np.full(2, 217, np.uint8), np.zeros(2, np.int32), None, table)
