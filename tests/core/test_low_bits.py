"""Low bits: the core gives those of the reference, and upper and low bits together any float."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikey_cli.core import _core
from spikey_cli.core.low_bits import STRIDE, LowBits
from spikey_cli.core.reference import scaling as reference
from spikey_cli.core.scaling import NO_INTEGER, FileScaling, Scaling, ScalingKind
from spikey_cli.io.layout import SampleType

TYPES = [SampleType.FLOAT32, SampleType.FLOAT64]
LIMIT = 2**23

integers = st.lists(st.integers(-LIMIT, LIMIT - 1) | st.integers(-9, 9), max_size=40)
types = st.sampled_from(TYPES)


@given(integers, types, st.data())
def test_low_bits_come_back_as_the_reference_has_them(
    k: list[int], sample_type: SampleType, data: st.DataObject
) -> None:
    low = [data.draw(st.integers(0, 2 ** reference.low_bits_width(each, sample_type) - 1)) for each in k]
    own = np.array(k, np.int32)
    upper = Scaling(ScalingKind.UPPER_BITS).to_samples(own, sample_type)
    bits = f"u{upper.itemsize}"
    samples = (upper.view(bits) + np.array(low, bits)).view(upper.dtype)
    low_bits = LowBits.of(samples, upper, own, sample_type)
    assert reference.take_low_bits(low_bits.packed, k, sample_type) == low
    assert LowBits.parse(low_bits.packed, [own], sample_type) == low_bits._replace(starts=(0,))
    if k:
        low_bits.add_to(upper, 0, own)
    assert upper.tobytes() == samples.tobytes()


def test_low_bits_of_long_channels_are_found_in_pieces(random: np.random.Generator) -> None:
    own = random.integers(-(2**23), 2**23, 2 * STRIDE + 100, dtype=np.int32) >> random.integers(0, 20, 2 * STRIDE + 100)
    samples = (own + np.sign(own + 0.5) * random.random(own.size)).astype(np.float64)
    scaling = Scaling(ScalingKind.UPPER_BITS)
    k, _ = scaling.to_integers(samples, SampleType.FLOAT64)
    samples[k == NO_INTEGER], k[k == NO_INTEGER] = 0.0, 0
    low_bits = LowBits.of(samples, scaling.to_samples(k, SampleType.FLOAT64), k, SampleType.FLOAT64)
    for first in (2 * STRIDE, 0, STRIDE):
        piece = k[first : first + STRIDE]
        restored = scaling.to_samples(piece, SampleType.FLOAT64)
        low_bits.add_to(restored, first, piece)
        assert restored.tobytes() == samples[first : first + STRIDE].tobytes()


@given(integers, types, st.binary(max_size=300))
def test_the_core_takes_what_the_reference_takes(k: list[int], sample_type: SampleType, packed: bytes) -> None:
    try:
        reference.take_low_bits(packed, k, sample_type)
        is_whole = True
    except ValueError:
        is_whole = False
    assert (LowBits.parse(packed, [np.array(k, np.int32)], sample_type) is not None) == is_whole


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
    beside.put_into(restored, 0, np.require(back[:, 0], np.int32))
    assert restored.tobytes() == samples.tobytes()


def test_low_bits_are_of_floats_and_within_their_stream() -> None:
    one = np.ones(1, np.int32)
    with pytest.raises(ValueError, match="not in 5"):
        _core.pack_low_bits(one, SampleType.INT32, np.zeros(1, np.uint64))
    for first_bit in (-1, 1, 2**62):
        with pytest.raises(ValueError, match="not in"):
            _core.unpack_low_bits(bytes(2), first_bit, one, SampleType.FLOAT32, np.zeros(1, np.uint64))
