"""Archives written once and kept: every release decodes them to the same bytes."""

from __future__ import annotations

import hashlib
import json
import re

import pytest
from support.paths import GOLDEN

import spikey_cli
from spikey_cli.model.predictor import find_model

PARTS = GOLDEN / "models" / "parts.onnx"
LISTING: dict[str, dict[str, str]] = json.loads((GOLDEN / "golden.json").read_text(encoding="utf-8"))


def test_every_golden_archive_is_listed():
    assert {path.name for path in GOLDEN.glob("*.spk")} == LISTING.keys()


REFUSED: dict[str, str] = json.loads((GOLDEN / "refused" / "refused.json").read_text(encoding="utf-8"))


def test_every_refused_archive_is_listed():
    assert {path.name for path in GOLDEN.glob("refused/*.spk")} == REFUSED.keys()


@pytest.mark.parametrize("name", REFUSED)
def test_refused_archives_are_named_with_the_reason(name, tmp_path):
    with pytest.raises(spikey_cli.SpikeyError, match=re.escape(REFUSED[name])):
        spikey_cli.decompress(GOLDEN / "refused" / name, tmp_path)
    # what is whole may be there
    right = LISTING["v3.0-range-session-n1.spk"]
    for path in tmp_path.iterdir():
        assert hashlib.sha256(path.read_bytes()).hexdigest() == right.get(path.name), path.name


@pytest.mark.parametrize("name", LISTING)
def test_golden_archives_decode(name, tmp_path):
    spikey_cli.decompress(GOLDEN / name, tmp_path, predictor=find_model(str(PARTS)) if "parts" in name else None)
    found = {p.relative_to(tmp_path).as_posix(): p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
    assert {file: hashlib.sha256(data).hexdigest() for file, data in found.items()} == LISTING[name]
