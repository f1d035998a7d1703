"""A file of which bytes anywhere are read, by several threads of execution, and by processes that were forked, at once.

They all share the place up to which an open file was read, so that to seek and to read must be one step: a system of
POSIX is told the place with each read; elsewhere, where nothing forks, and in memory, a lock makes it one.
"""

from __future__ import annotations

import io
import os
import threading
from typing import BinaryIO

_BY_PLACE = hasattr(os, "pread")
_MOST_AT_ONCE = 1 << 30  # more than 2 GiB are an error to some systems


class RandomAccess:
    """An open file, or bytes in memory that behave like one; taken over, and closed by `close`."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._lock = threading.Lock()
        self.size = file.seek(0, os.SEEK_END)
        """Bytes."""
        self._by_place = _BY_PLACE and isinstance(getattr(file, "raw", file), io.FileIO)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def read(self, offset: int, count: int) -> bytes:
        """`count` bytes from byte `offset` on, or fewer where the file ends before.

        Raises OSError where the system does, and ValueError where it was closed, be it by now.
        """
        if not self._by_place:
            with self._lock:
                self._file.seek(offset)
                return self._file.read(count)
        pieces, left = [], count
        while left:  # a system may read less than it was asked for
            piece = os.pread(self._file.fileno(), min(left, _MOST_AT_ONCE), offset + count - left)
            if self._file.closed:  # by another thread of execution: its number may be that of another file by now
                raise ValueError("read of a closed file")
            if not piece:
                break
            pieces.append(piece)
            left -= len(piece)
        return b"".join(pieces)
