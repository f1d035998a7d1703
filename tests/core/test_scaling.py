"""Scalings: the core computes samples as the reference does, and finds the integers of exactly these samples."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from spikey_cli.core.beside import Beside
from spikey_cli.core.reference import scaling as reference
from spikey_cli.core.scaling import NO_INTEGER, FileScaling, Scaling, ScalingKind
from spikey_cli.io.layout import SampleType

REAL = [SampleType.FLOAT32, SampleType.FLOAT64]
INTEGER = [SampleType.INT32, SampleType.UINT16, SampleType.UINT32, SampleType.INT64]
LIMIT = 2**23

integers = st.lists(st.integers(-LIMIT, LIMIT - 1), min_size=1, max_size=40)


@st.composite
def real_scalings(draw: st.DrawFn) -> Scaling:
    """Gains and offsets that are short, powers of two, or any."""
    kind = ScalingKind(draw(st.integers(1, 10)))

    def number() -> float:
        choice = draw(st.integers(0, 2))
        if choice == 0:
            return draw(st.sampled_from([0.195, 2.34375e-6, 0.1, 1 / 3.0517578125e-05, 1 / 32768, 1 / 32767, 5e-17]))
        if choice == 1:
            return 2.0 ** draw(st.integers(-60, 60))
        return draw(st.floats(2.0**-60, 2.0**60))

    gain, offset = number() * draw(st.sampled_from([1, -1])), draw(st.sampled_from([0.0, -0.0, 1.0, -1.0]))
    offset = offset * number() if offset else offset
    if kind.is_float32:
        gain, offset = float(np.float32(gain)), float(np.float32(offset))
    scaling = Scaling(kind, gain, offset)
    assume(not scaling.fault(SampleType.FLOAT32))
    return scaling


@st.composite
def integer_scalings(draw: st.DrawFn) -> Scaling:
    step = draw(st.sampled_from([1, 2, 3, 256, 65536, 10**9]) | st.integers(1, 2**62 - 1))
    return Scaling(base=draw(st.integers(-(2**62) + 1, 2**62 - 1) | st.integers(-9, 9)), step=step)


def assert_inverted(scaling: Scaling, samples: np.ndarray, sample_type: SampleType) -> None:
    """Integers that are found give the samples; only of those that no neighbour gives none is found."""
    found, count = scaling.to_integers(samples, sample_type)
    assert found.dtype == np.int32
    assert count == np.count_nonzero(found == NO_INTEGER)
    given_back = found != NO_INTEGER
    assert scaling.to_samples(found[given_back], sample_type).tobytes() == samples[given_back].tobytes()


@given(real_scalings(), integers, st.sampled_from(REAL))
def test_real_samples_are_those_of_the_reference(scaling: Scaling, k: list[int], sample_type: SampleType) -> None:
    samples = scaling.to_samples(np.array(k), sample_type)
    expected = reference.real_samples(k, scaling.kind, scaling.gain, scaling.offset, sample_type)
    assert samples.dtype == sample_type.dtype
    assert samples.tobytes() == expected, f"{scaling}: {samples}, not {np.frombuffer(expected, sample_type.dtype)}"
    assert_inverted(scaling, samples, sample_type)


@given(integer_scalings(), integers, st.sampled_from(INTEGER))
def test_integer_samples_are_those_of_the_reference(scaling: Scaling, k: list[int], sample_type: SampleType) -> None:
    samples = scaling.to_samples(np.array(k), sample_type)
    assert samples.tobytes() == reference.integer_samples(k, scaling.base, scaling.step, sample_type)
    assert_inverted(scaling, samples, sample_type)


@given(
    st.sampled_from([0.195, 2.34375e-6, 0.1, 1 / 32768, 1 / 32767, -0.195, 12.02]),
    st.sampled_from([kind for kind in ScalingKind if kind != ScalingKind.INTEGER]),
    st.sampled_from([-0.0, 0.0, 0.5, -3.0]),
    st.lists(st.integers(-(2**15), 2**15 - 1), min_size=1, max_size=40),
    st.sampled_from(REAL),
)
def test_integers_come_back(
    gain: float, kind: ScalingKind, offset: float, k: list[int], sample_type: SampleType
) -> None:
    """Where the values are further apart than they are rounded, each has one integer."""
    gain = float(np.float32(gain)) if kind.is_float32 else gain
    offset *= 1 if kind in (ScalingKind.SHIFT, ScalingKind.SHIFT_FLOAT32, ScalingKind.DIVIDE) else gain
    scaling = Scaling(kind, gain, float(np.float32(offset)) if kind.is_float32 else offset)
    assume(not scaling.fault(sample_type))
    samples = scaling.to_samples(np.array(k), sample_type)
    found, count = scaling.to_integers(samples, sample_type, 2)
    assert (found.tolist(), count) == (k, 0), f"{scaling} of {samples}"


@given(st.sampled_from(REAL), st.data())
def test_any_bits_are_samples(sample_type: SampleType, data: st.DataObject) -> None:
    """NaNs of any payload, infinities, subnormal numbers and zeros of either sign have no integer, or the right one."""
    size = 8 * sample_type.bytes
    bits = data.draw(st.lists(st.integers(0, 2**size - 1), min_size=1, max_size=40))
    samples = np.array(bits, f"u{sample_type.bytes}").view(sample_type.dtype)
    for scaling in (Scaling(ScalingKind.MULTIPLY), Scaling(ScalingKind.DIVIDE, -3.0, 1.0)):
        assert_inverted(scaling, samples, sample_type)


@pytest.mark.parametrize("sample_type", REAL)
def test_zeros_have_a_sign(sample_type: SampleType) -> None:
    zeros = np.array([0.0, -0.0], sample_type.dtype)
    assert Scaling(ScalingKind.MULTIPLY, 0.5).to_integers(zeros, sample_type)[0].tolist() == [0, NO_INTEGER]
    assert Scaling(ScalingKind.MULTIPLY, -0.5).to_integers(zeros, sample_type)[0].tolist() == [NO_INTEGER, 0]
    others = np.array([np.nan, -np.nan, np.inf, -np.inf, 1e30, 0.25], sample_type.dtype)
    found, count = Scaling(ScalingKind.MULTIPLY, 0.5).to_integers(others, sample_type)
    assert (set(found.tolist()), count) == ({NO_INTEGER}, 6)


def test_arithmetic_is_rounded_as_numpy_rounds() -> None:
    k = np.arange(-(2**15), 2**15)
    f4 = np.float32
    for scaling, expected in (
        (Scaling(ScalingKind.MULTIPLY, 0.195), (k * 0.195).astype(f4)),
        (Scaling(ScalingKind.MULTIPLY, 1 / 32768), k.astype(f4) / f4(32768)),
        (Scaling(ScalingKind.MULTIPLY, 0.195, -6389.76), (k * 0.195 - 6389.76).astype(f4)),
        (
            Scaling(ScalingKind.MULTIPLY_FLOAT32, float(f4(0.195)), float(f4(-6389.76))),
            k.astype(f4) * f4(0.195) + f4(-6389.76),
        ),
        (Scaling(ScalingKind.DIVIDE_FLOAT32, 10.0), k.astype(f4) / f4(10)),
        (Scaling(ScalingKind.SHIFT, 0.1, 0.5), ((k + 0.5) * 0.1).astype(f4)),
        (Scaling(ScalingKind.TWICE, 0.195, 1e-6), (k * 0.195 * 1e-6).astype(f4)),
        (Scaling(ScalingKind.RATIO_FLOAT32, float(f4(0.195)), 1e6), k.astype(f4) * f4(0.195) / f4(1e6)),
    ):
        assert scaling.to_samples(k, SampleType.FLOAT32).tobytes() == expected.tobytes(), scaling


def test_integers_of_the_wrong_width_are_not_found() -> None:
    samples = np.array([-32769, -32768, 32767, 32768, 2**31 - 1], np.int32)
    found, count = Scaling().to_integers(samples, SampleType.INT32, 2)
    assert (found.tolist(), count) == ([NO_INTEGER, -32768, 32767, NO_INTEGER, NO_INTEGER], 3)


@pytest.mark.parametrize(
    ("scaling", "sample_type"),
    [
        (Scaling(), SampleType.FLOAT32),
        (Scaling(ScalingKind.MULTIPLY), SampleType.INT32),
        (Scaling(), SampleType.INT16),
        (Scaling(step=0), SampleType.INT32),
        (Scaling(step=2**62), SampleType.INT64),
        (Scaling(base=-(2**62)), SampleType.INT64),
        *(
            (Scaling(ScalingKind.MULTIPLY, gain), SampleType.FLOAT64)
            for gain in (0.0, -0.0, np.nan, np.inf, -np.inf, 2.0**-61, 2.0**61)
        ),
        *(
            (Scaling(ScalingKind.DIVIDE, 1.0, offset), SampleType.FLOAT64)
            for offset in (np.nan, np.inf, 5e-324, -1e300)
        ),
        (Scaling(ScalingKind.MULTIPLY_FLOAT32, 0.1), SampleType.FLOAT32),
        (Scaling(ScalingKind.SHIFT_FLOAT32, 1.0, 0.1), SampleType.FLOAT32),
        (Scaling(ScalingKind.TWICE, 1.0, 0.0), SampleType.FLOAT64),
        (Scaling(ScalingKind.TWICE, 2.0**-40, 2.0**-40), SampleType.FLOAT64),
        (Scaling(ScalingKind.RATIO, 1.0, -0.0), SampleType.FLOAT64),
        (Scaling(ScalingKind.RATIO, 2.0**40, 2.0**-40), SampleType.FLOAT64),
        (Scaling(ScalingKind.UPPER_BITS, 0.3), SampleType.FLOAT32),
        (Scaling(ScalingKind.UPPER_BITS, -1.0), SampleType.FLOAT32),
        (Scaling(ScalingKind.UPPER_BITS, np.nan), SampleType.FLOAT32),
        (Scaling(ScalingKind.UPPER_BITS, 2.0**101), SampleType.FLOAT64),
        (Scaling(ScalingKind.UPPER_BITS, 2.0**-101), SampleType.FLOAT64),
        (Scaling(ScalingKind.UPPER_BITS, 1.0, 1.0), SampleType.FLOAT64),
        (Scaling(ScalingKind.UPPER_BITS), SampleType.INT32),
    ],
)
def test_impossible_scalings_have_a_fault(scaling: Scaling, sample_type: SampleType) -> None:
    assert scaling.fault(sample_type)


def test_escaped_samples_repeat_the_integer_before() -> None:
    scaling = FileScaling(SampleType.FLOAT32, 2, (Scaling(ScalingKind.MULTIPLY, 0.5), Scaling(ScalingKind.MULTIPLY)))
    samples = np.array([[np.nan, 1], [3, 2], [np.inf, 3], [-0.0, 4], [0.25, 5]], np.float32)
    integers, (first, second) = scaling.to_integers(samples)
    assert integers.dtype == np.int16
    assert integers.T.tolist() == [[6, 6, 6, 0, 0], [1, 2, 3, 4, 5]]
    assert second == Beside()
    assert first.escapes is not None
    assert first.escapes.first.tolist() == [0, 2, 3, 4]
    nothing, _ = scaling.to_integers(np.full((3, 2), np.nan, np.float32))
    assert nothing.tolist() == [[0, 0]] * 3


def test_scalings_are_shown_as_formulas() -> None:
    assert str(Scaling(step=65536)) == "65536 k"
    assert str(Scaling(base=-5)) == "1 k - 5"
    assert str(Scaling(ScalingKind.MULTIPLY, 0.195)) == "0.195 k"
    assert str(Scaling(ScalingKind.DIVIDE, 3.0, 1.0)) == "k / 3.0 + 1.0"
    assert str(Scaling(ScalingKind.SHIFT_FLOAT32, 0.5, -0.25)) == "0.5 (k - 0.25) in float32"
    assert str(Scaling(ScalingKind.TWICE, 0.195, 1e-6)) == "0.195 k * 1e-06"
    assert str(Scaling(ScalingKind.RATIO, 0.195, 1e6)) == "0.195 k / 1000000.0"
    assert str(Scaling(ScalingKind.UPPER_BITS, 0.5)) == "0.5 k and low bits"
