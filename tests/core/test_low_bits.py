"""Low bits: the core gives those of the reference, and upper and low bits together any float."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikey_cli.core import _core
from spikey_cli.core.low_bits import pack_low_bits, split_low_bits, unpack_low_bits
from spikey_cli.core.reference import scaling as reference
from spikey_cli.core.scaling import NO_INTEGER, FileScaling, Scaling, ScalingKind
from spikey_cli.errors import DamageError
from spikey_cli.io.layout import SampleType

TYPES = [SampleType.FLOAT32, SampleType.FLOAT64]
LIMIT = 2**23

integers = st.lists(st.integers(-LIMIT, LIMIT - 1) | st.integers(-9, 9), max_size=40)
types = st.sampled_from(TYPES)


@given(integers, types, st.data())
def test_low_bits_come_back_as_those_of_the_reference(
    k: list[int], sample_type: SampleType, data: st.DataObject
) -> None:
    low = [data.draw(st.integers(0, 2 ** reference.low_bits_width(each, sample_type) - 1)) for each in k]
    stream = pack_low_bits(np.array(low, np.uint64), np.array(k, np.int32), sample_type)
    packed, used = split_low_bits(stream + b"codes")
    assert used == len(stream)
    assert reference.take_low_bits(packed, k, sample_type) == low
    unpacked = unpack_low_bits(packed, np.array(k, np.int32), sample_type)
    assert unpacked is not None
    assert unpacked.tolist() == low


@given(integers, types, st.binary(max_size=300))
def test_the_core_takes_what_the_reference_takes(k: list[int], sample_type: SampleType, packed: bytes) -> None:
    found = unpack_low_bits(packed, np.array(k, np.int32), sample_type)
    try:
        expected = reference.take_low_bits(packed, k, sample_type)
    except ValueError:
        expected = None
    assert (None if found is None else found.tolist()) == expected


@given(st.integers(-100, 100), integers, types)
def test_upper_bits_are_those_of_the_reference(exponent: int, k: list[int], sample_type: SampleType) -> None:
    scaling = Scaling(ScalingKind.UPPER_BITS, 2.0**exponent)
    samples = scaling.to_samples(np.array(k, np.int32), sample_type)
    assert samples.tobytes() == reference.real_samples(k, 11, 2.0**exponent, -0.0, sample_type)
    found, count = scaling.to_integers(samples, sample_type)
    assert (found.tolist(), count) == (k, 0)


@given(st.integers(-40, 40), st.lists(st.floats(width=32), min_size=1, max_size=40), types, st.sampled_from([2, 3]))
def test_upper_and_low_bits_are_the_sample(
    exponent: int, values: list[float], sample_type: SampleType, integer_bytes: int
) -> None:
    samples = np.array(values, sample_type.dtype)
    scaling = Scaling(ScalingKind.UPPER_BITS, 2.0**exponent)
    file_scaling = FileScaling(sample_type, integer_bytes, (scaling,))
    found, _ = scaling.to_integers(samples, sample_type, integer_bytes)
    steps = np.abs(samples.astype(float)) / 2.0**exponent
    is_within = (steps < 2 ** (8 * integer_bytes - 1)) & ((steps >= 1) | (samples == 0))
    assert ((found != NO_INTEGER) == is_within).all()
    back, (beside,) = file_scaling.to_integers(samples[:, None])
    restored = scaling.to_samples(back[:, 0], sample_type)
    beside.put_into(restored, 0)
    assert restored.tobytes() == samples.tobytes()


def test_low_bits_that_are_cut_short() -> None:
    with pytest.raises(DamageError, match="cut short"):
        split_low_bits(b"\x05abcd")


def test_low_bits_are_of_floats() -> None:
    with pytest.raises(ValueError, match="not in 5"):
        _core.pack_low_bits(np.zeros(1, np.int32), SampleType.INT32, np.zeros(1, np.uint64))
