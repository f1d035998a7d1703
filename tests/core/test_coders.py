"""Kernels of coders against their slow twins, and what each coder has of its own; see `test_contracts` for the rest."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import slow_twins
from support.lane_runs import encode, lane_walks

from spikey_cli.core import density, huffman
from spikey_cli.core.bits import peek_bits, put_bits, stream_from_words, words_from_streams
from spikey_cli.core.coders import CODERS, coder_with_number
from spikey_cli.core.converter import Bins
from spikey_cli.core.density import MARGIN
from spikey_cli.core.lane_headers import decode_lane_headers, encode_lane_headers
from spikey_cli.core.lanes import cut
from spikey_cli.core.packed import pack_codes, unpack_codes
from spikey_cli.core.quantizer import N1
from spikey_cli.core.ranks import code_from_rank, rank_from_code
from spikey_cli.core.rice import MAX_CODE_BITS, MAX_K, get_rank, put_rank, rice_parameter


@given(st.data())
def test_ranks_are_the_order_of_distance(data):
    size = data.draw(st.integers(1, 70))
    nearest, upwards = data.draw(st.integers(0, size - 1)), data.draw(st.booleans())
    expected = slow_twins.outwards(nearest, upwards, size)
    assert [code_from_rank(rank, nearest, upwards, size) for rank in range(size)] == expected
    assert [rank_from_code(code, nearest, upwards, size) for code in expected] == list(range(size))


@given(st.lists(st.tuples(st.integers(0, 2**24 - 1), st.integers(0, MAX_K)), min_size=1, max_size=60))
def test_rice_codes_equal_their_twin_and_come_back(cases):
    words = np.zeros(len(cases) * MAX_CODE_BITS // 64 + 2, dtype=np.uint64)
    cursor, expected = 0, ""
    for rank, k in cases:
        cursor = put_rank(words, cursor, rank, k, 24)
        expected += slow_twins.rice_bits(rank, k, 24)
    assert stream_from_words(words, 0, cursor) == slow_twins.bits_to_bytes(expected)
    assert cursor == len(expected) <= MAX_CODE_BITS * len(cases)
    cursor = 0
    for rank, k in cases:
        found, cursor = get_rank(words, cursor, k, 24)
        assert found == rank, f"k={k}: {rank} came back as {found}"


@given(st.lists(st.tuples(st.integers(1, 64), st.integers(0, 2**64 - 1)), min_size=1, max_size=40))
def test_bits_come_back(fields):
    words = np.zeros(len(fields) + 2, dtype=np.uint64)
    cursor = 0
    for n, value in fields:
        put_bits(words, cursor, np.uint64(value % 2**n), n)
        cursor += n
    copied, first, end = words_from_streams([b"x", stream_from_words(words, 0, cursor)])
    assert end[1] - first[1] == -(-cursor // 8) * 8
    cursor = int(first[1])
    for n, value in fields:
        assert int(peek_bits(copied, cursor)) >> (64 - n) == value % 2**n
        cursor += n


@given(st.integers(-200, 600))
def test_rice_parameter_grows_an_octave_at_a_time(log2_scale):
    assert rice_parameter(log2_scale) == slow_twins.rice_parameter(log2_scale)


@given(st.integers(1, 2**24), st.data())
def test_packed_codes_come_back(size, data):
    codes = np.array(data.draw(st.lists(st.integers(0, size - 1), max_size=30)), dtype=np.int32)
    packed = pack_codes(codes, size)
    np.testing.assert_array_equal(unpack_codes(packed, codes.size, size), codes)
    assert unpack_codes(packed + b"\0", codes.size, size) is None


def test_packed_codes_beyond_the_grid_are_refused():
    assert unpack_codes(b"\xff\xff", 2, 200) is None


def test_coder_numbers_are_their_own():
    assert {coder.number: coder.name for coder in CODERS.values()} == {
        1: "rice",
        2: "range",
        3: "huffman",
    }
    assert coder_with_number(1) is CODERS["rice"]
    assert coder_with_number(200) is None


@given(st.data())
def test_entries_come_back(data):
    sizes = np.array(data.draw(st.lists(st.sampled_from([1, 2, 1024, 2**24]), min_size=1, max_size=4)), dtype=np.int64)
    lanes = cut([data.draw(st.integers(1, 30)) for _ in sizes], data.draw(st.integers(1, 10)))
    gains = np.array([data.draw(st.integers(0, 216)) for _ in range(lanes.count)], dtype=np.uint8)
    initial_codes = np.array([data.draw(st.integers(0, int(sizes[t]) - 1)) for t in lanes.channel], dtype=np.int32)
    streams = encode_lane_headers(lanes, sizes, gains, initial_codes)
    found_gains, found_firsts, used = decode_lane_headers(lanes, sizes, [stream + b"rest" for stream in streams])
    np.testing.assert_array_equal(found_gains, gains)
    np.testing.assert_array_equal(found_firsts, initial_codes)
    np.testing.assert_array_equal(used, [len(stream) for stream in streams])


@given(st.binary(max_size=12), st.sampled_from([1, 2, 1000, 2**24]), st.integers(1, 6))
def test_hostile_entries_give_values_in_range(stream, size, n_lanes):
    lanes = cut([n_lanes], 1)
    gains, initial_codes, _ = decode_lane_headers(lanes, np.array([size]), [stream])
    assert gains.max() <= 216
    assert initial_codes.min() >= 0
    assert initial_codes.max() < size


@given(walk=lane_walks())
def test_range_streams_equal_their_twin(walk):
    """Frequencies and interval by the definition, in big integers."""
    lanes, bins, codes, predicted_mean, log2_scale, outlier_weight = walk
    streams = encode(CODERS["range"], lanes, bins, codes, predicted_mean, log2_scale, outlier_weight)
    twins = [slow_twins.RangeTwin() for _ in range(lanes.n_channels)]
    for step in range(1, lanes.steps):
        for lane in np.flatnonzero(lanes.length > step):
            of = lanes.channel[lane]
            size = int(bins.size[of])
            edges = bins.edges.tolist() if bins.profiled[of] else None
            at = [int(row[step, lane]) for row in (codes, predicted_mean, log2_scale, outlier_weight)]
            slow_twins.encode_code(twins[of], *at, size, edges)
    assert streams == [twin.finish() for twin in twins]


@given(st.integers(-64, 255), st.integers(0, 31), st.integers(0, 64 * 1023))
def test_every_code_can_be_coded(log2_scale, outlier_weight, predicted_mean):
    frequencies = [
        slow_twins.cumulative(c, 1024, 64 * c - 32, predicted_mean, log2_scale, outlier_weight) for c in range(1025)
    ]
    assert (np.diff(frequencies) >= MARGIN).all()


def test_density_tables_are_their_formulas():
    assert [slow_twins._phi(i) for i in range(175)] == [*density.HALF_PHI, 2**24]
    assert [round(2**30 * 2 ** (-i / 16)) for i in range(16)] == list(density.ROOT_16)
    for log2_scale in range(density.MIN_LOG2_SCALE, density.MAX_LOG2_SCALE + 1):
        place = log2_scale - density.MIN_LOG2_SCALE
        assert density.INVERSE_SCALE[place] == slow_twins.inverse_spread(log2_scale)
        assert density.INVERSE_SCALE[place] == pytest.approx(2 ** (23 - log2_scale / 16), abs=1)
        assert density.SCALE[place] == slow_twins.spread_factor(log2_scale)
        assert density.SCALE[place] == pytest.approx(2 ** (16 + log2_scale / 16), rel=1e-3)
    assert tuple(round(2**16 * 2 ** ((t - 31) / 4 - 1)) for t in range(32)) == density.OUTLIER_WEIGHT
    for outlier_weight in (0, 12, 31):
        assert density.MIXTURE[outlier_weight].tolist() == [
            slow_twins._mixture(i, outlier_weight) for i in range(-1024, 1025)
        ]


@given(walk=lane_walks())
def test_rice_streams_equal_their_twin(walk):
    """Ranks by distance, or on a profile by likelihood, from the definition."""
    lanes, bins, codes, predicted_mean, log2_scale, outlier_weight = walk
    streams = encode(CODERS["rice"], lanes, bins, codes, predicted_mean, log2_scale, outlier_weight)
    twins: list[list[str]] = [[] for _ in range(lanes.n_channels)]
    converters = [
        slow_twins.Converter(bins.edges.tolist()) if profiled else slow_twins.Converter.equal(min(int(size), 2**16))
        for size, profiled in zip(bins.size, bins.profiled, strict=True)
    ]
    for step in range(1, lanes.steps):
        for lane in np.flatnonzero(lanes.length > step):
            of = lanes.channel[lane]
            if bins.size[of] <= 2**16:  # listing all ranks of a wider grid takes too long
                at = [int(row[step, lane]) for row in (codes, predicted_mean, log2_scale, outlier_weight)]
                slow_twins.write_code(twins[of], *at, converters[of])
    for of in np.flatnonzero(bins.size <= 2**16):
        assert streams[of] == slow_twins.bits_to_bytes("".join(twins[of])), f"thread {of}"


@pytest.mark.parametrize("spread", range(huffman.MAX_LOG2_VARIANCE + 1))
def test_huffman_codes_are_complete_and_short_enough(spread):
    counts = huffman.code_counts(spread)
    assert sum(count * 2.0**-length for length, count in enumerate(counts, 1)) == 1
    assert len(counts) <= huffman.MAX_LENGTH
    assert 2 <= sum(counts) <= huffman.MAX_SYMBOLS


def test_huffman_codes_are_near_the_entropy_of_their_prior(random):
    for deviation in (2, 6, 20):
        ranks = np.abs(2 * np.rint(random.normal(size=50_000) * deviation)).astype(np.int32)
        ranks -= (ranks > 0) & (random.random(ranks.size) < 0.5)
        bits = 8 * len(huffman.pack_ranks(ranks, 1024)) / ranks.size
        assert bits == pytest.approx(np.log2(deviation * np.sqrt(2 * np.pi * np.e)), abs=0.08)


@given(st.binary(max_size=80), st.sampled_from([1, 2, 1000, 2**24]), st.integers(0, 40))
def test_hostile_bytes_are_refused_or_ranks(stream, size, n):
    ranks = huffman.unpack_ranks(stream, n, size)
    assert ranks is None or (ranks.size == n and (ranks >= 0).all() and (ranks < size).all())


def test_range_codes_are_as_long_as_the_density_says(random):
    lanes, bins = cut([20_000], 20_000), Bins.of([N1], None)
    codes = np.clip(np.rint(random.normal(500, 6, (20_000, 1))), 0, 1023).astype(np.int32)
    shape = codes.shape
    prediction = [np.full(shape, v, dtype=np.int32) for v in (500 * 64, round(16 * np.log2(6)), 0)]
    (stream,) = encode(CODERS["range"], lanes, bins, codes, *prediction)
    ideal = np.log2(6 * np.sqrt(2 * np.pi * np.e))
    assert 8 * len(stream) / codes.size == pytest.approx(ideal, abs=0.03)
