"""A whole training by the command: model, card, log, and what the codec makes of them."""

from __future__ import annotations

import csv
import json

import pytest
from click.testing import CliRunner
from support.training_cases import config

from spikey_cli.cli import main
from spikey_cli.model.predictor import read_model
from spikey_cli.training.config import Config

pytestmark = pytest.mark.slow


def test_the_command_writes_a_model_its_card_and_logs(recordings, tmp_path):
    (tmp_path / "small.yaml").write_text(json.dumps(config().model_dump(mode="json", exclude_none=True)))
    out = tmp_path / "out"
    arguments = ["train", tmp_path / "small.yaml", "small", "--data", recordings, "--out", out, "--threads", 1]
    result = CliRunner().invoke(main, [str(a) for a in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    assert "min left" in result.output
    (model,) = out.glob("small-*.onnx")
    card = json.loads(model.with_suffix(".json").read_text(encoding="utf-8"))
    assert card["sha256"] == read_model(model).digest.hex()
    assert card["bytes"] == model.stat().st_size
    assert Config.model_validate(card["config"]) == config()
    assert card["files"] == {"training": 4, "held_out": 2, "val": 2}
    assert [measured["coder"] for measured in card["val"]] == ["rice", "range"]
    for measured in card["val"]:
        assert measured["files"] == 2
        assert 1 < measured["ratio"] < 16
    with (out / "small" / "log.csv").open() as file:
        assert [row["step"] for row in csv.DictReader(file)] == ["30", "60"]
    assert list((out / "small").glob("events.out.tfevents.*"))
    for picture in ("curves.png", "residuals.png"):
        assert (out / "small" / picture).read_bytes().startswith(b"\x89PNG")
    assert not (out / "small" / "checkpoint.pt").exists()
    again = CliRunner().invoke(main, [str(a) for a in arguments])
    assert again.exit_code == 1
    assert "exists already; choose another name" in again.output
    result = CliRunner().invoke(
        main, [*(str(a) for a in arguments), "--steps", "30", "-f", "-q"], catch_exceptions=False
    )
    assert (result.exit_code, result.output) == (0, "")
    (model,) = out.glob("small-*.onnx")
    with (out / "small" / "log.csv").open() as file:
        assert [row["step"] for row in csv.DictReader(file)] == ["30"], "a new training begins a new log"
    archive = tmp_path / "out.spk"
    wavs = [str(path) for path in sorted(recordings.glob("c/*.wav"))]
    for command in (["compress", "--model", model, *wavs, archive], ["test", "--model", model, archive]):
        result = CliRunner().invoke(main, [str(a) for a in command], catch_exceptions=False)
        assert result.exit_code == 0, result.output
