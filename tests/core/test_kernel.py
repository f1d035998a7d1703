"""Kernels are kept for one state of the package."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import spikey_cli

SCRIPT = """
import numpy as np
from spikey_cli.core.packed import pack_codes
from spikey_cli.core.kernel import kernel_folder
pack_codes(np.zeros(3, np.int32), 4)
print(kernel_folder())
"""


def _run(folder: Path) -> Path:
    environment = {key: value for key, value in os.environ.items() if key != "NUMBA_CACHE_DIR"}
    run = subprocess.run(
        [sys.executable, "-c", SCRIPT], cwd=folder, env=environment, check=True, capture_output=True, text=True
    )
    return Path(run.stdout.strip())


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere other places cannot be written to")
@pytest.mark.slow
def test_where_nothing_can_be_kept_kernels_run_all_the_same(tmp_path):
    """As in a container that is read only, for a user without a home."""
    environment = os.environ | {"NUMBA_CACHE_DIR": "/proc/none", "HOME": "/proc/none", "XDG_CACHE_HOME": "/proc/none"}
    package = Path(spikey_cli.__file__).parent
    shutil.copytree(package, tmp_path / "spikey_cli", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "spikey_cli" / "__pycache__").write_text("in the way of what Numba would keep beside the source")
    (tmp_path / "spikey_cli" / "core" / "__pycache__").write_text("likewise")
    run = subprocess.run(
        [sys.executable, "-B", "-c", SCRIPT], cwd=tmp_path, env=environment, check=True, capture_output=True, text=True
    )
    assert run.stderr.startswith("kernels cannot be kept in /proc/none/"), run.stderr
    assert run.stderr.count("\n") == 1, run.stderr


@pytest.mark.slow
def test_a_changed_package_keeps_kernels_of_its_own(tmp_path):
    package = Path(spikey_cli.__file__).parent
    shutil.copytree(package, tmp_path / "spikey_cli", ignore=shutil.ignore_patterns("__pycache__"))
    first = _run(tmp_path)
    assert list(first.rglob("*.nbc"))
    assert _run(tmp_path) == first
    with (tmp_path / "spikey_cli" / "core" / "bits.py").open("a") as source:
        source.write("# changed\n")
    second = _run(tmp_path)
    assert second != first
    assert list(second.rglob("*.nbc"))
    assert not first.exists()
