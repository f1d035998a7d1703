"""A recording with a cache of decoded blocks, for callers that read it in small consecutive ranges.

A block holds several seconds and is always decoded as a whole. Without a cache, every range would decode it again.

    blocks       |       0       |       1       |       2       |
    requested           |-------------------------------|
                        0: cached    1: complete    2: cached
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import OrderedDict
from concurrent.futures import Future
from threading import Lock

import numpy as np

from .recording import Recording

CACHE_BYTES = 64 << 20
"""Size of the cache in bytes, unless one block has more."""

_Key = tuple[int, tuple[int, ...] | None]
"""A block, and the columns that were decoded; None is all."""


class BlockCache:
    """Reads a recording, and caches the blocks that were read in part. Several threads may read at once.

    Parameters
    ----------
    recording : Recording
    cache_bytes : int, optional
        Size of the cache in bytes; the newest block is cached in any case.
    """

    def __init__(self, recording: Recording, cache_bytes: int = CACHE_BYTES) -> None:
        self.recording = recording
        self._cache_bytes = cache_bytes
        self._cache: OrderedDict[_Key, Future[np.ndarray]] = OrderedDict()
        self._lock = Lock()

    def read(self, first: int, stop: int, columns: slice | np.ndarray | list[int] | None = None) -> np.ndarray:
        """Return samples `first` to `stop`, within the recording.

        Parameters
        ----------
        first, stop : int
        columns : slice, ndarray or list of int, optional
            Indices of channels; by default all.

        Returns
        -------
        ndarray, shape (samples, channels)
            A new array.

        Raises
        ------
        ArchiveError
            A block that is needed is damaged.
        """
        every = np.arange(self.recording.shape[1])
        chosen = every if columns is None else every[columns]
        key_columns = None if np.array_equal(chosen, every) else tuple(chosen.tolist())
        edges = self.recording.edges
        # blocks low to high - 1 are requested completely
        low, high = bisect_left(edges, first), bisect_right(edges, stop) - 1
        if first >= stop or (edges[low] == first and edges[high] == stop):
            return self.recording[first:stop, chosen]
        samples = np.empty((stop - first, chosen.size), self.recording.dtype)
        if low > high:  # the range is within one block
            samples[:] = self._block(high, key_columns)[first - edges[high] : stop - edges[high]]
            return samples
        if first < edges[low]:
            samples[: edges[low] - first] = self._block(low - 1, key_columns)[first - edges[low] :]
        if low < high:
            samples[edges[low] - first : edges[high] - first] = self.recording[edges[low] : edges[high], chosen]
        if edges[high] < stop:
            samples[edges[high] - first :] = self._block(high, key_columns)[: stop - edges[high]]
        return samples

    def _block(self, b: int, columns: tuple[int, ...] | None) -> np.ndarray:
        """Return block `b` of some channels. The first thread that needs it decodes it, and others wait for that."""
        with self._lock:
            cached = next((key for key in ((b, None), (b, columns)) if key in self._cache), None)
            key: _Key = (b, columns) if cached is None else cached
            future = self._cache.setdefault(key, Future())
            self._cache.move_to_end(key)
        if cached is None:
            edges = self.recording.edges
            try:
                block = self.recording[edges[b] : edges[b + 1], slice(None) if columns is None else list(columns)]
            except BaseException as error:
                with self._lock:
                    self._cache.pop(key, None)
                future.set_exception(error)
                raise
            future.set_result(block)
            self._evict()
        block = future.result()
        return block[:, list(columns)] if columns is not None and key[1] is None else block

    def _evict(self) -> None:
        """Drop the least recently used blocks beyond the size of the cache, but not the newest."""
        with self._lock:
            sizes = {key: future.result().nbytes for key, future in self._cache.items() if future.done()}
            for key in list(sizes)[:-1]:
                if sum(sizes.values()) <= self._cache_bytes:
                    break
                del self._cache[key], sizes[key]
