"""The plot of a benchmark: the Pareto front, and labels that can be read."""

from __future__ import annotations

import itertools
import math

import pytest

from spikey_cli.bench.plot import Point, draw_points, pareto_front, place_labels


def test_the_front_is_what_nothing_beats():
    fast, small, both, beaten, same = (
        Point(label, ns, ratio)
        for label, ns, ratio in [("f", 1, 1.5), ("s", 9, 3), ("b", 4, 2), ("x", 5, 2), ("y", 1, 1.4)]
    )
    assert pareto_front([beaten, small, same, both, fast]) == [fast, both, small]


def test_labels_do_not_overlap():
    pytest.importorskip("matplotlib")
    from spikey_cli.analysis.plotting import new_figure

    axes = new_figure(15, 7).subplots()
    points = [Point(f"a codec, level {i}", 100 + i % 4, 2 + 0.01 * (i // 4)) for i in range(12)]
    axes.set(xlim=(98, 106), ylim=(1.98, 2.04))
    boxes = place_labels(axes, points)
    assert len(boxes) == len(points)
    assert not any(a.overlaps(b) for a, b in itertools.combinations(boxes, 2))
    assert all(axes.bbox.contains(box.x0, box.y0) and axes.bbox.contains(box.x1, box.y1) for box in boxes)


def test_labels_leave_lines_readable():
    pytest.importorskip("matplotlib")
    from spikey_cli.analysis.plotting import new_figure

    axes = new_figure(15, 7).subplots()
    points = [Point("one codec", 2, 2), Point("another codec", 8, 2), Point("a third", 5, 1)]
    axes.set(xlim=(0, 10), ylim=(0, 3))
    axes.axvline(5.5)
    boxes = place_labels(axes, points, [points[:2]])
    level, line = axes.transData.transform([(5.5, 2)])[0][::-1]
    assert not boxes[0].y0 <= level <= boxes[0].y1, "the line begins there; it ends at the second"
    assert not any(box.x0 <= line <= box.x1 for box in boxes)


def test_times_that_are_not_known_are_left_out():
    pytest.importorskip("matplotlib")
    points = [Point("spikey best", 50, 3.5), Point("other", math.nan, 1.5)]
    assert draw_points({"compress": points[:1] * 2, "decompress": points}, "ratio").startswith(b"\x89PNG")
