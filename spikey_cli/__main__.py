"""The process of the command `spikey`, also as `python -m spikey_cli`."""

from __future__ import annotations

import atexit
import contextlib
import gc
import sys

from .system import signals

_OBJECTS_BETWEEN_COLLECTIONS = 200_000


def run() -> None:
    """Run the command, and end the process.

    Numba makes hundreds of thousands of objects when it is imported, and none of them is garbage. To look through them
    time and again, and once more at the end, takes Python half the time of a short command; so it does so seldom, and
    not at the end.
    """
    signals.heed()
    gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS)
    atexit.register(gc.freeze)
    try:
        from .cli import main

        main(prog_name="spikey")
    except signals.Interrupted as signal:
        signals.ignore()
        with contextlib.suppress(OSError):  # the terminal may be gone
            print(f"spikey: {signal}", file=sys.stderr, flush=True)
        sys.exit(signal.status)
    finally:
        signals.ignore()


if __name__ == "__main__":
    run()
