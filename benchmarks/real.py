"""Spikey and other codecs, recording by recording: `python benchmarks/real.py FILE.wav...`.

Prints the ratio of each recording, bytes of the WAV over compressed bytes, with all bytes counted; then means over the
recordings. Every result is decoded and compared. Codecs that are not installed, or that refuse a recording, are named.
"""

from __future__ import annotations

import json
import statistics
import tempfile
from collections import defaultdict
from pathlib import Path

import click

from spikey_cli.bench.comparison import Comparison
from spikey_cli.bench.machine import describe_machine
from spikey_cli.bench.plot import Point, draw_points
from spikey_cli.bench.report import choose_codecs
from spikey_cli.bench.row import DIRECTIONS, Row

SETTINGS = ("default", "fast", "rice", "best")
"""The first one is what means of ratios are relative to."""


def measure(file: Path, rivals: str, repeats: int) -> tuple[dict[str, Row], list[str]]:
    """Return the row of each codec, by its name, and those that refuse the recording."""
    with tempfile.TemporaryDirectory() as folder:
        comparison = Comparison([file], Path(folder))
        for setting in SETTINGS:
            comparison.add_spikey(setting, in_process=True)
        comparison.add_others([codec for codec in choose_codecs(rivals) if codec.installed], on_codes=False)
        comparison.run(repeats, lambda line: None)
    return {row.name: row for row in comparison.rows}, comparison.refused


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True))
@click.option("--rivals", default="all", show_default=True, help="Other codecs, as in `spikey bench`.")
@click.option("--repeats", default=1, show_default=True, type=click.IntRange(min=1), help="Measured runs.")
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Write the means as JSON.")
@click.option("--plot", type=click.Path(path_type=Path), help="Draw mean ratio against mean processor time.")
def main(files: tuple[Path, ...], rivals: str, repeats: int, json_file: Path | None, plot: Path | None) -> None:
    """Measure each of FILES by itself."""
    names = [f"spikey {setting}" for setting in SETTINGS]
    names += [codec.name for codec in choose_codecs(rivals) if codec.installed]
    click.echo(f"| recording | {' | '.join(names)} |\n|---|{'---|' * len(names)}")
    notes = [f"{codec.name}: not installed" for codec in choose_codecs(rivals) if not codec.installed]
    measured: dict[str, list[tuple[Row, Row]]] = defaultdict(list)
    for file in files:
        rows, refused = measure(file, rivals, repeats)
        notes += [f"{file.stem}: left out: {reason}" for reason in refused]
        cells = (f"{rows[name].ratio:.3f}" if name in rows else "-" for name in names)
        click.echo(f"| {file.stem} | {' | '.join(cells)} |")
        for name, row in rows.items():
            measured[name].append((row, rows[names[0]]))

    click.echo(
        f"\nGeometric means over the recordings that a codec takes; ratio relative to that of {names[0]} on these:\n\n"
        "| codec | recordings | ratio, relative | compress, processor ns/sample | decompress, processor ns/sample |\n"
        "|---|---|---|---|---|"
    )
    points: dict[str, list[Point]] = {direction: [] for direction in DIRECTIONS}
    means = []
    for name in (name for name in names if name in measured):
        pairs = measured[name]
        ratio = statistics.geometric_mean(row.ratio / default.ratio for row, default in pairs)
        times = {
            direction: statistics.geometric_mean(row.processor_ns(direction) for row, _ in pairs)
            for direction in DIRECTIONS
        }
        click.echo(f"| {name} | {len(pairs)} | {ratio:.3f} | {times['compress']:.0f} | {times['decompress']:.0f} |")
        means.append({"name": name, "recordings": len(pairs), "ratio": ratio, "processor_ns_per_sample": times})
        share = "" if len(pairs) == len(files) else f" ({len(pairs)} of {len(files)})"
        for direction in DIRECTIONS:
            points[direction].append(Point(f"{name}{share}", times[direction], ratio))
    click.echo("\n" + "\n".join(notes))
    if json_file:
        json_file.write_text(json.dumps({"machine": describe_machine(), "rows": means}, indent=1) + "\n", "utf-8")
    if plot:
        plot.write_bytes(draw_points(points, f"ratio relative to {names[0]}"))


if __name__ == "__main__":
    main()
