"""Worker threads that share work.

Kernels, networks and checksums release the interpreter's lock, so threads suffice. Many blocks are coded in parallel,
one per worker: while some are coded, the next one is read and earlier ones are written. Few blocks are coded one after
another, each by all workers. Blocks can also be sent to a cluster, whose workers are processes here or on other
machines. The output depends on none of this.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Protocol, TypeVar

from . import signals

if TYPE_CHECKING:
    from concurrent.futures import Future, ThreadPoolExecutor

Task = TypeVar("Task")
Result = TypeVar("Result")


class Pool(Protocol):
    """What `Workers` need of an executor, such as those of `concurrent.futures`."""

    def submit(self, function: Callable[[Task], Result], task: Task, /) -> Future[Result]:
        """Queue a task."""

    def map(self, function: Callable[[Task], Result], tasks: Iterable[Task], /) -> Iterator[Result]:
        """Yield the results of `function` for each task, in order."""


class _Threads:
    """A pool of threads that starts with its first task, because a single short file has none for it."""

    def __init__(self, count: int) -> None:
        self._count = count

    @cached_property
    def _executor(self) -> ThreadPoolExecutor:
        from concurrent.futures import ThreadPoolExecutor

        return ThreadPoolExecutor(self._count)

    def submit(self, function: Callable[[Task], Result], task: Task, /) -> Future[Result]:
        return self._executor.submit(function, task)

    def map(self, function: Callable[[Task], Result], tasks: Iterable[Task], /) -> Iterator[Result]:
        return self._executor.map(function, tasks)

    def close(self) -> None:
        if "_executor" in vars(self):
            self._executor.shutdown(cancel_futures=True)  # after an error the queued tasks are not needed


@dataclass(frozen=True)
class Workers:
    """Workers of a pool. A pickled one becomes a single worker where it is unpickled."""

    pool: Pool | None
    """None for a single worker, which is the calling thread."""
    count: int
    cluster: Workers | None = None
    """Workers that code whole blocks instead of these; see `integrations.dask`."""

    def __reduce__(self) -> tuple[object, ...]:
        return Workers, (None, 1)

    @property
    def max_pending(self) -> int:
        """Number of unfinished tasks at which `in_turn` waits for a result."""
        return self.count

    def map(self, function: Callable[[Task], Result], tasks: Sequence[Task]) -> list[Result]:
        """Return the results of `function` for each task, in order."""
        if self.pool is None or len(tasks) < 2:
            return [function(task) for task in tasks]
        return list(self.pool.map(function, tasks))

    def in_turn(self, function: Callable[[Task], Result], tasks: Iterable[Task]) -> Iterator[Result]:
        """Yield the results of `function` for each task, in order; tasks are taken as workers become free."""
        if self.pool is None:
            yield from map(function, tasks)
            return
        pending: deque[Future[Result]] = deque()
        try:
            for task in tasks:
                pending.append(self.pool.submit(function, task))
                if len(pending) > self.max_pending:
                    yield self.result(pending.popleft())
                    signals.check()
            while pending:
                yield self.result(pending.popleft())
        finally:
            for future in pending:
                future.cancel()

    def result(self, future: Future[Result]) -> Result:
        """Wait for the result of a task, or raise its exception."""
        return future.result()

    def for_blocks(self, n_blocks: int) -> tuple[Workers, Workers]:
        """Return the workers that take blocks in turn, and those that work within each block.

        One of the two is a single worker, so that no worker waits for a task that is queued behind it. If there is a
        cluster, it takes the blocks, and these workers do the rest of the work.
        """
        if self.cluster:
            return self.cluster, Workers(self.pool, self.count)
        one = Workers(None, 1)
        return (self, one) if n_blocks >= 2 * self.count else (one, self)


def processors() -> int:
    """Return the number of processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def open_workers(workers: int | Workers | None) -> Iterator[Workers]:
    """Start worker threads for the duration of a `with` block.

    Parameters
    ----------
    workers : int, Workers or None
        Number of threads; None or 0 is one per processor. A cluster codes the blocks, beside one thread per processor.

    Raises
    ------
    ValueError
        The number is negative.
    """
    if isinstance(workers, int) and workers < 0:
        raise ValueError(f"workers={workers}: pass a number of threads, or None for one per processor")
    cluster = workers if isinstance(workers, Workers) else None
    count = workers if isinstance(workers, int) and workers else processors()
    if count == 1:
        yield Workers(None, 1, cluster)
        return
    pool = _Threads(count)
    try:
        yield Workers(pool, count, cluster)
    finally:
        pool.close()
