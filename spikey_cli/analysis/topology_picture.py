"""The picture of the threads' graph."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from .drawing import Drawing, short
from .survey import Survey

if TYPE_CHECKING:
    from matplotlib.axes import Axes


_LABELLED = 160  # threads that have their names written beside them, at most
_WAVE_COLOURS = "viridis"


def draw_topology(found: Survey) -> bytes:
    """The threads' graph as PNG: sessions side by side, each a circle in Prim's order.

    Threads are coloured by their wave; lines between peers are the wider and darker the nearer they are.
    """
    sessions = sorted(found.topology.sessions(), key=len, reverse=True)
    radius = [max(0.35, len(session) / 14) if len(session) > 1 else 0.0 for session in sessions]
    places, width, height = _side_by_side([r + (0.9 if r else 0.7) for r in radius])
    scale = min(1.0, 40 / max(width, height))
    drawing = Drawing(max(6, width * scale), max(4, height * scale))
    axes = drawing.figure.subplots()
    at = np.zeros((len(found.channels), 2))
    for session, r, (x, y) in zip(sessions, radius, places, strict=True):
        for k, channel in enumerate(_round(found, session)):
            angle = 2 * math.pi * k / len(session) + math.pi / 2
            at[channel] = x + r * math.cos(angle), y + r * math.sin(angle)
    _draw_peers(axes, found, at)
    passes = np.array(found.topology.passes)
    dots = axes.scatter(
        at[:, 0], at[:, 1], c=passes, cmap=_WAVE_COLOURS, s=60 * scale, zorder=3, edgecolors="k", lw=0.4
    )
    if len(found.channels) <= _LABELLED:
        for one, (x, y) in zip(found.channels, at, strict=True):
            axes.annotate(short(one.name), (x, y), (0, -11), textcoords="offset points", fontsize=6, ha="center")
    handles, labels = dots.legend_elements(num=sorted(set(found.topology.passes)), fmt="{x:.0f}")
    axes.legend(handles, labels, title="coding_pass", loc="center left", bbox_to_anchor=(1, 0.5), fontsize=8)
    joined = sum(len(session) > 1 for session in sessions)
    axes.set_title(
        f"{len(found.channels)} threads, {joined} sessions of several; darker lines: nearer peers", fontsize=10
    )
    axes.set_aspect("equal")
    axes.set_axis_off()
    return drawing.png()


def _round(found: Survey, session: list[int]) -> list[int]:
    """A session's threads, each one followed by its nearest peer that has not been."""
    left, order = set(session), []
    channel: int | None = session[0]
    while left:
        channel = min(left) if channel is None else channel
        left.discard(channel)
        order.append(channel)
        channel = next((peer.channel for peer in found.topology.peers[channel] if peer.channel in left), None)
    return order


def _draw_peers(axes: Axes, found: Survey, at: np.ndarray) -> None:
    from matplotlib.collections import LineCollection

    pairs = [
        (i, p.channel, p.metric / 255) for i, peers in enumerate(found.topology.peers) for p in peers if i < p.channel
    ]
    if pairs:
        lines = [(at[a], at[b]) for a, b, _ in pairs]
        nearness = [0.25 + 0.75 * metric for _, _, metric in pairs]
        widths = [0.4 + 4 * metric for _, _, metric in pairs]
        axes.add_collection(LineCollection(lines, linewidths=widths, colors=[(0.1, 0.1, 0.1, a) for a in nearness]))


def _side_by_side(radii: list[float]) -> tuple[list[tuple[float, float]], float, float]:
    """Centres of circles of these radii, largest first, in rows of about a square; and its width and height."""
    wide = max(2 * radii[0], math.sqrt(sum((2 * r) ** 2 for r in radii)) * 1.2)
    places, x, y, row, right = [], 0.0, 0.0, 2 * radii[0], 0.0
    for r in radii:
        if x + 2 * r > wide + 1e-9:
            x, y, row = 0.0, y + row, 2 * r
        places.append((x + r, -(y + r)))
        x += 2 * r
        right = max(right, x)
    return places, right, y + row
