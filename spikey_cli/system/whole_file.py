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
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Self

from ..errors import InputError, system_fault
from . import signals
from .names import path_of_name
from .progress import waiting

_TEMPORARY = re.compile(r"\..*\.[0-9a-f]{8}\.part", re.DOTALL)
_NAME_LENGTH = 40
"""Characters of the target's name in the temporary name, which must not be too long for the file system."""

_HAS_HANDLES = os.open in os.supports_dir_fd
"""Whether files can be named relative to an open folder, as everywhere but on Windows."""
_FOLDER = getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_PATH", os.O_RDONLY)
"""Flags to open a folder, for which `O_PATH` needs no permission to list it."""
_NO_LINK: int = getattr(os, "O_NOFOLLOW", 0)

_HAS_NO_LINKS = {errno.EPERM, errno.EACCES, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EINVAL}
"""How a file system without hard links refuses one."""

_temporaries: set[str] = set()
"""Temporary files that may exist. A signal can interrupt a run between any two steps, also while it cleans up."""


def _discard_all() -> None:
    for path in list(_temporaries):
        with contextlib.suppress(OSError):
            os.unlink(path)


atexit.register(_discard_all)  # runs after all threads that write have ended
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_temporaries.clear)


class Folder:
    """A folder in which files are written, whatever its path leads to later.

    Another user who may rename in the folder's path could put a link in its place while files are written. Each use
    therefore opens the folder and compares it with the one that was there first.

    Parameters
    ----------
    path : str
        The folder.
    handle : int, optional
        Of the folder, if it is open already.

    Raises
    ------
    OSError
        There is no such folder.
    """

    def __init__(self, path: str | os.PathLike[str], handle: int | None = None) -> None:
        self.path = os.path.abspath(path)
        self._identity = _identity(self.path if handle is None else handle)

    @contextmanager
    def opened(self) -> Iterator[tuple[int | None, str]]:
        """Open the folder; yield its handle, and what stands before names relative to it."""
        if not _HAS_HANDLES:
            yield None, self.path + os.sep
            return
        handle = os.open(self.path, _FOLDER)
        try:
            if _identity(handle) != self._identity:
                raise OSError(errno.ESTALE, "its folder was replaced by another")
            yield handle, ""
        finally:
            os.close(handle)


