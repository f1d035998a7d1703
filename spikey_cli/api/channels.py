"""What an archive says of its channels beyond their samples: labels, streams, exact rates, units and gains.

It stands in the headers of the archived files and in sidecars, which the modules of `io` read.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath

from ..codec.decoder import Decoder
from ..container.archive import ArchiveReader
from ..container.directory import channel_names
from ..errors import ArchiveError
from ..io.formats import describe_channels
from ..io.reading import ChannelInfo
from ..io.sidecar import MAX_BYTES, Sidecar, sidecar_names
from .read_bytes import read_bytes


def channel_info(reader: ArchiveReader) -> dict[tuple[int, int], ChannelInfo]:
    """Return what is known of channels, by (entry of the directory, channel of the entry)."""
    files = reader.directory.files
    numbers = {entry.name: i for i, entry in enumerate(files) if entry.is_file}
    of_file: dict[int, list[tuple[int, int]]] = {}
    for i, entry in enumerate(files):
        if entry.layout:
            places = of_file.setdefault(reader.directory.members[i].start, [])
            places.extend((i, channel) for channel in range(entry.channels))
    found: dict[tuple[int, int], ChannelInfo] = {}
    raw_files: dict[int, list[int]] = {}
    for file, places in of_file.items():
        if header := files[file].header:
            _add(found, places, describe_channels(header, len(places)))
        elif (number := sidecar_of(numbers, files[file].name)) is not None:
            raw_files.setdefault(number, []).append(file)
    for number, own in raw_files.items():  # each sidecar is read once: it may be that of thousands of files
        with contextlib.suppress(ArchiveError):
            sidecar = Sidecar(read_small_file(reader, number))
            for file in own:
                _add(found, of_file[file], sidecar.describe(files[file].name))
    return found


def _add(
    found: dict[tuple[int, int], ChannelInfo], places: Sequence[tuple[int, int]], infos: Sequence[ChannelInfo]
) -> None:
    if len(infos) == len(places):
        found |= zip(places, infos, strict=True)


def sidecar_of(numbers: Mapping[str, int], name: str) -> int | None:
    """Return the number of the sidecar of a raw file, if the archive has one; `numbers` are those of files by name."""
    return next((numbers[each] for each in sidecar_names(PurePosixPath(name)) if each in numbers), None)


def channel_aliases(reader: ArchiveReader) -> dict[str, list[str]]:
    """Return the names of the channels for which another name stands: FILE:LABEL, and FILE:STREAM for several."""
    files = reader.directory.files
    names = {place: name for name, place in channel_names(files).items()}
    labels: dict[str, list[str]] = {}
    streams: dict[str, list[str]] = {}
    for place, info in channel_info(reader).items():
        file = files[place[0]].name
        if info.name:
            labels.setdefault(f"{file}:{info.name}", []).append(names[place])
        if info.stream:
            streams.setdefault(f"{file}:{info.stream}", []).append(names[place])
    unique = {alias: channels for alias, channels in labels.items() if len(channels) == 1}
    known = set(names.values())
    return {alias: channels for alias, channels in (unique | streams).items() if alias not in known}


def read_small_file(reader: ArchiveReader, file: int) -> bytes:
    """Return the bytes of a file without samples; nothing if it has samples, or more than MAX_BYTES.

    Raises
    ------
    ArchiveError
        The file is damaged.
    """
    own, *groups = (reader.directory.files[i] for i in reader.directory.members[file])
    if own.layout or groups or own.size > MAX_BYTES:
        return b""
    return read_bytes(Decoder.without_samples(reader), file, 0, own.size)
