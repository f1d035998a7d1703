"""The picture of traces: one below the other over one axis of time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from .drawing import Drawing, short
from .traces import Trace

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_DOTS_PER_INCH = 200
_INCHES_A_TRACE = 0.16, 0.42
"""At least and at most: 24 traces fill a page."""
_PAGE_INCHES = 10
_MAX_INCHES = 40
_LABEL_INCHES = 0.1
_INKS = ("0.1", "#30609c")
"""In turn, so that traces that overlap are told apart, in print too."""


def draw_traces(traces: Sequence[Trace], title: str) -> bytes:
    """PNG of traces, the first at the top, all to one scale of amplitude, which a bar at the right tells."""
    least, most = _INCHES_A_TRACE
    each = min(most, max(least, _PAGE_INCHES / len(traces)), _MAX_INCHES / len(traces))
    drawing = Drawing(_PAGE_INCHES, 1.2 + each * len(traces))
    axes = drawing.figure.subplots()
    spacing = _spacing(traces)
    baselines = -spacing * np.arange(len(traces))
    for i, (trace, baseline) in enumerate(zip(traces, baselines, strict=True)):
        _draw(axes, trace, baseline - _middle(trace), _INKS[i % len(_INKS)])
    axes.set_xlim(min(trace.start for trace in traces), max(trace.stop for trace in traces))
    axes.set_ylim(baselines[-1] - spacing, spacing)
    labelled = slice(None, None, math.ceil(_LABEL_INCHES / each))  # of very many, some are named
    axes.set_yticks(baselines[labelled], [short(trace.name, 28) for trace in traces[labelled]])
    axes.tick_params(axis="y", length=0, labelsize=min(8.0, 50 * max(each, _LABEL_INCHES)))
    axes.tick_params(axis="x", labelsize=8)
    axes.spines[["left", "right", "top"]].set_visible(False)
    axes.set_xlabel("time, s", fontsize=9)
    axes.set_title(title, fontsize=10, loc="left")
    axes.set_title("bar: sample values", fontsize=8, loc="right")
    _draw_scale(axes, spacing, float(baselines[-1]))
    return drawing.png(_DOTS_PER_INCH)


def _draw(axes: Axes, trace: Trace, offset: float, ink: str) -> None:
    if np.array_equal(trace.low, trace.high):
        axes.plot(trace.seconds, trace.low + offset, color=ink, lw=0.5)
    else:
        axes.fill_between(trace.seconds, trace.low + offset, trace.high + offset, color=ink, lw=0.3)


def _draw_scale(axes: Axes, spacing: float, at: float) -> None:
    height = _round_number(0.8 * spacing)
    across = axes.get_yaxis_transform()
    axes.plot([1.012, 1.012], [at, at + height], color=_INKS[0], lw=1.5, transform=across, clip_on=False)
    axes.text(1.02, at + height / 2, f"{height:,}", fontsize=8, va="center", transform=across)


def _middle(trace: Trace) -> float:
    return float(np.median((trace.low.astype(np.float64) + trace.high) / 2))


def _spacing(traces: Sequence[Trace]) -> float:
    """From trace to trace, in samples: what half of them keep to nearly all the time."""
    heights = [np.quantile(trace.high, 0.995) - np.quantile(trace.low, 0.005) for trace in traces]
    return max(1.0, 1.1 * float(np.median(heights)))


def _round_number(most: float) -> int:
    """1, 2 or 5, and zeros: the largest that is no more than `most`, and at least 1."""
    if most < 1:
        return 1
    power = 10 ** math.floor(math.log10(most))
    return int(max(digit * power for digit in (1, 2, 5) if digit * power <= most))