def _identity(folder: str | int) -> tuple[int, int]:
    status = os.stat(folder)
    return status.st_dev, status.st_ino


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
    folder : Folder, optional
        The folder that `path` is in, if it must remain the same one from before.

    Raises
    ------
    InputError
        The file exists and `force` is not given, or it cannot be created.
    """

    def __init__(self, path: Path, *, force: bool, flush_folder: bool = True, folder: Folder | None = None) -> None:
        self.path = path
        self._force = force
        self._flush_folder = flush_folder
        self._check_target()
        name = f".{path.name[:_NAME_LENGTH]}.{os.urandom(4).hex()}.part"
        # a string, since a path takes longer to build than the file
        self._temporary = os.path.join(os.path.abspath(os.path.dirname(path)), name)
        _temporaries.add(self._temporary)
        try:
            self._folder = folder or Folder(path.parent)
            open(self._temporary, "xb", buffering=0, opener=self._open).close()
        except OSError as error:
            _temporaries.discard(self._temporary)
            raise self._failed(error) from error

    @property
    def temporary(self) -> Path:
        """Where the data is until it is committed."""
        return Path(self._temporary)

    @classmethod
    def below(cls, root: Path, name: str, *, force: bool) -> Self:
        """Begin the file of this name in an archive below a folder, and make the folders in between.

        Raises
        ------
        InputError
            As the constructor does, or a link leads out of `root`.
        """
        name = path_of_name(name)
        folder = folder_below(root, name.rpartition("/")[0])
        return cls(root / name, force=force, folder=folder)

    def _check_target(self) -> None:
        try:
            mode = os.lstat(self.path).st_mode
        except OSError:
            return
        if stat.S_ISLNK(mode):
            with contextlib.suppress(OSError):  # a link to nothing
                mode = os.stat(self.path).st_mode
        if stat.S_ISDIR(mode):
            raise InputError(f"{self.path}: is a folder; name a file")
        if not stat.S_ISREG(mode) and not stat.S_ISLNK(mode):
            raise InputError(f"{self.path}: is a device or a pipe, which is never overwritten; name a file")
        if not self._force:
            raise InputError(
                f"{self.path}: exists already; choose another name, or force overwriting it", parameter="force"
            )

    def _failed(self, error: OSError) -> InputError:
        return InputError(system_fault(self.path, "write", error))

    def _open(self, path: str, flags: int) -> int:
        """Open the temporary file, in the same folder as before and not through a link."""
        with self._folder.opened() as (handle, prefix):
            return os.open(prefix + os.path.basename(path), flags | _NO_LINK, 0o666, dir_fd=handle)

    def _open_existing(self, path: str, flags: int) -> int:
        """Open without creating: a discarded file must not reappear."""
        return self._open(path, flags & ~os.O_CREAT)

    def append(self, *pieces: bytes | bytearray | memoryview) -> None:
        """Write at the end. The file is not held open, so that thousands can be written at the same time."""
        try:
            with open(self._temporary, "ab", opener=self._open_existing) as file:
                file.writelines(pieces)
        except OSError as error:
            raise self._failed(error) from error

    @contextmanager
    def writing(self) -> Iterator[BinaryIO]:
        """Hold the file open to write it from its start. An OSError within the block becomes an InputError."""
        try:
            with open(self._temporary, "wb", opener=self._open_existing) as file:
                yield file
        except OSError as error:
            raise self._failed(error) from error

    def commit(self, *pieces: bytes | bytearray | memoryview) -> None:
        """Append the last pieces, flush the data to the disk and give it the target's name.

        A signal that has asked the run to end is raised instead.
        """
        signals.check()
        try:
            with self._folder.opened() as (folder, prefix):
                temporary = prefix + os.path.basename(self._temporary)

                def opener(_: str, flags: int) -> int:
                    return os.open(temporary, flags & ~os.O_CREAT | _NO_LINK, dir_fd=folder)

                with open(self._temporary, "ab", opener=opener) as file:
                    file.writelines(pieces)
                    file.flush()
                    with waiting("writing to the disk"):
                        os.fsync(file.fileno())
                self._check_target()
                self._give_name(temporary, prefix + self.path.name, folder)
        except OSError as error:
            raise self._failed(error) from error
        if self._flush_folder:
            flush(self.path.parent, self.path)

    def _give_name(self, temporary: str, target: str, folder: int | None) -> None:
        """Give the file its name, and unless forced, only if no other program has made such a file since the check."""
        if not self._force:
            try:
                os.link(temporary, target, src_dir_fd=folder, dst_dir_fd=folder, follow_symlinks=not _HAS_HANDLES)
            except FileExistsError:
                self._check_target()
                raise
            except OSError as error:
                if error.errno not in _HAS_NO_LINKS:
                    raise
            else:
                self.discard()  # its other name
                return
        os.replace(temporary, target, src_dir_fd=folder, dst_dir_fd=folder)
        _temporaries.discard(self._temporary)

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


def folder_below(root: Path, name: str) -> Folder:
    """Make the folder of this name below `root`, and those in between.

    Raises
    ------
    InputError
        A link leads out of `root`, or the folder cannot be made.
    """
    path = root / name
    try:
        root.mkdir(parents=True, exist_ok=True)
        start, end = os.path.realpath(root), os.path.realpath(path)
        if not Path(end).is_relative_to(start):
            raise InputError(f"{path}: a link leads out of {root}; choose another folder")
        if not _HAS_HANDLES:
            path.mkdir(parents=True, exist_ok=True)
            return Folder(path)
        # step by step and through no link, since another user may make one now
        handle = os.open(start, _FOLDER)
        try:
            for part in Path(end).relative_to(start).parts:
                with contextlib.suppress(FileExistsError):
                    os.mkdir(part, dir_fd=handle)
                outer, handle = handle, os.open(part, _FOLDER | _NO_LINK, dir_fd=handle)
                os.close(outer)
            return Folder(path, handle)
        finally:
            os.close(handle)
    except OSError as error:
        raise InputError(system_fault(path, "make the folder", error)) from error


def remove_empty(folders: Iterable[Path]) -> None:
    """Delete those of some folders that are empty, or hold nothing but others of them."""
    for folder in sorted(folders, reverse=True):
        with contextlib.suppress(OSError):
            folder.rmdir()


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
