"""Excerpts: their lengths, and the bits that the codec needs for them."""

from __future__ import annotations

import numpy as np
import pytest

from spikey_cli.analysis import excerpt
from spikey_cli.analysis.excerpt import MIN_FRAMES, code_excerpts, excerpt_lengths
from spikey_cli.analysis.survey import survey
from spikey_cli.model.predictor import default_predictor


def test_ideal_and_written_bits_agree(recordings, workers):
    scanned = survey([recordings], workers, recursive=True)
    excerpts = code_excerpts(scanned, excerpt_lengths(scanned), default_predictor(), workers)
    assert len(excerpts) == 5
    for one in excerpts:
        assert one.codes.size == 30_000
        assert one.ideal_bits == pytest.approx(one.written_bits, rel=0.01)
        assert one.error[one.predicted].std() == pytest.approx(1, abs=0.25)
        large = np.abs(one.error) > 1
        assert (np.sign(one.residual[large]) == np.sign(one.error[large])).all()


def test_excerpts_in_several_blocks_are_joined(recordings, workers, monkeypatch):
    scanned = survey([recordings / "single.wav"], workers)
    (whole,) = code_excerpts(scanned, [30_000], default_predictor(), workers)
    monkeypatch.setattr("spikey_cli.codec.block_plan.BLOCK_SAMPLES", 1 << 13)
    monkeypatch.setattr("spikey_cli.codec.block_plan.PART_FRAMES", 1 << 13)
    (joined,) = code_excerpts(scanned, [30_000], default_predictor(), workers)
    np.testing.assert_array_equal(joined.codes, whole.codes)
    assert {getattr(joined, name).size for name in ("values", "predicted", "residual", "error", "network_error")} == {
        30_000
    }
    assert joined.written_bits > whole.written_bits


def test_lengths_are_bounded(recordings, workers, monkeypatch):
    scanned = survey([recordings], workers, recursive=True)
    assert excerpt_lengths(scanned, 0.5) == [9766] * 5
    monkeypatch.setattr(excerpt, "MAX_SAMPLES", 100_000)
    assert excerpt_lengths(scanned) == [20_000] * 5
    monkeypatch.setattr(excerpt, "MAX_SAMPLES", 10)
    assert excerpt_lengths(scanned) == [MIN_FRAMES] * 5
