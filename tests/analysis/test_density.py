"""Code density: bin widths of a simulated converter."""

from __future__ import annotations

import numpy as np

from spikey_cli.analysis.density import bin_ratios, code_counts, pattern_correlation


def test_bins_show_in_the_density(random):
    widths = np.tile([0.6, 1.4, 1.0, 1.3, 0.7], 60)
    edges = np.concatenate([[0], np.cumsum(widths)])
    codes = np.searchsorted(edges, random.normal(150, 30, 2_000_000)) - 1
    codes = codes[(codes >= 0) & (codes < 300)]
    ratios = bin_ratios(code_counts(codes, 300))
    known = np.isfinite(ratios)
    assert known.sum() > 100
    np.testing.assert_allclose(ratios[known], widths[known], atol=0.12)
    halves = [bin_ratios(code_counts(codes[k::2], 300)) for k in (0, 1)]
    assert pattern_correlation(*halves)[0] > 0.95
    smooth = [
        bin_ratios(code_counts(np.clip(np.rint(random.normal(150, 30, 500_000)), 0, 299).astype(int), 300))
        for _ in range(2)
    ]
    assert abs(pattern_correlation(*smooth)[0]) < 0.5
