"""The estimate of a converter's bin widths."""

from __future__ import annotations

import numpy as np
import pytest
from support.recordings import n1_samples, wav_bytes
from support.training_cases import config, ignore

from spikey_cli.training.converter_profile import estimate_profile
from spikey_cli.training.fit import fit
from spikey_cli.training.recordings import load_recordings

pytestmark = pytest.mark.slow


def test_bin_widths_are_estimated(random, tmp_path):
    """Known widths are recovered with a network that predicts well."""
    like = np.array([0.6, 1.4, 1.0, 1.3, 0.7, 1.0, 1.5, 0.5])
    edges = np.concatenate([[0], np.cumsum(np.tile(like, 128))]) - 0.5
    slow = np.zeros(240_000)
    for i, push in enumerate(random.normal(0, 0.5, slow.size - 1)):
        slow[i + 1] = 0.9999 * slow[i] + push
    voltages = 500 + slow + random.normal(0, 6, slow.size)
    codes = np.clip(np.searchsorted(edges, voltages) - 1, 0, 1023).astype(np.int32)
    (tmp_path / "a.wav").write_bytes(wav_bytes(n1_samples(codes)))
    dataset = load_recordings([tmp_path / "a.wav"])
    network = fit(config(training={"steps": 500, "batch": 512}), dataset, dataset, None, ignore)
    profile = estimate_profile(network, dataset)
    for _ in range(2):
        dataset = load_recordings([tmp_path / "a.wav"], profile)
        profile = estimate_profile(network, dataset)
    widths = np.diff(profile.edges)[480:560] / 64
    np.testing.assert_allclose(widths, np.tile(like, 10), rtol=0.2)
