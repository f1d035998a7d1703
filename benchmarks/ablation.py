"""The gain of each part of the codec: `python benchmarks/ablation.py FILE.wav...` makes archives without one part each.

Prints a table of all files in one archive, and with `--each` one row a file, each in an archive of its own. Parts are
left out by replacing constants and functions of the encoder; no decoder reads the archives of such a row.
"""

from __future__ import annotations

import copy
import statistics
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import click

from spikey_cli.api.compress import Encoding, compress
from spikey_cli.api.info import info
from spikey_cli.codec import presets
from spikey_cli.core.channel_quantizers import ChannelSearch
from spikey_cli.model.predictor import Predictor, default_predictor
from spikey_cli.topology import discovery
from spikey_cli.topology.references import ReferenceGraph

RANGE = Encoding("range")
EFFORTS = {name: presets.PRESETS[name].effort for name in ("fast", "best")}


def _preset(**changed: int) -> Any:
    """A context in which the default preset is another."""
    return patch.dict(presets.PRESETS, default=presets.PRESETS["default"]._replace(**changed))


def _without_later() -> Any:
    whole = ReferenceGraph.of
    return patch.object(
        ReferenceGraph, "of", lambda topology, parts: replace(whole(topology, parts), later=((),) * len(parts))
    )


def _without_profile() -> Predictor:
    """The default network without the widths of the converter's bins."""
    predictor = copy.copy(default_predictor())
    predictor.profile = None
    return predictor


ROWS: dict[str, tuple[Encoding, Callable[[], Any] | None]] = {
    "everything (default, range)": (RANGE, None),
    "without references": (Encoding("range", peers=False), None),
    "with one earlier reference": (RANGE, lambda: _preset(earlier=1)),
    "without later references": (RANGE, _without_later),
    "without a long lag": (RANGE, lambda: patch.object(discovery, "_LAG_CORRELATION", 2.0)),
    "without the network": (RANGE, lambda: patch("spikey_cli.api.compress.default_predictor", lambda: None)),
    "without the converter's profile": (Encoding("range", _without_profile()), None),
    "without quantizers by channel": (
        RANGE,
        lambda: patch.object(ChannelSearch, "quantizer", lambda self, whole, n_channels, **others: whole),
    ),
    "1 lane a channel": (RANGE, lambda: _preset(lanes=1)),
    "2 lanes a channel": (RANGE, lambda: _preset(lanes=2)),
    "32 lanes a channel": (RANGE, lambda: _preset(lanes=32)),
    "effort of fast": (RANGE, lambda: _preset(effort=EFFORTS["fast"])),
    "effort of best": (RANGE, lambda: _preset(effort=EFFORTS["best"])),
    "rice": (Encoding("rice"), None),
    "huffman": (Encoding("huffman"), None),
}


def measure(files: Sequence[Path], row: str) -> tuple[float, float]:
    """Return ratio and bits per sample of the archive of files in a row of the table."""
    encoding, change = ROWS[row]
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        if change:
            stack.enter_context(change())
        archive = Path(folder) / "out.spk"
        compress(files, archive, coder=encoding, verify=False)
        description = info(archive)
    return description["ratio"], description["bits_per_sample"]


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True))
@click.option("--each", is_flag=True, help="Compress each file by itself, and print what each part gives it.")
def main(files: tuple[Path, ...], each: bool) -> None:
    """Compress FILES without each part of the codec in turn."""
    if each:
        _print_each(files)
        return
    click.echo("| | ratio | bits/sample | ratio, % |\n|---|---|---|---|")
    whole = 0.0
    for row in ROWS:
        ratio, bits = measure(files, row)
        whole = whole or ratio
        click.echo(f"| {row} | {ratio:.4f} | {bits:.4f} | {_percent(ratio / whole)} |")


def _print_each(files: Sequence[Path]) -> None:
    ratios = {row: [measure([file], row)[0] for file in files] for row in ROWS}
    whole, *others = ratios
    click.echo("| | geometric mean of ratios | % |\n|---|---|---|")
    means = {row: statistics.geometric_mean(numbers) for row, numbers in ratios.items()}
    for row, mean in means.items():
        click.echo(f"| {row} | {mean:.4f} | {_percent(mean / means[whole])} |")
    click.echo(f"\n| recording | {whole}: ratio | {' | '.join(others)} |\n|---|---|{'---|' * len(others)}")
    for i, file in enumerate(files):
        cells = (_percent(ratios[row][i] / ratios[whole][i]) for row in others)
        click.echo(f"| {file.stem} | {ratios[whole][i]:.3f} | {' | '.join(cells)} |")


def _percent(quotient: float) -> str:
    return f"{100 * (quotient - 1):+.2f}"


if __name__ == "__main__":
    main()
