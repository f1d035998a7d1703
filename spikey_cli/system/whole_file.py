"""Files that appear complete or not at all.

Data is written to a temporary file in the target's folder, flushed to the disk, and then given the target's name in one
step. A killed run leaves the old file, or none, and a `*.part` file that can be deleted; that of a live stream holds
what had arrived. A run that ends in any other way, including errors and signals, deletes its temporary files.
"""

from __future__ import annotations

import atexit
import contextlib
import errno
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Self

from ..errors import InputError, system_fault
from . import signals
from .names import path_of_name

_TEMPORARY = re.compile(r"\..*\.[0-9a-f]{8}\.part", re.DOTALL)
_NAME_LENGTH = 40
"""Characters of the target's name in the temporary name, which must not be too long for the file system."""

_temporaries: set[str] = set()
"""Temporary files that may exist. A signal can interrupt a run between any two steps, also while it cleans up."""


def _discard_all() -> None:
    for path in list(_temporaries):
        with contextlib.suppress(OSError):
            os.unlink(path)


atexit.register(_discard_all)  # runs after all threads that write have ended
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_temporaries.clear)


class WholeFile:
    """A file that is being written: `append` to it, then `commit`, or `discard` it.

    Parameters
    ----------
    path : Path
        The target.
    force : bool
        Overwrite an existing file.
    flush_folder : bool, optional
        Flush the folder on `commit`. Without it, which is faster for many files, a power cut may undo the rename until
        `flush` is called for the folder.

    Raises
    ------
    InputError
        The file exists and `force` is not given, or it cannot be created.
    """

    def __init__(self, path: Path, *, force: bool, flush_folder: bool = True) -> None:
        self.path = path
        self._force = force
        self._flush_folder = flush_folder
        self._check_target()
        name = f".{path.name[:_NAME_LENGTH]}.{os.urandom(4).hex()}.part"
        # a string, since a path takes longer to build than the file
        self._temporary = os.path.join(os.path.abspath(os.path.dirname(path)), name)
        _temporaries.add(self._temporary)
        try:
            open(self._temporary, "xb", buffering=0).close()
        except OSError as error:
            _temporaries.discard(self._temporary)
            raise self._failed(error) from error

    @property
    def temporary(self) -> Path:
        """Where the data is until it is committed."""
        return Path(self._temporary)

    @classmethod
    def below(cls, root: Path, name: str, *, force: bool, flush_folder: bool = True) -> Self:
        """Begin the file of this name in an archive below a folder, and make the folders in between.

        Raises
        ------
        InputError
            As the constructor does, or a link leads out of `root`.
        """
        folder, _, own_name = path_of_name(name).rpartition("/")
        return cls(folder_below(root, folder) / own_name, force=force, flush_folder=flush_folder)

    def _check_target(self) -> None:
        if not os.path.lexists(self.path):
            return
        if os.path.isdir(self.path):
            raise InputError(f"{self.path}: is a folder; name a file")
        if os.path.exists(self.path) and not os.path.isfile(self.path):
            raise InputError(f"{self.path}: is a device or a pipe, which is never overwritten; name a file")
        if not self._force:
            raise InputError(
                f"{self.path}: exists already; choose another name, or force overwriting it", parameter="force"
            )

    def _failed(self, error: OSError) -> InputError:
        return InputError(system_fault(self.path, "write", error))

    def append(self, *pieces: bytes | bytearray | memoryview) -> None:
        """Write at the end. The file is not held open, so that thousands can be written at the same time."""
        try:
            with open(self._temporary, "ab", opener=_open_existing) as file:
                file.writelines(pieces)
        except OSError as error:
            raise self._failed(error) from error

    @contextmanager
    def writing(self) -> Iterator[BinaryIO]:
        """Hold the file open to write it from its start. An OSError within the block becomes an InputError."""
        try:
            with open(self._temporary, "wb", opener=_open_existing) as file:
                yield file
        except OSError as error:
            raise self._failed(error) from error

    def commit(self, *pieces: bytes | bytearray | memoryview) -> None:
        """Append the last pieces, flush the data to the disk and give it the target's name.

        A signal that has asked the run to end is raised instead.
        """
        signals.check()
        try:
            with open(self._temporary, "ab", opener=_open_existing) as file:
                file.writelines(pieces)
                file.flush()
                os.fsync(file.fileno())
            self._check_target()
            os.replace(self._temporary, self.path)
        except OSError as error:
            raise self._failed(error) from error
        _temporaries.discard(self._temporary)
        if self._flush_folder:
            flush(self.path.parent, self.path)

    def keep(self) -> Path:
        """Keep data that cannot be produced again, although it is incomplete or could not be committed.

        Returns
        -------
        Path
            The target, if no file has that name; otherwise the temporary file.
        """
        with contextlib.suppress(InputError):
            if not os.path.lexists(self.path):
                self.commit()
        _temporaries.discard(self._temporary)
        return self.temporary if os.path.exists(self._temporary) else self.path

    def discard(self) -> None:
        """Delete the data, unless it was committed."""
        if self._temporary in _temporaries:
            # the error that led here is more important; the deletion is tried again when the process ends
            with contextlib.suppress(OSError):
                self.temporary.unlink(missing_ok=True)
                _temporaries.discard(self._temporary)


def folder_below(root: Path, folder: str) -> Path:
    """Make the folder of this name below `root`, and those in between; return it.

    Raises
    ------
    InputError
        A link leads out of `root`, or the folder cannot be made.
    """
    path = root / folder
    # checked before a folder is made, which would be outside too
    if not Path(os.path.realpath(path)).is_relative_to(os.path.realpath(root)):
        raise InputError(f"{path}: a link leads out of {root}; choose another folder")
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(system_fault(path, "make the folder", error)) from error
    return path


def _open_existing(path: str, flags: int) -> int:
    """Open without creating: a discarded file must not reappear."""
    return os.open(path, flags & ~os.O_CREAT)


def is_temporary(path: str | Path) -> bool:
    """Return whether a file has the name of a temporary file, which a killed run left behind."""
    return _TEMPORARY.fullmatch(os.path.basename(path)) is not None


def write_whole(path: Path, data: bytes, *, force: bool) -> None:
    """Write a file at once. Raises InputError as `WholeFile` does."""
    with begun(path, force=force) as write:
        write(data)


@contextmanager
def begun(path: Path, *, force: bool) -> Iterator[Callable[[bytes], None]]:
    """Check that a file can be written before the long computation of its contents.

    Yields a function that writes the contents at once. Raises InputError as `WholeFile` does.
    """
    file = WholeFile(path, force=force)

    def write(data: bytes) -> None:
        file.append(data)
        file.commit()

    try:
        yield write
    finally:
        file.discard()


def flush(folder: Path, written: Path | None = None) -> None:
    """Flush the names in a folder to the disk. Raises InputError, which names the file that was `written`."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:  # Windows cannot open folders, and a rename there is on the disk when it returns
        return
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # some file systems do not support it
            action = "flush the folder to the disk (the file is complete, but a power cut may undo it)"
            raise InputError(system_fault(written or folder, action, error)) from error
    finally:
        os.close(handle)


def forget(path: Path) -> None:
    """Ask the system to drop a file from its cache, so that the next read is from the disk."""
    if not hasattr(os, "posix_fadvise"):
        return
    with contextlib.suppress(OSError), path.open("rb") as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
