"""Rice codes against the reference."""

from __future__ import annotations

from hypothesis import given
from support.lane_runs import encode, lane_runs
from support.reference import encode_lanes

from spikey_cli.core.coders import CODERS


@given(run=lane_runs())
def test_rice_streams_equal_the_reference(run):
    """Ranks by distance, or on a profile by likelihood."""
    assert encode(CODERS["rice"], *run) == encode_lanes("rice", *run)
