"""Writes docs/spikey.1, the man page, from the help of the commands: `python docs/manpage.py`."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import click

import spikey_cli
from spikey_cli.cli import COMMANDS, main

PAGE = Path(__file__).parent / "spikey.1"


def escaped(text: str) -> str:
    """Text as roff takes it: no escape, no request at the start of a line, and hyphens that can be searched for."""
    text = text.replace("\\", r"\e").replace("-", r"\-")
    return re.sub(r"^(?=[.'])", r"\\&", text, flags=re.MULTILINE)


def paragraphs(help_text: str) -> Iterator[str]:
    """The paragraphs of a help text; those that click does not wrap are examples."""
    for paragraph in inspect.cleandoc(help_text).split("\n\n"):
        if paragraph.startswith("\b"):
            lines = inspect.cleandoc(paragraph.removeprefix("\b\n"))
            yield f".PP\n.RS\n.nf\n{escaped(lines)}\n.fi\n.RE"
        else:
            yield f".PP\n{escaped(' '.join(paragraph.split()))}"


def command_section(name: str) -> Iterator[str]:
    """What a command does, and its options."""
    command = main.get_command(click.Context(main), name)
    assert command is not None
    usage = command.collect_usage_pieces(click.Context(command))
    yield f".SS {escaped(' '.join(['spikey', name, *usage]))}"
    yield from paragraphs(command.help or "")
    for parameter in command.params:
        if isinstance(parameter, click.Option) and not parameter.hidden:
            yield f".TP\n.B {escaped(option_names(parameter))}\n{escaped(' '.join((parameter.help or '').split()))}"


def option_names(option: click.Option) -> str:
    """Names of an option with its value; the text of click itself differs between its releases."""
    names = ", ".join([*option.opts, *option.secondary_opts])
    return names if option.is_flag else f"{names} {option.metavar or option.type.name.upper()}"


def man_page() -> str:
    """The whole page."""
    lines = [
        f'.TH SPIKEY 1 "" "spikey\\-cli {spikey_cli.__version__}" "User Commands"',
        r".SH NAME",
        r"spikey \- lossless compression of multichannel electrode recordings",
        r".SH SYNOPSIS",
        r".B spikey",
        r"COMMAND [OPTIONS] ARGUMENTS",
        r".SH DESCRIPTION",
        *paragraphs(main.help or ""),
        r".SH COMMANDS",
        *(line for name in COMMANDS for line in command_section(name)),
        r".SH OPTIONS",
        r"Every command has \-h and \-\-help, which print this text. \-\-version prints the version.",
        r".SH EXIT STATUS",
        r"0: success. 1: at least one failure; each is a line on stderr. 2: invalid usage.",
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    PAGE.write_text(man_page(), encoding="utf-8")
