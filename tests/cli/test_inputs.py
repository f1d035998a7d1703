"""Options that describe inputs: --raw, --rate and --dataset, and the page on inputs."""

from __future__ import annotations

import errno
import importlib.util
import json
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from support import acquisition
from support.command import run
from support.paths import DOCS, ROOT
from support.recordings import recorded, wav_bytes
from support.sidecars import write_open_ephys, write_spikeglx

import spikey_cli

PAGE = DOCS / "inputs.md"
HAS_H5PY = importlib.util.find_spec("h5py") is not None


@pytest.fixture
def samples(random: np.random.Generator) -> np.ndarray:
    """int16 of shape (6000, 4)."""
    return recorded(random, 6000, 4)


def files_in(archive: Path) -> dict[str, tuple[object, ...]]:
    """(kind, channels, rate, bits) of each file."""
    keys = ("kind", "channels", "sample_rate", "sample_bits")
    return {file["name"]: tuple(file[key] for key in keys if key in file) for file in spikey_cli.info(archive)["files"]}


def assert_restored(archive: Path, source: Path) -> None:
    """The file, or every file below the folder, is restored under the same name."""
    folder = archive.parent / f"{archive.name}.restored"
    run("decompress", archive, folder)
    root, paths = (source, source.rglob("*")) if source.is_dir() else (source.parent, [source])
    for path in paths:
        if path.is_file():
            assert (folder / path.relative_to(root)).read_bytes() == path.read_bytes(), path


def test_a_file_without_read_permission_is_left_out(tmp_path, samples, monkeypatch):
    """Also if it is named: not a usage error, by which nothing would be compressed."""

    def refusing(path, *arguments):
        if Path(path).name == "secret.wav":
            raise PermissionError(errno.EACCES, "Permission denied")
        return open(path, *arguments)

    for name in ("a.wav", "secret.wav"):
        (tmp_path / name).write_bytes(wav_bytes(samples))
    monkeypatch.setattr("os.access", lambda path, *arguments: Path(path).name != "secret.wav")
    monkeypatch.setattr("spikey_cli.io.source.open", refusing, raising=False)
    printed = run("compress", tmp_path / "a.wav", tmp_path / "secret.wav", tmp_path / "out.spk", status=1)
    assert f"{tmp_path / 'secret.wav'}: cannot read: Permission denied; change the permissions" in printed
    assert list(files_in(tmp_path / "out.spk")) == ["a.wav"]


def test_raw_states_the_format(tmp_path, samples):
    (tmp_path / "run.ap.bin").write_bytes(samples.tobytes())
    printed = run("compress", "--raw", "4:30000", tmp_path / "run.ap.bin", tmp_path / "a.spk")
    assert "warning" not in printed
    assert files_in(tmp_path / "a.spk") == {"run.ap.bin": ("raw", 4, 30_000, 16)}
    assert_restored(tmp_path / "a.spk", tmp_path / "run.ap.bin")


def test_raw_states_the_width(tmp_path, samples):
    (tmp_path / "b.DAT").write_bytes((samples[:, :2] >> 8).astype(np.uint8).tobytes())
    run("compress", "--raw", "2:1000:8", tmp_path / "b.DAT", tmp_path / "b.spk")
    assert files_in(tmp_path / "b.spk") == {"b.DAT": ("raw", 2, 1000, 8)}
    assert_restored(tmp_path / "b.spk", tmp_path / "b.DAT")


def test_sources_of_raw_samples_can_be_removed(tmp_path, samples):
    (tmp_path / "run.bin").write_bytes(samples.tobytes())
    printed = run("compress", "--remove-source", "--raw", "4:30000", tmp_path / "run.bin", tmp_path / "a.spk")
    assert "1 source deleted" in printed
    assert not (tmp_path / "run.bin").exists()
    run("decompress", tmp_path / "a.spk", tmp_path / "out")
    assert (tmp_path / "out" / "run.bin").read_bytes() == samples.tobytes()


@pytest.mark.parametrize("text", ["4", "4:", ":30000", "4:30000:12", "4:30000:16:1", "-4:30000", "4:3e4", "٤:30000"])
def test_other_values_of_raw_are_refused(tmp_path, text):
    (tmp_path / "run.bin").write_bytes(bytes(80))
    printed = run("compress", "--raw", text, tmp_path / "run.bin", tmp_path / "out.spk", status=2)
    assert "is not CHANNELS:RATE or CHANNELS:RATE:TYPE" in printed


@pytest.mark.parametrize("rate", ["30000.5", "1e4"])
def test_rates_are_whole(tmp_path, samples, rate):
    np.save(tmp_path / "a.npy", samples)
    printed = run("compress", "--rate", rate, tmp_path / "a.npy", tmp_path / "a.spk", status=2)
    assert f"'{rate}' is not a valid whole number of Hz" in printed
    assert "with whole Hz" in run("compress", "--raw", f"4:{rate}", tmp_path / "a.npy", tmp_path / "a.spk", status=2)


