"""Files that hold events: digital inputs, triggers and comments, which systems write beside samples or among them.

    Blackrock, Neuralynx    NAME.nev
    Open Ephys              arrays below a folder `events`; NAME.events
    EDF+, BDF+              a signal of annotations

They are kept as they are. The words of digital inputs that are sampled are channels, such as those of SpikeGLX.
"""

from __future__ import annotations

from pathlib import PurePosixPath

from . import edf

_SUFFIXES = (".nev", ".events")


def holds_events(name: str, header: bytes) -> bool:
    """Return whether a file holds events, by its name and by the bytes before its samples, if it has any."""
    path = PurePosixPath(name)
    if path.suffix.lower() in _SUFFIXES or ("events" in path.parts[:-1] and path.suffix == ".npy"):
        return True
    return header.startswith(edf.MAGIC) and edf.has_annotations(header)
