"""Signals that end the command: Ctrl-C, a request to terminate, a terminal that is gone.

Each is raised as an exception, so that files under way are discarded as after any error. Only where what comes cannot
come again, as from a recorder, the first one is a `Request` to end well. A process that does not `heed` signals is as
Python leaves it: Ctrl-C raises KeyboardInterrupt, and the others kill.
"""

from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]

_holding = 0
_received: int | None = None
_request: Request | None = None


class Interrupted(BaseException):
    """A signal came. No KeyboardInterrupt: that click takes for its own, and exits with status 1."""

    def __init__(self, number: int, outcome: str = "no archive or file is left half written") -> None:
        """`number` is the signal's; `outcome` tells what became of the work."""
        super().__init__(f"interrupted by {signal.Signals(number).name}; {outcome}")
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
    if _request is not None and _request.number is None:
        _request.make(number)
        return
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


class Request:
    """A signal that raises nothing: whoever reads what comes is to end with what has come."""

    def __init__(self) -> None:
        self.number: int | None = None
        """The signal, once it has come."""
        self._until: float | None = None
        self._read_end, self._write_end = os.pipe()  # it wakes who waits, whenever the signal comes

    def make(self, number: int) -> None:
        """Tell that the signal came."""
        self.number = number
        os.write(self._write_end, b"!")

    def more_comes(self, handle: int, grace: float) -> bool:
        """Wait until a pipe can be read. Once the signal came that is for `grace` seconds, from the first question that
        is asked then; behind them False. Windows cannot wait so: there the answer is at once whether the signal came.
        """
        try:
            if self.number is None:
                select.select([handle, self._read_end], [], [])
            if self.number is None:
                return True
            now = time.monotonic()
            if self._until is None:
                self._until = now + grace
            return self._until >= now and bool(select.select([handle], [], [], self._until - now)[0])
        except OSError:
            return self.number is None

    def close(self) -> None:
        """Let go of what it holds of the system."""
        os.close(self._read_end)
        os.close(self._write_end)


@contextmanager
def requested() -> Iterator[Request]:
    """Within the block the first signal is a request; the next one is raised, as are all behind the block."""
    global _request
    _request = request = Request()
    try:
        yield request
    finally:
        _request = None
        request.close()
