"""Processor time, user and system, and what a process takes."""

from __future__ import annotations

import math
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]


class ProcessCost(NamedTuple):
    """What a process took, in seconds and bytes; NaN and 0 where the system does not report it."""

    exit_code: int
    wall: float
    user: float = math.nan
    system: float = math.nan
    peak_bytes: int = 0

    @property
    def processor(self) -> float:
        """Processor time."""
        return self.user + self.system


def run_process(command: Sequence[object], **options: Any) -> ProcessCost:
    """Run a command, with these options of `subprocess.Popen`."""
    started = time.perf_counter()
    process = subprocess.Popen([*map(str, command)], **options)
    if not hasattr(os, "wait4"):
        return ProcessCost(process.wait(), time.perf_counter() - started)
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    unit = 1 if sys.platform == "darwin" else 1024
    return ProcessCost(process.returncode, wall, usage.ru_utime, usage.ru_stime, usage.ru_maxrss * unit)


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
