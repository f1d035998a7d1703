"""The same bits on every machine: a share of the full run of `tests/support/exactness.py`."""

from __future__ import annotations

import numpy as np
import pytest
from support import exactness

STORED = exactness.json.loads(exactness.STORED.read_text(encoding="utf-8"))


def assert_stored(found: dict[str, str]) -> None:
    assert found
    for name, digest in found.items():
        assert digest == STORED[exactness.stored_name(name)], f"{name} differs on {exactness.environment()}"


def test_predictions_equal_the_stored_ones():
    assert_stored(exactness.measure_predictions(exactness.SHARE))


def test_streams_equal_the_stored_ones(monkeypatch):
    """With few lanes for each worker."""
    monkeypatch.setattr("spikey_cli.codec.streams.MIN_LANE_GROUP", 1)
    assert_stored(exactness.measure_archives(exactness.SHARED_FRAMES, 2, models=("n1",)))
    assert_stored(exactness.measure_archives(exactness.FEW_FRAMES, 2))


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2, 8])
def test_long_streams_equal_the_stored_ones_with_any_number_of_workers(workers, monkeypatch):
    monkeypatch.setattr("spikey_cli.codec.streams.MIN_LANE_GROUP", 1)
    assert_stored(exactness.measure_archives(exactness.SHARED_FRAMES, workers, coders=("rice", "range")))


def test_results_of_the_full_run_are_stored():
    names = {f"{exactness.PREDICTIONS} predictions, {model}" for model in exactness.shipped_models()}
    names |= {f"streams of {exactness.FRAMES} frames, {c}, {m}" for c in exactness.CODERS for m in exactness.MODELS}
    assert names <= STORED.keys()


def test_known_inputs_do_not_depend_on_how_many_are_asked_for():
    rows = {"b": 3, "a": 2}
    intact = exactness.known_inputs(rows, 0, 50)
    for name, values in exactness.known_inputs(rows, 20, 9).items():
        np.testing.assert_array_equal(values, intact[name][:, 20:29])
    assert exactness.mix(0, 2).tolist() == [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4]  # as published, from seed 0
