"""One suite over every coder, and each kernel against its slow twin."""

from __future__ import annotations

import numpy as np
import pytest
import slow_twins
from hypothesis import given
from hypothesis import strategies as st

from spikey_cli.coders import CODERS, coder_with_number
from spikey_cli.coders.bits import peek_bits, put_bits, stream_from_words, words_from_streams
from spikey_cli.coders.entries import decode_entries, encode_entries
from spikey_cli.coders.ranks import code_from_rank, rank_from_code
from spikey_cli.coders.raw import pack_codes, unpack_codes
from spikey_cli.coders.rice import MAX_CODE_BITS, MAX_K, get_rank, put_rank, rice_parameter
from spikey_cli.lanes import Lanes, cut

WALKING = [coder for coder in CODERS.values() if coder.encoder is not None]


@given(st.integers(1, 70).flatmap(lambda size: st.tuples(st.just(size), st.integers(0, 64 * (size - 1)))))
def test_ranks_are_the_order_of_distance(case):
    size, centre = case
    expected = slow_twins.ranked_codes(centre, size)
    assert [code_from_rank(rank, centre, size) for rank in range(size)] == expected
    assert [rank_from_code(code, centre, size) for code in expected] == list(range(size))


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
def test_rice_parameter_grows_an_octave_at_a_time(scale):
    assert rice_parameter(scale) == slow_twins._k(scale)


@given(st.integers(1, 2**24), st.data())
def test_packed_codes_come_back(size, data):
    codes = np.array(data.draw(st.lists(st.integers(0, size - 1), max_size=30)), dtype=np.int32)
    packed = pack_codes(codes, size)
    np.testing.assert_array_equal(unpack_codes(packed, codes.size, size), codes)
    assert unpack_codes(packed + b"\0", codes.size, size) is None


def test_packed_codes_beyond_the_grid_are_refused():
    assert unpack_codes(b"\xff\xff", 2, 200) is None


@st.composite
def _lane_walks(draw):
    """Lanes with codes, centres and scales such as no predictor gives."""
    sizes = np.array(draw(st.lists(st.sampled_from([1, 2, 3, 256, 1024, 65536, 2**24]), min_size=1, max_size=4)))
    lanes = cut([draw(st.integers(1, 40)) for _ in sizes], draw(st.integers(1, 15)))
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    shape = (lanes.steps, lanes.count)
    size = sizes[lanes.thread]
    codes = (random.random(shape) * size).astype(np.int32)
    centre = (random.random(shape) * (64 * (size - 1) + 1)).astype(np.int32)
    if draw(st.booleans()):  # well predicted
        codes = np.clip((centre + 32) // 64 + random.integers(-3, 4, shape), 0, size - 1).astype(np.int32)
    return lanes, sizes.astype(np.int64), codes, centre, random.integers(-60, 420, shape).astype(np.int32)


def _encode(coder, lanes: Lanes, sizes, codes, centre, scale) -> list[bytes]:
    encoder = coder.encoder(lanes, sizes)
    for step in range(1, lanes.steps):
        encoder.step(step, centre[step], scale[step], codes[step])
    return encoder.finish()


def _decode(coder, lanes: Lanes, sizes, streams, centre, scale):
    decoder = coder.decoder(lanes, sizes, streams)
    codes = np.zeros((lanes.steps, lanes.count), dtype=np.int32)
    for step in range(1, lanes.steps):
        decoder.step(step, centre[step], scale[step], codes[step])
    return codes, decoder.finish()


@pytest.mark.parametrize("coder", WALKING, ids=lambda coder: coder.name)
class TestContract:
    """What every coder promises; see `spikey_cli.coders`."""

    @given(walk=_lane_walks())
    def test_codes_come_back_whatever_was_predicted(self, coder, walk):
        lanes, sizes, codes, centre, scale = walk
        streams = _encode(coder, lanes, sizes, codes, centre, scale)
        assert len(streams) == lanes.n_threads
        found, whole = _decode(coder, lanes, sizes, streams, centre, scale)
        assert whole.all()
        for lane in range(lanes.count):
            walked = slice(1, lanes.length[lane])
            np.testing.assert_array_equal(found[walked, lane], codes[walked, lane], err_msg=f"lane {lane}")

    @given(walk=_lane_walks(), damage=st.integers(0, 2**32))
    def test_damaged_streams_give_codes_of_the_grid(self, coder, walk, damage):
        lanes, sizes, codes, centre, scale = walk
        random = np.random.default_rng(damage)
        streams = []
        for stream in _encode(coder, lanes, sizes, codes, centre, scale):
            broken = np.frombuffer(stream, dtype=np.uint8).copy()
            broken[random.random(broken.size) < 0.2] ^= np.uint8(random.integers(1, 256))
            streams.append(broken.tobytes()[: random.integers(0, len(stream) + 1)])
        found, _ = _decode(coder, lanes, sizes, streams, centre, scale)
        for lane in range(lanes.count):
            walked = found[1 : lanes.length[lane], lane]
            assert ((walked >= 0) & (walked < sizes[lanes.thread[lane]])).all(), f"lane {lane}: {walked}"

    @given(walk=_lane_walks())
    def test_a_stream_cut_short_is_noticed(self, coder, walk):
        lanes, sizes, codes, centre, scale = walk
        streams = _encode(coder, lanes, sizes, codes, centre, scale)
        _, whole = _decode(coder, lanes, sizes, [stream[:-1] for stream in streams], centre, scale)
        assert not whole[[len(stream) > 0 for stream in streams]].any()


def test_coder_numbers_are_their_own():
    assert {coder.number: coder.name for coder in CODERS.values()} == {0: "raw", 1: "rice"}
    assert coder_with_number(1) is CODERS["rice"]
    assert coder_with_number(200) is None


@given(st.data())
def test_entries_come_back(data):
    sizes = np.array(data.draw(st.lists(st.sampled_from([1, 2, 1024, 2**24]), min_size=1, max_size=4)), dtype=np.int64)
    lanes = cut([data.draw(st.integers(1, 30)) for _ in sizes], data.draw(st.integers(1, 10)))
    gains = np.array([data.draw(st.integers(0, 216)) for _ in range(lanes.count)], dtype=np.uint8)
    firsts = np.array([data.draw(st.integers(0, int(sizes[t]) - 1)) for t in lanes.thread], dtype=np.int32)
    streams = encode_entries(lanes, sizes, gains, firsts)
    found_gains, found_firsts, used = decode_entries(lanes, sizes, [stream + b"rest" for stream in streams])
    np.testing.assert_array_equal(found_gains, gains)
    np.testing.assert_array_equal(found_firsts, firsts)
    np.testing.assert_array_equal(used, [len(stream) for stream in streams])


@given(st.binary(max_size=12), st.sampled_from([1, 2, 1000, 2**24]), st.integers(1, 6))
def test_hostile_entries_give_values_in_range(stream, size, n_lanes):
    lanes = cut([n_lanes], 1)
    gains, firsts, _ = decode_entries(lanes, np.array([size]), [stream])
    assert gains.max() <= 216
    assert firsts.min() >= 0
    assert firsts.max() < size
