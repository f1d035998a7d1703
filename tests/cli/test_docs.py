"""The documents: their examples run, and what they list is what the program has."""

from __future__ import annotations

import os
import re
import runpy
import shlex
import subprocess
import sys
from pathlib import Path

import click
import numpy as np
import pytest
from support.command import run
from support.paths import DOCS, ROOT
from support.recordings import write_session

import spikey_cli
from spikey_cli.cli import COMMANDS, main
from spikey_cli.container import archive, packing
from spikey_cli.core.coders import CODERS

README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMAND_LINE = (DOCS / "command-line.md").read_text(encoding="utf-8")
PARSED_ONLY = ("train", "bench", "analyze", "repack")
"""Commands that take long, or other files: their examples are parsed, and other tests run them."""

ELSEWHERE = {"spikeinterface.md"}
"""Documents whose examples are run in tests/integrations, because they need packages that the others do not."""
DOCUMENTS = [
    path
    for path in sorted([*ROOT.glob("*.md"), *DOCS.glob("*.md")])
    if "```python" in path.read_text("utf-8") and path.name not in ELSEWHERE
]


@pytest.fixture(scope="session")
def left_and_right(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The recordings of the examples, by their names."""
    paths = write_session(tmp_path_factory.mktemp("docs"), np.random.default_rng(20_260_101), 2, 60_000)
    return dict(zip(("left.wav", "right.wav"), (path.read_bytes() for path in paths), strict=True))


@pytest.fixture
def folder(tmp_path: Path, left_and_right: dict[str, bytes], monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory of the examples, with left.wav and right.wav."""
    for name, data in left_and_right.items():
        (tmp_path / name).write_bytes(data)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def commands() -> dict[str, click.Command]:
    found = {name: main.get_command(click.Context(main), name) for name in COMMANDS}
    return {name: command for name, command in found.items() if command}


def sections(text: str) -> dict[str, str]:
    """The second-level sections of a document, by their titles."""
    return {section.split("\n")[0]: section for section in text.split("\n## ")}


def run_line(line: str) -> None:
    """Run a line of a document: pipes in a shell, other commands within this process."""
    words = shlex.split(line)
    if set("|<>").intersection(words):
        in_shell = re.sub(r"\bspikey\b(?= )", f"{shlex.quote(sys.executable)} -m spikey_cli", line)
        environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
        done = subprocess.run(["bash", "-ec", in_shell], capture_output=True, text=True, env=environment)
        assert done.returncode == 0, f"{line}: {done.stdout}{done.stderr}"
    elif words[1] in PARSED_ONLY:
        commands()[words[1]].make_context(words[1], words[2:])
    else:
        run(*words[1:])


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_python_examples_run(folder, left_and_right, document):
    """In order; the examples of one document share their variables."""
    names: dict[str, object] = {"__name__": "__main__"}
    examples = re.findall(r"```python\n(.*?)```", document.read_text(encoding="utf-8"), re.DOTALL)
    for number, example in enumerate(examples):
        exec(compile(example, f"{document.name}, example {number}", "exec"), names)
    if document.name == "README.md":
        assert all((folder / "restored" / name).read_bytes() == data for name, data in left_and_right.items())


def test_commands_of_the_readme_run(folder, left_and_right):
    usage = re.findall(r"^    ((?:spikey|\w+ .*\| spikey) .*?)(?:  +#.*)?$", sections(README)["Use"], re.MULTILINE)
    assert len(usage) == 5
    restored = []
    for i, line in enumerate(usage):
        if "DIR" in line:
            restored.append(folder / f"restored{i}")
        run_line(line.replace("IN.wav...", "left.wav right.wav").replace("DIR", f"restored{i}"))
    assert (restored[0] / "left.wav").read_bytes() == left_and_right["left.wav"]


def test_pipes_of_the_readme_and_of_the_page_on_live_streams_run(folder, left_and_right):
    in_readme = re.findall(r"`(spikey [^`]*<[^`]*)`", README)
    on_page = re.findall(r"^    (spikey .*)$", (DOCS / "live.md").read_text("utf-8"), re.MULTILINE)
    assert in_readme == on_page[:1]
    for line in on_page:
        run_line(line)
    assert (folder / "same.wav").read_bytes() == left_and_right["left.wav"]


def test_commands_of_the_command_line_page_run(folder, left_and_right):
    examples = re.findall(r"^    ((?:spikey|cat) .*)$", COMMAND_LINE, re.MULTILINE)
    assert examples[0] == "spikey COMMAND [OPTIONS] ARGUMENTS"
    for line in examples[1:]:
        run_line(line)
    assert {line.split()[1] for line in examples[1:] if line.startswith("spikey")} == set(COMMANDS)
    for restored in ("restored/left.wav", "left-only/left.wav", "came-through.wav"):
        assert (folder / restored).read_bytes() == left_and_right["left.wav"], restored
    assert np.load(folder / "left.npy").shape == (60_000, 1)
    assert sorted(path.name for path in (folder / "pieces").iterdir()) == ["left.wav", "right.wav"]


def options_of(name: str) -> set[str]:
    options = [parameter for parameter in commands()[name].params if isinstance(parameter, click.Option)]
    return {option for parameter in options for option in (*parameter.opts, *parameter.secondary_opts)}


def documented_options(section: str) -> set[str]:
    """The options in the first column of a section's table."""
    rows = re.findall(r"^\| (`-[^|]*) \|", section, re.MULTILINE)
    return {option for row in rows for option in re.findall(r"(?<![\w-])--?[a-z0-9][a-z-]*", row)}


def test_the_readme_names_existing_options():
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", sections(README)["Use"]))
    assert named <= {option for name in COMMANDS for option in options_of(name)}


def test_the_command_line_page_has_all_options():
    by_title = sections(COMMAND_LINE)
    shared = documented_options(by_title["Options of several commands"])
    used = {"-h", "--help"}
    for name in COMMANDS:
        options = options_of(name)
        assert options - shared == documented_options(by_title[f"spikey {name}"]), name
        used |= options & shared
    assert used == shared
    assert [title for title in by_title if title.startswith("spikey ")] == [f"spikey {name}" for name in COMMANDS]


def test_the_command_line_page_has_all_environment_variables():
    sources = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "spikey_cli").rglob("*.py"))
    read = set(re.findall(r"(?:environ\.get|getenv)\(\s*\"(\w+)\"", sources))
    documented = re.findall(r"`(_?[A-Z][A-Z0-9_]+)`", sections(COMMAND_LINE)["Environment"])
    assert set(documented) == read | {"_SPIKEY_COMPLETE"}


