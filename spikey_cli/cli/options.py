"""Options that several commands have."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from ..model.zoo import shipped_models

if TYPE_CHECKING:
    from ..container.limits import Limits
    from ..model.predictor import Predictor

PATH = click.Path(path_type=Path)


class _Picture(click.Path):
    """The path of a picture, which is a PNG whatever it is called: so it is called one."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        path = Path(value)
        if path.suffix.lower() != ".png":
            self.fail(f"pictures are PNG files, and {value!r} is not called one; give it the ending .png")
        return path


PICTURE = _Picture(path_type=Path)
THREADS = click.option(
    "--threads", "workers", type=click.IntRange(min=1), metavar="N", help="Processors to use; all of them by default."
)


def _complete_model(context: click.Context, option: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Names of the models that come with the package, and files."""
    names = [CompletionItem(name) for name in sorted(shipped_models()) if name.startswith(incomplete)]
    return names or [CompletionItem(incomplete, type="file")]


MODEL = click.option(
    "--model",
    metavar="NAME",
    shell_complete=_complete_model,
    help="A predictor: FILE.onnx of your own (see `spikey train`), or a shipped one's name.",
)
FORCE = click.option("-f", "--force", is_flag=True, help="Replace files that exist.")
_MEMORY = click.option(
    "--memory",
    type=click.IntRange(min=1),
    metavar="MIB",
    help="Memory that an archive may ask for, 64 MiB by default; more where you trust it.",
)
_MAX_EXPANSION = click.option(
    "--max-expansion",
    type=click.IntRange(min=1),
    metavar="N",
    help="Bytes restored for each byte of the archive, 8192 by default, and as much more time to decode it.",
)
RECURSIVE = click.option("-r", "--recursive", is_flag=True, help="Take all files below folders.")


def find_model(name: str | None) -> Predictor | None:
    """The predictor that --model names."""
    if name is None:
        return None
    from ..model.predictor import find_model as find

    return find(name)


def limited(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options --memory and --max-expansion, and the argument `limits` that they make."""

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
