"""Jumps: samples that are missing or saturated, and levels that shift, cost their own bits and spoil nothing else."""

from __future__ import annotations

import numpy as np
import pytest

from spikey_cli.api.chunk import decode_chunk, encode_chunk

FRAMES = 10_000


@pytest.fixture
def samples(random) -> np.ndarray:
    """Three channels that share most of what they are, int16."""
    shared, own = random.normal(0, 20, (FRAMES, 1)), random.normal(0, 8, (FRAMES, 3))
    return np.rint(np.cumsum(shared * [1.0, 0.8, -1.2] + own, axis=0)).astype(np.int16)


def bits_more(changed: np.ndarray, samples: np.ndarray, **encoding: str) -> int:
    """Bits by which the chunk of the changed samples is longer; it must give them back."""
    chunk = encode_chunk(changed, **encoding)
    np.testing.assert_array_equal(decode_chunk(chunk), changed)
    return 8 * (len(chunk) - len(encode_chunk(samples, **encoding)))


@pytest.mark.parametrize("coder", ["range", "rice"])
@pytest.mark.parametrize("preset", ["fast", "default", "best"])
@pytest.mark.parametrize("channels", [slice(None), slice(1, 2)], ids=["in all channels", "in one channel"])
def test_a_missing_sample_costs_two_outliers(random, samples, coder, preset, channels):
    changed = samples.copy()
    missing = random.choice(FRAMES, FRAMES // 400, replace=False)
    changed[missing, channels] = -32768
    bits = bits_more(changed, samples, coder=coder, preset=preset) / np.count_nonzero(changed != samples)
    assert bits < 100, f"a missing sample costs {bits:.0f} bits"


@pytest.mark.parametrize("preset", ["fast", "default", "best"])
def test_a_level_may_shift(samples, preset):
    changed = samples.copy()
    changed[FRAMES // 2 :] += 15_000
    bits = bits_more(changed, samples, preset=preset) / samples.shape[1]
    assert bits < 600, f"the shift of a level costs {bits:.0f} bits a channel"
