"""Compares the files of an archive with those of a folder, without writing anything."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..codec.scan import read_at
from ..container.archive import ArchiveReader
from ..container.directory import FileEntry
from ..container.limits import DEFAULT_LIMITS, Limits
from ..errors import InputError, SpikeyError, system_fault
from ..io.layout import Bytes
from ..io.source import open_input
from ..model.predictor import Predictor
from ..system.names import name_of_path
from ..system.progress import Progress
from .decompress import restore
from .inputs import is_same_file


@dataclass(frozen=True)
class Difference:
    """A file that an archive and a folder do not have in common.

    Attributes
    ----------
    file : str
        Its name in the archive, or its path below the folder.
    reason : str
        How it differs.
    """

    file: str
    reason: str

    def __str__(self) -> str:
        return f"{self.file}: {self.reason}"


@dataclass(frozen=True)
class Compared:
    """The result of `diff`.

    Attributes
    ----------
    files : int
        Files that are equal.
    bytes : int
        Their total size.
    differences : tuple of Difference
        In the order of their names.
    failures : tuple of SpikeyError
        One error for each file that could not be compared.
    """

    files: int
    bytes: int
    differences: tuple[Difference, ...]
    failures: tuple[SpikeyError, ...]


def diff(
    archive: str | os.PathLike[str],
    folder: str | os.PathLike[str],
    *,
    workers: int | None = None,
    predictor: Predictor | None = None,
    limits: Limits | None = None,
    progress: Progress | None = None,
) -> Compared:
    """Decode an archive, and compare its files with those below a folder.

    Parameters
    ----------
    archive : path or URL
        An ``.spk`` file. If it lies below the folder, it is not one of the files compared.
    folder : path
    workers, predictor, limits, progress
        As in `decompress`.

    Returns
    -------
    Compared

    Raises
    ------
    ArchiveError
        The archive as a whole is damaged.
    ModelError
        The network that the archive was written with is not installed.
    InputError
        The folder cannot be read.

    Examples
    --------
    >>> import spikey_cli
    >>> _ = spikey_cli.compress(["left.wav", "right.wav"], "session.spk")
    >>> [str(each) for each in spikey_cli.diff("session.spk", ".").differences if each.file.endswith(".wav")]
    []
    """
    root = Path(folder)
    present = dict(_files_below(root, archive))
    found: dict[str, Difference] = {}

    with ArchiveReader(archive, limits or DEFAULT_LIMITS) as reader:
        entries = {entry.name: entry for entry in reader.directory.files if entry.is_file}

        def compare(name: str) -> _Comparison:
            return _Comparison(present.get(name), entries[name], found)

        result = restore(reader, compare, workers, predictor=predictor, progress=progress)
    found |= {name: Difference(name, "is not in the archive") for name in present.keys() - entries.keys()}
    failures = tuple(failure for failure in result.failures if not isinstance(failure, _DiffersError))
    return Compared(result.files, result.bytes, tuple(found[name] for name in sorted(found)), failures)


class _DiffersError(SpikeyError):
    """A file differs, so that the rest of it need not be decoded."""


class _Comparison:
    """A target of `restore` that compares with a file; what differs is added to `found`."""

    def __init__(self, path: Path | None, entry: FileEntry, found: dict[str, Difference]) -> None:
        self._entry = entry
        self._found = found
        self._offset = 0
        if path is None:
            raise self._differs("is missing in the folder")
        if path.exists() and not path.is_file():  # reading a pipe would wait for a writer
            raise self._differs("is no file in the folder")
        self._path = path

    def append(self, *pieces: Bytes) -> None:
        try:
            with open_input(self._path) as file:
                for piece in pieces:
                    self._compare(piece, read_at(file, self._offset, len(piece)))
                    self._offset += len(piece)
                self._size = os.fstat(file.fileno()).st_size
        except OSError as error:
            raise InputError(system_fault(self._path, "read", error)) from error

    def commit(self, *pieces: Bytes) -> None:
        self.append(*pieces)
        if self._size > self._offset:
            size = self._size
            raise self._differs(f"has {size} bytes, and {self._offset} in the archive, which are the first of them")

    def discard(self) -> None:
        """Do nothing: nothing was written."""

    def _compare(self, archived: Bytes, own: bytes) -> None:
        if archived == own:
            return
        a, b = (np.frombuffer(data, np.uint8)[: len(own)] for data in (archived, own))
        different = np.flatnonzero(a != b)
        if different.size:
            raise self._differs(f"differs from byte {self._offset + int(different[0])} on", int(different[0]))
        raise self._differs(
            f"has {self._offset + len(own)} bytes, and {self._entry.size} in the archive, of which they are the first"
        )

    def _differs(self, reason: str, position: int | None = None) -> _DiffersError:
        name = self._entry.name
        place = "" if position is None else self._sample_at(self._offset + position)
        self._found[name] = Difference(name, reason + place)
        return _DiffersError(name)

    def _sample_at(self, offset: int) -> str:
        """The place of a byte among the samples, if it is one of a sample's."""
        layout = self._entry.layout
        if layout is None:
            return ""
        frame, rest = divmod(offset - len(self._entry.header), layout.frame_bytes)
        if not 0 <= frame < layout.n_frames:
            return ""
        time = f" at {frame / layout.sample_rate:.4f} s" if layout.sample_rate else ""
        return f": frame {frame}{time}, channel {rest // layout.sample_bytes}"


def _files_below(root: Path, archive: str | os.PathLike[str]) -> Iterator[tuple[str, Path]]:
    """Yield names and paths of what is below a folder, other than folders and the archive."""

    def unreadable(error: OSError) -> None:
        raise InputError(system_fault(error.filename, "read the folder", error)) from error

    status = os.stat(archive) if os.path.exists(archive) else None  # it may be a URL
    for folder, subfolders, names in os.walk(root, onerror=unreadable):
        for name in [*names, *(each for each in subfolders if os.path.islink(os.path.join(folder, each)))]:
            path = Path(folder, name)
            if status is None or not is_same_file(path, status):
                yield name_of_path(path.relative_to(root).as_posix()), path
