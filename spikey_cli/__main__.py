"""Entry point of the command `spikey`, also as `python -m spikey_cli`."""

from __future__ import annotations

import atexit
import contextlib
import gc
import sys

from .system import signals

_OBJECTS_BETWEEN_COLLECTIONS = 200_000


def run() -> None:
    """Run the command and end the process.

    Importing Numba creates hundreds of thousands of objects that live until the process ends. With its default settings
    Python's garbage collector scans them again and again, which takes half the time of a short command. The command
    therefore collects less often, and freezes all objects at exit, so that the interpreter does not scan them again.
    """
    signals.install()
    gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS)
    atexit.register(gc.freeze)
    try:
        from .cli import main

        main(prog_name="spikey")
    except signals.Interrupted as signal:
        signals.ignore()
        with contextlib.suppress(OSError):  # the terminal may be closed
            print(f"spikey: {signal}", file=sys.stderr, flush=True)
        sys.exit(signal.status)
    finally:
        signals.ignore()


if __name__ == "__main__":
    run()
