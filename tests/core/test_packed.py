"""Packed streams: codes come back, other streams are refused."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from spikey_cli.core.packed import pack_codes, unpack_codes


@given(st.integers(1, 2**24), st.data())
def test_packed_codes_come_back(size, data):
    codes = np.array(data.draw(st.lists(st.integers(0, size - 1), max_size=30)), dtype=np.int32)
    packed = pack_codes(codes, size)
    np.testing.assert_array_equal(unpack_codes(packed, codes.size, size), codes)
    assert unpack_codes(packed + b"\0", codes.size, size) is None


def test_packed_codes_out_of_range_are_refused():
    assert unpack_codes(b"\xff\xff", 2, 200) is None
