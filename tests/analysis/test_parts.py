"""What each part of the codec gives on recordings that need it."""

from __future__ import annotations

import numpy as np
import pytest
from support.recordings import wav_bytes

from spikey_cli.analysis.parts import PARTS, measure_parts
from spikey_cli.analysis.study import study
from spikey_cli.analysis.survey import survey
from spikey_cli.model.predictor import default_predictor


@pytest.fixture
def mixed(tmp_path, random):
    """Two channels with common noise, one on a lattice, a copy, and a constant one."""
    common = random.integers(-1500, 1500, 12_000)
    first, second = (np.round(common + random.normal(0, 10, 12_000)) for _ in range(2))
    lattice = np.floor(np.cumsum(random.normal(0, 3, 12_000)).round() * 6.5 + 0.5)
    (tmp_path / "mixed.wav").write_bytes(
        wav_bytes(np.stack([first, second, lattice, first + 5, np.full(12_000, -3)], axis=1).astype(np.int32))
    )
    return tmp_path / "mixed.wav"


def test_parts_that_a_recording_needs_give_something(mixed, workers):
    bits = measure_parts(survey([mixed], workers), default_predictor(), workers)
    assert list(bits) == list(PARTS)
    whole = bits["all parts"]
    assert bits["without quantizers: samples as they are"] > 1.2 * whole
    assert bits["without any references"] > 1.2 * whole
    assert bits["without long lags"] == bits["without orders above 8"] == whole
    assert bits["coder rice"] > whole
    assert bits["adaptation of the preset fast"] > 0.99 * whole


def test_an_excerpt_is_bounded(mixed, workers, monkeypatch):
    scanned = survey([mixed], workers)
    monkeypatch.setattr("spikey_cli.analysis.parts.MAX_SAMPLES", 10)
    short = measure_parts(scanned, default_predictor(), workers)
    monkeypatch.setattr("spikey_cli.analysis.parts.MAX_SAMPLES", 1 << 20)
    assert measure_parts(scanned, default_predictor(), workers) != short
    assert measure_parts(scanned, default_predictor(), workers, 4096 / 19_531) == short


def test_a_study_shows_quantizers_by_channel(mixed, workers):
    statistics = study(survey([mixed], workers), default_predictor(), workers).statistics
    found = {entry["kind"]: (entry["channels"], entry.get("steps")) for entry in statistics["quantizers"]}
    assert found == {
        "identity": (2, {"1": 65535}),
        "lattice": (1, {"6.5": 1}),
        "copy": (1, None),
        "constant": (1, None),
    }
    by_channel = [one["range_bits_per_sample"] for one in statistics["per_channel"]]
    assert by_channel[2] > 2
    assert by_channel[3:] == [0, 0]
    assert statistics["parts"]["all parts"] == statistics["model"]["range_bits_per_sample"]
    assert statistics["model"]["packed_channels"] == 0
