"""Scan many files: which hold predictable samples, their channels, and which channels were recorded together."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ..api.compress import find_sessions
from ..api.inputs import find_sources, scan_sources
from ..codec.scan import ScannedSource
from ..container.directory import channel_name
from ..errors import InputError, SpikeyError
from ..io.source import FileSource
from ..system.workers import Workers
from ..topology.topology import Topology


@dataclass(frozen=True)
class Channel:
    """One channel of one file."""

    name: str
    """See `container.directory.channel_name`."""
    file: int
    """Index in the survey's `sources`."""
    channel: int
    """Index within the file."""


@dataclass(frozen=True)
class Survey:
    """Scanned recordings and their topology."""

    sources: tuple[ScannedSource, ...]
    """The files that hold samples."""
    channels: tuple[Channel, ...]
    """All channels, by file, in the order of the topology."""
    topology: Topology
    sessions: tuple[tuple[int, ...], ...]
    """Files that were recorded together, by their indices in `sources`."""
    skipped: tuple[str, ...]
    """One message for each file without samples that can be predicted."""
    failures: tuple[SpikeyError, ...]
    """One error for each file that cannot be read."""


def survey(inputs: Iterable[str | os.PathLike[str]], workers: Workers, *, recursive: bool = False) -> Survey:
    """Scan files and find which channels were recorded together.

    Parameters
    ----------
    inputs : iterable of path-like
        Files, and folders if `recursive`.
    workers : Workers
        Pool that scans the files.
    recursive : bool, default False
        Whether to take the files below a folder.

    Returns
    -------
    Survey
        Files that cannot be read are among its `failures`.

    Raises
    ------
    SpikeyError
        No file holds samples that can be predicted. This is the first failure, if there is one.
    """
    failures: list[SpikeyError] = []
    sources = find_sources(inputs, recursive=recursive, fail=failures.append)
    name_counts = Counter(source.name for source in sources)
    # files of the same name go by their paths
    sources = [
        source if name_counts[source.name] == 1 else FileSource(Path(str(source)), str(source)) for source in sources
    ]
    scanned: list[ScannedSource] = []
    skipped: list[str] = []
    results = [each for one in scan_sources(sources, workers, failures.append) for each in one.groups or (one,)]
    for result in results:
        if result.layout is None:
            skipped.append(f"{result.source}: skipped, because it is not a recording of 8, 16 or 24 bits")
        elif result.layout.n_frames == 0:
            skipped.append(f"{result.source}: skipped, because it holds no samples")
        else:
            scanned.append(result)
    if not scanned:
        if failures:
            raise failures[0]
        raise InputError(
            f"{sources[0]}: neither it nor another input holds samples of 8, 16 or 24 bits; name WAV or NPY files"
        )
    topology, sessions = find_sessions(scanned)
    channels = tuple(
        Channel(channel_name(source.name, source.channels_of_file, source.first_channel + channel), file, channel)
        for file, source in enumerate(scanned)
        for channel in range(source.channels)
    )
    return Survey(tuple(scanned), channels, topology, tuple(map(tuple, sessions)), tuple(skipped), tuple(failures))
