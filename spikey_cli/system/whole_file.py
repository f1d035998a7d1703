"""Files that are there whole or not at all.

What is written goes to a temporary file in the target's folder, is flushed to the disk, and only then takes the
target's name, in one step. A run that is killed leaves the old file, or none, and a `*.part` that can be deleted, but
for that of a live stream, which holds what had come of it. A run that ends in any other way, by an error or a signal as
well, deletes its temporary files, at the latest as its last act.
"""

from __future__ import annotations

import atexit
import contextlib
import errno
import os
import re
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Self

from ..errors import InputError, system_fault
from . import signals

_TEMPORARY = re.compile(r"\..*\.[0-9a-f]{8}\.part", re.DOTALL)
_NAME_KEPT = 40
"""Characters of the target's name in that of its temporary file, which must not be too long for any file system."""

_under_way: set[Path] = set()
"""Temporary files that may exist. What interrupts a run can strike between any two steps, clearing up as well."""


def _discard_all() -> None:
    for path in list(_under_way):
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)


atexit.register(_discard_all)  # by then, all threads that wrote have come to an end
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_under_way.clear)


class WholeFile:
    """A file under way. `append` to it, then `commit`; `discard` otherwise."""

    def __init__(self, path: Path, *, force: bool, flush_folder: bool = True) -> None:
        """Begin the file. Raises InputError where it exists and `force` is not given, or cannot be made.

        Without `flush_folder` a power cut may take the name back until `flush` is called for its folder: for those who
        commit many files.
        """
        self.path = path
        self._force = force
        self._flush_folder = flush_folder
        self._check_target()
        name = f".{path.name[:_NAME_KEPT]}.{secrets.token_hex(4)}.part"
        self.temporary = path.with_name(name).absolute()
        """Where what was written stands until it is committed."""
        _under_way.add(self.temporary)
        try:
            self.temporary.open("xb").close()
        except OSError as error:
            _under_way.discard(self.temporary)
            raise self._failed(error) from error

    @classmethod
    def below(cls, root: Path, name: str, *, force: bool, flush_folder: bool = True) -> Self:
        """Begin the file `name` below a folder, with the folders on its way. Raises InputError as above, and where a
        link would lead it out of `root`.
        """
        path = root / name
        # before a folder is made: that, too, would be outside
        if not Path(os.path.realpath(path.parent)).is_relative_to(os.path.realpath(root)):
            raise InputError(f"{path}: a link leads out of {root}; choose another folder")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(system_fault(path.parent, "make the folder", error)) from error
        except RecursionError as error:  # a thousand folders within each other
            raise InputError(
                f"{root}: a name leads too deep to make its folders; give the file another name"
            ) from error
        return cls(path, force=force, flush_folder=flush_folder)

    def _check_target(self) -> None:
        if os.path.isdir(self.path):
            raise InputError(f"{self.path}: is a folder; name a file")
        if os.path.exists(self.path) and not os.path.isfile(self.path):
            raise InputError(f"{self.path}: is a device or a pipe, which a file would take the place of; name a file")
        if not self._force and os.path.lexists(self.path):
            raise InputError(f"{self.path}: exists already; give --force to replace it")

    def _failed(self, error: OSError) -> InputError:
        return InputError(system_fault(self.path, "write", error))

    def append(self, data: bytes | bytearray | memoryview) -> None:
        """Write at the end; the file is not held open in between, so that thousands can be under way."""
        try:
            with open(self.temporary, "ab", opener=_open_existing) as file:
                file.write(data)
        except OSError as error:
            raise self._failed(error) from error

    @contextmanager
    def writing(self) -> Iterator[BinaryIO]:
        """Hold the file open to write it anew, from its start. Failures to write are InputErrors."""
        try:
            with open(self.temporary, "wb", opener=_open_existing) as file:
                yield file
        except OSError as error:
            raise self._failed(error) from error

    def commit(self) -> None:
        """Flush to the disk and take the target's name, unless a signal says that the run is to end."""
        signals.check()
        try:
            with self.temporary.open("rb+") as file:
                os.fsync(file.fileno())
            self._check_target()
            os.replace(self.temporary, self.path)
        except OSError as error:
            raise self._failed(error) from error
        _under_way.discard(self.temporary)
        if self._flush_folder:
            flush(self.path.parent, self.path)

    def keep(self) -> Path:
        """Take the target's name where nothing has it, else stand under the temporary one; returns where it is now.

        For what could not be written to its end, or committed, and cannot be written again.
        """
        with contextlib.suppress(InputError):
            if not os.path.lexists(self.path):
                self.commit()
        _under_way.discard(self.temporary)
        return self.temporary if os.path.exists(self.temporary) else self.path

    def discard(self) -> None:
        """Delete what was written, if it was not committed."""
        if self.temporary in _under_way:
            with contextlib.suppress(OSError):  # what led here is worth more; it is tried again as the process ends
                self.temporary.unlink(missing_ok=True)
                _under_way.discard(self.temporary)


def _open_existing(path: str, flags: int) -> int:
    """An opener that makes no file: what was discarded does not come back."""
    return os.open(path, flags & ~os.O_CREAT)


def is_temporary(path: Path) -> bool:
    """Whether a file is, by its name, what a killed run left behind."""
    return _TEMPORARY.fullmatch(path.name) is not None


def write_whole(path: Path, data: bytes, *, force: bool) -> None:
    """Write a file in one go. Raises InputError where it exists and `force` is not given, or cannot be written."""
    with begun(path, force=force) as write:
        write(data)


@contextmanager
def begun(path: Path, *, force: bool) -> Iterator[Callable[[bytes], None]]:
    """Begin a file before the work that fills it, which may take long: what writes it in one go. Raises as above."""
    file = WholeFile(path, force=force)

    def write(data: bytes) -> None:
        file.append(data)
        file.commit()

    try:
        yield write
    finally:
        file.discard()


def flush(folder: Path, written: Path | None = None) -> None:
    """Flush the names in a folder to the disk. Raises InputError where that fails, naming what was `written` there."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:  # Windows cannot open folders; there a rename is on the disk once it returns
        return
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # some file systems know no such thing
            what = "flush the folder to the disk (what was written is whole, but a power cut may take it back)"
            raise InputError(system_fault(written or folder, what, error)) from error
    finally:
        os.close(handle)


def forget(path: Path) -> None:
    """Ask the system to drop what it holds of a file in memory, so that it is read from the disk."""
    if not hasattr(os, "posix_fadvise"):
        return
    with contextlib.suppress(OSError), path.open("rb") as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
