"""The plots of a study's report."""

from __future__ import annotations

import numpy as np

from .plotting import new_figure, png_bytes
from .study import PlotData

PLOTS = ("density", "spectrum", "whiteness", "correlation", "errors")
"""Names of the plots."""

_MAX_POINTS = 1 << 16

_MAX_NAMED = 40
"""Largest number of channels whose names stand beside their correlations; others have numbers."""


def draw_plots(data: PlotData) -> dict[str, bytes]:
    """Draw each of PLOTS.

    Returns
    -------
    dict of str to bytes
        PNG file of each plot, by its name.

    Raises
    ------
    MissingPackageError
        Matplotlib is not installed.
    """
    pngs = (_density(data), _spectrum(data), _whiteness(data), _correlation(data), _errors(data))
    return dict(zip(PLOTS, pngs, strict=True))


def _density(data: PlotData) -> bytes:
    figure = new_figure(9, 6)
    from matplotlib.ticker import MaxNLocator

    above, below = figure.subplots(2, 1, sharex=True)
    codes = np.flatnonzero(data.counts)
    if codes.size > _MAX_POINTS:
        codes = codes[:: codes.size // _MAX_POINTS]
    above.semilogy(codes, data.counts[codes], ".", ms=2, color="tab:blue")
    above.set(ylabel="count", title="Code counts")
    below.plot(np.arange(data.ratios.size)[:_MAX_POINTS], data.ratios[:_MAX_POINTS], ".", ms=3, color="tab:blue")
    below.axhline(1, color="0.5", lw=0.8)
    below.set(xlabel="code", ylabel="count / local average")
    if codes.size:
        below.set_xlim(codes[0] - 1, codes[-1] + 1)
    below.xaxis.set_major_locator(MaxNLocator(integer=True))
    return png_bytes(figure)


def _spectrum(data: PlotData) -> bytes:
    figure = new_figure(9, 4.5)
    axes = figure.subplots()
    axes.plot(data.frequency / 1000, data.signal_db, label="signal")
    axes.plot(data.frequency / 1000, data.residual_db, label="residual")
    axes.set(xlabel="frequency, kHz", ylabel="power density, dB of codes squared per Hz")
    axes.grid(alpha=0.3)
    axes.legend()
    return png_bytes(figure)


def _whiteness(data: PlotData) -> bytes:
    figure = new_figure(9, 3.5)
    axes = figure.subplots()
    axes.stem(np.arange(1, data.autocorrelation.size + 1), data.autocorrelation, basefmt=" ")
    axes.axhspan(-data.white_limit, data.white_limit, color="0.85", label="95 % interval of one white channel")
    axes.set(xlabel="lag, samples", ylabel="mean autocorrelation of all channels")
    axes.legend()
    return png_bytes(figure)


def _correlation(data: PlotData) -> bytes:
    are_named = len(data.channels) <= _MAX_NAMED
    longest = max(map(len, data.channels), default=0) if are_named else 0
    figure = new_figure(7 + 0.08 * longest, 6 + 0.08 * longest)
    from matplotlib.ticker import MaxNLocator

    axes = figure.subplots()
    off_diagonal = data.correlation - np.eye(len(data.correlation))
    limit = max(0.05, float(np.abs(off_diagonal).max(initial=0)))
    image = axes.imshow(off_diagonal, cmap="RdBu_r", vmin=-limit, vmax=limit, interpolation="nearest")
    figure.colorbar(image, ax=axes, label="correlation of normalised prediction errors at lag 0")
    axes.set(xlabel="channel, by session", ylabel="channel, by session")
    for axis in (axes.xaxis, axes.yaxis):
        if are_named:
            axis.set_ticks(range(len(data.channels)), data.channels, fontsize=8)
        else:
            axis.set_major_locator(MaxNLocator(integer=True))
    if are_named:
        axes.tick_params(axis="x", rotation=90)
    return png_bytes(figure)


def _errors(data: PlotData) -> bytes:
    figure = new_figure(9, 4)
    axes = figure.subplots()
    edges = np.linspace(-6, 6, 193)
    if data.errors.size:
        axes.hist(data.errors, edges.tolist(), density=True, alpha=0.6, label="prediction errors")
    axes.plot(edges, np.exp(-(edges**2) / 2) / np.sqrt(2 * np.pi), label="standard normal")
    axes.set(xlabel="normalised prediction error", ylabel="density", yscale="log", ylim=(1e-6, 1))
    axes.grid(alpha=0.3)
    axes.legend()
    return png_bytes(figure)
