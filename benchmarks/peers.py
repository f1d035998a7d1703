"""The gain of peers: `python benchmarks/peers.py FILES...` compresses files with and without them.

The table also has the bits/sample of the dependent channels, which refer to the present of a peer because its coding
pass is earlier than their own.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from pathlib import Path

import click

from spikey_cli.api.compress import Encoding, compress
from spikey_cli.api.info import info
from spikey_cli.container.archive import ArchiveReader
from spikey_cli.container.directory import channel_names
from spikey_cli.model.predictor import find_model


def stream_bits(archive: Path) -> Counter[str]:
    """Bits of the streams of each channel, by its name."""
    bits: Counter[str] = Counter()
    with ArchiveReader(archive) as reader:
        names = {location: name for name, location in channel_names(reader.directory.files).items()}
        for block in range(len(reader.index.blocks)):
            table = reader.read_table(block)
            lengths = iter(table.lengths.tolist())
            for part in table.parts:
                for channel in range(reader.directory.files[part.file].channels):
                    bits[names[part.file, channel]] += 8 * next(lengths)
    return bits


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True))
@click.option("--model", default="n1", show_default=True, help="Name or file of a model.")
@click.option("--coder", default="range", show_default=True)
def main(files: tuple[Path, ...], model: str, coder: str) -> None:
    """Compress FILES with peers and without."""
    predictor = find_model(model)
    archives, bits = {}, {}
    with tempfile.TemporaryDirectory() as folder:
        for peers in (False, True):
            path = Path(folder) / f"{peers}.spk"
            compress(files, path, coder=Encoding(coder, predictor, peers), verify=False)
            archives[peers], bits[peers] = info(path), stream_bits(path)
    channels: list[dict] = archives[True]["channels"]  # type: ignore[assignment, type-arg]
    dependent = [channel["name"] for channel in channels if channel["references"]]
    frames = {file["name"]: file["frames"] for file in archives[True]["files"] if file["kind"] == "wav"}  # type: ignore[attr-defined]
    samples = sum(frames[name if name in frames else name.rsplit(":", 1)[0]] for name in dependent)
    rates = {peers: sum(counts[name] for name in dependent) / max(1, samples) for peers, counts in bits.items()}
    click.echo(
        f"| {model} | archive, bytes | bits/sample | {len(dependent)} dependent of {len(channels)} channels |\n"
        "|---|---|---|---|"
    )
    for peers, row in ((False, "without peers"), (True, "with peers")):
        size, rate = archives[peers]["archive_bytes"], archives[peers]["bits_per_sample"]
        click.echo(f"| {row} | {size:,} | {rate:.4f} | {rates[peers]:.4f} |")
    gain = 1 - int(str(archives[True]["archive_bytes"])) / int(str(archives[False]["archive_bytes"]))
    saved = rates[False] - rates[True]
    click.echo(f"\n{100 * gain:.2f} % smaller; the dependent channels need {saved:.4f} bits/sample less.")


if __name__ == "__main__":
    main()
