"""The search for scalings: what writers do is found; anything else is not taken for it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikey_cli.codec import scaling_search
from spikey_cli.codec.scaling_search import find_file_scaling, find_scaling
from spikey_cli.core.scaling import NO_INTEGER, FileScaling, Scaling, ScalingKind
from spikey_cli.io.layout import SampleType

F4 = np.float32
GAINS = [
    0.195,
    2.34375e-6,
    0.1,
    1 / 3.0517578125e-05,
    1 / 32768,
    1 / 32767,
    4.8828e-7,
    0.0005,
    0.12345678901234567,
    12.02,
]


def codes(seed: int = 0, n: int = 8000, spread: float = 200.0) -> np.ndarray:
    """A random walk of 16-bit codes."""
    random = np.random.default_rng(seed)
    walk = np.cumsum(random.normal(0, spread / 10, n)) + random.normal(0, spread / 3, n)
    return np.clip(np.rint(walk), -32768, 32767).astype(np.int64)


def found(samples: np.ndarray) -> tuple[Scaling, np.ndarray, int]:
    """The scaling, the integers that it finds, and the number of samples that have none."""
    sample_type = SampleType.of(samples.dtype)
    scaling = find_scaling(samples, sample_type)
    assert scaling is not None, "no scaling was found"
    assert not scaling.fault(sample_type)
    integers, count = scaling.to_integers(samples, sample_type)
    kept = integers[integers != NO_INTEGER]
    assert scaling.to_samples(kept, sample_type).tobytes() == samples[integers != NO_INTEGER].tobytes()
    return scaling, integers, count


@pytest.mark.parametrize("gain", GAINS)
@pytest.mark.parametrize(
    "write",
    [
        lambda k, g: (k * g).astype(F4),
        lambda k, g: k.astype(F4) * F4(g),
        lambda k, g: k * g,
        lambda k, g: k / g,
        lambda k, g: (k.astype(F4) * F4(g)).astype(float),
        lambda k, g: k.astype(F4) / F4(g),
        lambda k, g: -k * g,
    ],
    ids=[
        "float64 to float32",
        "float32",
        "float64",
        "quotient",
        "float32 to float64",
        "quotient in float32",
        "negative",
    ],
)
def test_gains_are_found(gain: float, write) -> None:
    k = codes()
    _, integers, count = found(write(k, gain))
    assert count <= 4, f"{count} samples have no integer"
    assert np.ptp(integers[integers != NO_INTEGER]) <= np.ptp(k), "the step is too fine"


@pytest.mark.parametrize(
    "samples",
    [
        ((codes() + 32768).astype(F4) * F4(0.195) + F4(-6389.76)),
        codes() * 0.195 - 6389.76,
        codes() * 0.1 + 0.05,
        (codes() * 2.34375e-6 + 1e-3).astype(F4),
        (codes() + 0.5) * 0.0976,
        (codes() * (6553.5 / 65535) - 3276.8).astype(F4),
    ],
    ids=["Intan in float32", "Intan", "half a step", "volts", "EDF", "EDF in float32"],
)
def test_offsets_are_found(samples: np.ndarray) -> None:
    _, integers, count = found(samples)
    assert count <= 8, f"{count} samples have no integer"
    assert np.ptp(integers[integers != NO_INTEGER]) == np.ptp(codes()), "the step is another"


@pytest.mark.parametrize("gain", [0.195, 0.1, 2.34375, 1.2 / 1024 / 500 * 1e6])
@pytest.mark.parametrize(
    "write",
    [
        lambda k, g: k * g * 1e-6,
        lambda k, g: k * g / 1e6,
        lambda k, g: (k * g * 1e-3).astype(F4),
        lambda k, g: k.astype(F4) * F4(g) * F4(1e-6),
        lambda k, g: k.astype(F4) * F4(g) / F4(1e6),
    ],
    ids=["volts", "quotient", "millivolts to float32", "volts in float32", "quotient in float32"],
)
def test_gains_in_another_unit_are_found(gain: float, write) -> None:
    _, integers, count = found(write(codes(), gain))
    assert count <= 4, f"{count} samples have no integer"
    assert np.ptp(integers[integers != NO_INTEGER]) == np.ptp(codes()), "the step is another"


@given(
    st.floats(1e-9, 1e9),
    st.sampled_from([F4, np.float64]),
    st.booleans(),
    st.integers(0, 2**32),
    st.integers(2, 400),
    st.floats(2, 5000),
)
def test_any_gain_is_found(gain: float, dtype, is_float32: bool, seed: int, n: int, spread: float) -> None:
    k = codes(seed, n, spread)
    samples = (k.astype(F4) * F4(gain)).astype(dtype) if is_float32 else (k * gain).astype(dtype)
    scaling = find_scaling(samples, SampleType.of(samples.dtype))
    if scaling is None:
        # few values far apart are no proof of a step
        assert n < 400 or spread > 1000
        return
    found(samples)


def test_odd_values_are_left_out() -> None:
    samples = (codes(spread=2000) * 0.195).astype(F4)
    samples[::100] = [np.nan, np.inf, -0.0, 0.123] * 20
    scaling, _, count = found(samples)
    assert abs(scaling.gain) == 0.195
    assert 60 <= count <= 90


def test_negative_gains_make_negative_zeros() -> None:
    k = codes(spread=5)
    assert (k == 0).sum() > 100
    _, _, count = found(-0.195 * k)
    assert count == 0


@pytest.mark.parametrize("dtype", [F4, np.float64])
def test_other_floats_have_no_scaling(dtype) -> None:
    random = np.random.default_rng(0)
    filtered = np.convolve(codes() * 0.195, random.normal(size=20), "same")
    for samples in (random.normal(size=8000), filtered, np.geomspace(1e-30, 1e30, 8000), random.random(8000) ** 9):
        assert find_scaling(samples.astype(dtype), SampleType.of(np.dtype(dtype))) is None


@pytest.mark.parametrize("dtype", [F4, np.float64])
@pytest.mark.parametrize(
    "values",
    [
        [],
        [0.0],
        [-0.0],
        [np.nan],
        [np.inf, -np.inf],
        [1.5],
        [-0.1],
        [1e-320],
        [3e38],
        [5e-324, 1e-45],
        [1e300, -1e300],
        [0, 1],
    ],
    ids=str,
)
def test_few_values_do_no_harm(dtype, values: list[float]) -> None:
    with np.errstate(over="ignore"):
        samples = np.array(values * 3, dtype)
    scaling = find_scaling(samples, SampleType.of(samples.dtype))
    if scaling:
        scaling.to_integers(samples, SampleType.of(samples.dtype))


@given(st.lists(st.floats(width=32), max_size=30), st.sampled_from([F4, np.float64]))
def test_any_floats_do_no_harm(values: list[float], dtype) -> None:
    samples = np.array(values, dtype)
    if find_scaling(samples, SampleType.of(samples.dtype)):
        found(samples)


@pytest.mark.parametrize(
    ("samples", "step", "span"),
    [
        (codes().astype(np.int32) << 16, 65536, None),
        (codes().astype(np.int32) * 256 * 77, 256 * 77, None),
        (codes().astype(np.int32), 1, None),
        ((codes() + 2**31).astype(np.uint32), 1, None),
        ((codes() + 32768).astype(np.uint16), 1, None),
        (codes() * 10**12 + 7, 10**12, None),
        (np.full(9, -5, np.int64), 1, 0),
        (np.zeros(0, np.int32), 1, 0),
    ],
)
def test_steps_of_integers_are_found(samples: np.ndarray, step: int, span: int | None) -> None:
    scaling, integers, count = found(samples)
    assert (scaling.step, count) == (step, 0)
    if samples.size:
        assert np.ptp(integers) == (np.ptp(codes()) if span is None else span)
        assert -32768 <= integers.min() <= integers.max() <= 32767


def test_integers_of_more_than_24_bits_have_no_scaling() -> None:
    random = np.random.default_rng(0)
    assert find_scaling(random.integers(-(2**31), 2**31, 8000).astype(np.int32), SampleType.INT32) is None
    odd = codes().astype(np.int32) << 16
    odd[::1000] += 5
    scaling, _, count = found(odd)
    assert (scaling.step, count) == (65536, 8)


@pytest.mark.parametrize(
    "values", [[0, 2**62], [-(2**62), 0], [2**63 - 1, 0], [2**62] * 3, [-(2**63)] * 3, [2**62 + 5, 2**62 + 9]]
)
def test_integers_beyond_the_limits_of_a_scaling_have_none(values: list[int]) -> None:
    """The format has steps and bases below 2**62."""
    assert find_scaling(np.array(values), SampleType.INT64) is None
    inner = [min(max(value, 1 - 2**62), 2**62 - 1) for value in values]
    assert find_scaling(np.array(inner), SampleType.INT64) is not None


def found_in_file(excerpt: list[np.ndarray]) -> FileScaling | None:
    return find_file_scaling(excerpt, SampleType.FLOAT64, sum(each.size for each in excerpt), {})


def test_channels_may_have_gains_of_their_own() -> None:
    excerpt = [codes(i) * gain for i, gain in enumerate((0.195, 0.195, 2.34375, 0.195, 0.05))]
    scaling = found_in_file(excerpt)
    assert scaling is not None
    assert scaling.integer_bytes == 2
    assert [each.gain for each in scaling.channels] == [0.195, 0.195, 2.34375, 0.195, 0.05]


def test_a_channel_of_other_floats_leaves_those_with_a_gain_as_they_are() -> None:
    excerpt = [codes(i) * gain for i, gain in enumerate((0.195, 0.195, 2.34375, 1.0, 0.05))]
    excerpt[3] = np.random.default_rng(0).normal(size=8000)
    scaling = found_in_file(excerpt)
    assert scaling is not None
    assert [each.gain for each in scaling.channels if each.kind == ScalingKind.MULTIPLY] == [
        0.195,
        0.195,
        2.34375,
        0.05,
    ]
    assert scaling.channels[3].kind == ScalingKind.UPPER_BITS


def filtered(seed: int) -> np.ndarray:
    """A trace that is predicted well, of any values."""
    noise = np.random.default_rng(seed).normal(0, 100, 8100)
    return np.convolve(noise, np.hanning(20), "valid")[:8000]


def test_integers_of_other_floats_are_finer_than_what_prediction_leaves() -> None:
    scaling = found_in_file([filtered(0), filtered(1) * 1e-6])
    assert scaling is not None
    assert [each.kind for each in scaling.channels] == [ScalingKind.UPPER_BITS] * 2
    for samples, own in zip((filtered(0), filtered(1) * 1e-6), scaling.channels, strict=True):
        k, n_escaped = own.to_integers(samples, SampleType.FLOAT64)
        assert n_escaped < 9
        rows = np.lib.stride_tricks.sliding_window_view(np.diff(k), 25).astype(float)
        left = rows[:, -1] - rows[:, :-1] @ np.linalg.lstsq(rows[:, :-1], rows[:, -1], rcond=None)[0]
        assert 500 < left.std() < 20_000, "of 23 bits"


def test_samples_that_recur_without_a_gain_are_left_to_other_compressors() -> None:
    excerpt = [np.exp(np.random.default_rng(i).integers(0, 99, 8000) / 7) for i in range(2)]
    assert found_in_file(excerpt) is None
    assert found_in_file([filtered(0), *excerpt]) is None, "most of them recur"
    assert found_in_file([filtered(0), excerpt[0]]) is not None


@pytest.fixture
def searches(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Sizes of the excerpts in which a scaling is searched."""
    sizes = []

    def counted(samples: np.ndarray, sample_type: SampleType) -> Scaling | None:
        sizes.append(samples.size)
        return find_scaling(samples, sample_type)

    monkeypatch.setattr(scaling_search, "find_scaling", counted)
    return sizes


