"""Examples in docstrings of the public API run as they stand.

They run in a folder with two recordings, `left.wav` and `right.wav`, recorded together: mono, 16 bits, 60,000 frames.
`np` and `spikey_cli` are imported.
"""

from __future__ import annotations

import doctest
import sys

import numpy as np
import pytest
from support.recordings import write_session

import spikey_cli

FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


@pytest.fixture(scope="session")
def left_and_right(tmp_path_factory):
    """The bytes of left.wav and right.wav."""
    paths = write_session(tmp_path_factory.mktemp("doctests"), np.random.default_rng(20_260_101), 2, 60_000)
    return dict(zip(("left.wav", "right.wav"), (path.read_bytes() for path in paths), strict=True))


@pytest.mark.parametrize("name", ["spikey_cli", *spikey_cli.__all__])
def test_examples_run(name, left_and_right, tmp_path, monkeypatch):
    documented = spikey_cli if name == "spikey_cli" else getattr(spikey_cli, name)
    module = spikey_cli if name == "spikey_cli" else sys.modules[documented.__module__]
    for file, data in left_and_right.items():
        (tmp_path / file).write_bytes(data)
    monkeypatch.chdir(tmp_path)
    runner = doctest.DocTestRunner(optionflags=FLAGS)
    report: list[str] = []
    names = {"np": np, "spikey_cli": spikey_cli}
    recurse = documented is not spikey_cli
    for test in doctest.DocTestFinder(recurse=recurse).find(documented, name, module=module, globs=names):
        runner.run(test, out=report.append)
    assert not runner.failures, "".join(report)
