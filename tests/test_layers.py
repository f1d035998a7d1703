"""How the package is layered: imports run one way, and only the command knows its options."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from support.paths import ROOT

PACKAGE = ROOT / "spikey_cli"
LAYERS = (
    *("errors", "system", "io", "topology", "core", "model", "container", "codec", "streaming", "api"),
    *("analysis", "bench", "training", "integrations", "cli"),
)
"""The folders, lowest first; `errors` is a module. Each may import itself and what stands before it."""
FACES = {"__init__", "__main__"}
"""Modules of the package's root that may import any layer."""
MODULES = sorted(PACKAGE.rglob("*.py"))
BELOW_CLI = [path for path in MODULES if path.relative_to(PACKAGE).parts[0] not in ("cli", "__main__.py")]


def name_of(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


def layer_of(path: Path) -> str:
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def imported_layers(path: Path) -> set[str]:
    """Layers that a module imports anywhere: at its top, within functions, and for type checking."""
    package = ("spikey_cli", *path.relative_to(PACKAGE).parent.parts)
    layers = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names: list[tuple[str, ...]] = []
        if isinstance(node, ast.Import):
            names = [tuple(alias.name.split(".")) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) + 1 - node.level] if node.level else ()
            base += tuple(node.module.split(".")) if node.module else ()
            names = [(*base, alias.name) for alias in node.names]
        layers |= {name[1] for name in names if name[0] == "spikey_cli" and len(name) > 1 and name[1] in LAYERS}
    return layers


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_imports_run_one_way(path):
    layer = layer_of(path)
    if layer in FACES:
        return
    allowed = LAYERS[: LAYERS.index(layer) + 1]
    assert imported_layers(path) <= set(allowed), f"{name_of(path)} imports a layer above its own"


def test_imports_are_found():
    """The check itself, on modules whose imports are known."""
    assert imported_layers(PACKAGE / "api" / "compress.py") >= {"codec", "errors"}
    assert imported_layers(PACKAGE / "__init__.py") >= {"api", "errors", "streaming"}


def test_the_root_holds_layers_only():
    modules = {path.stem for path in PACKAGE.glob("*.py")}
    folders = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert modules == FACES | {"errors"}
    assert modules | folders == FACES | set(LAYERS)


@pytest.mark.parametrize("layer", LAYERS[1:])
def test_every_folder_says_what_it_is_for(layer):
    tree = ast.parse((PACKAGE / layer / "__init__.py").read_text(encoding="utf-8"))
    assert len(ast.get_docstring(tree) or "") > 20


@pytest.mark.parametrize("path", BELOW_CLI, ids=name_of)
def test_only_the_command_knows_its_options(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    strings = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    options = {option for text in strings for option in re.findall(r"(?<![\w-])--[a-z][a-z-]*", text)}
    assert options <= OTHER_PROGRAMS.get(name_of(path), set())
    assert not re.search(r"^\s*(import|from) click\b", path.read_text(encoding="utf-8"), re.MULTILINE)


OTHER_PROGRAMS: dict[str, set[str]] = {
    "bench/comparison.py": {"--best", "--coder", "--fast", "--model", "--no-verify"},
    "bench/programs.py": {"--channel-map", "--output-dir-flat", "--output-prefix"},
}
"""Options of programs that a module runs; `bench` times the command itself as a process."""
