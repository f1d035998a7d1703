"""What an archive says of its channels beyond their samples: labels, streams, exact rates, units and gains.

It stands in the headers of the archived files, which the formats of `io` read.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..container.directory import FileEntry, channel_names
from ..io.formats import describe_channels
from ..io.reading import ChannelInfo


def channel_info(files: Sequence[FileEntry]) -> dict[tuple[int, int], ChannelInfo]:
    """Return what is known of channels, by (entry of the directory, channel of the entry)."""
    found: dict[tuple[int, int], ChannelInfo] = {}
    of_file: dict[int, list[tuple[int, int]]] = {}
    first = 0
    for i, entry in enumerate(files):
        first = i if entry.is_file else first
        if entry.layout:
            of_file.setdefault(first, []).extend((i, channel) for channel in range(entry.channels))
    for file, places in of_file.items():
        if header := files[file].header:
            infos = describe_channels(header, len(places))
            found |= zip(places, infos, strict=bool(infos))
    return found


def channel_aliases(files: Sequence[FileEntry]) -> dict[str, list[str]]:
    """Return the names of the channels for which another name stands: FILE:LABEL, and FILE:STREAM for several."""
    names = {place: name for name, place in channel_names(files).items()}
    aliases: dict[str, list[str]] = {}
    streams: dict[str, list[str]] = {}
    for place, info in channel_info(files).items():
        file = files[place[0]].name
        if info.name:
            aliases.setdefault(f"{file}:{info.name}", []).append(names[place])
        if info.stream:
            streams.setdefault(f"{file}:{info.stream}", []).append(names[place])
    aliases = {alias: channels for alias, channels in aliases.items() if len(channels) == 1}
    known = set(names.values())
    return {alias: channels for alias, channels in (aliases | streams).items() if alias not in known}
