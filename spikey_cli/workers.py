"""Workers: threads of execution, among which work is shared out.

Kernels, network and checksums run without the interpreter's lock, so threads are enough. Many blocks are coded side by
side, a block a worker: while some are coded, the next one is read, and those before are written. Few blocks are coded
one after another, each shared out among all workers. What is written depends on neither.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

from . import interruption

Task = TypeVar("Task")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Workers:
    """`count` workers of a pool, which may be None for one."""

    pool: Executor | None
    count: int

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
                if len(under_way) > self.count:
                    yield under_way.popleft().result()
                    interruption.check()
            while under_way:
                yield under_way.popleft().result()
        finally:
            for future in under_way:
                future.cancel()

    def for_blocks(self, n_blocks: int) -> tuple[Workers, Workers]:
        """Who takes blocks in turn, and who works within each of them: either the one or the other is a single worker,
        so that no worker waits for another that is to come after it.
        """
        one = Workers(None, 1)
        return (self, one) if n_blocks >= 2 * self.count else (one, self)


@contextmanager
def open_workers(count: int | None) -> Iterator[Workers]:
    """Workers for a while: `count` of them, or one for each processor that this process may use."""
    if count is None:
        count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if count == 1:
        yield Workers(None, 1)
        return
    pool = ThreadPoolExecutor(count)
    try:
        yield Workers(pool, count)
    finally:
        pool.shutdown(cancel_futures=True)  # after an error nobody wants what has not begun
