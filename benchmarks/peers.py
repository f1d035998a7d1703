"""What peers give: `python benchmarks/peers.py FILES...` compresses files with `--no-peers`, and as they are together.

Leaning threads are those that look at a peer's present, because their wave comes after its own; their bits are those of
their streams alone.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import click

from spikey_cli.api.compress import Encoding, compress
from spikey_cli.api.info import info
from spikey_cli.container.archive import ArchiveReader
from spikey_cli.container.directory import channel_names
from spikey_cli.model.predictor import find_model


def stream_bits(archive: Path) -> dict[str, int]:
    """Bits of the streams of each thread, by its name."""
    bits: dict[str, int] = {}
    with ArchiveReader(archive) as reader:
        names = {place: name for name, place in channel_names(reader.directory.files).items()}
        for block in range(len(reader.index.blocks)):
            table = reader.read_table(block)
            for part, streams in zip(table.parts, table.streams, strict=True):
                for channel, stream in enumerate(streams):
                    name = names[part.file, channel]
                    bits[name] = bits.get(name, 0) + 8 * stream.length
    return bits


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True))
@click.option("--model", default="n1", show_default=True, help="A predictor's name, or its file.")
@click.option("--coder", default="range", show_default=True)
def main(files: tuple[Path, ...], model: str, coder: str) -> None:
    """Compress FILES with peers and without."""
    predictor = find_model(model)
    with tempfile.TemporaryDirectory() as folder:
        told, bits = {}, {}
        for peers in (False, True):
            archive = Path(folder) / f"{peers}.spk"
            compress(files, archive, coder=Encoding(coder, predictor, peers), verify=False)
            told[peers], bits[peers] = info(archive), stream_bits(archive)
    channels: list[dict] = told[True]["channels"]  # type: ignore[assignment, type-arg]
    coding_pass = {channel["name"]: channel["coding_pass"] for channel in channels}
    leaning = [t["name"] for t in channels if any(coding_pass[peer["name"]] < t["coding_pass"] for peer in t["peers"])]
    frames = {file["name"]: file["frames"] for file in told[True]["files"] if file["kind"] == "wav"}  # type: ignore[attr-defined]
    samples = sum(frames[name if name in frames else name.rsplit(":", 1)[0]] for name in leaning)
    click.echo(f"| {model} | archive, bytes | bits/sample | of the {len(leaning)} leaning threads of {len(channels)} |")
    click.echo("|---|---|---|---|")
    rates = {}
    for peers, name in ((False, "without peers"), (True, "with peers")):
        rates[peers] = sum(bits[peers][channel] for channel in leaning) / max(1, samples)
        length, rate = told[peers]["archive_bytes"], told[peers]["bits_per_sample"]
        click.echo(f"| {name} | {length:,} | {rate:.4f} | {rates[peers]:.4f} |")
    gain = 1 - int(str(told[True]["archive_bytes"])) / int(str(told[False]["archive_bytes"]))
    click.echo(
        f"\n{100 * gain:.2f} % smaller; the leaning threads need {rates[False] - rates[True]:.4f} bits/sample less."
    )


if __name__ == "__main__":
    main()
