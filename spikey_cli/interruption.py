"""Signals that end the command: Ctrl-C, a request to terminate, a terminal that is gone.

Each is raised as an exception, so that files under way are discarded as after any error. A process that does not `heed`
signals is as Python leaves it: Ctrl-C raises KeyboardInterrupt, and the others kill.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]

_holding = 0
_received: int | None = None


class Interrupted(BaseException):
    """A signal came. No KeyboardInterrupt: that click takes for its own, and exits with status 1."""

    def __init__(self, number: int) -> None:
        super().__init__(f"interrupted by {signal.Signals(number).name}; no archive or file is left half written")
        self.status = 128 + number
        """Exit status, as shells give it."""


def heed() -> None:
    """From now on raise Interrupted in the main thread, for all signals that whoever started us has not turned off."""
    for number in _SIGNALS:
        if signal.getsignal(number) not in (signal.SIG_IGN, None):
            signal.signal(number, _interrupt)


def ignore() -> None:
    """From now on take no notice: what is left to be done is to end."""
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def check() -> None:
    """Raise Interrupted where a signal has come, and its exception was lost, or taken for something else.

    That happens in callbacks of libraries, and while they are imported.
    """
    if _received is not None:
        raise Interrupted(_received)


def _interrupt(number: int, frame: FrameType | None) -> None:
    global _received
    _received = number
    if not _holding:
        raise Interrupted(number)


@contextmanager
def hold() -> Iterator[None]:
    """Keep signals until the end of the block, which is a call with callbacks that must not raise."""
    global _holding
    _holding += 1
    try:
        yield
    finally:
        _holding -= 1
        check()