def test_links_between_documents_lead_to_files():
    for document in [*ROOT.glob("*.md"), *DOCS.glob("*.md"), *ROOT.glob("*/README.md")]:
        for target in re.findall(r"\]\(([^)#]+)", document.read_text(encoding="utf-8")):
            if "://" not in target:
                assert (document.parent / target).exists(), f"{document.name} links to {target}"


def test_the_specification_has_the_numbers_of_the_program():
    text = (DOCS / "format.md").read_text(encoding="utf-8")
    assert f"| magic | `{archive.MAGIC.hex(' ').upper()}`" in text
    assert " ".join(packing.DICTIONARY.hex(" ").upper().split()) in " ".join(text.split())
    for coder in CODERS.values():
        assert f"{coder.number} `{coder.name}`" in text
    assert f"| header | {archive.HEADER_BYTES} |" in text
    assert f"| trailer | {archive.TRAILER_BYTES} |" in text


def test_dependencies_are_those_of_the_readme():
    setup = (ROOT / "setup.cfg").read_text(encoding="utf-8")
    declared = re.findall(r"^    ([\w-]+)>=", setup.split("install_requires =")[1].split("[")[0], re.MULTILINE)
    core, extras = sections(README)["Dependencies"].split("| extra |")
    assert re.findall(r"^\| ([\w-]+) \|", core, re.MULTILINE)[1:] == declared
    known = set(re.findall(r"^(\w+) =$", setup.split("[options.extras_require]")[1].split("\n[")[0], re.MULTILINE))
    assert set(re.findall(r"^\| `(\w+)` \|", extras, re.MULTILINE)) == known


def test_nothing_advises_to_install_what_is_on_no_index():
    """Extras are those of a checkout; messages and pages name the packages."""
    for path in [
        *(ROOT / "spikey_cli").rglob("*.py"),
        *ROOT.glob("*.md"),
        *ROOT.glob("docs/*.*"),
        *ROOT.glob("examples/*.ipynb"),
    ]:
        if path.suffix in (".py", ".md", ".ipynb", ".1"):
            text = path.read_text(encoding="utf-8")
            assert not re.search(r"pip install [^\n`]*spikey-cli", text), path
            assert "spikey-cli[" not in text, path


def test_contributing_names_every_folder():
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    folders = {f"{path.parent.name}/" for path in (ROOT / "spikey_cli").glob("*/__init__.py")}
    assert folders <= set(re.findall(r"`(\w+/)`", text))


def test_the_man_page_is_that_of_the_help():
    man_page = runpy.run_path(str(DOCS / "manpage.py"))["man_page"]
    assert (DOCS / "spikey.1").read_text(encoding="utf-8") == man_page(), "run python docs/manpage.py"


def test_actions_of_workflows_are_pinned():
    for workflow in (ROOT / ".github/workflows").glob("*.yml"):
        for action in re.findall(r"uses: (.*)", workflow.read_text(encoding="utf-8")):
            assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v[\d.]+", action), f"{workflow.name}: {action}"


def test_the_citation_is_of_this_version():
    assert f"\nversion: {spikey_cli.__version__}\n" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")


def test_the_c_library_is_of_this_version():
    project = (ROOT / "CMakeLists.txt").read_text(encoding="utf-8")
    assert f"project(spikey VERSION {spikey_cli.__version__} " in project


def test_the_recipe_for_conda_is_of_this_version_and_needs_the_same_packages():
    recipe = (ROOT / "recipe/meta.yaml").read_text(encoding="utf-8")
    assert f'version = "{spikey_cli.__version__}"' in recipe
    setup = (ROOT / "setup.cfg").read_text(encoding="utf-8")
    declared = re.findall(r"^    ([\w-]+>=.*)$", setup.split("install_requires =")[1].split("[")[0], re.MULTILINE)
    names = {"PyWavelets": "pywavelets", "soundfile": "pysoundfile"}
    in_conda = [f"{names.get(name, name)} >={version}" for name, version in (each.split(">=") for each in declared)]
    assert re.findall(r"^    - (.*)$", recipe.split("  run:")[1].split("\ntest:")[0], re.MULTILINE)[1:] == in_conda
