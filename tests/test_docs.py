"""What the documentation says is run, or compared with what the program does."""

from __future__ import annotations

import re
import shlex
import textwrap
from pathlib import Path

import pytest
from click.testing import CliRunner
from recordings import write_session

import spikey_cli
from spikey_cli import archive, tables
from spikey_cli.cli import main
from spikey_cli.coders import CODERS

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def two_threads(tmp_path, random, monkeypatch):
    """A folder with left.wav and right.wav, as the README's examples have, which is the working directory."""
    left, right = write_session(tmp_path, random, 2, 60_000)
    left.rename(tmp_path / "left.wav")
    right.rename(tmp_path / "right.wav")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("source", ["README.md", "spikey_cli"])
def test_python_examples_run(two_threads, source):
    if source == "README.md":
        (example,) = re.findall(r"```python\n(.*?)```", (ROOT / source).read_text(encoding="utf-8"), re.DOTALL)
    else:
        docstring = spikey_cli.__doc__ or ""
        example = textwrap.dedent(docstring[docstring.index("    import") : docstring.index("`compress`")])
    exec(compile(example, source, "exec"), {})
    for name in ("left.wav", "right.wav"):
        assert (two_threads / name).read_bytes() == (two_threads / "restored" / name).read_bytes()


def test_the_commands_of_the_readme_run(two_threads):
    usage = (ROOT / "README.md").read_text(encoding="utf-8").split("## Use")[1].split("```")[0]
    commands = [line.split("#")[0] for line in usage.splitlines() if line.startswith("    spikey ")]
    assert len(commands) == 7
    for i, command in enumerate(commands):
        words = shlex.split(command.replace("IN.wav...", "left.wav right.wav").replace("DIR", f"restored{i}"))
        result = CliRunner().invoke(main, words[1:])
        assert result.exit_code == 0, f"{command}: {result.output}"


def test_every_link_of_the_documents_leads_somewhere():
    for document in [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]:
        for target in re.findall(r"\]\(([^)#]+)", document.read_text(encoding="utf-8")):
            assert (document.parent / target).exists(), f"{document.name} links to {target}"


def test_the_specification_has_the_numbers_of_the_program():
    text = (ROOT / "docs" / "format.md").read_text(encoding="utf-8")
    assert f"magic: `{archive.MAGIC.hex(' ').upper()}`" in text
    assert " ".join(tables.DICTIONARY.hex(" ").upper().split()) in " ".join(text.split())
    for coder in CODERS.values():
        assert f"{coder.number} `{coder.name}`" in text
    assert f"| header | {archive.HEADER_BYTES} |" in text
    assert f"| trailer | {archive.LAYOUTS[archive.MAJOR].trailer_bytes} |" in text


def test_dependencies_are_those_of_the_readme():
    setup = (ROOT / "setup.cfg").read_text(encoding="utf-8")
    declared = re.findall(r"^    ([\w-]+)>=", setup.split("install_requires =")[1].split("[")[0], re.MULTILINE)
    table = (ROOT / "README.md").read_text(encoding="utf-8").split("## Dependencies")[1].split("##")[0]
    assert re.findall(r"^\| ([\w-]+) \|", table, re.MULTILINE)[1:] == declared
