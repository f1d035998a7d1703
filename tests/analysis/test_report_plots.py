"""The plots of a report."""

from __future__ import annotations

import numpy as np
import pytest

from spikey_cli.analysis import report_plots
from spikey_cli.analysis.study import PlotData


def plot_data(n_channels: int) -> PlotData:
    names = tuple(f"folder/a_long_name_of_channel_{i}.wav" for i in range(n_channels))
    few = np.array([1.0, 2.0])
    codes = np.array([0, 5, 9, 4])
    return PlotData(codes, codes / 4, few, few, few, few, 0.5, np.eye(n_channels), names, few)


@pytest.mark.parametrize("n_channels", [2, 4])
def test_channels_have_their_whole_names_or_integers(n_channels, monkeypatch):
    pytest.importorskip("matplotlib")
    figures = []
    monkeypatch.setattr(report_plots, "png_bytes", figures.append)
    monkeypatch.setattr(report_plots, "_MAX_NAMED", 3)
    data = plot_data(n_channels)
    report_plots.draw_plots(data)
    names = report_plots.PLOTS
    for figure in figures:
        figure.draw_without_rendering()
    axes = figures[names.index("correlation")].axes[0]
    for axis in (axes.xaxis, axes.yaxis):
        if n_channels == 2:
            assert [label.get_text() for label in axis.get_ticklabels()] == list(data.channels)
        assert all(float(place).is_integer() for place in axis.get_ticklocs())
    codes = figures[names.index("density")].axes[1].xaxis
    assert all(float(place).is_integer() for place in codes.get_ticklocs())
