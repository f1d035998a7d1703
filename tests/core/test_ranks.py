"""Ranks by distance against their definition."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from support import slow_twins

from spikey_cli.core.ranks import code_from_rank, rank_from_code


@given(st.data())
def test_ranks_are_the_order_of_distance(data):
    size = data.draw(st.integers(1, 70))
    nearest, upwards = data.draw(st.integers(0, size - 1)), data.draw(st.booleans())
    expected = slow_twins.outwards(nearest, upwards, size)
    assert [code_from_rank(rank, nearest, upwards, size) for rank in range(size)] == expected
    assert [rank_from_code(code, nearest, upwards, size) for code in expected] == list(range(size))
