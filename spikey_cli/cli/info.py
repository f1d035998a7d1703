"""The command `spikey info`."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import printable
from .options import ARCHIVE, limited
from .report import clock, counted, echo, echo_json, size

if TYPE_CHECKING:
    from ..container.limits import Limits

_FILES_LISTED = 20


@click.command()
@ARCHIVE
@click.option(
    "--all",
    "is_all",
    is_flag=True,
    help=f"List all files, not only {_FILES_LISTED}, and references and quantizer of each channel.",
)
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
@limited
def info(archive: str | Path, is_all: bool, as_json: bool, limits: Limits) -> None:
    """Show what an archive holds; nothing is decoded.

    Example:

    \b
        spikey info out.spk
        spikey info --json out.spk
    """
    show(archive, limits, is_all=is_all, as_json=as_json)


def show(archive: str | Path, limits: Limits, *, is_all: bool, as_json: bool = False) -> None:
    """Print what an archive or a live stream holds."""
    from ..api.info import info as archive_info
    from ..streaming.packets import is_live
    from ..streaming.pipe import live_info

    is_stream = is_live(archive)
    description: dict[str, Any]
    description = live_info(archive) if is_stream else archive_info(archive, limits=limits)
    if as_json:
        echo_json(description)
    else:
        echo(*(_stream_lines(description) if is_stream else _archive_lines(description, is_all)))


def _archive_lines(archive: dict[str, Any], is_all: bool) -> Iterator[str]:
    """A summary, the files and, if `is_all`, the channels."""
    files, channels = archive["files"], archive["channels"]
    recordings = [group for file in files for group in _groups(file)]
    bits = "" if archive["bits_per_sample"] is None else f", {archive['bits_per_sample']:.4f} bits/sample"
    yield f"{archive['path']}: Spikey archive, format {archive['format']}"
    yield f"  content    {_content(archive, recordings)}"
    if recordings:
        yield f"  duration   {_durations(recordings)}"
    yield (
        f"  size       {size(archive['source_bytes'])} -> {size(archive['archive_bytes'])}, "
        f"ratio {archive['ratio']:.4f}{bits}"
    )
    yield (
        f"  coded      {archive['coder']}, preset {archive['preset']}, model {_model(archive['model'])}, "
        f"{counted(archive['blocks'], 'block')}"
    )
    linked = [channel for channel in channels if channel["references"] or channel["later_references"]]
    if channels:
        share = f"{len(linked):,} of {counted(len(channels), 'channel')}"
        yield f"  topology   {counted(archive['sessions'], 'session')}; {share} with references"
    if archive["events"]:
        first, *others = archive["events"]
        more = f" and {counted(len(others), 'more file')}" if others else ""
        yield f"  events     in {first}{more}, kept as they are; spikey decompress --file restores single files"
    yield ""
    named = [channel for channel in channels if any(channel[key] for key in ("label", "unit"))]
    listed = files if is_all else files[:_FILES_LISTED]
    yield from _file_table(listed)
    if len(listed) < len(files):
        yield f"  and {len(files) - len(listed)} more (--all)"
    if is_all and named:
        yield ""
        label_heads = ("channel", "label", "stream", "Hz", "unit", "gain", "offset")
        yield from _aligned([label_heads, *map(_label_row, named)], "<<<><>>")
    if is_all and channels:
        yield ""
        heads = ("channel", "coding pass", "references", "later references", "long lag", "order", "quantizer")
        yield from _aligned([heads, *map(_channel_row, channels)], "<><<>><")


def _stream_lines(stream: dict[str, Any]) -> Iterator[str]:
    yield f"{stream['path']}: Spikey live stream, format {stream['format'].removeprefix('live ')}"
    yield (
        f"  content    {counted(stream['channels'], 'channel')} at {_number(stream['sample_rate'])} Hz, "
        f"{stream['sample_bits']} bit, {stream['kind']}"
    )
    yield f"  size       {size(stream['archive_bytes'])}; `spikey test` counts the frames"
    yield f"  coded      range, preset {stream['preset']}, model {stream['model']['name']}"


def _content(archive: dict[str, Any], recordings: Sequence[dict[str, Any]]) -> str:
    count = counted(len(archive["files"]), "file")
    if not recordings:
        return f"{count}, kept verbatim"
    rates = sorted({file["sample_rate"] for file in recordings})
    widths = sorted({file["sample_bits"] for file in recordings})
    verbatim = sum(not _groups(file) and "records" not in file for file in archive["files"])
    return (
        f"{count}, {counted(len(archive['channels']), 'channel')} at {_first_few(rates)} Hz, {_first_few(widths)} bit, "
        f"{archive['samples']:,} samples" + (f"; {verbatim} kept verbatim" if verbatim else "")
    )


def _durations(recordings: Sequence[dict[str, Any]]) -> str:
    """The duration of the recordings, or the shortest and the longest."""
    shortest, longest = (_duration(extreme(recordings, key=_seconds)) for extreme in (min, max))
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


def _file_table(files: Sequence[dict[str, Any]]) -> Iterator[str]:
    heads = ("file", "channels", "frames", "bits", "Hz", "duration", "size", "quantizer")
    return _aligned([heads, *(row for file in files for row in _file_rows(file))], "<>>>>>><")


def _groups(file: dict[str, Any]) -> list[dict[str, Any]]:
    """The channels of a file that have the same rate: one group, or several; none if it is kept verbatim."""
    return file.get("groups", [file] if "channels" in file else [])


def _file_rows(file: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    what = "times" if "records" in file else "kept verbatim"
    if not _groups(file):
        yield (
            file["name"],
            "",
            f"{file['records']:,}" if "records" in file else "",
            "",
            "",
            "",
            size(file["bytes"]),
            what,
        )
    for number, group in enumerate(_groups(file)):
        yield _group_row(group | {"name": "" if number else file["name"], "bytes": None if number else file["bytes"]})


def _group_row(file: dict[str, Any]) -> tuple[str, ...]:
    channels, bits, rate = (_number(file[key]) for key in ("channels", "sample_bits", "sample_rate"))
    frames, duration = f"{file['frames']:,}", _duration(file)
    total = "" if file["bytes"] is None else size(file["bytes"])
    return file["name"], channels, frames, bits, rate, duration, total, _values(file)


def _label_row(channel: dict[str, Any]) -> tuple[str, ...]:
    numbers = (channel[key] for key in ("gain", "offset"))
    gain, offset = ("" if number is None else f"{number:.7g}" for number in numbers)
    rate = f"{channel['sample_rate']:,.10g}" if channel["sample_rate"] else ""
    return channel["name"], channel["label"] or "", channel["stream"] or "", rate, channel["unit"] or "", gain, offset


def _channel_row(channel: dict[str, Any]) -> tuple[str, ...]:
    references = ", ".join(reference["name"] for reference in channel["references"])
    later, lag, order = ", ".join(channel["later_references"]), str(channel["long_lag"] or ""), str(channel["order"])
    return channel["name"], str(channel["coding_pass"]), references, later, lag, order, channel["quantizer"]


def _aligned(rows: Sequence[Sequence[str]], sides: str) -> Iterator[str]:
    """Rows of a table; `sides` has < or > for each column, as in format strings."""
    rows = [[*map(printable, row)] for row in rows]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (f"{cell:{side}{width}}" for cell, side, width in zip(row, sides, widths, strict=True))
        yield f"  {'  '.join(cells)}".rstrip()


def _number(number: int) -> str:
    """A number, of which 0 means unknown."""
    return f"{number:,}" if number else "?"


def _first_few(numbers: Sequence[int]) -> str:
    few = [_number(number) for number in itertools.islice(numbers, 4)]
    return " / ".join(few[:3]) + (" ..." if len(few) > 3 else "")


def _values(file: dict[str, Any]) -> str:
    """The quantizer, and the scaling of samples that are computed from its values k."""
    if not file["scaling"]:
        return file["quantizer"]
    others = f" and {len(file['scaling']) - 1} more" if len(file["scaling"]) > 1 else ""
    return f"{file['quantizer']}; {file['sample_type']} = {file['scaling'][0]}{others}"
