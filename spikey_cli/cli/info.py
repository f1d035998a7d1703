"""The command `spikey info`."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .options import PATH, limited
from .report import clock, counted, size

if TYPE_CHECKING:
    from ..container.limits import Limits

_FILES = 20
"""Files that are listed, unless all are asked for."""


@click.command()
@click.argument("archive", type=PATH, metavar="ARCHIVE")
@click.option("--all", "is_all", is_flag=True, help=f"List all files, not {_FILES}, and the peers of each thread.")
@click.option("--json", "as_json", is_flag=True, help="Print everything, as JSON.")
@limited
def info(archive: Path, is_all: bool, as_json: bool, limits: Limits) -> None:
    """Tell what an archive holds; nothing is decoded.

    Example:

    \b
        spikey info out.spk
        spikey info --json out.spk
    """
    from ..api.info import describe
    from ..streaming.pipe import describe_live, is_live

    is_stream = is_live(archive)
    told: dict[str, Any]
    told = describe_live(archive) if is_stream else describe(archive, limits=limits)
    if as_json:
        click.echo(json.dumps(told, indent=2))
    else:
        click.echo("\n".join(_of_stream(told) if is_stream else _of_archive(told, is_all)))


def _of_archive(told: dict[str, Any], is_all: bool) -> Iterator[str]:
    """Lines for people: the essentials, the files, and, where `is_all` is wanted, the peers."""
    recordings = [file for file in told["files"] if file["kind"] != "verbatim"]
    ratio = f"{size(told['source_bytes'])} -> {size(told['archive_bytes'])}, ratio {told['ratio']:.4f}"
    bits = "" if told["bits_per_sample"] is None else f", {told['bits_per_sample']:.4f} bits/sample"
    blocks = counted(told["blocks"], "block")
    yield f"{told['path']}: Spikey archive, format {told['format']}"
    yield f"  content    {_content(told, recordings)}"
    if recordings:
        yield f"  duration   {_durations(recordings)}"
    yield f"  size       {ratio}{bits}"
    yield f"  coded      {told['coder']}, model {_model(told['model'])}, {blocks}"
    if told["channels"]:
        joined = sum(bool(channel["peers"]) for channel in told["channels"])
        with_peers = f"{joined:,} of {counted(len(told['threads']), 'thread')}"
        yield f"  topology   {counted(told['sessions'], 'session')}; {with_peers} with peers"
    yield ""
    shown = told["files"] if is_all else told["files"][:_FILES]
    yield from _table(shown)
    if len(shown) < len(told["files"]):
        yield f"  and {len(told['files']) - len(shown)} more (--all)"
    if is_all and any(channel["peers"] for channel in told["channels"]):
        yield from ("", "  threads, their waves, and their peers with metrics of 1 to 255")
        yield from _aligned([_peers(channel) for channel in told["channels"] if channel["peers"]], "<><")


def _of_stream(told: dict[str, Any]) -> Iterator[str]:
    yield f"{told['path']}: Spikey live stream, format {told['format'].removeprefix('live ')}"
    yield (
        f"  content    {counted(told['channels'], 'thread')} at {_told(told['sample_rate'])} Hz, "
        f"{told['sample_bits']} bit, {told['kind']}"
    )
    yield f"  size       {size(told['archive_bytes'])}; how long it is, `spikey test` tells"
    yield f"  coded      range, model {told['model']['name']}"


def _content(told: dict[str, Any], recordings: Sequence[dict[str, Any]]) -> str:
    count = counted(len(told["files"]), "file")
    if not recordings:
        return f"{count}, kept verbatim"
    rates = sorted({file["sample_rate"] for file in recordings})
    widths = sorted({file["sample_bits"] for file in recordings})
    verbatim = len(told["files"]) - len(recordings)
    return (
        f"{count}, {counted(len(told['threads']), 'thread')} at {_listed(rates)} Hz, {_listed(widths)} bit, "
        f"{told['samples']:,} samples" + (f"; {verbatim} kept verbatim" if verbatim else "")
    )


def _durations(recordings: Sequence[dict[str, Any]]) -> str:
    """How long recordings are: the shortest and the longest where they differ."""
    shortest, longest = (_duration(which(recordings, key=_seconds)) for which in (min, max))
    return shortest if shortest == longest else f"{shortest} to {longest}"


def _seconds(file: dict[str, Any]) -> float:
    return file["frames"] / file["sample_rate"] if file["sample_rate"] else 0.0


def _duration(file: dict[str, Any]) -> str:
    if not file["sample_rate"]:
        return "?"
    return clock(_seconds(file)) if _seconds(file) >= 60 else f"{_seconds(file):.2f} s"


def _model(model: dict[str, Any] | None) -> str:
    if model is None:
        return "none"
    if model["embedded"]:
        return f"{model['name'] or model['sha256_prefix']} (embedded)"
    return model["name"] or f"{model['sha256_prefix']} (not installed)"


def _table(files: Sequence[dict[str, Any]]) -> Iterator[str]:
    heads = ("file", "channels", "frames", "bits", "Hz", "duration", "size", "quantizer")
    rows = []
    for file in files:
        if file["kind"] == "verbatim":
            rows.append((file["name"], "", "", "", "", "", size(file["bytes"]), "kept verbatim"))
        else:
            frames, others = (
                f"{file['frames']:,}",
                (_told(file[key]) for key in ("channels", "sample_bits", "sample_rate")),
            )
            channels, bits, rate = others
            rows.append(
                (file["name"], channels, frames, bits, rate, _duration(file), size(file["bytes"]), file["quantizer"])
            )
    return _aligned([heads, *rows], "<>>>>>><")


def _peers(channel: dict[str, Any]) -> tuple[str, ...]:
    peers = ", ".join(f"{peer['name']} {peer['metric']}" for peer in channel["peers"])
    return channel["name"], str(channel["coding_pass"]), peers


def _aligned(rows: Sequence[Sequence[str]], sides: str) -> Iterator[str]:
    """Rows in columns, each to the left or to the right, as `sides` tells with < and >."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (f"{cell:{side}{width}}" for cell, side, width in zip(row, sides, widths, strict=True))
        yield f"  {'  '.join(cells)}".rstrip()


def _told(number: int) -> str:
    """A number that is never 0, unless nothing tells it."""
    return f"{number:,}" if number else "?"


def _listed(numbers: Sequence[int]) -> str:
    few = [_told(number) for number in itertools.islice(numbers, 4)]
    return " / ".join(few[:3]) + (" ..." if len(few) > 3 else "")
