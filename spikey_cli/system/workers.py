"""Workers: threads of execution, among which work is shared out.

Kernels, network and checksums run without the interpreter's lock, so threads are enough. Many blocks are coded side by
side, a block a worker: while some are coded, the next one is read, and those before are written. Few blocks are coded
one after another, each shared out among all workers. Blocks may also go to a cluster, whose workers are processes, here
or on other machines. What is written depends on none of this.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TypeVar

from . import signals

Task = TypeVar("Task")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Workers:
    """`count` workers of a pool, which may be None for one.

    Pickled they stay behind: whoever is sent some works alone.
    """

    pool: Executor | None
    count: int
    cluster: Workers | None = None
    """Others, who take all blocks; see `hosts.dask`."""

    def __reduce__(self) -> tuple[object, ...]:
        return Workers, (None, 1)

    @property
    def most_under_way(self) -> int:
        """Tasks that `in_turn` has at a time beside the one that it takes next."""
        return self.count

    def map(self, function: Callable[[Task], Result], tasks: Sequence[Task]) -> list[Result]:
        """Results of `function` for each of `tasks`, in order."""
        if self.pool is None or len(tasks) < 2:
            return [function(task) for task in tasks]
        return list(self.pool.map(function, tasks))

    def in_turn(self, function: Callable[[Task], Result], tasks: Iterable[Task]) -> Iterator[Result]:
        """The same, one by one: `tasks` are taken as workers come free, one more than there are workers."""
        if self.pool is None:
            yield from map(function, tasks)
            return
        under_way: deque[Future[Result]] = deque()
        try:
            for task in tasks:
                under_way.append(self.pool.submit(function, task))
                if len(under_way) > self.most_under_way:
                    yield self.result(under_way.popleft())
                    signals.check()
            while under_way:
                yield self.result(under_way.popleft())
        finally:
            for future in under_way:
                future.cancel()

    def result(self, future: Future[Result]) -> Result:
        """What a task gave, once it is there, or the exception that it raised."""
        return future.result()

    def for_blocks(self, n_blocks: int) -> tuple[Workers, Workers]:
        """Who takes blocks in turn, and who works within each of them: either the one or the other is a single worker,
        so that no worker waits for another that is to come after it. A cluster takes blocks while these do what is left
        to be done here.
        """
        if self.cluster:
            return self.cluster, replace(self, cluster=None)
        one = Workers(None, 1)
        return (self, one) if n_blocks >= 2 * self.count else (one, self)


def processors() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def open_workers(count: int | None, cluster: Workers | None = None) -> Iterator[Workers]:
    """Workers for a while: `count` of them, or one for each processor that this process may use; with a cluster, where
    there is one, that takes blocks for them.
    """
    count = count or processors()
    if count == 1:
        yield Workers(None, 1, cluster)
        return
    pool = ThreadPoolExecutor(count)
    try:
        yield Workers(pool, count, cluster)
    finally:
        pool.shutdown(cancel_futures=True)  # after an error nobody wants what has not begun
