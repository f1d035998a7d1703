"""What each part of the codec gives: `python benchmarks/ablation.py FILES...` leaves out one at a time.

Each row is a process of its own, with its own compiled kernels: parts are left out by changing the package's constants
before anything is compiled. Archives that such a row writes are read by nobody else.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import click

from spikey_cli.api.compress import compress
from spikey_cli.api.info import info
from spikey_cli.codec import block_plan
from spikey_cli.container import directory
from spikey_cli.core import adaptation, rice
from spikey_cli.model import predictor
from spikey_cli.topology.references import ReferenceGraph


def _no_peers() -> None:
    directory.ReferenceGraph.of = classmethod(lambda cls, topology, places: ReferenceGraph.independent(len(places)))  # type: ignore[method-assign]


def _no_weights() -> None:
    adaptation.RATE = 0


def _no_shift() -> None:
    adaptation.SCALE_SHIFT[:] = 0


def _equal_bins() -> None:
    predictor._profile = lambda graph: None


def _rank_by_distance() -> None:
    rice.ORDERED = 0


def _lanes(count: int) -> Callable[[], None]:
    def change() -> None:
        block_plan.LANES_WANTED = count

    return change


def _nothing_learnt() -> None:
    _no_weights()
    _no_shift()


def _distance_and_nothing_learnt() -> None:
    _rank_by_distance()
    _nothing_learnt()


ROWS: dict[str, tuple[str, Callable[[], None]]] = {
    "range": ("range", lambda: None),
    "range, no peers": ("range", _no_peers),
    "range, weights stay zero": ("range", _no_weights),
    "range, the network's scale as it is": ("range", _no_shift),
    "range, nothing learnt on the way": ("range", _nothing_learnt),
    "range, equal bins under the same network": ("range", _equal_bins),
    "range, 1024 lanes a block": ("range", _lanes(1024)),
    "range, 2048 lanes a block": ("range", _lanes(2048)),
    "range, 8192 lanes a block": ("range", _lanes(8192)),
    "rice": ("rice", lambda: None),
    "rice, ranks by distance": ("rice", _rank_by_distance),
    "rice, ranks by distance, nothing learnt": ("rice", _distance_and_nothing_learnt),
    "huffman": ("huffman", lambda: None),
}


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True))
@click.option("--row", hidden=True, help="measure this row alone, and print its figures")
def main(files: tuple[Path, ...], row: str | None) -> None:
    """Compress FILES without each part of the codec in turn."""
    if row is not None:
        coder, leave_out = ROWS[row]
        leave_out()
        with tempfile.TemporaryDirectory() as folder:
            archive = Path(folder) / "out.spk"
            compress(files, archive, coder=coder, verify=False)
            told = info(archive)
        click.echo(f"| {row} | {told['ratio']:.4f} | {told['bits_per_sample']:.4f} |")
        return
    click.echo("| | ratio | bits/sample |\n|---|---|---|")
    for name in ROWS:
        with tempfile.TemporaryDirectory() as cache:
            environment = {**os.environ, "NUMBA_CACHE_DIR": cache}
            command = [sys.executable, __file__, "--row", name, *map(str, files)]
            subprocess.run(command, check=True, env=environment)


if __name__ == "__main__":
    main()
