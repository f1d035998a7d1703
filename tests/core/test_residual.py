"""Residuals of excerpts."""

from __future__ import annotations

import numpy as np
import pytest

from spikey_cli.core import _core
from spikey_cli.core.residual import EXCERPT_SAMPLES, residuals


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
    (found,) = residuals(samples)
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
            assert residual.dtype == np.int8
            assert np.array_equal(residual, residuals(samples[:, channel])[0])


@pytest.mark.parametrize("frames", [*range(30), 1023, 1024, 1025, EXCERPT_SAMPLES + 7])
def test_any_length(random: np.random.Generator, frames: int) -> None:
    samples = random.integers(-(2**23), 2**23, (frames, 2), dtype=np.int32)
    before = samples.copy()
    for residual in residuals(samples):
        assert residual.shape == (min(frames, EXCERPT_SAMPLES),)
        assert not residual[:9].any(), "the first ones have no past"
        assert residual.any() == (frames > 10)
    assert np.array_equal(samples, before)


def test_what_each_channel_predicts_is_gone() -> None:
    t = np.arange(5000)
    silent = np.stack([np.full(t.size, -32768), t, 5 * t, 0 * t], axis=1)
    for channel, residual in enumerate(residuals(silent.astype(np.int32))):
        assert not residual.any(), f"channel {channel}"
    tone = np.rint(2000 * np.sin(2 * np.pi * 250 * t / t.size) + np.random.default_rng(1).normal(0, 40, t.size))
    share = [
        (np.abs(np.fft.rfft(x.astype(float))) ** 2)[250] / (x.astype(float) ** 2).sum()
        for x in (tone, residuals(tone.astype(np.int16))[0])
    ]
    assert share[1] < share[0] / 50, "most of the tone is predicted"


def test_artefacts_do_not_outweigh_the_rest(random: np.random.Generator) -> None:
    samples = np.rint(random.normal(0, 50, 20_000)).astype(np.int32)
    samples[::500] = 2**22
    (residual,) = residuals(samples)
    assert np.abs(residual.astype(int)).max() == 127
    assert 15 < np.median(np.abs(residual)) < 30


def test_calls_that_do_not_fit_are_refused() -> None:
    samples, found = np.zeros(12, np.int16), np.zeros(12, np.int8)
    for wrong in ((samples, 5, found), (samples, 0, found), (samples, 3, found[:11]), (samples, 13, found)):
        with pytest.raises(ValueError, match=r"not in|must have"):
            _core.residuals(*wrong)
    with pytest.raises(TypeError):
        _core.residuals(samples, 3, samples)
