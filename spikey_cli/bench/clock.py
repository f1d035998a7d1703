"""Processor time, user and system."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]


def processor_seconds_of_children(work: Callable[[], object]) -> float:
    """Processor time of processes that end during `work`, and of their children; NaN if it is not known."""
    started = _of_ended_children()
    work()
    return _of_ended_children() - started


def processor_seconds(work: Callable[[], object]) -> float:
    """Processor time of all threads of this process during `work`."""
    started = time.process_time()
    work()
    return time.process_time() - started


def _of_ended_children() -> float:
    if resource is None:
        return math.nan
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