def test_rate_states_that_of_numpy_files(tmp_path, samples):
    np.save(tmp_path / "a.npy", samples)
    run("compress", "--rate", "30000", tmp_path / "a.npy", tmp_path / "a.spk")
    assert files_in(tmp_path / "a.spk") == {"a.npy": ("npy", 4, 30_000, 16)}
    assert_restored(tmp_path / "a.spk", tmp_path / "a.npy")


def test_options_that_describe_no_input_are_refused(tmp_path, samples):
    wav, out = tmp_path / "a.wav", tmp_path / "out.spk"
    wav.write_bytes(wav_bytes(samples))
    assert "no input has such a name (.bin, .dat, .raw)" in run("compress", "--raw", "4:30000", wav, out, status=2)
    assert "no input has such a name (.npy)" in run("compress", "--rate", "30000", wav, out, status=2)
    assert not out.exists()


def test_a_run_of_spikeglx(tmp_path, samples):
    folder = write_spikeglx(tmp_path, samples)
    assert "warning" not in run("compress", "-r", folder, tmp_path / "a.spk")
    assert files_in(tmp_path / "a.spk") == {
        "run_g0_t0.imec0.ap.bin": ("raw", 4, 30_000, 16),
        "run_g0_t0.imec0.ap.meta": ("verbatim",),
    }
    assert_restored(tmp_path / "a.spk", folder)
    run("compress", "-f", "-r", "--raw", "2:20000", folder, tmp_path / "a.spk")
    assert files_in(tmp_path / "a.spk")["run_g0_t0.imec0.ap.bin"] == ("raw", 2, 20_000, 16), "--raw takes precedence"


def test_a_recording_of_open_ephys(tmp_path, samples):
    folder = write_open_ephys(tmp_path, samples)
    assert "warning" not in run("compress", "-r", folder, tmp_path / "a.spk")
    files = files_in(tmp_path / "a.spk")
    assert {name: entry for name, entry in files.items() if entry != ("verbatim",)} == {
        "continuous/Probe-A/continuous.dat": ("raw", 4, 30_000, 16),
        "continuous/Probe-B/continuous.dat": ("raw", 2, 2500, 16),
        "continuous/Probe-A/timestamps.npy": ("npy",),
        "continuous/Probe-B/timestamps.npy": ("npy",),
    }
    assert_restored(tmp_path / "a.spk", folder)


@pytest.fixture
def recordings_of_the_pages(tmp_path: Path, samples: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the working directory, what the examples compress."""
    monkeypatch.chdir(tmp_path)
    write_spikeglx(tmp_path, samples)
    write_open_ephys(tmp_path, samples)
    for folder in ("recordings", "session"):
        Path(folder).mkdir()
    Path("recordings/left.wav").write_bytes(wav_bytes(samples[:, :1]))
    rhd = acquisition.rhd(np.random.default_rng(1), records=20).data.replace(
        *(x.encode("utf-16-le") for x in ("A-001", "A-003"))
    )
    Path("session/session.rhd").write_bytes(rhd)
    Path("session/session.nev").write_bytes(b"BREVENTS")
    samples.tofile("probe.bin")
    np.save("samples.npy", samples)
    if HAS_H5PY:
        import h5py

        with h5py.File("session.nwb", "w") as file:
            data = file.create_dataset("acquisition/ElectricalSeries/data", data=samples)
            data.attrs.update({"conversion": 1.95e-7, "offset": 0.0, "unit": "volts"})
            data.parent.attrs["neurodata_type"] = "ElectricalSeries"
            file.create_dataset("acquisition/ElectricalSeries/starting_time", data=0.0).attrs["rate"] = 30_000.0


def run_examples(commands: list[list[str]]) -> None:
    """Run commands in order; those on HDF5 only if h5py is installed."""
    for words in commands:
        if HAS_H5PY or not {"session.nwb", "nwb.spk"}.intersection(words):
            assert "warning" not in run(*words)


def test_the_commands_of_the_page_run(recordings_of_the_pages, samples):
    page = PAGE.read_text(encoding="utf-8")
    commands = [shlex.split(line) for line in re.findall(r"^    spikey (.*)$", page, re.MULTILINE)]
    assert len(commands) > 7
    run_examples(commands)
    assert Path("restored/session.nev").read_bytes() == b"BREVENTS"
    np.testing.assert_array_equal(np.load("piece.npy"), samples[1500:3000, [1, 3]])
    assert Path("piece.wav").read_bytes() == wav_bytes(samples[1000:2000], rate=30_000)
    if HAS_H5PY:
        metadata = re.findall(r"```json\n(.*?)```", page, re.DOTALL)
        assert json.loads(Path("restored/session.json").read_text()) == json.loads(metadata[0])


def test_the_commands_of_the_readme_for_each_kind_of_recording_run(recordings_of_the_pages):
    table = re.findall(r"^\| .* \| `spikey (.*)` \|$", (ROOT / "README.md").read_text("utf-8"), re.MULTILINE)
    commands = [shlex.split(line) for line in table if "<" not in line and "s3:" not in line]  # in others
    assert len(commands) == 8
    run_examples(commands)
