"""The group of commands: help, completion, and how errors end the process."""

from __future__ import annotations

import importlib
import os
import shlex
import subprocess
import sys

import click
import pytest
from click.shell_completion import ShellComplete
from support.command import run

from spikey_cli.cli import COMMANDS, main
from spikey_cli.core.coders import CODERS


def test_as_processes(tmp_path, wavs):
    spikey = [sys.executable, "-m", "spikey_cli"]
    made = subprocess.run([*spikey, "compress", *wavs, tmp_path / "o.spk"], capture_output=True, text=True)
    assert (made.returncode, made.stderr) == (0, ""), "without a terminal there is no progress bar"
    back = subprocess.run([*spikey, "decompress", "-q", tmp_path / "o.spk", tmp_path / "b"], capture_output=True)
    assert (back.returncode, back.stdout, back.stderr) == (0, b"", b"")
    missing = subprocess.run([*spikey, "info", tmp_path / "absent.spk"], capture_output=True, text=True)
    assert missing.returncode == 1
    assert "absent.spk: cannot read: No such file" in missing.stderr
    assert "Traceback" not in missing.stderr


NOBODY = "import pwd\npwd.getpwuid = lambda uid: {}[uid]\n"
"""The user has no entry in the password database."""


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX folders")
@pytest.mark.parametrize(
    "home",
    [
        {"HOME": "/proc", "XDG_CACHE_HOME": "/proc", "TMPDIR": "/nonexistent"},
        pytest.param({}, marks=pytest.mark.slow),
        pytest.param({"HOME": "/nonexistent"}, marks=pytest.mark.slow),
    ],
)
def test_without_a_home(tmp_path, wavs, home):
    """What programs keep in a home can be made again, or done without."""
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(sys.path), **home}
    script = f"{NOBODY}import sys\nfrom spikey_cli.__main__ import run\nsys.argv[0] = 'spikey'\nrun()"
    for command in (
        ["compress", "-q", *wavs, "a.spk"],
        ["compress", "-q", "--model", "n1-peers", "--no-verify", wavs[0], "b.spk"],
        ["decompress", "-q", "a.spk", "back"],
    ):
        spikey = [sys.executable, "-c", script, *command]
        done = subprocess.run(spikey, cwd=tmp_path, env=environment, capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "back" / wavs[0].name).read_bytes() == wavs[0].read_bytes()


def test_help_imports_no_large_library():
    script = (
        "import sys; from spikey_cli.cli import main; main(['--help'], standalone_mode=False); "
        "print(*{'numpy', 'onnxruntime', 'soundfile', 'matplotlib', 'logging'}.intersection(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "", done.stdout


def test_a_command_imports_no_other_command():
    script = (
        "import sys; from spikey_cli.cli import main; main(['info', '--help'], standalone_mode=False); "
        "print(*sorted(name for name in sys.modules if name.startswith('spikey_cli.cli.')))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1].split() == [f"spikey_cli.cli.{name}" for name in ("info", "options", "report")]


def completed(*words: str) -> list[str]:
    """What a shell offers for the last of these words."""
    shell = ShellComplete(main, {}, "spikey", "_SPIKEY_COMPLETE")
    return [item.value for item in shell.get_completions(list(words[:-1]), words[-1])]


def test_completion_offers_coders_and_models():
    assert completed("compress", "--coder", "") == list(CODERS)
    assert completed("compress", "--coder", "r") == ["rice", "range"]
    for command in ("compress", "decompress", "test", "analyze"):
        assert completed(command, "--model", "n1") == ["n1", "n1-peers"]
    assert completed("compress", "--model", "mine") == ["mine"], "the shell completes names of files"
    assert "--keep-going" in completed("decompress", "--k")
    assert completed("dec") == ["decompress"]


@pytest.mark.skipif(sys.platform == "win32", reason="needs bash")
def test_completion_in_bash(tmp_path):
    """As docs/command-line.md sets it up."""
    spikey = tmp_path / "spikey"
    spikey.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m spikey_cli "$@"\n')
    spikey.chmod(0o755)
    script = (
        'eval "$(_SPIKEY_COMPLETE=bash_source spikey)" && COMP_WORDS=(spikey compress --coder r) COMP_CWORD=3 && '
        '_spikey_completion spikey && echo "${COMPREPLY[@]}"'
    )
    path = os.pathsep.join([str(tmp_path), os.environ["PATH"]])
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, env=os.environ | {"PATH": path})
    assert (done.stdout, done.stderr) == ("rice range\n", "")


def test_help_has_an_example_for_every_command():
    assert "spikey compress" in run("-h").split("Example:")[1]
    for name in COMMANDS:
        assert f"spikey {name}" in run(name, "-h").split("Example:")[1], name


def test_help_lists_commands_in_whole_sentences():
    listed = run("-h").split("Commands:\n")[1].splitlines()
    assert [line.split()[0] for line in listed] == list(COMMANDS)
    assert all(line.endswith(".") and not line.endswith("...") for line in listed), listed


def test_an_unknown_command_is_a_usage_error():
    assert "No such command 'melt'" in run("melt", status=2)


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (MemoryError(), "spikey: out of memory; try again with --threads 1"),
        (OSError(28, "No space left on device", "o.spk"), "spikey: o.spk: cannot read or write: No space left"),
        (KeyError("x"), "spikey: internal error, KeyError: 'x'; please report it (SPIKEY_DEBUG=1 shows more)"),
    ],
)
def test_errors_become_lines(archive, monkeypatch, error, line):
    def fail(*arguments, **options):
        raise error

    monkeypatch.delenv("SPIKEY_DEBUG", raising=False)
    monkeypatch.setattr("spikey_cli.api.decompress.verify", fail)
    assert line in run("test", archive, status=1)


@pytest.mark.skipif(sys.platform == "win32", reason="has no /dev/full")
def test_output_that_cannot_be_written(archive):
    spikey = [sys.executable, "-m", "spikey_cli", "info", "--json", archive]
    with open("/dev/full", "wb") as full:
        done = subprocess.run(spikey, stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 1
    assert done.stderr.startswith("spikey: stdin or stdout: cannot read or write: No space left on device; free some")
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(spikey, stdout=writer, stderr=subprocess.PIPE, text=True)
    os.close(writer)
    assert (done.returncode, done.stderr) == (1, ""), "a closed pipe is not an error, as in `spikey info | head`"


def test_every_command_is_a_function_of_its_module():
    for name in COMMANDS:
        command = getattr(importlib.import_module(f"spikey_cli.cli.{name}"), name)
        assert isinstance(command, click.Command)
        assert command.name == name
