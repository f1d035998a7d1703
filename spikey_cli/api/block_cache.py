"""A recording whose last blocks are kept decoded: for those who read it on, a second at a time.

A block is decoded whole, whatever is wanted of it, and holds several seconds. Without this it would be decoded anew for
each of them.

    blocks    |       0       |       1       |       2       |
    wanted           |-------------------------------|
                      of 0: kept   1: whole    of 2: kept
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import OrderedDict
from concurrent.futures import Future
from threading import Lock

import numpy as np

from .recording import Recording

KEPT_BYTES = 64 << 20
"""Samples that are kept, in bytes, unless one block has more."""

_Key = tuple[int, tuple[int, ...] | None]


class BlockCache:
    """Reads a recording, and keeps those blocks of which a part was wanted. Several threads of execution may read."""

    def __init__(self, recording: Recording, kept_bytes: int = KEPT_BYTES) -> None:
        self.recording = recording
        self._kept_bytes = kept_bytes
        self._kept: OrderedDict[_Key, Future[np.ndarray]] = OrderedDict()
        self._lock = Lock()

    def read(self, first: int, stop: int, columns: slice | np.ndarray | list[int] | None = None) -> np.ndarray:
        """Samples `first` to `stop`, within the recording, of some of its threads; by default of all.

        An array of its own, of shape (samples, threads). Raises ArchiveError where what is needed is damaged.
        """
        of_all = np.arange(self.recording.shape[1])
        chosen = of_all if columns is None else of_all[columns]
        names = None if np.array_equal(chosen, of_all) else tuple(chosen.tolist())
        edges = self.recording.edges
        low, high = bisect_left(edges, first), bisect_right(edges, stop) - 1
        if first >= stop or (edges[low] == first and edges[high] == stop):
            return self.recording[first:stop, chosen]
        samples = np.empty((stop - first, chosen.size), self.recording.dtype)
        if low > high:  # all of it lies in one block
            samples[:] = self._block(high, names)[first - edges[high] : stop - edges[high]]
            return samples
        if first < edges[low]:
            samples[: edges[low] - first] = self._block(low - 1, names)[first - edges[low] :]
        if low < high:
            samples[edges[low] - first : edges[high] - first] = self.recording[edges[low] : edges[high], chosen]
        if edges[high] < stop:
            samples[edges[high] - first :] = self._block(high, names)[: stop - edges[high]]
        return samples

    def _block(self, b: int, columns: tuple[int, ...] | None) -> np.ndarray:
        """Block `b` of these threads, or of all. Whoever wants it first decodes it, others wait for that."""
        with self._lock:
            found = next((key for key in ((b, None), (b, columns)) if key in self._kept), None)
            key: _Key = (b, columns) if found is None else found
            kept = self._kept.setdefault(key, Future())
            self._kept.move_to_end(key)
        if found is None:
            edges = self.recording.edges
            try:
                block = self.recording[edges[b] : edges[b + 1], slice(None) if columns is None else list(columns)]
            except BaseException as error:
                with self._lock:
                    self._kept.pop(key, None)
                kept.set_exception(error)
                raise
            kept.set_result(block)
            self._forget_oldest()
        block = kept.result()
        return block[:, list(columns)] if columns is not None and key[1] is None else block

    def _forget_oldest(self) -> None:
        """Keep no more bytes than was said, and the newest block in any case."""
        with self._lock:
            sizes = {key: kept.result().nbytes for key, kept in self._kept.items() if kept.done()}
            for key in list(sizes)[:-1]:
                if sum(sizes.values()) <= self._kept_bytes:
                    break
                del self._kept[key], sizes[key]
