"""Huffman codes: complete, short, and close to the entropy of their prior."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikey_cli.core import huffman


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
