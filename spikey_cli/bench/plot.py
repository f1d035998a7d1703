"""The results of a benchmark as a plot: ratio against speed, in each direction."""

from __future__ import annotations

from collections.abc import Sequence

from ..analysis.plotting import new_figure, png_bytes
from .row import DIRECTIONS, REAL_TIME, Row


def draw_benchmark(rows: Sequence[Row]) -> bytes:
    """Draw ratio against speed, with one panel for each direction and a line at real time.

    Returns
    -------
    bytes
        A PNG file.

    Raises
    ------
    MissingPackageError
        Matplotlib is not installed.
    """
    figure = new_figure(13, 6)
    panels = figure.subplots(1, 2, sharey=True)
    for axes, direction in zip(panels, DIRECTIONS, strict=True):
        for row in rows:
            is_spikey = row.name.startswith("spikey")
            marker, colour = ("*", "tab:red") if is_spikey else ("o" if row.input == "codes" else "x", "tab:gray")
            x, y = row.speed(direction) / 1e6, row.ratio
            axes.plot(x, y, marker, color=colour, markersize=11 if is_spikey else 6)
            label = row.name if is_spikey or row.input == "samples" else f"{row.name}, codes"
            axes.annotate(label, (x, y), textcoords="offset points", xytext=(6, 3), fontsize=7)
        axes.axvline(REAL_TIME / 1e6, color="tab:green", linestyle="--", linewidth=1)
        axes.set_xscale("log")
        axes.set_xlabel(f"{direction}, million samples a second (dashed: 1024 channels in real time)")
        axes.grid(alpha=0.3)
    panels[0].set_ylabel("ratio, original bytes / compressed bytes")
    return png_bytes(figure)
