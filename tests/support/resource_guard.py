"""Trials under watch: each in a bounded process, with its time and its memory measured.

Trials run in forked children, some in each, which are killed where one hangs or asks for far too much address space.
What counts is the time that processors spent on a trial, and how far resident memory rose above where the child began.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os
import resource
import signal
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

HANG_SECONDS = 20
"""Seconds of processor time after which a child is killed."""
ADDRESS_SPACE = 512 << 20
"""Bytes beyond what the child has, whether they are touched or not."""

SPARE = 4 << 20
"""Bytes that may be left of one trial when the next one begins."""


class Watched(NamedTuple):
    """What came of a trial."""

    seed: int
    outcome: str
    """What the trial returned, or what it raised, or "killed"."""
    seconds: float
    memory: int
    """Bytes that it took at its peak."""


def _resident(field: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field):
            return int(line.split()[1]) << 10
    raise LookupError(field)


def _forget_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5")


def _trim() -> None:
    gc.collect()
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


def _child(
    prepare: Callable[[int], None],
    trial: Callable[[int], str],
    warm_up: Callable[[], None],
    seeds: Sequence[int],
    out: int,
) -> None:
    warm_up()  # what is loaded at the first call is the program's own
    for seed in seeds:
        prepare(seed)
    _trim()
    size = _resident("VmSize") + ADDRESS_SPACE
    resource.setrlimit(resource.RLIMIT_AS, (size, size))
    baseline = _resident("VmRSS")
    for seed in seeds:
        if _resident("VmRSS") > baseline + SPARE:  # what an earlier trial left behind is not this one's
            _trim()
            baseline = _resident("VmRSS")
        signal.setitimer(signal.ITIMER_VIRTUAL, HANG_SECONDS)
        _forget_peak()
        start = time.process_time()
        try:
            outcome = trial(seed)
        except BaseException as error:
            outcome = f"{type(error).__name__}: {error}".replace("\n", " ")[:300]
        seconds = time.process_time() - start
        memory = max(0, _resident("VmHWM") - baseline)
        os.write(out, f"{seed}\t{seconds}\t{memory}\t{outcome}\n".encode())


def watch(
    trial: Callable[[int], str],
    seeds: Sequence[int],
    *,
    prepare: Callable[[int], None] = lambda seed: None,
    warm_up: Callable[[], None] = lambda: None,
    batch: int = 100,
) -> list[Watched]:
    """Run a trial with each seed; it returns what came of it, as a word. `prepare` is not watched."""
    found = []
    todo = list(seeds)
    while todo:
        own, todo = todo[:batch], todo[batch:]
        reader, writer = os.pipe()
        pid = os.fork()
        if pid == 0:
            try:
                os.close(reader)
                _child(prepare, trial, warm_up, own, writer)
            finally:
                os._exit(0)
        os.close(writer)
        with os.fdopen(reader, "rb") as file:
            lines = file.read().decode().splitlines()
        _, status = os.waitpid(pid, 0)
        for line in lines:
            seed, seconds, memory, outcome = line.split("\t", 3)
            found.append(Watched(int(seed), outcome, float(seconds), int(memory)))
        if len(lines) < len(own):
            found.append(Watched(own[len(lines)], f"killed, status {status}", float(HANG_SECONDS), 0))
            todo = own[len(lines) + 1 :] + todo
    return found
