"""The picture of the README: `python benchmarks/picture.py n1.json real.json docs/results.png`.

Draws ratio against processor time of compression from the figures that compare.py and real.py wrote with --json.
"""

from __future__ import annotations

import json
from pathlib import Path

import click

from spikey_cli.analysis.plotting import new_figure, png_bytes
from spikey_cli.bench.plot import Point, pareto_front, place_labels


def read_points(path: Path) -> list[Point]:
    """The codecs of a file of figures, without rows that verify and codecs whose time is not known."""
    points = []
    for row in json.loads(path.read_text("utf-8"))["rows"]:
        time = row["processor_ns_per_sample"]["compress"]
        if time and not row["name"].endswith("verified"):
            points.append(
                Point(row["name"] + (", on codes" if row.get("input") == "codes" else ""), time, row["ratio"])
            )
    return points


@click.command()
@click.argument("n1", type=click.Path(path_type=Path, exists=True))
@click.argument("real", type=click.Path(path_type=Path, exists=True))
@click.argument("out", type=click.Path(path_type=Path))
def main(n1: Path, real: Path, out: Path) -> None:
    """Draw the figures N1 of compare.py and REAL of real.py into OUT.png."""
    figure = new_figure(11, 4.6)
    panels = figure.subplots(1, 2)
    sides = (
        (n1, "N1", "original / compressed bytes"),
        (real, "other recordings", "ratio relative to Spikey's default"),
    )
    for axes, (path, title, ratio) in zip(panels, sides, strict=True):
        points = read_points(path)
        for point in points:
            marker, colour = ("*", "tab:red") if point.label.startswith("spikey") else ("o", "tab:gray")
            axes.plot(point.ns, point.ratio, marker, color=colour, markersize=10 if marker == "*" else 6)
        front = pareto_front(points)
        axes.plot([point.ns for point in front], [point.ratio for point in front], color="tab:blue", zorder=0)
        axes.set(xscale="log", title=title, xlabel="compress: processor ns a sample", ylabel=ratio)
        axes.margins(0.15, 0.1)
        axes.grid(alpha=0.3)
    figure.draw_without_rendering()  # sets the places of the panels, on which those of labels depend
    figure.set_layout_engine("none")
    for axes, (path, *_) in zip(panels, sides, strict=True):
        place_labels(axes, read_points(path))
    out.write_bytes(png_bytes(figure))


if __name__ == "__main__":
    main()
