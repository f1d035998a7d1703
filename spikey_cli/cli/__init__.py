"""The command `spikey`: thin commands over the functions of the package.

Exit status: 0 all done, 1 something failed (each failure is a line on stderr), 2 the command line makes no sense.
Only click is imported here; a command imports what it needs when it runs.
"""

from __future__ import annotations

import errno
import os

import click

from .. import __version__
from ..errors import SpikeyError, system_fault
from ..system import signals
from .compress import compress
from .decompress import decompress, test
from .extract import extract
from .info import info
from .plot import plot
from .report import complain
from .study import analyze, bench, topology, train


class _Commands(click.Group):
    """Commands in the order of their definition, and errors as lines instead of tracebacks."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except SpikeyError as error:
            signals.check()
            complain(error)
        except MemoryError as error:
            signals.check()
            complain(f"out of memory{f' ({error})' if str(error) else ''}; try again with --threads 1")
        except OSError as error:
            signals.check()
            if error.errno == errno.EPIPE:
                raise  # click ends the command without a word, as is usual
            complain(system_fault(error.filename or "stdin or stdout", "read or write", error))
        except Exception as error:
            signals.check()
            if os.environ.get("SPIKEY_DEBUG"):
                raise
            complain(f"internal error, {type(error).__name__}: {error}; please report it (SPIKEY_DEBUG=1 shows more)")
        ctx.exit(1)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="spikey")
def main() -> None:
    """Lossless compression of multichannel electrode recordings: WAV, NumPy, raw samples, NWB.

    Every byte of every file comes back. Example:

    \b
        spikey compress recordings/*.wav out.spk
        spikey decompress out.spk restored/
    """


for _command in (compress, decompress, extract, test, info, plot, topology, analyze, train, bench):
    main.add_command(_command)
