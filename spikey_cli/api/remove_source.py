"""Sources that are deleted once their archive gives them back.

Nothing that is in memory is believed for it: the finished archive is read from the disk, decoded with what every
installation of this release has, and compared, byte for byte, with the sources as they are on the disk by then.
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


def check_readable_later(predictor: Predictor | None) -> None:
    """Raises InputError where an archive could not be decoded without a file of the caller's own."""
    if predictor is None:
        return
    try:
        predictor_with_digest(predictor.digest[:8])
    except ModelError as error:
        raise InputError(
            "the sources would be lost with the model, which does not come with this release; "
            "keep them, or put it into the archive with --embed-model"
        ) from error


def remove_sources(
    sources: Sequence[ScannedSource],
    archive: Path,
    workers: int | None = None,
    cluster: Workers | None = None,
    *,
    progress: Progress | None = None,
) -> tuple[int, tuple[SpikeyError, ...]]:
    """Delete those of `sources` that `archive` gives back as they are now.

    A link is kept, and so is whatever does not compare, or changes after it was compared. Nothing is deleted where
    anything in the archive is damaged. Returns how many were deleted, and why others were not, one error each. Raises
    ArchiveError where the archive as a whole is not right.
    """
    forget(archive)
    paths = {source.name: source.source.path for source in sources if isinstance(source.source, FileSource)}
    comparisons: dict[str, _Comparison] = {}

    def compare(name: str) -> _Comparison:
        comparisons[name] = _Comparison(paths[name])
        return comparisons[name]

    with ArchiveReader(archive, NO_LIMITS, remedy="no source is deleted; compress them again") as reader:
        failures = list(restore(reader, compare, workers, cluster, progress=progress).failures)
    if any(isinstance(failure, ArchiveError) for failure in failures):
        return 0, tuple(failures)  # a disk or a memory that errs once is trusted with nothing
    deleted = 0
    for name in paths:
        if name in comparisons and comparisons[name].is_same:
            try:
                comparisons[name].delete()
                deleted += 1
            except InputError as error:
                failures.append(error)
    return deleted, tuple(failures)


class _Comparison:
    """A source as the target of a decoder: nothing is written, everything compared."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._state = _state(path)
        self._length = 0
        self.is_same = False
        """Whether all bytes were compared, and equal."""

    def append(self, data: Bytes) -> None:
        with open_input(self._path) as file:
            if read_at(file, self._length, len(data)) != data:
                raise self._kept()
        self._length += len(data)

    def commit(self) -> None:
        if self._state[0] != self._length:
            raise self._kept()
        self.is_same = True

    def discard(self) -> None:
        """There is nothing to discard."""

    def delete(self) -> None:
        """Delete the source. Raises InputError where somebody wrote to it since, or it cannot be deleted."""
        if _state(self._path) != self._state:
            raise self._kept()
        try:
            self._path.unlink()
        except OSError as error:
            raise InputError(system_fault(self._path, "delete", error)) from error

    def _kept(self) -> InputError:
        return InputError(
            f"{self._path}: changed after it was read, and is kept; compress it again once nothing writes to it"
        )


def _state(path: Path) -> tuple[int, ...]:
    """Size of a file, and what else tells whether somebody writes to it."""
    try:
        status = os.lstat(path)
    except OSError as error:
        raise InputError(system_fault(path, "read", error)) from error
    if not stat.S_ISREG(status.st_mode):
        raise InputError(f"{path}: is a link, or no plain file, and is kept; delete it yourself")
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino, status.st_dev
