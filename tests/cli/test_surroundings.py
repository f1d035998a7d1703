"""Where commands run: from cron, under nohup, and in containers, whose file system may be read-only."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from support.command import run

from spikey_cli.analysis import plotting
from spikey_cli.core._core import simd
from spikey_cli.errors import InputError

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX")
SPIKEY = [sys.executable, "-m", "spikey_cli"]
COMMANDS = (
    ["compress", "in/thread0.wav", "in/thread1.wav", "a.spk"],
    ["decompress", "a.spk"],
    ["test", "a.spk"],
    ["diff", "a.spk", "a"],
    ["list", "a.spk"],
    ["extract", "a.spk", "a.npy"],
    ["topology", "in/thread0.wav"],
    ["plot", "a.spk"],
)


def environment(**more: str) -> dict[str, str]:
    """As cron and minimal containers have it: neither TERM, nor a locale, nor a home."""
    return {"PATH": "/usr/bin:/bin", "PYTHONPATH": os.pathsep.join(sys.path), "PYTHONWARNINGS": "error", **more}


@pytest.fixture
def folder(tmp_path: Path, wavs: list[Path]) -> Path:
    (tmp_path / "in").mkdir()
    for path in wavs:
        shutil.copy(path, tmp_path / "in")
    return tmp_path


def check(folder: Path, wavs: list[Path], commands: tuple[list[str], ...], env: dict[str, str]) -> None:
    for command in commands:
        done = subprocess.run(
            [*SPIKEY, *command], cwd=folder, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True
        )
        assert (done.returncode, done.stderr) == (0, ""), command
        assert done.stdout
        assert "\x1b" not in done.stdout
    assert (folder / "a" / wavs[0].name).read_bytes() == wavs[0].read_bytes()


def test_from_cron(folder, wavs):
    check(folder, wavs, COMMANDS[:2], environment())


@pytest.mark.slow
@pytest.mark.parametrize(
    "more", [{"HOME": "/root"}, {"HOME": "/nonexistent", "TMPDIR": "/nonexistent"}, {"TERM": "dumb"}]
)
def test_every_command_is_quiet_and_right(folder, wavs, more):
    pytest.importorskip("matplotlib")
    check(folder, wavs, COMMANDS, environment(**more))


def test_an_instruction_set_that_the_machine_lacks(folder):
    spikey = [*SPIKEY, "compress", "in/thread0.wav", "b.spk"]
    done = subprocess.run(spikey, cwd=folder, env=environment(SPIKEY_SIMD="foo"), capture_output=True, text=True)
    sets = ", ".join(simd())
    assert (done.returncode, done.stderr) == (
        1,
        f"spikey: SPIKEY_SIMD: 'foo' is no instruction set of this machine; choose one of {sets}, or unset the "
        "variable\n",
    )


def test_under_nohup(folder, wavs):
    """The terminal goes away, and the work goes on."""
    script = f"trap '' HUP; {shlex.join([*SPIKEY, *COMMANDS[0]])} > log 2>&1 & kill -HUP $!; wait $!"
    subprocess.run(["bash", "-c", script], cwd=folder, env=environment(), stdin=subprocess.DEVNULL, check=True)
    assert (folder / "log").read_text().startswith("a.spk: 2 files")


READ_ONLY = """
mount --make-rprivate / && mount --bind "$1" /mnt && mount --bind / / && mount -o remount,bind,ro / && cd /mnt
touch /etc/spikey-test 2> /dev/null && exit 77
shift
"$@"
"""


@pytest.mark.slow
def test_on_a_read_only_root(folder, wavs):
    def read_only(*command: str) -> subprocess.CompletedProcess[str]:
        words = ["unshare", "-m", "bash", "-c", READ_ONLY, "bash", str(folder), *command]
        return subprocess.run(words, env=environment(), stdin=subprocess.DEVNULL, capture_output=True, text=True)

    if not shutil.which("unshare") or read_only("true").returncode:
        pytest.skip("needs root, and mounts of its own")
    for command in COMMANDS[:-1]:
        done = read_only(*SPIKEY, *command)
        assert (done.returncode, done.stderr) == (0, ""), command
    assert (folder / "a" / wavs[0].name).read_bytes() == wavs[0].read_bytes()


def test_without_a_folder_for_caches_or_temporary_files(monkeypatch, wavs):
    def refuse(*arguments: object, **options: object) -> None:
        raise FileNotFoundError(2, "No usable temporary directory found")

    monkeypatch.setattr(tempfile, "TemporaryDirectory", refuse)
    printed = run("bench", "--rivals", "none", wavs[0], status=1)
    assert printed.endswith("need a folder for temporary files, and none is writable; set TMPDIR to one\n")
    pytest.importorskip("matplotlib")
    monkeypatch.setattr("builtins.__import__", refuse)
    with pytest.raises(InputError, match="no folder that it can write its cache to; set MPLCONFIGDIR to one"):
        plotting.check_installed()
