"""Reads at any offset of a file, from several threads and forked processes at the same time.

They share the position of an open file, so a seek followed by a read is not safe. POSIX systems read at a given offset
in one step (`pread`). On other systems, which do not fork, and for memory, a lock protects the two steps.
"""

from __future__ import annotations

import errno
import io
import os
import threading
from typing import Any, BinaryIO

_HAS_PREAD = hasattr(os, "pread")
_MAX_READ = 1 << 30  # some systems reject reads of more than 2 GiB


class RangeFile(io.RawIOBase):
    """A file object of what can be read at any offset: a subclass has `size`, and defines `read_at`."""

    size: int
    """Size in bytes."""

    def __init__(self) -> None:
        super().__init__()
        self._at = 0

    def read_at(self, offset: int, count: int) -> bytes:
        """Read `count` bytes at `offset`, or fewer at the end of the file."""
        raise NotImplementedError

    def check_after_damage(self) -> None:
        """Raise ArchiveError if the file has changed since it was opened: that is why its parts do not fit together."""

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def tell(self) -> int:
        """Return the position."""
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        """Set the position."""
        self._at = max(0, offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self.size}[whence])
        return self._at

    def readinto(self, buffer: Any, /) -> int:
        """Read into a buffer, from the position on."""
        view = memoryview(buffer).cast("B")
        data = self.read_at(self._at, len(view))
        view[: len(data)] = data
        self._at += len(data)
        return len(data)


class RandomAccess:
    """A file that is read at any offset.

    Parameters
    ----------
    file : binary file
        Open for reading; `close` closes it.

    Attributes
    ----------
    size : int
        Size in bytes.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._lock = threading.Lock()
        if not file.seekable():
            raise OSError(errno.ESPIPE, os.strerror(errno.ESPIPE))
        self.size = file.seek(0, os.SEEK_END)
        self._uses_pread = _HAS_PREAD and isinstance(getattr(file, "raw", file), io.FileIO)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def check_after_damage(self) -> None:
        """Raise ArchiveError if damage was found because a remote file has changed since it was opened."""
        if isinstance(self._file, RangeFile):
            self._file.check_after_damage()

    def read(self, offset: int, count: int) -> bytes:
        """Read `count` bytes at `offset`, or fewer at the end of the file.

        Raises
        ------
        OSError
            The system cannot read.
        ArchiveError
            A remote file cannot be read.
        ValueError
            The file was closed, possibly by another thread during the read.
        """
        if isinstance(self._file, RangeFile):
            return self._file.read_at(offset, count)
        if not self._uses_pread:
            with self._lock:
                self._file.seek(offset)
                return self._file.read(count)
        pieces, remaining = [], count
        while remaining:  # a system may return less than requested
            piece = os.pread(self._file.fileno(), min(remaining, _MAX_READ), offset + count - remaining)
            # the file's number may belong to another file if a thread closed it meanwhile
            if self._file.closed:
                raise ValueError("read of a closed file")
            if not piece:
                break
            pieces.append(piece)
            remaining -= len(piece)
        return b"".join(pieces)
