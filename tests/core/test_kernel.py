"""The kernel cache: kept for one state of `core`, and never in the way of the work."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import spikey_cli

pytestmark = pytest.mark.slow

SCRIPT = """
import numpy as np
from spikey_cli.core.kernel import kernel_folder
from spikey_cli.core.packed import pack_codes
assert pack_codes(np.arange(4, dtype=np.int32), 4) == b"\\x1b"
print(kernel_folder())
"""


@pytest.fixture
def package(tmp_path):
    """A copy of the package in a folder of its own."""
    shutil.copytree(Path(spikey_cli.__file__).parent, tmp_path / "spikey_cli", ignore=shutil.ignore_patterns("__pyc*"))
    return tmp_path / "spikey_cli"


def run_script(package: Path, script: str = SCRIPT, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {key: value for key, value in os.environ.items() if key not in ("NUMBA_CACHE_DIR", "PYTHONPATH")}
    command = [sys.executable, "-B", "-c", script]
    return subprocess.run(
        command, cwd=package.parent, env=kept | environment, check=True, capture_output=True, text=True
    )


def cached_in(package: Path) -> Path:
    return Path(run_script(package).stdout.strip())


@pytest.mark.skipif(sys.platform != "linux", reason="on other systems other folders cannot be written to")
def test_without_a_folder_for_the_cache_kernels_still_run(package):
    """As in a read-only container, for a user without a home."""
    (package / "__pycache__").write_text("in the way of Numba's cache beside the source")
    (package / "core" / "__pycache__").write_text("likewise")
    nowhere = {"NUMBA_CACHE_DIR": "/proc/none", "HOME": "/proc/none", "XDG_CACHE_HOME": "/proc/none"}
    done = run_script(package, **nowhere)
    assert done.stderr.startswith("kernels cannot be kept in /proc/none/"), done.stderr
    assert done.stderr.count("\n") == 1, done.stderr


@pytest.mark.parametrize("ending", ["nbi", "nbc"])
def test_a_damaged_cache_is_replaced(package, ending):
    folder = cached_in(package)
    files = list(folder.rglob(f"*.{ending}"))
    assert files
    for file in files:
        file.write_bytes(file.read_bytes()[:-100] if ending == "nbc" else b"no index")
    assert cached_in(package) == folder
    assert all(file.stat().st_size > 100 for file in folder.rglob(f"*.{ending}"))


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit on the size of a file")
def test_a_cache_that_cannot_be_written_only_warns(package):
    """As on a full disk."""
    limited = SCRIPT.replace(
        "import numpy as np\n",
        "import numpy as np\nimport resource, signal\nsignal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (10, 10))\n",
        1,
    )
    done = run_script(package, limited)
    assert "kernels cannot be kept in" in done.stderr


def test_changed_sources_have_a_cache_of_their_own(package):
    first = cached_in(package)
    assert list(first.rglob("*.nbc"))
    with (package / "codec" / "cost.py").open("a") as source:
        source.write("# no kernel is in this folder\n")
    assert cached_in(package) == first
    with (package / "core" / "bits.py").open("a") as source:
        source.write("# changed\n")
    second = cached_in(package)
    assert second != first
    assert list(second.rglob("*.nbc"))
    assert not first.exists()
