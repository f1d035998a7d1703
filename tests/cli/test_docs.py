"""What the documentation says is run, or compared with what the program does."""

from __future__ import annotations

import inspect
import os
import re
import shlex
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
from support.command import run
from support.paths import ROOT
from support.recordings import write_session

import spikey_cli
from spikey_cli.cli import main
from spikey_cli.container import archive, directory
from spikey_cli.core.coders import CODERS

ELSEWHERE = {"spikeinterface.md"}
"""Whose examples are run in tests/hosts, with what they need."""
DOCUMENTS = [
    path
    for path in sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])
    if "```python" in path.read_text("utf-8") and path.name not in ELSEWHERE
]


@pytest.fixture
def environment() -> dict[str, str]:
    """Where commands find the package."""
    return os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}


@pytest.fixture
def two_threads(tmp_path, random, monkeypatch):
    """A folder with left.wav and right.wav, as the README's examples have, which is the working directory."""
    left, right = write_session(tmp_path, random, 2, 60_000)
    left.rename(tmp_path / "left.wav")
    right.rename(tmp_path / "right.wav")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _python_blocks(document: Path) -> list[str]:
    return re.findall(r"```python\n(.*?)```", document.read_text(encoding="utf-8"), re.DOTALL)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_python_blocks_run(two_threads, document):
    """In order, those of one document in one namespace."""
    names: dict[str, object] = {"__name__": "__main__"}
    for number, block in enumerate(_python_blocks(document)):
        exec(compile(block, f"{document.name}, block {number}", "exec"), names)
    if document.name == "README.md":
        _assert_restored(two_threads)


def _assert_restored(folder: Path) -> None:
    for name in ("left.wav", "right.wav"):
        assert (folder / name).read_bytes() == (folder / "restored" / name).read_bytes()


def _docstring_example(docstring: str) -> str:
    """The lines of a docstring that are indented deeper than it is."""
    lines = inspect.cleandoc(docstring).splitlines()
    return textwrap.dedent("\n".join(line for line in lines if line.startswith("    ") or not line))


def test_the_docstring_of_the_package_runs(two_threads):
    exec(compile(_docstring_example(spikey_cli.__doc__ or ""), "spikey_cli", "exec"), {})
    _assert_restored(two_threads)


def _usage() -> list[str]:
    usage = (ROOT / "README.md").read_text(encoding="utf-8").split("## Use")[1].split("\n## ")[0]
    return [line.split("  #")[0].strip() for line in usage.splitlines() if line.startswith("    ")]


def test_the_commands_of_the_readme_run(two_threads, environment):
    """In order, in a shell, as they stand: those under "Use" that are no Python."""
    usage = [line for line in _usage() if re.match(r"spikey |\w+.*\| *spikey ", line)]
    assert len(usage) >= 7
    for i, command in enumerate(usage):
        command = command.replace("IN.wav...", "left.wav right.wav").replace("DIR", f"restored{i}")
        command = re.sub(r"\bspikey\b(?= )", f"{shlex.quote(sys.executable)} -m spikey_cli", command)
        done = subprocess.run(["bash", "-ec", command], capture_output=True, text=True, env=environment)
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    restored = [two_threads / f"restored{i}" / "left.wav" for i, line in enumerate(usage) if "DIR" in line]
    assert restored[0].read_bytes() == (two_threads / "left.wav").read_bytes()


def test_options_that_the_readme_names_are_options():
    text = (ROOT / "README.md").read_text(encoding="utf-8").split("## Use")[1].split("\n## ")[0]
    told = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", text))
    known = {
        option for command in main.commands.values() for p in command.params for option in (*p.opts, *p.secondary_opts)
    }
    assert told <= known


COMMAND_LINE = (ROOT / "docs" / "command-line.md").read_text(encoding="utf-8")
PARSED_ONLY = ("train", "bench", "analyze")
"""They take long; tests of their own run them."""


def test_the_commands_of_the_page_on_the_command_line_run(two_threads, environment):
    """In order, as they stand: pipes in a shell, the others within this process."""
    commands = re.findall(r"^    ((?:spikey|cat) .*)$", COMMAND_LINE, re.MULTILINE)
    assert commands[0] == "spikey COMMAND [OPTIONS] ARGUMENTS"
    for command in commands[1:]:
        words = shlex.split(command)
        if set("|<>").intersection(words):
            in_shell = re.sub(r"\bspikey\b(?= )", f"{shlex.quote(sys.executable)} -m spikey_cli", command)
            done = subprocess.run(["bash", "-ec", in_shell], capture_output=True, text=True, env=environment)
            assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        elif words[1] in PARSED_ONLY:
            main.commands[words[1]].make_context(words[1], words[2:])
        else:
            run(*words[1:])
    names = set(main.commands)
    assert {words[1] for words in map(shlex.split, commands[1:]) if words[0] == "spikey"} == names
    wav = (two_threads / "left.wav").read_bytes()
    assert (two_threads / "restored" / "left.wav").read_bytes() == wav
    assert (two_threads / "came-through.wav").read_bytes() == wav
    assert np.load(two_threads / "left.npy").shape == (60_000, 1)


