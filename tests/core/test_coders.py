"""The contract of entropy coders, for each of them; see `spikey_cli.core.coders`."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.lane_runs import decode, encode, lane_runs

from spikey_cli.core.coders import CODERS, coder_with_number


def test_numbers_of_coders():
    assert {coder.number: coder.name for coder in CODERS.values()} == {
        1: "rice",
        2: "range",
        3: "huffman",
    }
    assert coder_with_number(1) is CODERS["rice"]
    assert coder_with_number(200) is None


@pytest.mark.parametrize("coder", CODERS.values(), ids=lambda coder: coder.name)
class TestCoders:
    """Alone, whatever was predicted; see `spikey_cli.core.coders`."""

    @given(run=lane_runs())
    def test_codes_come_back_for_any_prediction(self, coder, run):
        lanes, bins, codes, *prediction = run
        streams = encode(coder, lanes, bins, codes, *prediction)
        assert len(streams) == lanes.n_channels
        assert streams == encode(coder, lanes, bins, codes, *prediction), "not the same twice"
        found, intact = decode(coder, lanes, bins, streams, *prediction)
        assert intact.all()
        for lane in range(lanes.count):
            samples = slice(1, lanes.length[lane])
            np.testing.assert_array_equal(found[samples, lane], codes[samples, lane], err_msg=f"lane {lane}")

    @given(run=lane_runs(), damage=st.integers(0, 2**32), is_noise=st.booleans())
    def test_damaged_streams_and_noise_give_valid_codes(self, coder, run, damage, is_noise):
        lanes, bins, codes, *prediction = run
        random = np.random.default_rng(damage)
        streams = []
        for stream in encode(coder, lanes, bins, codes, *prediction):
            broken = np.frombuffer(stream, dtype=np.uint8).copy()
            broken[random.random(broken.size) < 0.2] ^= np.uint8(random.integers(1, 256))
            cut = broken.tobytes()[: random.integers(0, len(stream) + 1)]
            streams.append(random.bytes(int(random.integers(0, 200))) if is_noise else cut)
        found, _ = decode(coder, lanes, bins, streams, *prediction)
        for lane in range(lanes.count):
            samples = found[1 : lanes.length[lane], lane]
            assert ((samples >= 0) & (samples < bins.size[lanes.channel[lane]])).all(), f"lane {lane}: {samples}"

    @given(run=lane_runs(), suffix=st.binary(min_size=1, max_size=9))
    def test_streams_cut_short_emptied_or_extended_are_noticed(self, coder, run, suffix):
        """What is left of a `range` stream, in intact words, may by chance be the stream of other codes: checksums are
        there for that.
        """
        lanes, bins, codes, *prediction = run
        streams = encode(coder, lanes, bins, codes, *prediction)
        some = [len(stream) > 0 for stream in streams]
        changes = [lambda stream: stream[:-1], lambda stream: b""]
        if coder.name != "range":
            changes.append(lambda stream: stream[: len(stream) // 2])
        elif len(suffix) % 4 == 0:
            suffix += b"\0"
        for change in changes:
            _, intact = decode(coder, lanes, bins, [change(stream) for stream in streams], *prediction)
            assert not intact[some].any()
        _, intact = decode(coder, lanes, bins, [stream + suffix for stream in streams], *prediction)
        assert not intact.any()

    @given(run=lane_runs(), damage=st.integers(0, 2**32))
    def test_a_channel_decodes_if_others_are_damaged(self, coder, run, damage):
        lanes, bins, codes, *prediction = run
        random = np.random.default_rng(damage)
        streams = encode(coder, lanes, bins, codes, *prediction)
        kept = int(random.integers(lanes.n_channels))
        streams = [s if i == kept else random.bytes(int(random.integers(60))) for i, s in enumerate(streams)]
        found, intact = decode(coder, lanes, bins, streams, *prediction)
        assert intact[kept]
        for lane in np.flatnonzero(lanes.channel == kept):
            samples = slice(1, lanes.length[lane])
            np.testing.assert_array_equal(found[samples, lane], codes[samples, lane])
