"""The plot of traces: one below the other over a common time axis."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from .plotting import new_figure, png_bytes, shortened
from .traces import Trace

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_DOTS_PER_INCH = 200
_MIN_TRACE_INCHES, _MAX_TRACE_INCHES = 0.16, 0.42
"""Height of a trace: 24 traces fill a page."""
_PAGE_INCHES = 10
_MAX_INCHES = 40
_LABEL_INCHES = 0.1
_COLOURS = ("0.1", "#30609c")
"""Of alternate traces, so that overlapping traces can be distinguished, also in print."""


def draw_traces(traces: Sequence[Trace], title: str) -> bytes:
    """Draw traces, the first at the top, with a common amplitude scale that a bar at the right shows.

    Parameters
    ----------
    traces : sequence of Trace
        At least one.
    title : str

    Returns
    -------
    bytes
        A PNG file.

    Raises
    ------
    MissingPackageError
        Matplotlib is not installed.
    """
    height = min(_MAX_TRACE_INCHES, max(_MIN_TRACE_INCHES, _PAGE_INCHES / len(traces)), _MAX_INCHES / len(traces))
    figure = new_figure(_PAGE_INCHES, 1.2 + height * len(traces))
    axes = figure.subplots()
    spacing = _spacing(traces)
    baselines = -spacing * np.arange(len(traces))
    for i, (trace, baseline) in enumerate(zip(traces, baselines, strict=True)):
        _draw(axes, trace, baseline - _median(trace), _COLOURS[i % len(_COLOURS)])
    axes.set_xlim(min(trace.start for trace in traces), max(trace.stop for trace in traces))
    axes.set_ylim(baselines[-1] - spacing, spacing)
    labelled = slice(None, None, math.ceil(_LABEL_INCHES / height))
    axes.set_yticks(baselines[labelled], [shortened(trace.name, 28) for trace in traces[labelled]])
    axes.tick_params(axis="y", length=0, labelsize=min(8.0, 50 * max(height, _LABEL_INCHES)))
    axes.tick_params(axis="x", labelsize=8)
    axes.spines[["left", "right", "top"]].set_visible(False)
    axes.set_xlabel("time, s", fontsize=9)
    axes.set_title(title, fontsize=10, loc="left")
    axes.set_title(f"bar: {'microvolts' if traces[0].unit else 'sample values'}", fontsize=8, loc="right")
    _draw_scale(axes, spacing, float(baselines[-1]))
    return png_bytes(figure, _DOTS_PER_INCH)


def _draw(axes: Axes, trace: Trace, offset: float, colour: str) -> None:
    if np.array_equal(trace.low, trace.high):
        axes.plot(trace.seconds, trace.low + offset, color=colour, lw=0.5)
    else:
        axes.fill_between(trace.seconds, trace.low + offset, trace.high + offset, color=colour, lw=0.3)


def _draw_scale(axes: Axes, spacing: float, bottom: float) -> None:
    height = _round_down(0.8 * spacing)
    transform = axes.get_yaxis_transform()
    axes.plot([1.012, 1.012], [bottom, bottom + height], color=_COLOURS[0], lw=1.5, transform=transform, clip_on=False)
    axes.text(1.02, bottom + height / 2, f"{height:,.6g}", fontsize=8, va="center", transform=transform)


def _median(trace: Trace) -> float:
    return float(np.median((trace.low.astype(np.float64) + trace.high) / 2))


def _spacing(traces: Sequence[Trace]) -> float:
    """Sample values between baselines: the median of the traces' ranges, without their outermost 0.5 %."""
    ranges = [np.quantile(trace.high, 0.995) - np.quantile(trace.low, 0.005) for trace in traces]
    spacing = 1.1 * float(np.median(ranges))
    return spacing or 1.0 if traces[0].unit else max(1.0, spacing)


def _round_down(limit: float) -> float:
    """The largest of 1, 2, 5, 10, 20, ... and of 0.5, 0.2, 0.1, ... that is at most `limit`, which is positive."""
    power = 10.0 ** math.floor(math.log10(limit))
    return max(digit * power for digit in (1, 2, 5) if digit * power <= limit * (1 + 1e-9))
