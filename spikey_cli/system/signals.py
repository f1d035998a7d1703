"""Signals that end the command: Ctrl-C, a request to terminate, a closed terminal.

Each is raised as an exception, so that unfinished files are discarded as after any error. Data from a recorder cannot
be produced again: there, the first signal is a `StopRequest`, and the recording ends in good order. A process that does
not call `install` keeps Python's behaviour: Ctrl-C raises KeyboardInterrupt, and the other signals kill.
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

_hold_depth = 0
_received: int | None = None
_request: StopRequest | None = None


class Interrupted(BaseException):
    """A signal arrived. It is not a KeyboardInterrupt, which click would turn into exit status 1.

    Parameters
    ----------
    number : int
        The signal's number.
    outcome : str, optional
        What became of the work, for the message.

    Attributes
    ----------
    status : int
        Exit status, as shells report it.
    """

    def __init__(self, number: int, outcome: str = "no archive or file is left incomplete") -> None:
        super().__init__(f"interrupted by {signal.Signals(number).name}; {outcome}")
        self.status = 128 + number


def install() -> None:
    """Raise Interrupted in the main thread from now on, for all signals that the parent process did not disable."""
    for number in _SIGNALS:
        if signal.getsignal(number) not in (signal.SIG_IGN, None):
            signal.signal(number, _interrupt)


def ignore() -> None:
    """Ignore signals from now on, because the process is about to end."""
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def check() -> None:
    """Raise Interrupted again if a signal has arrived and its exception was lost.

    That happens in callbacks of libraries and during imports.
    """
    if _received is not None:
        raise Interrupted(_received)


def _interrupt(number: int, frame: FrameType | None) -> None:
    global _received
    if _request is not None and _request.number is None:
        _request.make(number)
        return
    _received = number
    if not _hold_depth:
        raise Interrupted(number)


@contextmanager
def hold() -> Iterator[None]:
    """Delay signals to the end of the block, which calls a library whose callbacks must not raise."""
    global _hold_depth
    _hold_depth += 1
    try:
        yield
    finally:
        _hold_depth -= 1
        check()


class StopRequest:
    """The first signal as a request to end after the data that has arrived, instead of an exception.

    Attributes
    ----------
    number : int or None
        The signal's number, once it has arrived.
    """

    def __init__(self) -> None:
        self.number: int | None = None
        self._until: float | None = None
        self._read_end, self._write_end = os.pipe()  # wakes up a waiting `more_comes`

    def make(self, number: int) -> None:
        """Record that a signal arrived."""
        self.number = number
        os.write(self._write_end, b"!")

    def more_comes(self, handle: int, grace: float) -> bool:
        """Wait until a pipe is readable.

        Parameters
        ----------
        handle : int
            The pipe's file descriptor.
        grace : float
            Seconds to go on after the signal, counted from the first call after it.

        Returns
        -------
        bool
            False if reading should end. Windows cannot wait on pipes; there, the result is at once whether no signal
            has arrived.
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
        """Close the pipe."""
        os.close(self._read_end)
        os.close(self._write_end)


@contextmanager
def stop_requests() -> Iterator[StopRequest]:
    """Turn the first signal within the block into a request; later signals are raised, as are all after the block."""
    global _request
    _request = request = StopRequest()
    try:
        yield request
    finally:
        _request = None
        request.close()
