"""The results of a benchmark as a plot: ratio against processor time, and the Pareto front, in each direction."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..analysis.plotting import new_figure, png_bytes
from .row import DIRECTIONS, REAL_TIME, Row

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D
    from matplotlib.transforms import Bbox

_DISTANCES = (5, 14, 24, 36, 50, 68, 90)  # of labels from their points
_BOX = 4
_COST_OF_COVERED = 10
_ANGLES = (0, 45, -45, 90, -90, 135, -135, 180)  # in degrees


class Point(NamedTuple):
    """A codec in the plot."""

    label: str
    ns: float
    """Processor time of a sample."""
    ratio: float


def pareto_front(points: Sequence[Point]) -> list[Point]:
    """Return the points that no other one beats in both time and ratio, the fastest first."""
    front: list[Point] = []
    for point in sorted(points, key=lambda point: (point.ns, -point.ratio)):
        if not front or point.ratio > front[-1].ratio:
            front.append(point)
    return front


def draw_benchmark(rows: Sequence[Row]) -> bytes:
    """Draw the rows of a benchmark; see `draw_points`."""
    points = {way: [Point(row.label, row.processor_ns(way), row.ratio) for row in rows] for way in DIRECTIONS}
    return draw_points(points, "ratio, original bytes / compressed bytes")


def draw_points(points: dict[str, list[Point]], ratio: str) -> bytes:
    """Draw ratio against processor time, with one panel for each direction, its Pareto front, and a line at real time.

    Parameters
    ----------
    points : dict of str to list of Point
        Of each direction. Labels of Spikey start with "spikey". Points whose time is NaN are left out.
    ratio : str
        What the ratio is.

    Returns
    -------
    bytes
        A PNG file.

    Raises
    ------
    MissingPackageError
        Matplotlib is not installed.
    """
    figure = new_figure(15, 7)
    panels = figure.subplots(1, len(points), sharey=True)
    for axes, (direction, known) in zip(panels, points.items(), strict=True):
        known = [point for point in known if not math.isnan(point.ns)]
        for point in known:
            is_spikey = point.label.startswith("spikey")
            marker, colour = ("*", "tab:red") if is_spikey else ("o", "tab:gray")
            axes.plot(point.ns, point.ratio, marker, color=colour, markersize=11 if is_spikey else 6)
        front = pareto_front(known)
        axes.plot([point.ns for point in front], [point.ratio for point in front], color="tab:blue", zorder=0)
        axes.axvline(1e9 / REAL_TIME, color="tab:green", linestyle="--", linewidth=1)
        axes.set_xscale("log")
        axes.margins(0.15, 0.1)
        axes.set_xlabel(f"{direction}: processor ns a sample (dashed: 1024 channels in real time on one core)")
        axes.grid(alpha=0.3)
    panels[0].set_ylabel(f"{ratio}; line: Pareto front")
    figure.draw_without_rendering()  # sets the places of the panels, on which those of labels depend
    figure.set_layout_engine("none")
    for axes, known in zip(panels, points.values(), strict=True):
        known = [point for point in known if not math.isnan(point.ns)]
        place_labels(axes, known, [pareto_front(known)])
    return png_bytes(figure)


def place_labels(axes: Axes, points: Sequence[Point], lines: Sequence[Sequence[Point]] = ()) -> list[Bbox]:
    """Write labels beside their points where they cover neither each other nor a point; return their boxes.

    If there is room, they do not cover the lines through `lines` and the panel's vertical lines either.
    """
    from matplotlib.text import Text
    from matplotlib.transforms import Bbox

    spots = axes.transData.transform([(point.ns, point.ratio) for point in points])
    taken = [Bbox.from_bounds(x - 5, y - 5, 10, 10) for x, y in spots]
    ends = [axes.transData.transform([(point.ns, point.ratio) for point in line]) for line in lines]
    drawn = [_beside(*segment) for line in ends for segment in itertools.pairwise(line)]
    drawn += [_beside(*line.get_transform().transform(line.get_xydata())) for line in axes.lines if _is_vertical(line)]
    crossed = [box for boxes in drawn for box in boxes]
    frame = axes.bbox.padded(-3)
    placed = []
    dots = axes.figure.dpi / 72
    for point, spot in zip(points, spots, strict=True):
        label = axes.annotate(
            point.label,
            (point.ns, point.ratio),
            (0, 0),
            textcoords="offset points",
            fontsize=7,
            arrowprops={"arrowstyle": "-", "color": "tab:gray", "linewidth": 0.5, "shrinkA": 0},
        )
        size = Text.get_window_extent(label)  # without the line to the point
        best = math.inf
        for distance, angle in itertools.product(_DISTANCES, _ANGLES):
            toward = np.round([math.cos(math.radians(angle)), math.sin(math.radians(angle))], 3)
            offset = distance * toward
            x, y = spot + dots * offset - (1 - np.sign(toward)) / 2 * (size.width, size.height)
            box = Bbox.from_bounds(x, y, size.width, size.height)
            inside = frame.contains(box.x0, box.y0) and frame.contains(box.x1, box.y1)
            covered = sum(box.overlaps(other) for other in taken) + (not inside)
            cost = _COST_OF_COVERED * covered + any(box.overlaps(other) for other in crossed)
            if cost < best:
                best, chosen, at, sides = cost, box, offset, np.sign(toward).astype(int)
            if cost == 0:
                break
        label.set_position(tuple(at))
        label.set_horizontalalignment(("center", "left", "right")[sides[0]])
        label.set_verticalalignment(("center", "bottom", "top")[sides[1]])
        taken.append(chosen.padded(2))
        placed.append(chosen)
    return placed


def _is_vertical(line: Line2D) -> bool:
    xs, ys = np.asarray(line.get_xdata(), float), np.asarray(line.get_ydata(), float)
    return len(xs) == 2 and xs[0] == xs[1] and ys[0] != ys[1]


def _beside(start: np.ndarray, stop: np.ndarray) -> list[Bbox]:
    """Small boxes along a line between two places of a figure."""
    from matplotlib.transforms import Bbox

    count = int(np.hypot(*(stop - start)) // _BOX) + 1
    middles = start + (stop - start) * np.linspace(0, 1, count + 1)[:, None]
    return [Bbox.from_bounds(x - _BOX / 2, y - _BOX / 2, _BOX, _BOX) for x, y in middles]
