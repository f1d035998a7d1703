"""Files that are there whole or not at all.

What is written goes to a temporary file in the target's folder, is flushed to the disk, and only then takes the
target's name, in one step. A run that is killed leaves the old file, or none, and a `*.part` that can be deleted.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Self

from .errors import InputError


class WholeFile:
    """A file under way. `append` to it, then `commit`; `discard` otherwise."""

    def __init__(self, path: Path, *, force: bool) -> None:
        """Begin the file. Raises InputError where it exists and `force` is not given, or cannot be made."""
        self.path = path
        self._force = force
        self._check_target()
        self._temporary = path.with_name(f".{path.name[:100]}.{secrets.token_hex(4)}.part")
        try:
            self._temporary.open("xb").close()
        except OSError as error:
            raise self._failed(error) from error

    @classmethod
    def below(cls, root: Path, name: str, *, force: bool) -> Self:
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
            raise InputError(f"{path.parent}: cannot make the folder: {error.strerror}") from error
        except RecursionError as error:  # a thousand folders within each other
            raise InputError(f"{root}: a name leads too deep to make its folders") from error
        return cls(path, force=force)

    def _check_target(self) -> None:
        if os.path.isdir(self.path):
            raise InputError(f"{self.path}: is a folder; name a file")
        if not self._force and os.path.lexists(self.path):
            raise InputError(f"{self.path}: exists already; give --force to replace it")

    def _failed(self, error: OSError) -> InputError:
        return InputError(f"{self.path}: cannot write: {error.strerror}")

    def append(self, data: bytes) -> None:
        """Write at the end; the file is not held open in between, so that thousands can be under way."""
        try:
            with self._temporary.open("ab") as file:
                file.write(data)
        except OSError as error:
            raise self._failed(error) from error

    @contextmanager
    def writing(self) -> Iterator[BinaryIO]:
        """Hold the file open to write it anew, from its start. Failures to write are InputErrors."""
        try:
            with self._temporary.open("wb") as file:
                yield file
        except OSError as error:
            raise self._failed(error) from error

    def commit(self, *, flush_folder: bool = True) -> None:
        """Flush to the disk and take the target's name.

        Without `flush_folder` a power cut may take the name back until `flush` is called for its folder: for those who
        commit many files.
        """
        try:
            with self._temporary.open("rb+") as file:
                os.fsync(file.fileno())
            self._check_target()
            os.replace(self._temporary, self.path)
            if flush_folder:
                flush(self.path.parent)
        except OSError as error:
            raise self._failed(error) from error

    def discard(self) -> None:
        """Delete what was written, if it was not committed."""
        self._temporary.unlink(missing_ok=True)


def write_whole(path: Path, data: bytes, *, force: bool) -> None:
    """Write a file in one go. Raises InputError where it exists and `force` is not given, or cannot be written."""
    file = WholeFile(path, force=force)
    try:
        file.append(data)
        file.commit()
    finally:
        file.discard()


def flush(folder: Path) -> None:
    """Flush the names in a folder to the disk."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:  # Windows cannot open folders; there a rename is on the disk once it returns
        return
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
