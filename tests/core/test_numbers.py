"""Kept numbers of records: whatever they are, they come back; those that count up take next to nothing."""

from __future__ import annotations

import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.resource_guard import calls_of

from spikey_cli.core.numbers import pack_numbers, unpack_numbers
from spikey_cli.errors import DamageError
from spikey_cli.io.records import FLOAT64, KEPT_TYPES, KeptNumbers

FIELDS = st.lists(st.tuples(st.sampled_from(KEPT_TYPES), st.integers(1, 5)), min_size=1, max_size=4)
TIMES = KeptNumbers(((FLOAT64, 1),))


@given(FIELDS, st.integers(1, 30), st.randoms(use_true_random=False))
def test_any_bytes_come_back(fields, n_records, random):
    kept = KeptNumbers(tuple(fields))
    data = random.randbytes(n_records * kept.bytes)
    assert unpack_numbers(pack_numbers(data, kept), kept, n_records) == data


@pytest.mark.parametrize(
    "times",
    [
        np.arange(50_000) / 30_000,
        12_345.678 + np.arange(50_000) / 30_000.27,
        (np.arange(50_000) + 10**9) / 24_414.0625,
        np.arange(50_000) * (1 / 19_531),
        np.delete(np.arange(50_100), range(20_000, 20_100)) / 30_000,
    ],
    ids=["from zero", "with a start", "since long", "times a step", "with a pause"],
)
def test_regular_times_take_next_to_nothing(times):
    packed = pack_numbers(times.tobytes(), TIMES)
    assert unpack_numbers(packed, TIMES, times.size) == times.tobytes()
    assert len(packed) < times.nbytes / 150


@pytest.mark.parametrize("kept_type", [4, 8])
def test_counters_take_next_to_nothing(kept_type):
    numbers = (np.arange(50_000) + 123_456_789).astype(f"<u{kept_type}")
    kept = KeptNumbers(((kept_type, 50),))
    packed = pack_numbers(numbers.tobytes(), kept)
    assert unpack_numbers(packed, kept, 1000) == numbers.tobytes()
    assert len(packed) < numbers.nbytes / 300


@pytest.mark.parametrize("odd", [np.nan, -0.0, np.inf, 1e300, -1e-300])
def test_odd_times_come_back(odd):
    times = np.arange(1000) / 30_000
    times[[7, 500]] = odd
    packed = pack_numbers(times.tobytes(), TIMES)
    assert unpack_numbers(packed, TIMES, times.size) == times.tobytes()
    assert len(packed) < 500


def _deflated(data: bytes) -> bytes:
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
    return deflate.compress(data) + deflate.flush()


@pytest.mark.parametrize(
    ("packed", "kept_type", "reason"),
    [
        (b"\xff\xff", 1, "cannot be inflated"),
        (_deflated(b"\0abc"), 1, "end too early"),
        (_deflated(b"\0abcde"), 1, "do not end"),
        (_deflated(b"\0abcd") + b"x", 1, "do not end"),
        (_deflated(b"\5abcd"), 1, "the form 5"),
        (_deflated(b"\3" + bytes(96)), 8, "the form 3"),
        (_deflated(b"\3" + bytes(96)), FLOAT64, "a gain of 0"),
        (_deflated(bytes(1 << 20)), 1, "do not end"),
    ],
)
def test_malformed_streams_are_refused(packed, kept_type, reason):
    with pytest.raises(DamageError, match=reason):
        unpack_numbers(packed, KeptNumbers(((kept_type, 1),)), 4)


def test_many_fields_take_time_in_proportion():
    n_fields = 3000
    kept = KeptNumbers(((1, 1),) * n_fields)
    packed = pack_numbers(bytes(2 * n_fields), kept)
    assert calls_of(lambda: unpack_numbers(packed, kept, 2)) < 100 * n_fields
