"""The gain of each part of the codec: `python benchmarks/ablation.py FILES...` measures archives without one part each.

Most parts are left out by replacing constants of the package, so every row is a separate process. No decoder reads the
archives of such a row. Parts that are constants of the compiled core cannot be left out: docs/ablation.md has their
gains as they were measured before.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from types import ModuleType

import click

from spikey_cli.api.compress import Encoding, compress
from spikey_cli.api.info import info
from spikey_cli.codec import presets
from spikey_cli.model import predictor

Constant = tuple[ModuleType, str, object]

_EQUAL_BINS: list[Constant] = [(predictor, "_profile", lambda graph: None)]


def _lanes(count: int) -> list[Constant]:
    return [(presets, "PRESETS", {"default": presets.PRESETS["default"]._replace(lanes=count)})]


ROWS: dict[str, tuple[Encoding, list[Constant]]] = {
    "range": (Encoding("range"), []),
    "range, no peers": (Encoding("range", peers=False), []),
    "range, equal bins under the same network": (Encoding("range"), _EQUAL_BINS),
    "range, 2048 lanes a block": (Encoding("range"), _lanes(2048)),
    "range, 4096 lanes a block": (Encoding("range"), _lanes(4096)),
    "range, 8192 lanes a block": (Encoding("range"), _lanes(8192)),
    "rice": (Encoding("rice"), []),
    "huffman": (Encoding("huffman"), []),
}


def measure(files: tuple[Path, ...], row: str) -> str:
    """A row of the table; it changes this process for good."""
    encoding, constants = ROWS[row]
    for module, name, value in constants:
        getattr(module, name)  # a renamed constant must not go unnoticed
        setattr(module, name, value)
    with tempfile.TemporaryDirectory() as folder:
        archive = Path(folder) / "out.spk"
        compress(files, archive, coder=encoding, verify=False)
        description = info(archive)
    return f"| {row} | {description['ratio']:.4f} | {description['bits_per_sample']:.4f} |"


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True))
@click.option("--row", hidden=True, help="Measure only this row.")
def main(files: tuple[Path, ...], row: str | None) -> None:
    """Compress FILES without each part of the codec in turn."""
    if row is not None:
        click.echo(measure(files, row))
        return
    click.echo("| | ratio | bits/sample |\n|---|---|---|")
    for name in ROWS:
        subprocess.run([sys.executable, __file__, "--row", name, *map(str, files)], check=True)


if __name__ == "__main__":
    main()
