"""Options that several commands have, and the options that error messages name."""

from __future__ import annotations

import re

import click
import pytest
from support.command import run
from support.paths import ROOT

from spikey_cli.cli import COMMANDS, main
from spikey_cli.cli.options import OPTIONS
from spikey_cli.errors import InputError, SpikeyError


def command_named(name: str) -> click.Command:
    command = main.get_command(click.Context(main), name)
    assert command is not None
    return command


def has_option(name: str, option: str) -> bool:
    return any(option in (*parameter.opts, *parameter.secondary_opts) for parameter in command_named(name).params)


def test_every_parameter_that_an_error_names_has_an_option():
    sources = [path.read_text(encoding="utf-8") for path in (ROOT / "spikey_cli").rglob("*.py")]
    named = {name for source in sources for name in re.findall(r'parameter="([^"]+)"', source)}
    assert "keep_going" in named
    assert named <= OPTIONS.keys()


@pytest.mark.parametrize("parameter", sorted(OPTIONS))
def test_every_option_of_the_table_exists(parameter):
    home, option = OPTIONS[parameter]
    assert any(has_option(name, option) for name in ([home] if home else COMMANDS))


@pytest.fixture
def printed_for(monkeypatch, archive):
    """What `spikey test` prints if the library raises an error."""

    def printed(error: SpikeyError) -> str:
        def fail(*arguments, **options):
            raise error

        monkeypatch.setattr("spikey_cli.api.decompress.verify", fail)
        return run("test", archive, status=1)

    return printed


@pytest.mark.parametrize(
    ("parameter", "end"),
    [
        ("memory", "raise it (--memory)"),
        ("keep_going", "raise it (spikey decompress --keep-going)"),
        ("embed_model=False", "raise it (spikey compress --no-embed-model)"),
        ("force", "raise it"),
        ("unheard_of", "raise it"),
        (None, "raise it"),
    ],
)
def test_options_follow_messages(printed_for, parameter, end):
    printed = printed_for(InputError("a.spk: is too large; raise it", parameter=parameter))
    assert printed == f"spikey: a.spk: is too large; {end}\n"


def test_unknown_names_are_followed_by_the_command_that_lists_them(tmp_path, archive):
    printed = run("extract", "--channel", "x", archive, tmp_path / "x.npy", status=1)
    assert printed.endswith(" (--channel; see `spikey info --all`)\n")


def test_a_picture_ends_in_png(tmp_path, wavs):
    before = wavs[0].read_bytes()
    assert "does not end in .png" in run("topology", "-f", "--plot", wavs[0], *wavs, status=2)
    assert wavs[0].read_bytes() == before, "a recording is not overwritten by a picture"


@pytest.mark.parametrize("name", COMMANDS)
def test_no_path_is_refused_before_it_is_opened(name):
    """The library tells why it cannot read a file, and goes on with the others."""
    for parameter in command_named(name).params:
        if isinstance(parameter.type, click.Path):
            assert (parameter.type.readable, parameter.type.exists) == (False, False), parameter.name


def test_numbers_out_of_range_are_usage_errors(tmp_path, archive):
    for option in ("--threads", "--memory", "--max-expansion"):
        run("test", option, "0", archive, status=2)