def _sections_of_the_command_line() -> dict[str, str]:
    return {text.split("\n")[0]: text for text in COMMAND_LINE.split("\n## ")}


def _options_of(text: str) -> set[str]:
    """Those in the first column of its table."""
    rows = re.findall(r"^\| (`-[^|]*) \|", text, re.MULTILINE)
    return {option for row in rows for option in re.findall(r"(?<![\w-])--?[a-z][a-z-]*", row)}


def test_the_page_on_the_command_line_has_all_options():
    """Each command's own in its section, and those of several behind them; and none that there is not."""
    sections = _sections_of_the_command_line()
    shared = _options_of(sections["Options of several commands"])
    seen = {"-h", "--help"}
    for name, command in main.commands.items():
        options = {option for p in command.params if p.param_type_name == "option" for option in p.opts}
        options |= {option for p in command.params for option in p.secondary_opts}
        assert options - shared == _options_of(sections[f"spikey {name}"]), name
        seen |= options & shared
    assert seen == shared
    assert [title for title in sections if title.startswith("spikey ")] == [f"spikey {name}" for name in main.commands]


def test_the_page_on_the_command_line_has_all_variables():
    sources = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "spikey_cli").rglob("*.py"))
    read = set(re.findall(r"environ\.get\(\s*\"(\w+)\"", sources)) | set(re.findall(r"getenv\(\"(\w+)\"", sources))
    told = re.findall(r"`(_?[A-Z][A-Z0-9_]+)`", _sections_of_the_command_line()["Environment"])
    assert set(told) == read | {"_SPIKEY_COMPLETE"}


def test_every_link_of_the_documents_leads_somewhere():
    for document in [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]:
        for target in re.findall(r"\]\(([^)#]+)", document.read_text(encoding="utf-8")):
            assert (document.parent / target).exists(), f"{document.name} links to {target}"


def test_the_specification_has_the_numbers_of_the_program():
    text = (ROOT / "docs" / "format.md").read_text(encoding="utf-8")
    assert f"magic: `{archive.MAGIC.hex(' ').upper()}`" in text
    assert " ".join(directory.DICTIONARY.hex(" ").upper().split()) in " ".join(text.split())
    for coder in CODERS.values():
        assert f"{coder.number} `{coder.name}`" in text
    assert f"| header | {archive.HEADER_BYTES} |" in text
    assert f"| trailer | {archive.LAYOUTS[archive.MAJOR].trailer_bytes} |" in text


def test_dependencies_are_those_of_the_readme():
    setup = (ROOT / "setup.cfg").read_text(encoding="utf-8")
    declared = re.findall(r"^    ([\w-]+)>=", setup.split("install_requires =")[1].split("[")[0], re.MULTILINE)
    table = (ROOT / "README.md").read_text(encoding="utf-8").split("## Dependencies")[1].split("##")[0]
    core, extras = table.split("| extra |")
    assert re.findall(r"^\| ([\w-]+) \|", core, re.MULTILINE)[1:] == declared
    known = set(re.findall(r"^(\w+) =$", setup.split("[options.extras_require]")[1].split("\n[")[0], re.MULTILINE))
    assert set(re.findall(r"^\| `(\w+)` \|", extras, re.MULTILINE)) == known - {"test", "fuzz", "train"}


def test_where_things_are_names_every_module():
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").split("## Where things are")[1].split("\n## ")[0]
    named = set(re.findall(r"([\w.]+\.py|\w+/)(?=[ ,\n])", text))
    package = ROOT / "spikey_cli"
    modules = [*package.glob("*.py"), *package.glob("cli/*.py"), *package.glob("training/*.py")]
    folders = {f"{path.parent.name}/" for path in package.glob("*/__init__.py")}
    assert folders | {path.name for path in modules} - {"__init__.py", "__main__.py"} <= named
    assert {name for name in named if not list(ROOT.rglob(name))} == set(), "these are no more"


def test_the_citation_is_of_this_release():
    told = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert f"\nversion: {spikey_cli.__version__}\n" in told
    assert f"\n## {spikey_cli.__version__}\n" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
