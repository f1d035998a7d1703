"""The table as a picture: ratio against speed, both ways."""

from __future__ import annotations

from collections.abc import Sequence

from ..analysis.drawing import Drawing
from .row import IMPLANT_SAMPLES_A_SECOND, WAYS, Row


def draw_contest(rows: Sequence[Row]) -> bytes:
    """PNG of the rows: speed to the right, ratio upwards, one panel each way; real time is a line."""
    drawing = Drawing(13, 6)
    for axes, way in zip(drawing.figure.subplots(1, 2, sharey=True), WAYS, strict=True):
        for row in rows:
            is_spikey = row.name.startswith("spikey")
            marker, colour = ("*", "tab:red") if is_spikey else ("o" if row.takes == "codes" else "x", "tab:gray")
            x, y = row.speed(way) / 1e6, row.ratio
            axes.plot(x, y, marker, color=colour, markersize=11 if is_spikey else 6)
            label = row.name if is_spikey or row.takes == "samples" else f"{row.name}, codes"
            axes.annotate(label, (x, y), textcoords="offset points", xytext=(6, 3), fontsize=7)
        axes.axvline(IMPLANT_SAMPLES_A_SECOND / 1e6, color="tab:green", linestyle="--", linewidth=1)
        axes.set_xscale("log")
        axes.set_xlabel(f"{way}, million samples a second (dashed: 1024 threads in real time)")
        axes.grid(alpha=0.3)
    drawing.figure.axes[0].set_ylabel("ratio, bytes of the files over bytes packed")
    return drawing.png()
