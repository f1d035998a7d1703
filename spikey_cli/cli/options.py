"""Options that several commands have, and the table of the options that set parameters of the library."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from ..errors import SpikeyError
from ..model.zoo import shipped_models
from ..system.names import name_of_path
from ..system.remote import is_url, location

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from ..container.limits import Limits
    from ..model.predictor import Predictor

OPTIONS = {
    "channels": ("extract", "--channel"),
    "dataset": ("compress", "--dataset"),
    "embed_model": ("compress", "--embed-model"),
    "embed_model=False": ("compress", "--no-embed-model"),
    "expansion": (None, "--max-expansion"),
    "files": ("decompress", "--file"),
    "folder": ("decompress", "--out"),
    "force": (None, "--force"),
    "frames": ("extract", "--first-frame"),
    "keep_going": ("decompress", "--keep-going"),
    "memory": (None, "--memory"),
    "model": (None, "--model"),
    "predictor": (None, "--model"),
    "raw": ("compress", "--raw"),
    "recursive": (None, "--recursive"),
    "rivals": ("bench", "--rivals"),
    "sample_rate": ("compress", "--rate"),
    "seconds": ("extract", "--start"),
    "settings": ("bench", "--settings"),
    "start": ("extract", "--start"),
    "threads": (None, "--threads"),
    "workers": (None, "--threads"),
}
"""For each parameter of the library that an error may name: the option that sets it, and a command that has the option
for errors of commands that do not.
"""

_LISTED_BY = {"channels": "spikey info --all", "files": "spikey info --all", "seconds": "spikey info"}
"""The commands that print the possible values."""


class _AnyPath(click.Path):
    """A path that the library opens: it reports a file without read permission like any other that it cannot read."""

    def __init__(self, path_type: type) -> None:
        super().__init__(readable=False, path_type=path_type)


class _LocalPath(_AnyPath):
    """The path of a file or folder on this machine."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if is_url(value):
            self.fail(f"{location(value)} is a URL; archives are read at URLs, all else is read and written locally")
        return super().convert(value, param, ctx)


PATH = _LocalPath(Path)
PATH_TEXT = _LocalPath(str)
"""A path that keeps a separator at its end."""


class _Archive(_AnyPath):
    """The path of an archive, or its URL, which stays a string: a path has no double slashes."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        return value if is_url(value) else super().convert(value, param, ctx)


ARCHIVE = click.argument("archive", type=_Archive(Path), metavar="ARCHIVE")


class _Picture(_LocalPath):
    """The path of a PNG file, which must end in .png: `--plot recording.wav -f` must not overwrite the recording."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        path: Path = super().convert(value, param, ctx)
        if path.suffix.lower() != ".png":
            self.fail(f"{value!r} does not end in .png; pictures are PNG files")
        return path


