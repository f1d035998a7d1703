"""The gain of each part of the codec: `python benchmarks/ablation.py FILES...` measures archives without one part each.

Most parts are left out by replacing constants of the package. Kernels take constants when they are compiled, so every
row is a separate process with its own kernel cache. No decoder reads the archives of such a row.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from types import ModuleType

import click

from spikey_cli.api.compress import Encoding, compress
from spikey_cli.api.info import info
from spikey_cli.codec import block_plan
from spikey_cli.core import adaptation, rice
from spikey_cli.model import predictor

Constant = tuple[ModuleType, str, object]

_ZERO_WEIGHTS: list[Constant] = [(adaptation, "STEP_SIZE", 0), (adaptation, "DECAYING_STEP_SIZE", 0)]
_NETWORK_SCALE: list[Constant] = [(adaptation, "SCALE_SHIFT", 0 * adaptation.SCALE_SHIFT)]
_NO_ADAPTATION = _ZERO_WEIGHTS + _NETWORK_SCALE
_EQUAL_BINS: list[Constant] = [(predictor, "_profile", lambda graph: None)]
_RANKS_BY_DISTANCE: list[Constant] = [(rice, "ORDERED", 0)]


def _lanes(count: int) -> list[Constant]:
    return [(block_plan, "LANES_WANTED", count)]


ROWS: dict[str, tuple[Encoding, list[Constant]]] = {
    "range": (Encoding("range"), []),
    "range, no peers": (Encoding("range", peers=False), []),
    "range, zero weights": (Encoding("range"), _ZERO_WEIGHTS),
    "range, scale of the network": (Encoding("range"), _NETWORK_SCALE),
    "range, no adaptation": (Encoding("range"), _NO_ADAPTATION),
    "range, equal bins under the same network": (Encoding("range"), _EQUAL_BINS),
    "range, 2048 lanes a block": (Encoding("range"), _lanes(2048)),
    "range, 4096 lanes a block": (Encoding("range"), _lanes(4096)),
    "range, 8192 lanes a block": (Encoding("range"), _lanes(8192)),
    "rice": (Encoding("rice"), []),
    "rice, ranks by distance": (Encoding("rice"), _RANKS_BY_DISTANCE),
    "rice, ranks by distance, no adaptation": (Encoding("rice"), _RANKS_BY_DISTANCE + _NO_ADAPTATION),
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
        with tempfile.TemporaryDirectory() as cache:
            environment = {**os.environ, "NUMBA_CACHE_DIR": cache}
            command = [sys.executable, __file__, "--row", name, *map(str, files)]
            subprocess.run(command, check=True, env=environment)


if __name__ == "__main__":
    main()
