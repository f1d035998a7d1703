"""The group of commands: help, completion, and how errors end the process."""

from __future__ import annotations

import importlib
import os
import re
import shlex
import subprocess
import sys

import click
import pytest
from click.shell_completion import ShellComplete
from support.command import run

import spikey_cli
from spikey_cli.cli import COMMANDS, hints, main
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
    assert done.stdout.splitlines()[-1].split() == [
        f"spikey_cli.cli.{name}" for name in ("hints", "info", "options", "report")
    ]


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


def test_completion_offers_names_of_the_archive(archive, live, wide, tmp_path):
    names = ["thread0.wav", "thread1.wav"]
    assert completed("extract", str(archive), "--channel", "") == names
    assert (
        completed("extract", "--start", "1", str(archive), "--channel", names[0], "--channel", "thread1") == names[1:]
    )
    assert completed("plot", str(archive), "--channel", "left") == []
    assert completed("decompress", str(archive), "--file", "") == names
    spikey_cli.compress([wide], tmp_path / "wide.spk")
    assert completed("extract", str(tmp_path / "wide.spk"), "--channel", "") == [f"wide.wav:{i}" for i in range(3)]
    for other in (str(live), str(wide), "absent.spk", "https://nowhere.invalid/a.spk"):
        assert completed("extract", other, "--channel", "") == []
    assert completed("extract", "--channel", "") == []


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


def test_an_unknown_command_is_a_usage_error(archive, wavs):
    assert "No such command 'melt'; `spikey -h` lists the commands" in run("melt", status=2)
    assert "did you mean `spikey decompress`?" in run("decompres", status=2)
    assert "did you mean `spikey test`?" in run("verify", status=2)
    assert f"it is an archive: `spikey decompress {archive}`" in run(archive, status=2)
    assert f"it is a file: `spikey compress {wavs[0]} OUT.spk`" in run(wavs[0], "out.spk", status=2)
    assert f"it is a folder: `spikey compress -r {archive.parent} OUT.spk`" in run(archive.parent, status=2)


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (
            ["compress", "--level", "5"],
            "the presets of `spikey compress` are -1 (--fast), the default, and -9 (--best)",
        ),
        (["compress", "--level=5"], "the presets of `spikey compress` are -1 (--fast), the default, and -9 (--best)"),
        (["compress", "-5"], "the presets of `spikey compress` are -1 (--fast), the default, and -9 (--best)"),
        (["-d"], "`spikey decompress ARCHIVE [DIR]` restores files"),
        (["--decompress"], "`spikey decompress ARCHIVE [DIR]` restores files"),
        (["compress", "-d"], "`spikey decompress ARCHIVE [DIR]` restores files"),
        (["compress", "-o", "out.spk"], "the output is the last argument"),
        (["extract", "--output", "a.npy"], "the output is the last argument"),
        (["compress", "--forse"], "'--force'"),
    ],
)
def test_options_of_other_programs_have_hints(words, hint):
    printed = run(*words, "a.wav", status=2)
    assert f"No such option '{next(word for word in words if word.startswith('-')).partition('=')[0]}'" in printed
    assert hint in " ".join(printed.split())


def test_hints_name_commands_and_options_that_exist():
    commands = [main.get_command(click.Context(main), name) for name in COMMANDS]
    options = {option for c in commands if c for p in c.params for option in (*p.opts, *p.secondary_opts)}
    for text in [*hints._OPTIONS, hints._LEVELS]:
        assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", text)) <= options | {"--version"}
        assert set(re.findall(r"`spikey (\w+)", text)) <= set(COMMANDS)
    assert set(hints._COMMANDS) <= set(COMMANDS)


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
    assert done.stderr.startswith("spikey: stdout: cannot write: No space left on device; free some")
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
