"""Spikey and other codecs on the same files: `python benchmarks/compare.py FILES...`.

This is `spikey bench` with an option that takes the files of one split of the N1 recordings.
"""

from __future__ import annotations

import csv
from pathlib import Path

import click

from spikey_cli.cli.bench import bench


def read_split(sessions: Path, split: str) -> list[Path]:
    """Files of one split of a sessions.csv."""
    with sessions.open(newline="") as file:
        return [sessions.parent / row["file"] for row in csv.DictReader(file) if row["split"] == split]


@click.command(context_settings={"ignore_unknown_options": True, "allow_extra_args": True})
@click.option("--split", help="Take the files of a split, as in path/to/sessions.csv:val.")
@click.pass_context
def main(context: click.Context, split: str | None) -> None:
    """Compare Spikey with other codecs. Options and FILES are those of `spikey bench`."""
    files = read_split(Path(split.rpartition(":")[0]), split.rpartition(":")[2]) if split else []
    bench.main([*context.args, *map(str, files)], prog_name="spikey bench")


if __name__ == "__main__":
    main()
