"""A file of which bytes anywhere are read, by several threads of execution, and by processes that were forked, at once.

They all share the place up to which an open file was read, so that to seek and to read must be one step: a system of
POSIX is told the place with each read, and elsewhere, where nothing forks, a lock makes it one.
"""

from __future__ import annotations

import os
import threading
from typing import BinaryIO

_BY_PLACE = hasattr(os, "pread")


class RandomAccess:
    """An open file, or bytes in memory that behave like one; taken over, and closed by `close`."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._lock = threading.Lock()
        self.size = file.seek(0, os.SEEK_END)
        """Bytes."""
        self._by_place = _BY_PLACE and _is_of_the_system(file)

    @property
    def closed(self) -> bool:
        """Whether it was closed."""
        return self._file.closed

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def read(self, offset: int, count: int) -> bytes:
        """`count` bytes from byte `offset` on, or fewer where the file ends before.

        Raises OSError where the system does, and ValueError where it was closed.
        """
        if not self._by_place:
            with self._lock:
                self._file.seek(offset)
                return self._file.read(count)
        pieces, left = [], count
        while left:  # the system reads 2 GiB at most at a time, and some file systems less
            piece = os.pread(self._file.fileno(), left, offset + count - left)
            if not piece:
                break
            pieces.append(piece)
            left -= len(piece)
        return b"".join(pieces)


def _is_of_the_system(file: BinaryIO) -> bool:
    try:
        return file.fileno() >= 0
    except OSError:  # of bytes in memory
        return False
