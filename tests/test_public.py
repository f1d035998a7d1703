"""The package's names: what `dir` lists, and what `import *` imports."""

from __future__ import annotations

import subprocess
import sys

import spikey_cli


def test_dir_lists_the_public_names():
    assert {"compress", "open", "ArraySource", "SpikeyError"} <= {*spikey_cli.__all__}
    assert {*spikey_cli.__all__} <= {*dir(spikey_cli)}
    assert all(hasattr(spikey_cli, name) for name in dir(spikey_cli))


def test_all_names_are_imported_without_optional_packages():
    missing = ("h5py", "numcodecs", "zarr", "spikeinterface", "dask", "fsspec")
    script = (
        f"import sys; sys.modules.update(dict.fromkeys({missing})); from spikey_cli import *; print(verify.__name__)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("verify\n", "")