def test_short_channels_with_gains_of_their_own_are_given_up(searches: list[int]) -> None:
    gains = np.random.default_rng(0).uniform(0.1, 0.3, 100)
    excerpt = [codes(i)[:100] * gain for i, gain in enumerate(gains)]
    found = found_in_file(excerpt)
    assert len(searches) < 80, "they were searched on"
    assert found is not None
    assert found.channels[99].kind == ScalingKind.UPPER_BITS
    found = find_file_scaling(excerpt, SampleType.FLOAT64, 100 * 2000, {})
    assert found is not None
    assert found.channels[99].kind == ScalingKind.MULTIPLY, "the file is long"


def test_a_channel_is_searched_again_if_its_excerpt_has_grown(searches: list[int]) -> None:
    searched: dict[tuple[int, int], Scaling | None] = {}
    excerpt = [codes(i) * gain for i, gain in enumerate((0.195, 2.34375, 0.05))]
    first = find_file_scaling(excerpt, SampleType.FLOAT64, 24_000, searched)
    n = len(searches)
    assert find_file_scaling(excerpt, SampleType.FLOAT64, 24_000, searched) == first
    assert len(searches) == n + 1, "that of all channels, and no more"
    excerpt[1] = np.append(excerpt[1], excerpt[1][:5])
    assert find_file_scaling(excerpt, SampleType.FLOAT64, 24_000, searched) == first
    assert searches[n + 2 :] == [excerpt[1].size]


def test_wide_integers_take_three_bytes() -> None:
    scaling = found_in_file([codes() * 0.25 * 100, np.arange(-40000, 40000, 10) * 0.25])
    assert scaling is not None
    assert scaling.integer_bytes == 3 or max(each.gain for each in scaling.channels) > 0.25
