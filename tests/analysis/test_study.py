"""A study of generated recordings whose statistics are known."""

from __future__ import annotations

import json

import numpy as np
import pytest

from spikey_cli.analysis.study import study
from spikey_cli.analysis.survey import survey
from spikey_cli.errors import InputError
from spikey_cli.model.predictor import default_predictor


def test_a_study_measures_known_statistics(recordings, workers):
    statistics = study(survey([recordings], workers, recursive=True), default_predictor(), workers).statistics
    assert json.loads(json.dumps(statistics)) == statistics
    assert (statistics["files"], statistics["channels"], statistics["sessions"]) == (5, 5, 3)
    assert statistics["samples"] == statistics["samples_total"] == 150_000
    assert statistics["quantizers"] == [
        {
            "kind": "n1",
            "values": 1024,
            "sample_bits": 16,
            "channels": 5,
            "files": 5,
            "steps": {"64": 958, "65": 64, "63": 1},
        }
    ]
    assert statistics["correlation"]["linked_pairs"] == 2
    assert statistics["correlation"]["linked_mean"] == pytest.approx(0.36 / 1.36, abs=0.05)
    model, order_0 = statistics["model"], statistics["entropy"]["order_0"]
    assert model["ideal_bits_per_sample"] < order_0["corrected"]
    assert model["ideal_bits_per_sample"] == pytest.approx(model["range_bits_per_sample"], rel=0.01)
    assert model["ideal_ratio"] == pytest.approx(16 / model["ideal_bits_per_sample"], abs=0.001)
    assert [one["samples"] for one in statistics["per_channel"]] == [30_000] * 5


def test_a_recording_without_a_rate_has_no_spectrum(tmp_path, workers):
    np.save(tmp_path / "a.npy", np.arange(1000, dtype=np.int16))
    with pytest.raises(InputError, match=r"a\.npy: has no sample rate"):
        study(survey([tmp_path / "a.npy"], workers), default_predictor(), workers)
