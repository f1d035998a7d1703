"""Stdin, stdout and stderr of a command, of which a daemon or a script may have closed some."""

from __future__ import annotations

import io
import os
import sys


def prepare() -> None:
    """Make it safe to print, and to open files.

    A file that is opened while one of the three is closed takes its place, and gets what is written there. Stdin and
    stdout that were closed remain None, as Python has them; stderr goes nowhere. What the encoding of a stream lacks
    is printed escaped.
    """
    for handle in range(3):
        try:
            os.fstat(handle)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest number that is free
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - until the process ends
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
