"""The command `spikey`: the only folder that knows click, option names and exit statuses.

One module a command; `options`, `inputs`, `cluster`, `pipe` and `report` are shared by several. May import every other
folder of the package. Importing this folder imports click alone: the module of a command is imported when the command
is looked up, and imports NumPy and the rest of the package when it runs.

Exit status: 0 success, 1 at least one failure (each is a line on stderr), 2 invalid usage.
"""

from __future__ import annotations

import errno
import importlib
import os

import click

from .. import __version__
from ..errors import SpikeyError, printable, system_fault
from ..system import signals
from .hints import hint_for_command, hint_for_option
from .report import complain

COMMANDS = (
    *("compress", "decompress", "extract", "test", "diff", "info", "list", "repack", "plot", "topology", "analyze"),
    *("train", "bench"),
)
"""The commands in the order of the help text: each names a module of this folder and the function in it."""

_WITH_OWN_THREADS = ("compress", "decompress", "extract", "test", "diff", "info", "list", "repack")
"""Commands that leave NumPy's BLAS one thread. Its others would wait in a loop, which takes more processor time than a
short recording.
"""


class _Commands(click.Group):
    """The commands, imported on demand; errors are printed as lines instead of tracebacks."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*COMMANDS]  # the module of the command `list` is an attribute of this folder

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        if cmd_name in _WITH_OWN_THREADS:
            os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # read when NumPy is imported
        command: click.Command = getattr(importlib.import_module(f".{cmd_name}", __name__), cmd_name)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        word = args[0]
        if word in COMMANDS or word.startswith("-") or ctx.resilient_parsing:
            return super().resolve_command(ctx, args)
        raise click.UsageError(f"No such command {word!r}; {hint_for_command(word, COMMANDS)}", ctx)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            raise _with_hint(error) from error

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except click.NoSuchOption as error:
            raise _with_hint(error) from error
        except click.ClickException as error:
            error.message = printable(error.message)  # type: ignore[misc]
            raise
        except (click.exceptions.Exit, click.Abort):
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
                raise  # click exits silently with status 1, as is usual for a closed pipe
            name, action = (error.filename, "read or write") if error.filename else ("stdout", "write")
            complain(system_fault(name, action, error))
        except Exception as error:
            signals.check()
            if os.environ.get("SPIKEY_DEBUG"):
                raise
            complain(f"internal error, {type(error).__name__}: {error}; please report it (SPIKEY_DEBUG=1 shows more)")
        ctx.exit(1)


def _with_hint(error: click.NoSuchOption) -> click.UsageError:
    hint = hint_for_option(error.option_name)
    return click.UsageError(f"No such option {error.option_name!r}; {hint}", error.ctx) if hint else error


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="spikey")
def main() -> None:
    """Lossless compression of multichannel electrode recordings: WAV, NumPy, raw samples, NWB.

    Every byte of every file is restored. Example:

    \b
        spikey compress recordings/*.wav out.spk
        spikey decompress out.spk restored/
    """
