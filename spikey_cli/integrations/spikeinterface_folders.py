"""Metadata of recordings that SpikeGLX and Open Ephys wrote, as SpikeInterface's readers of their folders find it.

The readers, of neo and probeinterface, take folders. They get one with the metadata that the archive holds; in place of
the samples it has files of the same size without content, from which they read nothing.
"""

from __future__ import annotations

import json
import os
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from spikeinterface.core import BaseRecording

from ..api.channels import read_small_file, sidecar_of
from ..api.read_bytes import read_bytes
from ..api.times import TOLERANCE
from ..codec.decoder import Decoder
from ..container.archive import ArchiveReader
from ..io import intan
from ..io.sidecar import ANALOG, SYNC
from .lazy_recording import ArchivedVector

_COPIED_BYTES = 1 << 16
"""Bytes at the beginning of a file of times that are restored; its readers look at the first."""
_TIMES = ("synchronized_timestamps.npy", "timestamps.npy")
"""Before version 0.6, the second numbers the samples."""


@contextmanager
def read_folder(reader: ArchiveReader, file: int, stream: str) -> Iterator[BaseRecording | None]:
    """Open a raw file of an archive by SpikeInterface's reader; its traces are not those of the file.

    Parameters
    ----------
    reader : ArchiveReader
    file : int
        The raw file in the directory.
    stream : str
        Stream of its channels, as `sidecar.Sidecar` names it.

    Yields
    ------
    BaseRecording or None
        None if the archive has no metadata of the file that say more than `Sidecar`, or the reader does not accept
        them.
    """
    files = reader.directory.files
    numbers = {entry.name: i for i, entry in enumerate(files) if entry.is_file}
    name = files[file].name
    sidecar = sidecar_of(numbers, name)
    if sidecar is None or files[sidecar].name.endswith(intan.HEADER_FILES):
        yield None
        return
    is_open_ephys = PurePosixPath(name).name == "continuous.dat"
    with tempfile.TemporaryDirectory(prefix="spikey-") as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            open_folder = _open_ephys if is_open_ephys else _spikeglx
            recording = open_folder(Path(folder), reader, numbers, file, sidecar, stream)
        except Exception as error:  # whatever the readers raise for metadata that they do not expect
            warnings.simplefilter("default")
            warnings.warn(f"{reader.path}: no probe of {name}: its reader reports {error!r}", stacklevel=4)
            recording = None
        yield recording


def times_beside(archive: str, reader: ArchiveReader, file: int, sample_rate: float) -> ArchivedVector | None:
    """Return the times that Open Ephys wrote beside a raw file, unless they are evenly spaced or not its frames'."""
    files = reader.directory.files
    numbers = {entry.name: i for i, entry in enumerate(files) if entry.is_file}
    path, layout = PurePosixPath(files[file].name), files[file].layout
    if path.name != "continuous.dat" or layout is None or not sample_rate > 0:
        return None
    for name in (str(path.parent / name) for name in _TIMES):
        if name in numbers and _has_bytes_only(reader, numbers[name]):
            times = ArchivedVector(archive, name)
            if times.dtype.kind != "f":
                times = ArchivedVector(archive, name, divisor=sample_rate)
            if times.shape == (layout.n_frames,) and layout.n_frames:
                behind = (times[-1] - times[0]) * sample_rate - (layout.n_frames - 1)
                return None if abs(behind) <= TOLERANCE / 2 else times
    return None


def _has_bytes_only(reader: ArchiveReader, number: int) -> bool:
    return reader.directory.files[number].layout is None and len(reader.directory.members[number]) == 1


def _spikeglx(
    folder: Path, reader: ArchiveReader, numbers: dict[str, int], file: int, sidecar: int, stream: str
) -> BaseRecording:
    from spikeinterface.extractors import read_spikeglx

    path = PurePosixPath(reader.directory.files[file].name)
    (folder / f"{path.stem}.meta").write_bytes(read_small_file(reader, sidecar))
    _make_empty(folder / path.name, reader.directory.files[file].size)
    # the probe of an LF band is described in the metadata of its AP band
    if (
        path.stem.endswith(".lf")
        and (other := numbers.get(str(path.with_suffix("").with_suffix(".ap.meta")))) is not None
    ):
        (folder / f"{path.stem[:-3]}.ap.meta").write_bytes(read_small_file(reader, other))
    streams = _streams("spikeglx", folder)
    band = path.stem.rpartition(".")[2]
    return read_spikeglx(folder, stream_id=_one_of([one for one in streams if band in one] or streams, stream))


def _open_ephys(
    folder: Path, reader: ArchiveReader, numbers: dict[str, int], file: int, sidecar: int, stream: str
) -> BaseRecording:
    from spikeinterface.extractors import read_openephys

    files = reader.directory.files
    path = PurePosixPath(files[file].name)
    structure = json.loads(read_small_file(reader, sidecar).decode("utf-8-sig"))
    own = [one for one in structure["continuous"] if one["folder_name"].strip("/\\") == path.parent.name]
    recording = folder / "experiment1" / "recording1"
    continuous = recording / "continuous" / path.parent.name
    continuous.mkdir(parents=True)
    (recording / "structure.oebin").write_text(json.dumps(structure | {"continuous": own, "events": [], "spikes": []}))
    _make_empty(continuous / path.name, files[file].size)
    for name, number in numbers.items():
        if PurePosixPath(name).parent == path.parent and name.endswith(".npy"):
            _write_beginning(continuous / PurePosixPath(name).name, reader, number)
    experiment = path.parents[2].parent
    which = experiment.name.removeprefix("experiment")
    wanted = f"settings_{which}.xml" if which.isdigit() and which != "1" else "settings.xml"
    if (settings := numbers.get(str(experiment.parent / wanted))) is not None:
        (folder / "settings.xml").write_bytes(read_small_file(reader, settings))
    return read_openephys(folder, stream_id=_one_of(_streams("openephysbinary", folder), stream))


def _streams(program: str, folder: Path) -> list[str]:
    from spikeinterface.extractors import get_neo_streams

    return list(get_neo_streams(program, folder)[1])


def _one_of(streams: list[str], stream: str) -> str:
    fitting = [one for one in streams if ("SYNC" in one.upper()) == (stream == SYNC)]
    return fitting[-1 if stream == ANALOG else 0]  # analog inputs stand behind the electrodes of their file


def _make_empty(path: Path, size: int) -> None:
    """Make a file of a size that takes no place on the disk, where the file system allows that."""
    path.touch()
    os.truncate(path, size)


def _write_beginning(path: Path, reader: ArchiveReader, number: int) -> None:
    """Write the beginning of a file without samples; what follows has its size and no content."""
    entry = reader.directory.files[number]
    if _has_bytes_only(reader, number):
        path.write_bytes(read_bytes(Decoder.without_samples(reader), number, 0, min(entry.size, _COPIED_BYTES)))
        os.truncate(path, entry.size)