def complete_name(context: click.Context, option: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Names of channels or files, by the name of the option, of the archive that the command line has before."""
    from click.shell_completion import CompletionItem

    # click parses no arguments if the last option has no value yet, and keeps the words
    archive = context.params.get("archive") or next(iter(context.args), None)
    if archive is None or is_url(archive):
        return []
    from ..api.recording import find_channels
    from ..container.archive import ArchiveReader

    with contextlib.suppress(SpikeyError), ArchiveReader(archive) as reader:
        names = find_channels(reader, None) if option.name == "channels" else [f.name for f in reader.directory.files]
        return [CompletionItem(name) for name in names if name.startswith(incomplete)]
    return []


class _Name(click.ParamType):
    """A name in a file, which is UTF-8 whatever the locale is."""

    name = "name"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        return name_of_path(value)


NAME = _Name()
PICTURE = _Picture(Path)
RECORDINGS = click.argument("inputs", nargs=-1, required=True, type=PATH, metavar="IN.wav...")
CHANNELS = click.option(
    "--channel",
    "channels",
    type=NAME,
    multiple=True,
    metavar="NAME",
    shell_complete=complete_name,
    help="A channel, or all channels of a file; repeatable.",
)
START = click.option("--start", type=click.FloatRange(min=0), metavar="SECONDS", help="Start of the range.")
STOP = click.option("--stop", type=click.FloatRange(min=0), metavar="SECONDS", help="End of the range.")
THREADS = click.option(
    "--threads", "workers", type=click.IntRange(min=1), metavar="N", help="Processors to use; default: all."
)
FORCE = click.option("-f", "--force", is_flag=True, help="Overwrite existing files.")
RECURSIVE = click.option("-r", "--recursive", is_flag=True, help="Read all files below folders.")


def _complete_model(context: click.Context, option: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Names of the models that come with the package, or else file names."""
    from click.shell_completion import CompletionItem

    names = [CompletionItem(name) for name in sorted(shipped_models()) if name.startswith(incomplete)]
    return names or [CompletionItem(incomplete, type="file")]


MODEL = click.option(
    "--model",
    metavar="NAME",
    shell_complete=_complete_model,
    help="Predictor: a file (.onnx, see `spikey train`) or the name of a model that comes with Spikey.",
)
_MEMORY = click.option(
    "--memory",
    type=click.IntRange(min=1),
    metavar="MIB",
    help="Memory that decoding may allocate; default: 64 MiB. Raise it for archives that you trust.",
)
_MAX_EXPANSION = click.option(
    "--max-expansion",
    type=click.IntRange(min=1),
    metavar="N",
    help="Bytes restored for each byte of the archive; default: 8192. Decoding time is limited in proportion.",
)


def chosen_predictor(name: str | None) -> Predictor | None:
    """The predictor that --model names; None if the option is not given."""
    if name is None:
        return None
    from ..model.predictor import find_model

    return find_model(name)


def limited(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options --memory and --max-expansion, passed to the command as `limits`."""

    @_MEMORY
    @_MAX_EXPANSION
    @functools.wraps(command)
    def run(*arguments: Any, memory: int | None, max_expansion: int | None, **options: Any) -> None:
        command(*arguments, limits=_limits_of(memory, max_expansion), **options)

    return run


def _limits_of(memory: int | None, max_expansion: int | None) -> Limits:
    from ..container.limits import DEFAULT_LIMITS, Limits

    return Limits(
        DEFAULT_LIMITS.memory if memory is None else memory << 20,
        DEFAULT_LIMITS.expansion if max_expansion is None else max_expansion,
    )


def check_range(start: float | None, stop: float | None, options: str = "--start, --stop") -> None:
    """Raise UsageError if a range is empty; `options` are those that set it."""
    if start is not None and stop is not None and start >= stop:
        raise click.UsageError(f"the range is empty: {start:g} is not before {stop:g} ({options})")


def refuse(*parameters: str, reason: str) -> None:
    """Raise UsageError if the command line has any of these parameters, which have no effect for this `reason`."""
    context = click.get_current_context()
    given = [
        max(parameter.secondary_opts if context.params.get(parameter.name) is False else parameter.opts, key=len)
        for parameter in context.command.params
        if parameter.name in parameters and context.get_parameter_source(parameter.name) is not ParameterSource.DEFAULT
    ]
    if given:
        raise click.UsageError(f"{reason}; leave out {', '.join(given)}")


def with_option(problem: object) -> str:
    """The message of an error, followed by the option that sets the error's `parameter`."""
    message = getattr(problem, "message", str(problem))
    parameter = getattr(problem, "parameter", None)
    command = _running_command()
    if command is None or parameter not in OPTIONS:
        return message
    home, option = OPTIONS[parameter]
    is_own = any(option in (*known.opts, *known.secondary_opts) for known in command.params)
    if not is_own and home is None:
        return message
    suffix = option if is_own else f"spikey {home} {option}"
    if parameter in _LISTED_BY:
        suffix += f"; see `{_LISTED_BY[parameter]}`"
    return f"{message} ({suffix})"


def _running_command() -> click.Command | None:
    context = click.get_current_context(silent=True)
    if context and isinstance(context.command, click.Group) and context.invoked_subcommand:
        return context.command.get_command(context, context.invoked_subcommand)  # its own context has ended
    return context.command if context else None
