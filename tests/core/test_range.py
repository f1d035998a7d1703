"""Range coder against one in big integers."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from hypothesis import given
from support.lane_runs import decode, encode, lane_runs
from support.reference import encode_lanes

from spikey_cli.core import range as range_coder
from spikey_cli.core.coders import CODERS
from spikey_cli.core.converter import Bins
from spikey_cli.core.lanes import cut
from spikey_cli.core.quantizer import N1
from spikey_cli.core.range import RangeDecoder, RangeEncoder
from spikey_cli.core.reference.coding import ENCODERS
from spikey_cli.core.reference.range import RangeEncoder as ReferenceEncoder


@pytest.mark.parametrize("by_lane", [False, True], ids=["shared", "by lane"])
@given(run=lane_runs())
def test_range_streams_equal_the_reference(run, by_lane):
    """Shares and interval by the definition, in big integers; decoded, and refused where a byte is missing."""
    lanes, bins, codes, *prediction = run
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(range_coder, "RangeEncoder", partial(RangeEncoder, by_lane=by_lane))
        patch.setitem(ENCODERS, "range", partial(ReferenceEncoder, by_lane=by_lane))
        streams = encode(CODERS["range"], *run)
        assert streams == encode_lanes("range", *run)
    found, intact = decode(CODERS["range"], lanes, bins, streams, *prediction)
    assert intact.all()
    for lane in range(lanes.count):
        np.testing.assert_array_equal(found[1 : lanes.length[lane], lane], codes[1 : lanes.length[lane], lane])
    assert not decode(CODERS["range"], lanes, bins, [stream[:-1] for stream in streams], *prediction)[1].any()


def test_how_lanes_share_numbers_is_checked():
    """The first byte, and sizes that the stream does not have."""
    lanes, bins = cut([4], 2), Bins.of([N1], None)
    for stream in (b"", b"\2" + bytes(8), b"\1", b"\1\x80", b"\1\x09" + bytes(8)):
        assert not RangeDecoder(lanes, bins, [stream]).finish().any()


def test_range_codes_are_as_long_as_the_density_says(random):
    lanes, bins = cut([20_000], 20_000), Bins.of([N1], None)
    codes = np.clip(np.rint(random.normal(500, 6, (20_000, 1))), 0, 1023).astype(np.int32)
    shape = codes.shape
    prediction = [np.full(shape, v, dtype=np.int32) for v in (500 * 64, round(16 * np.log2(6)), 0)]
    (stream,) = encode(CODERS["range"], lanes, bins, codes, *prediction)
    ideal = np.log2(6 * np.sqrt(2 * np.pi * np.e))
    assert 8 * len(stream) / codes.size == pytest.approx(ideal, abs=0.03)
