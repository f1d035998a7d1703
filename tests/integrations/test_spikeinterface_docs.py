"""The examples of docs/spikeinterface.md."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from support.paths import DOCS

pytest.importorskip("spikeinterface")

PAGE = DOCS / "spikeinterface.md"


def test_examples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In order, with common variables."""
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    assert len(blocks) >= 6
    for number, block in enumerate(blocks):
        exec(compile(block, f"{PAGE.name}, block {number}", "exec"), names)
