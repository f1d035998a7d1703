"""Run trials in forked processes and measure what each of them takes: memory, and work.

Work is counted in calls of Python and C functions, which do not depend on the machine or its load. A call of the
compiled core is one call, whatever it does: what a block may ask of it is bounded by the cost estimate (`codec.cost`).
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os
import resource
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import NamedTuple

ADDRESS_SPACE = 512 << 20
"""Bytes that a process may map beyond those it has, used or not."""
MAX_CALLS = 50_000_000
"""Calls after which a trial is ended."""
_SLACK = 4 << 20
"""Bytes that a trial may leave allocated without affecting how the next one is measured."""


_FAILED = "\0"
"""Stands before what kept a process from running its trials."""


class Trial(NamedTuple):
    """The outcome of a trial."""

    seed: int
    outcome: str
    """What the trial returned or raised, or "killed"."""
    calls: int
    """Calls of Python and C functions."""
    memory: int
    """Bytes by which resident memory rose at its peak."""


class CallCounter:
    """Calls of Python and C functions, in the current thread and in those started within `counting`."""

    def __init__(self, limit: int = MAX_CALLS) -> None:
        self.count = 0
        self._limit = limit

    def _count(self, frame: FrameType, event: str, argument: object) -> None:
        if event in ("call", "c_call"):
            self.count += 1
            if self.count > self._limit:
                raise RuntimeError(f"more than {self._limit:,} calls")

    @contextlib.contextmanager
    def counting(self) -> Iterator[None]:
        """Count within this context."""
        threading.setprofile(self._count)
        sys.setprofile(self._count)
        try:
            yield
        finally:
            sys.setprofile(None)
            threading.setprofile(None)


def calls_of(function: Callable[[], object], limit: int = MAX_CALLS) -> int:
    """How many calls of Python and C functions a call makes; beyond `limit` it is ended with RuntimeError."""
    counter = CallCounter(limit)
    with counter.counting():
        function()
    return counter.count


def _process_status(field: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field):
            return int(line.split()[1]) << 10
    raise LookupError(field)


def _release_memory() -> None:
    gc.collect()
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


def _run_trials(
    prepare: Callable[[int], None],
    trial: Callable[[int], str],
    warm_up: Callable[[], None],
    seeds: Sequence[int],
    out: int,
) -> None:
    warm_up()  # imports and compiles what the first call would
    for seed in seeds:
        prepare(seed)
    _release_memory()
    size = _process_status("VmSize") + ADDRESS_SPACE
    resource.setrlimit(resource.RLIMIT_AS, (size, size))
    baseline = _process_status("VmRSS")
    for seed in seeds:
        if _process_status("VmRSS") > baseline + _SLACK:
            _release_memory()
            baseline = _process_status("VmRSS")
        Path("/proc/self/clear_refs").write_text("5")  # resets VmHWM
        counter = CallCounter()
        try:
            with counter.counting():
                outcome = trial(seed)
        except BaseException as error:
            outcome = f"{type(error).__name__}: {error}".replace("\n", " ")[:300]
        memory = max(0, _process_status("VmHWM") - baseline)
        os.write(out, f"{seed}\t{counter.count}\t{memory}\t{outcome}\n".encode())


def run_trials(
    trial: Callable[[int], str],
    seeds: Sequence[int],
    *,
    prepare: Callable[[int], None] = lambda seed: None,
    warm_up: Callable[[], None] = lambda: None,
    batch: int = 100,
) -> list[Trial]:
    """Run a trial with each seed, `batch` of them in a process.

    `trial` returns its outcome in a word. `warm_up` runs once in each process, `prepare` once for each seed; neither is
    measured. If a process is killed, the trial that it ran is reported and the others continue in another process.
    What `warm_up` or `prepare` raises is a RuntimeError here.
    """
    trials = []
    remaining = list(seeds)
    while remaining:
        current, remaining = remaining[:batch], remaining[batch:]
        reader, writer = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(reader)
            try:
                _run_trials(prepare, trial, warm_up, current, writer)
            except BaseException as error:
                os.write(writer, f"{_FAILED}{type(error).__name__}: {error}".encode())
            finally:
                os._exit(0)
        os.close(writer)
        with os.fdopen(reader, "rb") as file:
            report, _, failure = file.read().decode().partition(_FAILED)
        lines = report.splitlines()
        _, status = os.waitpid(pid, 0)
        if failure:
            raise RuntimeError(f"the trials could not be prepared: {failure}")
        for line in lines:
            seed, calls, memory, outcome = line.split("\t", 3)
            trials.append(Trial(int(seed), outcome, int(calls), int(memory)))
        if len(lines) < len(current):
            trials.append(Trial(current[len(lines)], f"killed, status {status}", 0, 0))
            remaining = current[len(lines) + 1 :] + remaining
    return trials
