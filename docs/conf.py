"""The documentation as a site: `pip install -e ".[docs]"`, then `sphinx-build --fail-on-warning -c docs . build/site`.

Its source folder is the repository, so that the links between pages are those that hold there.
"""

from __future__ import annotations

from pathlib import Path

from sphinx.application import Sphinx

import spikey_cli

project = "Spikey"
author = "The Spikey developers"
release = version = spikey_cli.__version__
root_doc = "docs/index"
include_patterns = [
    "docs/*.md",
    "*.md",
    "benchmarks/README.md",
    "models/README.md",
    "tests/fuzz/README.md",
    "examples/challenge/README.md",
    "examples/viewer/README.md",
    "examples/tour.ipynb",
]
extensions = ["myst_nb", "sphinx.ext.autodoc", "numpydoc"]
exclude_patterns = ["CODE_OF_CONDUCT.md"]
html_theme = "furo"
html_title = "Spikey"
smartquotes = False  # -- is the beginning of an option
html_copy_source = False
html_show_copyright = False
html_static_path = ["site.css"]
html_css_files = ["site.css"]

myst_heading_anchors = 3
nb_execution_mode = "off"  # the outputs that the notebook holds; a test runs it

default_role = "py:obj"
autodoc_typehints = "none"  # numpydoc's sections have the types
autodoc_member_order = "bysource"
autodoc_mock_imports = ["spikeinterface", "probeinterface"]
numpydoc_class_members_toctree = False
numpydoc_show_class_members = False


def write_front(app: Sphinx, error: Exception | None) -> None:
    """Lead from the root of the site to its first page."""
    if not error and app.builder.format == "html":
        text = '<!doctype html><meta http-equiv="refresh" content="0; url=docs/index.html"><title>Spikey</title>\n'
        Path(app.outdir, "index.html").write_text(text, "utf-8")


def setup(app: Sphinx) -> None:
    """Connect what this file adds to Sphinx."""
    app.connect("build-finished", write_front)
