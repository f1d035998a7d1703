"""The examples in C and for MATLAB read archives with libspikey, as the Python package does."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from support.paths import GOLDEN, ROOT

import spikey_cli
from spikey_cli.container.archive import ArchiveReader

sys.path.insert(0, str(ROOT / "build_backend"))
from spikey_build import installed_compiler

ARCHIVES = ("rice-session", "range-scaled", "range-widths", "range-hum")
C, MATLAB = ROOT / "examples" / "c", ROOT / "examples" / "matlab"


def expected(archive: Path, *, is_packed: bool) -> dict[str, str]:
    """Digests of the samples of each recording, channel after channel; those of 24 bits in 3 bytes, or in 4."""
    digests = {}
    with ArchiveReader(archive) as reader:
        entries = [entry for entry in reader.directory.files if entry.layout]
    for entry in entries:
        channels = [f"{entry.name}:{i}" for i in range(entry.channels)] if entry.channels > 1 else [entry.name]
        with spikey_cli.open(archive, channels=channels) as recording:
            samples = np.ascontiguousarray(recording[:].reshape(-1, entry.channels).T)
        width = entry.frame_bytes // entry.channels if is_packed else samples.itemsize
        packed = samples.view(np.uint8).reshape(-1, samples.itemsize)[:, :width]  # little-endian
        digests[entry.name] = hashlib.sha256(packed.tobytes()).hexdigest()
    return digests


@pytest.fixture(scope="module")
def traces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example in C, as its comment says to compile it."""
    compiler = installed_compiler()
    if compiler is None or sys.platform == "win32":
        pytest.skip("there is no C compiler")
    program = tmp_path_factory.mktemp("c") / "traces"
    files = [str(C / "traces.c"), spikey_cli.get_library(), "-o", str(program)]
    subprocess.run([*compiler, "-Wall", "-Wextra", "-Werror", f"-I{spikey_cli.get_include()}", *files], check=True)
    return program


@pytest.mark.parametrize("name", ARCHIVES)
def test_c(traces: Path, name: str) -> None:
    archive = GOLDEN / f"{name}.spk"
    digests = expected(archive, is_packed=True)
    listed = subprocess.run([traces, archive], check=True, capture_output=True, text=True).stdout.splitlines()
    assert [line.split("\t")[1] for line in listed] == list(digests)
    for i, (recording, digest) in enumerate(digests.items()):
        for selected in (recording, str(i)):
            samples = subprocess.run([traces, archive, selected], check=True, capture_output=True).stdout
            assert hashlib.sha256(samples).hexdigest() == digest, selected


def test_c_refuses_what_it_cannot_read(traces: Path, tmp_path: Path) -> None:
    archive = GOLDEN / "rice-session.spk"
    damaged, short = tmp_path / "damaged.spk", tmp_path / "short.spk"
    data = bytearray(archive.read_bytes())
    short.write_bytes(data[:50])
    data[len(data) // 2] ^= 1
    damaged.write_bytes(data)
    for arguments, reason in (
        ([tmp_path / "missing.spk"], "cannot be opened"),
        ([short], "not a Spikey archive"),
        ([damaged, "left.wav"], "checksum"),
        ([archive, "middle.wav"], "no such recording"),
        ([archive, "2"], "no such recording"),
    ):
        done = subprocess.run([traces, *arguments], capture_output=True, text=True)
        assert done.returncode == 1, arguments
        assert str(arguments[0]) in done.stderr
        assert reason in done.stderr


@pytest.mark.slow
def test_matlab(tmp_path: Path) -> None:
    """In Octave."""
    octave = shutil.which("octave-cli")
    if octave is None or shutil.which("mkoctfile") is None:
        pytest.skip("there is no Octave")
    for folder in (C, MATLAB):
        shutil.copytree(folder, tmp_path / folder.name)
    script = f"build_spikey_read('{sys.executable}');"
    digests: list[str] = []
    for name in ARCHIVES:
        archive = GOLDEN / f"{name}.spk"
        script += f"recordings = spikey_read('{archive}');"
        script += "for i = 1:numel(recordings) "
        for selected in ("i", "recordings(i).name"):
            script += f"x = spikey_read('{archive}', {selected});"
            script += "printf('%s\\n', hash('sha256', char(typecast(x(:), 'uint8')')));"
        script += "end;"
        digests += [digest for digest in expected(archive, is_packed=False).values() for _ in range(2)]
    script += f"try spikey_read('{tmp_path / 'missing.spk'}'), catch error, disp(error.message), end;"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
    done = subprocess.run(
        [octave, "--quiet", "--eval", script], cwd=tmp_path / "matlab", capture_output=True, text=True, env=environment
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[:-1] == digests
    assert "missing.spk: the file cannot be opened" in done.stdout.splitlines()[-1]


@pytest.mark.slow
def test_octave_reads_hdf5(tmp_path: Path) -> None:
    """With the filter's folder in HDF5_PLUGIN_PATH, as h5read of MATLAB does."""
    octave = shutil.which("octave-cli")
    if octave is None:
        pytest.skip("there is no Octave")
    h5py = pytest.importorskip("h5py")
    traces = np.cumsum(np.random.default_rng(0).integers(-9, 10, (3000, 4)), axis=0).astype("<i2")
    with h5py.File(tmp_path / "traces.h5", "w") as file:
        file.create_dataset("traces", data=traces, chunks=(1000, 4), **spikey_cli.hdf5.Spikey())
        assert file["traces"].id.get_storage_size() < traces.nbytes
    script = f"x = load('-hdf5', '{tmp_path / 'traces.h5'}').traces;"
    script += "printf('%s %d %d %s', class(x), size(x), hash('sha256', char(typecast(x(:), 'uint8')')));"
    environment = os.environ | {"HDF5_PLUGIN_PATH": str(Path(spikey_cli.get_library()).parent)}
    done = subprocess.run([octave, "--quiet", "--eval", script], capture_output=True, text=True, env=environment)
    assert done.stdout == f"int16 4 3000 {hashlib.sha256(traces.tobytes()).hexdigest()}", done.stderr
