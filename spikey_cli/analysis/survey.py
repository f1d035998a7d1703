"""The first look at many files: which can be predicted, their threads, and who was recorded together."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ..api.compress import find_sessions, scan_or_fail
from ..api.inputs import name_inputs
from ..codec.scan import ScannedSource
from ..errors import InputError, SpikeyError
from ..io.source import FileSource
from ..system.workers import Workers
from ..topology.topology import Topology


@dataclass(frozen=True)
class Thread:
    """One channel of one file."""

    name: str
    """The file's name; that of a file with several channels has `:0`, `:1`, ... behind it."""
    file: int
    """Index among the survey's sources."""
    channel: int


@dataclass(frozen=True)
class Survey:
    """What the first look found."""

    sources: tuple[ScannedSource, ...]
    """The WAV files with samples that the codec predicts."""
    channels: tuple[Thread, ...]
    """All their threads, file by file, channel by channel, as the topology counts them."""
    topology: Topology
    sessions: tuple[tuple[int, ...], ...]
    """Files recorded together, by their indices in `sources`."""
    skipped: tuple[str, ...]
    """A line for each file that is left out since the codec does not predict it."""
    failures: tuple[SpikeyError, ...]
    """Why a file could not be read."""


def survey(inputs: Iterable[str | os.PathLike[str]], workers: Workers, *, recursive: bool = False) -> Survey:
    """Look through files, with `recursive` also those below folders, and find who was recorded together.

    A file that cannot be read is among the failures, the others are still looked at. Raises InputError where none is
    left that the codec predicts, and the first failure where there is one.
    """
    failures: list[SpikeyError] = []
    sources = name_inputs(inputs, recursive=recursive, fail=failures.append)
    times = Counter(source.name for source in sources)
    # files of one name are told apart by their paths
    sources = [source if times[source.name] == 1 else FileSource(Path(str(source)), str(source)) for source in sources]
    scanned: list[ScannedSource] = []
    skipped: list[str] = []
    for look in workers.map(scan_or_fail, sources):
        if isinstance(look, SpikeyError):
            failures.append(look)
        elif look.layout is None:
            skipped.append(f"{look.source}: skipped, since it is no PCM WAV of 8, 16 or 24 bits")
        elif look.layout.n_frames == 0:
            skipped.append(f"{look.source}: skipped, since it holds no samples")
        else:
            scanned.append(look)
    if not scanned:
        if failures:
            raise failures[0]
        raise InputError(f"{sources[0]}: no PCM WAV of 8, 16 or 24 bits with samples in it, nor is any other input")
    topology, sessions = find_sessions(scanned)
    channels = tuple(
        Thread(source.name if source.channels == 1 else f"{source.name}:{channel}", file, channel)
        for file, source in enumerate(scanned)
        for channel in range(source.channels)
    )
    return Survey(tuple(scanned), channels, topology, tuple(map(tuple, sessions)), tuple(skipped), tuple(failures))
