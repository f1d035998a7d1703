"""Deletes sources after the archive was proven to restore them.

The proof trusts nothing in memory: the finished archive is read from the disk, decoded with what every installation of
this release has, and compared, byte for byte, with the sources as they are on the disk at that time.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from pathlib import Path

from ..codec.scan import ScannedSource, read_at
from ..container.archive import ArchiveReader
from ..container.limits import NO_LIMITS
from ..errors import ArchiveError, InputError, ModelError, SpikeyError, system_fault
from ..io.layout import Bytes
from ..io.source import FileSource, open_input
from ..model.predictor import Predictor, predictor_with_digest
from ..system.progress import Progress
from ..system.whole_file import forget
from ..system.workers import Workers
from .decompress import restore


def check_removable(predictor: Predictor | None) -> None:
    """Raise InputError if decoding the archive would need a model file that only the caller has."""
    if predictor is None:
        return
    try:
        predictor_with_digest(predictor.digest[:8])
    except ModelError as error:
        raise InputError(
            "the sources could not be restored without the model, which does not come with this release; keep the "
            "sources, or store the model in the archive",
            parameter="embed_model",
        ) from error


def remove_sources(
    sources: Sequence[ScannedSource],
    archive: Path,
    workers: int | Workers | None,
    *,
    progress: Progress | None,
) -> tuple[int, tuple[SpikeyError, ...]]:
    """Delete the sources that an archive restores exactly.

    A link is kept, and so is a file that differs or changes after the comparison. Nothing is deleted if any part of the
    archive is damaged.

    Parameters
    ----------
    sources : sequence of ScannedSource
    archive : Path
    workers : int, Workers or None
    progress : callable or None
        Is called with (bytes done, total bytes).

    Returns
    -------
    deleted : int
        Number of files that were deleted.
    failures : tuple of SpikeyError
        One error for each file that was kept.

    Raises
    ------
    ArchiveError
        The archive as a whole is damaged.
    """
    forget(archive)
    paths = {source.name: source.source.path for source in sources if isinstance(source.source, FileSource)}
    comparisons: dict[str, _Comparison] = {}

    def compare(name: str) -> _Comparison:
        comparisons[name] = _Comparison(paths[name])
        return comparisons[name]

    with ArchiveReader(archive, NO_LIMITS, remedy="no source is deleted; compress them again") as reader:
        failures = list(restore(reader, compare, workers, progress=progress).failures)
    if any(isinstance(failure, ArchiveError) for failure in failures):
        return 0, tuple(failures)  # a disk or memory that failed once is not trusted with the other files
    deleted = 0
    links: dict[tuple[int, ...], list[_Comparison]] = {}  # by file: deleting one changes the state of the others
    for name in paths:
        if name in comparisons and comparisons[name].is_equal:
            links.setdefault(comparisons[name].identity, []).append(comparisons[name])
    for own in links.values():
        try:
            for comparison in own:
                comparison.check()
            for comparison in own:
                comparison.delete()
                deleted += 1
        except InputError as error:
            failures.append(error)
    return deleted, tuple(failures)


class _Comparison:
    """A target of `restore` that compares with a source instead of writing."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._state = _file_state(path)
        self._length = 0
        self.is_equal = False
        """Whether all bytes were compared and are equal."""

    def append(self, *pieces: Bytes) -> None:
        with open_input(self._path) as file:
            for data in pieces:
                if read_at(file, self._length, len(data)) != data:
                    raise self._changed()
                self._length += len(data)

    def commit(self, *pieces: Bytes) -> None:
        self.append(*pieces)
        if self._state[0] != self._length:
            raise self._changed()
        self.is_equal = True

    def discard(self) -> None:
        """Do nothing: nothing was written."""

    @property
    def identity(self) -> tuple[int, ...]:
        """What all names of the file have in common."""
        return self._state[-2:]

    def check(self) -> None:
        """Raise InputError if the source has changed."""
        if _file_state(self._path) != self._state:
            raise self._changed()

    def delete(self) -> None:
        """Delete the source. Raises InputError if it cannot be deleted."""
        try:
            self._path.unlink()
        except OSError as error:
            raise InputError(system_fault(self._path, "delete", error)) from error

    def _changed(self) -> InputError:
        return InputError(
            f"{self._path}: changed after it was read, and is kept; compress it again when nothing writes to it"
        )


def _file_state(path: Path) -> tuple[int, ...]:
    """Return the size of a file, followed by what else changes when it is written to."""
    try:
        status = os.lstat(path)
    except OSError as error:
        raise InputError(system_fault(path, "read", error)) from error
    if not stat.S_ISREG(status.st_mode):
        raise InputError(f"{path}: is a link or not a regular file, and is kept; delete it yourself")
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino, status.st_dev
