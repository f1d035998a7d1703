"""The examples: synthetic recordings, the scripts for the challenge, the notebook."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from support.paths import EXAMPLES

import spikey_cli
from spikey_cli.core.quantizer import N1

RECORDINGS = sorted((EXAMPLES / "recordings").glob("*.wav"))

# The loop of the challenge's eval.sh: one file at a time, with its output.
ORIGINAL_LOOP = """
set -e
for file in data/*; do
  echo "Processing $file"
  ./encode "$file" "$file.brainwire"
  ./decode "$file.brainwire" "$file.copy"
  if diff -q "$file" "$file.copy" > /dev/null; then
    echo "$file losslessly compressed from $(wc -c < "$file") bytes to $(wc -c < "$file.brainwire") bytes"
  else
    echo "ERROR: $file and $file.copy are different."; exit 1
  fi
done
"""


@pytest.fixture
def environment() -> dict[str, str]:
    """An environment in which this Python comes first and finds the package."""
    root = str(EXAMPLES.parent)
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    return os.environ | {"PATH": path, "PYTHONPATH": os.pathsep.join([root, os.environ.get("PYTHONPATH", "")])}


def run(command: list[str | Path], folder: Path, environment: dict[str, str]) -> str:
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_script_makes_the_recordings(tmp_path, environment):
    run([sys.executable, EXAMPLES / "make_recordings.py", tmp_path], tmp_path, environment)
    assert sorted(path.name for path in tmp_path.iterdir()) == [path.name for path in RECORDINGS]
    for path in RECORDINGS:
        shipped, made = path.read_bytes(), (tmp_path / path.name).read_bytes()
        assert shipped[:44] == made[:44]
        codes = [N1.to_codes(np.frombuffer(data, dtype="<i2", offset=44)) for data in (shipped, made)]
        # another processor may round a sum that lies halfway between two codes to the other one
        difference = np.abs(codes[0] - codes[1])
        assert difference.max() <= 1
        assert np.count_nonzero(difference) <= 5, f"{path.name} differs"


def test_the_recordings_are_two_sessions_of_two_peers(tmp_path):
    spikey_cli.compress(RECORDINGS, tmp_path / "out.spk", verify=False)
    info = spikey_cli.info(tmp_path / "out.spk")
    assert [file["quantizer"] for file in info["files"]] == ["n1"] * 4
    for first, second in ((0, 1), (2, 3)):
        assert info["channels"][first]["later_references"] == [RECORDINGS[second].name]
        assert [one["name"] for one in info["channels"][second]["references"]] == [RECORDINGS[first].name]


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
class TestChallenge:
    @pytest.mark.slow
    def test_the_loop_of_the_challenge(self, tmp_path, environment):
        (tmp_path / "data").mkdir()
        for path in RECORDINGS[:2]:
            shutil.copy(path, tmp_path / "data")
        for script in ("encode", "decode"):
            shutil.copy(EXAMPLES / "challenge" / script, tmp_path)
        printed = run(["bash", "-c", ORIGINAL_LOOP], tmp_path, environment)
        assert printed.count("losslessly compressed") == 2

    def test_our_eval_script(self, tmp_path, environment):
        spikey = tmp_path / "bin" / "spikey"
        spikey.parent.mkdir()
        spikey.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m spikey_cli "$@"\n')
        spikey.chmod(0o755)
        environment = environment | {"PATH": os.pathsep.join([str(spikey.parent), environment["PATH"]])}
        printed = run([EXAMPLES / "challenge" / "eval.sh", EXAMPLES / "recordings"], tmp_path, environment)
        assert "All recordings successfully compressed." in printed
        raw, counted, not_counted = (int(n) for n in re.findall(r"size.*\(bytes\): (\d+)", printed))
        assert raw == sum(path.stat().st_size for path in RECORDINGS)
        executables = sum((EXAMPLES / "challenge" / name).stat().st_size for name in ("encode", "decode"))
        assert counted == not_counted + executables
        assert f"Compression ratio: {raw / counted:.4f}" in printed

    def test_without_arguments_the_usage_is_printed(self, tmp_path, environment):
        for script in ("encode", "decode"):
            done = subprocess.run(
                [EXAMPLES / "challenge" / script], env=environment, cwd=tmp_path, capture_output=True, text=True
            )
            assert done.returncode == 1
            assert f"usage: ./{script}" in done.stderr
            assert "Traceback" not in done.stderr


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
def test_the_notebook_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nbformat, nbclient = pytest.importorskip("nbformat"), pytest.importorskip("nbclient")
    pytest.importorskip("zarr", minversion="3")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(EXAMPLES.parent), os.environ.get("PYTHONPATH", "")]))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    notebook = nbformat.read(EXAMPLES / "tour.ipynb", 4)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = []
    client = nbclient.NotebookClient(notebook, timeout=None, resources={"metadata": {"path": str(EXAMPLES)}})
    client.execute()
    printed = [output.get("text", "") for output in notebook.cells[-1].outputs]
    assert printed == [f"{len(RECORDINGS)} files restored, byte for byte\n"]
