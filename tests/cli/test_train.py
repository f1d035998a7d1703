"""`spikey train`; tests/training has tests of the training."""

from __future__ import annotations

import sys

from support.command import run


def test_a_missing_package_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    (tmp_path / "some.yaml").write_text("window: 16")
    printed = run("train", tmp_path / "some.yaml", "name", "--data", tmp_path, status=1)
    assert "training needs torch: pip install torch onnx pydantic PyYAML tensorboard matplotlib" in printed
