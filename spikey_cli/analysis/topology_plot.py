"""The plot of a topology."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from .plotting import new_figure, png_bytes
from .survey import Survey

if TYPE_CHECKING:
    from matplotlib.axes import Axes


_MAX_LABELLED = 160
"""Largest number of channels whose names are written beside them."""

_MAX_UPRIGHT = 8
"""Largest number of channels of a circle whose names are not turned."""

_INCHES_A_LETTER = 0.055

_MAX_INCHES = 40


def draw_topology(survey: Survey) -> bytes:
    """Draw each session as a circle of channels, coloured by coding pass, with lines along references.

    A line is the wider and darker the larger its metric is.

    Returns
    -------
    bytes
        A PNG file.

    Raises
    ------
    MissingPackageError
        Matplotlib is not installed.
    """
    sessions = sorted(survey.topology.sessions(), key=len, reverse=True)
    are_named = len(survey.channels) <= _MAX_LABELLED
    radii = [max(0.35, len(session) / 14) if len(session) > 1 else 0.0 for session in sessions]
    margins = [
        _margin([survey.channels[channel].name for channel in session] if are_named else []) for session in sessions
    ]
    centres, width, height = _pack_circles([radius + margin for radius, margin in zip(radii, margins, strict=True)])
    scale = min(1.0, _MAX_INCHES / max(width, height))
    figure = new_figure(max(6, width * scale + 1), max(4, height * scale + 0.5))
    axes = figure.subplots()
    axes.set(xlim=(0, width), ylim=(-height, 0))
    positions, angles = np.zeros((len(survey.channels), 2)), np.zeros(len(survey.channels))
    for session, radius, (x, y) in zip(sessions, radii, centres, strict=True):
        for k, channel in enumerate(_circle_order(survey, session)):
            angle = 2 * math.pi * k / len(session) + math.pi / 2
            positions[channel] = x + radius * math.cos(angle), y + radius * math.sin(angle)
            angles[channel] = angle
        if are_named:
            _write_names(axes, survey, session, positions, angles)
    _draw_links(axes, survey, positions)
    x_of, y_of = positions.T
    dots = axes.scatter(
        x_of, y_of, c=survey.topology.passes, cmap="viridis", s=60 * scale, zorder=3, edgecolors="k", lw=0.4
    )
    handles, labels = dots.legend_elements(num=sorted(set(survey.topology.passes)), fmt="{x:.0f}")
    figure.legend(handles, labels, title="coding pass", loc="outside right center", fontsize=8)
    joint = sum(len(session) > 1 for session in sessions)
    axes.set_title(
        f"{len(survey.channels)} channels, {joint} sessions of several; darker lines: nearer channels", fontsize=10
    )
    axes.set_aspect("equal")
    axes.set_axis_off()
    return png_bytes(figure)


def _margin(names: Sequence[str]) -> float:
    """Inches around a circle of channels, in which their names have room; those of one or two are above and below."""
    share = 0.5 if len(names) <= 2 else 1.0
    return 0.35 + share * _INCHES_A_LETTER * max(map(len, names), default=0)


def _write_names(axes: Axes, survey: Survey, session: Sequence[int], positions: np.ndarray, angles: np.ndarray) -> None:
    """Write the names of a session's channels outside of their circle; those of many turned, so that all have room."""
    turns = len(session) > _MAX_UPRIGHT
    for channel in session:
        toward = np.round([math.cos(angles[channel]), math.sin(angles[channel])], 6)
        if len(session) == 1:
            toward = np.array([0.0, -1.0])
        degrees = math.degrees(angles[channel]) % 360 if turns else 0.0
        is_left = 90 < degrees < 270
        axes.annotate(
            survey.channels[channel].name,
            positions[channel],
            tuple(7 * toward),
            textcoords="offset points",
            fontsize=6,
            rotation=degrees - 180 if is_left else degrees,
            rotation_mode="anchor",
            ha=("right" if is_left else "left") if turns else ("center", "left", "right")[int(np.sign(toward[0]))],
            va="center" if turns else ("center", "bottom", "top")[int(np.sign(toward[1]))],
        )


def _circle_order(survey: Survey, session: Sequence[int]) -> list[int]:
    """The channels of a session, each followed by its nearest linked channel that is not placed yet."""
    linked = defaultdict(list)
    for (a, b), metric in survey.topology.links().items():
        linked[a].append((-metric, b))
        linked[b].append((-metric, a))
    remaining, order = set(session), []
    channel: int | None = session[0]
    while remaining:
        channel = min(remaining) if channel is None else channel
        remaining.discard(channel)
        order.append(channel)
        channel = next((other for _, other in sorted(linked[channel]) if other in remaining), None)
    return order


def _draw_links(axes: Axes, survey: Survey, positions: np.ndarray) -> None:
    from matplotlib.collections import LineCollection

    pairs = [(a, b, metric / 255) for (a, b), metric in survey.topology.links().items()]
    if pairs:
        lines = [(positions[a], positions[b]) for a, b, _ in pairs]
        widths = [0.4 + 4 * metric for _, _, metric in pairs]
        colours = [(0.1, 0.1, 0.1, 0.25 + 0.75 * metric) for _, _, metric in pairs]
        axes.add_collection(LineCollection(lines, linewidths=widths, colors=colours))


def _pack_circles(radii: Sequence[float]) -> tuple[list[tuple[float, float]], float, float]:
    """Place circles, largest first, in rows that fill about a square; return the centres, the width and the height."""
    max_width = max(2 * radii[0], math.sqrt(sum((2 * r) ** 2 for r in radii)) * 1.2)
    centres, x, y, row_height, width = [], 0.0, 0.0, 2 * radii[0], 0.0
    for r in radii:
        if x + 2 * r > max_width + 1e-9:
            x, y, row_height = 0.0, y + row_height, 2 * r
        centres.append((x + r, -(y + r)))
        x += 2 * r
        width = max(width, x)
    return centres, width, y + row_height
