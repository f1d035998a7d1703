"""Entry point of the command `spikey`, also as `python -m spikey_cli`."""

from __future__ import annotations

import contextlib
import sys

from .system import signals, standard_streams


def run() -> None:
    """Run the command and end the process."""
    standard_streams.prepare()
    signals.install()
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
