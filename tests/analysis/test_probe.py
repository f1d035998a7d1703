"""The synthetic probe of examples/make_probe.py, and the gain of its channels' common activity."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import soundfile
from support.paths import EXAMPLES

import spikey_cli

sys.path.append(str(EXAMPLES))

from make_probe import CODE_STEP, probe


@pytest.fixture(scope="module")
def samples() -> np.ndarray:
    return probe(channels=16, seconds=2, seed=3)


def test_the_same_options_give_the_same_samples(samples):
    assert (samples.shape, samples.dtype) == ((60_000, 16), np.int16)
    np.testing.assert_array_equal(probe(channels=16, seconds=2, seed=3), samples)
    assert (probe(channels=16, seconds=2, seed=4) != samples).any()
    assert (samples % CODE_STEP == 0).all()
    assert 20 < np.unique(samples).size <= 1024


def test_neighbours_share_more_than_far_channels(samples):
    correlation = np.corrcoef(np.diff(samples, axis=0).T)
    assert (np.diag(correlation, 1) > 0.5).all()
    assert np.diag(correlation, 1).min() > np.diag(correlation, 12).max()
    assert (np.diag(correlation, 12) > 0.2).all(), "the common mode is on all channels"


def test_peers_make_its_archive_smaller(samples, tmp_path):
    soundfile.write(tmp_path / "probe.wav", samples, 30_000, subtype="PCM_16")
    size = {}
    for peers in (True, False):
        archive = tmp_path / f"{peers}.spk"
        size[peers] = spikey_cli.compress(
            [tmp_path / "probe.wav"], archive, coder=spikey_cli.Encoding("range", peers=peers)
        ).archive_bytes
        spikey_cli.decompress(archive, tmp_path / f"back {peers}")
        assert (tmp_path / f"back {peers}" / "probe.wav").read_bytes() == (tmp_path / "probe.wav").read_bytes()
    assert size[True] < 0.92 * size[False], size
    channels = spikey_cli.info(tmp_path / "True.spk")["channels"]
    distances = [
        abs(int(channel["name"].rsplit(":")[-1]) - int(reference["name"].rsplit(":")[-1]))
        for channel in channels
        for reference in channel["references"]
    ]
    assert np.median(distances) <= 2, "references are neighbours"
