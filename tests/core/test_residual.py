"""Residuals of excerpts."""

from __future__ import annotations

import numpy as np
import pytest
from support.recordings import band_passed

from spikey_cli.core import _core
from spikey_cli.core.residual import EXCERPT_SAMPLES, residuals
from spikey_cli.topology.topology import ORDERS


def expected(samples: np.ndarray, order: int = 8) -> np.ndarray:
    """The residual of one channel, by NumPy."""
    d = np.diff(samples.astype(np.float64), prepend=float(samples[0]))
    sums = np.array([d[k:] @ d[: d.size - k] for k in range(order + 1)])
    a = np.linalg.solve(sums[np.abs(np.subtract.outer(range(order), range(order)))], sums[1:])
    r = d.copy()
    for k in range(order):
        r[k + 1 :] -= a[k] * d[: d.size - k - 1]
    r = r[order + 1 :]
    deviation = 1.4826 * np.median(np.abs(r)) + 1
    r = np.clip(r, -4 * deviation, 4 * deviation)
    r = (r - r.mean()) * 127 / 4 / deviation
    return np.concatenate([np.zeros(order + 1), np.clip(np.rint(r), -127, 127)])


@pytest.mark.parametrize(("dtype", "scale"), [(np.uint8, 20), (np.int16, 3000), (np.int32, 2e6)])
def test_they_are_those_of_a_linear_prediction(random: np.random.Generator, dtype: type, scale: float) -> None:
    smooth = np.convolve(random.normal(size=20_000), np.exp(-np.arange(30) / 6.0), "same")
    samples = (np.clip(scale * smooth / 2, -5 * scale, 5 * scale) + (128 if dtype == np.uint8 else 0)).astype(dtype)
    found = residuals(samples)[0].samples
    wanted = expected(samples)
    assert np.corrcoef(found, wanted)[0, 1] > 0.999
    assert found.std() == pytest.approx(wanted.std(), rel=0.1), "the median is that of a bin"
    assert abs(found.mean()) < 0.1


def test_they_are_per_channel(random: np.random.Generator) -> None:
    samples = np.rint(random.normal(0, 300, (9000, 5))).astype(np.int16)
    for order in (samples, np.asfortranarray(samples)):
        found = residuals(order)
        assert len(found) == 5
        for channel, residual in enumerate(found):
            (alone,) = residuals(samples[:, channel])
            assert residual.samples.dtype == np.int8
            assert np.array_equal(residual.samples, alone.samples)
            assert residual.saved == alone.saved


@pytest.mark.parametrize("frames", [*range(30), 1023, 1024, 1025, EXCERPT_SAMPLES + 7])
def test_any_length(random: np.random.Generator, frames: int) -> None:
    samples = random.integers(-(2**23), 2**23, (frames, 2), dtype=np.int32)
    before = samples.copy()
    for residual, saved in residuals(samples):
        assert 0 <= saved[0] <= saved[1] < 1
        assert residual.shape == (min(frames, EXCERPT_SAMPLES),)
        assert not residual[:9].any(), "the first ones have no past"
        assert residual.any() == (frames > 10)
    assert np.array_equal(samples, before)


def test_what_each_channel_predicts_is_gone() -> None:
    t = np.arange(5000)
    silent = np.stack([np.full(t.size, -32768), t, 5 * t, 0 * t], axis=1)
    for channel, residual in enumerate(residuals(silent.astype(np.int32))):
        assert not residual.samples.any(), f"channel {channel}"
        assert residual.saved == pytest.approx((0, 0), abs=4e-3)
    tone = np.rint(2000 * np.sin(2 * np.pi * 250 * t / t.size) + np.random.default_rng(1).normal(0, 40, t.size))
    share = [
        (np.abs(np.fft.rfft(x.astype(float))) ** 2)[250] / (x.astype(float) ** 2).sum()
        for x in (tone, residuals(tone.astype(np.int16))[0].samples)
    ]
    assert share[1] < share[0] / 50, "most of the tone is predicted"


def test_artefacts_do_not_outweigh_the_rest(random: np.random.Generator) -> None:
    samples = np.rint(random.normal(0, 50, 20_000)).astype(np.int32)
    samples[::500] = 2**22
    residual = residuals(samples)[0].samples
    assert np.abs(residual.astype(int)).max() == 127
    assert 15 < np.median(np.abs(residual)) < 30


def least_squares(samples: np.ndarray, order: int) -> float:
    """Mean squared error of a prediction from so many differences and the level, in samples**2."""
    d, level = np.diff(samples.astype(float)), samples[:-1] - samples.mean()
    terms = [d[40 - lag : d.size - lag] for lag in range(1, order + 1)]
    matrix = np.stack([*terms, level[40:]], axis=1)
    weights = np.linalg.lstsq(matrix, d[40:], rcond=None)[0]
    return float(np.mean((d[40:] - matrix @ weights) ** 2))


@pytest.mark.parametrize("frames", [1500, 8192, 30_000])
@pytest.mark.parametrize("scale", [100, 3000])
def test_what_orders_save_is_that_of_least_squares(random: np.random.Generator, frames: int, scale: float) -> None:
    samples = band_passed(random, frames, scale)
    error = [least_squares(samples, order) + 1 / 12 for order in ORDERS]
    (found,) = residuals(samples)
    assert found.saved == pytest.approx([np.log2(error[0] / other) / 2 for other in error[1:]], abs=0.05)
    assert found.saved[0] > 0.2
    white = np.rint(random.normal(0, scale, frames)).astype(np.int16)
    assert residuals(white)[0].saved == pytest.approx((0, 0), abs=60 / min(frames, 8192))


def test_calls_that_do_not_fit_are_refused() -> None:
    samples, found, saved = np.zeros(12, np.int16), np.zeros(12, np.int8), np.zeros(6)
    for wrong in (
        (5, found, saved),
        (0, found, saved),
        (3, found[:11], saved),
        (13, found, saved),
        (3, found, saved[:5]),
    ):
        with pytest.raises(ValueError, match=r"not in|must have"):
            _core.residuals(samples, *wrong)
    with pytest.raises(TypeError):
        _core.residuals(samples, 3, samples, saved)
    with pytest.raises(TypeError):
        _core.residuals(samples, 3, found, saved.astype(np.float32))
