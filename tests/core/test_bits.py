"""Bits in words: written bits are read back."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from spikey_cli.core.bits import peek_bits, put_bits, stream_from_words, words_from_streams


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
