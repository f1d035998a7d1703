"""Inputs of which something else tells how their samples lie: options, and what stands beside them."""

from __future__ import annotations

import importlib.util
import json
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.command import run
from support.paths import DOCS
from support.recordings import n1_samples, neural, wav_bytes

import spikey_cli
from spikey_cli.errors import InputError
from spikey_cli.io.raw import RawFormat
from spikey_cli.io.sidecar import raw_format_beside

PAGE = DOCS / "inputs.md"

SPIKEGLX = "typeThis=imec\nnSavedChans=4\nimSampRate=30000.083871\nniSampRate=25000\n~snsChanMap=(1,2,3)(AP0;0:0)\n"
OPEN_EPHYS = {
    "GUI version": "0.6.7",
    "continuous": [
        {"folder_name": "Probe-A/", "sample_rate": 30000, "num_channels": 4, "channels": [{"bit_volts": 0.195}]},
        {"folder_name": "Probe-B/", "sample_rate": 2500.0, "num_channels": 2},
    ],
}


@pytest.fixture
def samples(random: np.random.Generator) -> np.ndarray:
    return np.ascontiguousarray(n1_samples(neural(random, 6000, 4)))


@pytest.fixture
def spikeglx(tmp_path: Path, samples: np.ndarray) -> Path:
    """A folder as SpikeGLX writes one."""
    folder = tmp_path / "run_g0"
    folder.mkdir()
    (folder / "run_g0_t0.imec0.ap.bin").write_bytes(samples.tobytes())
    (folder / "run_g0_t0.imec0.ap.meta").write_text(SPIKEGLX)
    return folder


@pytest.fixture
def open_ephys(tmp_path: Path, samples: np.ndarray) -> Path:
    """A folder as Open Ephys writes one."""
    folder = tmp_path / "recording1"
    for stream, channels in (("Probe-A", 4), ("Probe-B", 2)):
        (folder / "continuous" / stream).mkdir(parents=True)
        np.ascontiguousarray(samples[:, :channels]).tofile(folder / "continuous" / stream / "continuous.dat")
        np.save(folder / "continuous" / stream / "timestamps.npy", np.arange(6000) / 30_000)
    (folder / "structure.oebin").write_text(json.dumps(OPEN_EPHYS))
    return folder


@pytest.fixture
def inputs_of_the_page(tmp_path, samples, spikeglx, open_ephys, monkeypatch) -> Path:
    """The folder that the commands of docs/inputs.md run in."""
    monkeypatch.chdir(tmp_path)
    samples.tofile("probe.bin")
    np.save("samples.npy", samples)
    if importlib.util.find_spec("h5py"):
        import h5py

        with h5py.File("session.nwb", "w") as file:
            data = file.create_dataset("acquisition/ElectricalSeries/data", data=samples)
            data.attrs.update({"conversion": 1.95e-7, "offset": 0.0, "unit": "volts"})
            file.create_dataset("acquisition/ElectricalSeries/starting_time", data=0.0).attrs["rate"] = 30_000.0
    return tmp_path


def files_of(archive: Path) -> dict[str, tuple[object, ...]]:
    """(kind, channels, rate, bits) of each file, as far as it has them."""
    keys = ("kind", "channels", "sample_rate", "sample_bits")
    return {file["name"]: tuple(file[key] for key in keys if key in file) for file in spikey_cli.info(archive)["files"]}


def assert_restored(archive: Path, *sources: Path) -> None:
    """Every byte, under the same name."""
    back = archive.parent / f"{archive.name}.back"
    run("decompress", archive, back)
    for source in sources:
        paths = [p for p in source.rglob("*") if p.is_file()] if source.is_dir() else [source]
        for path in paths:
            name = path.relative_to(source) if source.is_dir() else path.name
            assert (back / name).read_bytes() == path.read_bytes(), f"{name} came back otherwise"


def test_raw_tells_how_samples_lie(tmp_path, samples):
    (tmp_path / "run.ap.bin").write_bytes(samples.tobytes())
    (tmp_path / "b.DAT").write_bytes((samples[:, :2] >> 8).astype(np.uint8).tobytes())
    printed = run("compress", "--raw", "4:30000", tmp_path / "run.ap.bin", tmp_path / "a.spk")
    assert "warning" not in printed
    assert files_of(tmp_path / "a.spk") == {"run.ap.bin": ("raw", 4, 30_000, 16)}
    with spikey_cli.open(tmp_path / "a.spk") as recording:
        np.testing.assert_array_equal(recording[:], samples)
    assert_restored(tmp_path / "a.spk", tmp_path / "run.ap.bin")
    run("compress", "--raw", "2:1000:8", tmp_path / "b.DAT", tmp_path / "b.spk")
    assert files_of(tmp_path / "b.spk") == {"b.DAT": ("raw", 2, 1000, 8)}
    assert_restored(tmp_path / "b.spk", tmp_path / "b.DAT")


def test_sources_of_raw_samples_can_be_removed(tmp_path, samples):
    (tmp_path / "run.bin").write_bytes(samples.tobytes())
    printed = run("compress", "--remove-source", "--raw", "4:30000", tmp_path / "run.bin", tmp_path / "a.spk")
    assert "1 source deleted" in printed
    assert not (tmp_path / "run.bin").exists()
    run("decompress", tmp_path / "a.spk", tmp_path / "back")
    assert (tmp_path / "back" / "run.bin").read_bytes() == samples.tobytes()


def test_raw_files_that_nothing_tells_of_are_kept_with_a_warning(tmp_path, samples):
    for name in ("a.bin", "b.raw", "empty.bin"):
        (tmp_path / name).write_bytes(b"" if name == "empty.bin" else samples.tobytes())
    (tmp_path / "wav.raw").write_bytes(wav_bytes(samples))
    inputs = [tmp_path / name for name in ("a.bin", "b.raw", "empty.bin", "wav.raw")]
    printed = run("compress", *inputs, tmp_path / "a.spk")
    assert f"warning: {tmp_path / 'a.bin'} and 1 more: kept byte for byte" in printed
    assert "give --raw CHANNELS:RATE" in printed
    assert files_of(tmp_path / "a.spk") == {
        "a.bin": ("verbatim",),
        "b.raw": ("verbatim",),
        "empty.bin": ("verbatim",),
        "wav.raw": ("wav", 4, 19531, 16),
    }
    assert_restored(tmp_path / "a.spk", *inputs)


def test_a_size_that_is_no_whole_number_of_frames_is_a_warning(tmp_path, samples):
    (tmp_path / "run.bin").write_bytes(samples.tobytes())
    printed = run("compress", "--raw", "7:30000", tmp_path / "run.bin", tmp_path / "a.spk")
    assert "48,000 bytes are no whole number of frames of 7 channels of 16 bits" in printed
    assert "check the number of channels" in printed
    assert_restored(tmp_path / "a.spk", tmp_path / "run.bin")


def test_rate_tells_that_of_numpy_files(tmp_path, samples):
    np.save(tmp_path / "a.npy", samples)
    run("compress", "--rate", "30000", tmp_path / "a.npy", tmp_path / "a.spk")
    assert files_of(tmp_path / "a.spk") == {"a.npy": ("npy", 4, 30_000, 16)}
    assert_restored(tmp_path / "a.spk", tmp_path / "a.npy")


def test_options_that_tell_of_nothing_are_usage_errors(tmp_path, samples):
    (tmp_path / "a.wav").write_bytes(wav_bytes(samples))
    wav, out = tmp_path / "a.wav", tmp_path / "out.spk"
    assert "no input has such a name (.bin, .dat, .raw)" in run("compress", "--raw", "4:30000", wav, out, status=2)
    assert "no input has such a name (.npy)" in run("compress", "--rate", "30000", wav, out, status=2)
    assert "needs neither" in run("compress", "--rate", "30000", "-", out, status=2)
    assert not out.exists()


@pytest.mark.parametrize("text", ["4", "4:", ":30000", "4:30000:12", "4:30000:16:1", "-4:30000", "4:3e4", "٤:30000"])
def test_what_raw_does_not_understand_is_a_usage_error(tmp_path, text):
    (tmp_path / "run.bin").write_bytes(bytes(80))
    printed = run("compress", "--raw", text, tmp_path / "run.bin", tmp_path / "out.spk", status=2)
    assert "is not CHANNELS:RATE or CHANNELS:RATE:BITS" in printed


@pytest.mark.parametrize("numbers", [(0, 1, 2), (65_536, 1, 2), (1, 2**32, 2), (1, -1, 2), (1, 1, 4)])
def test_no_recording_has_such_numbers(tmp_path, numbers):
    with pytest.raises(InputError, match="has"):
        RawFormat(*numbers)


def test_a_folder_of_spikeglx(tmp_path, spikeglx):
    printed = run("compress", "-r", spikeglx, tmp_path / "a.spk")
    assert "warning" not in printed
    assert files_of(tmp_path / "a.spk") == {
        "run_g0_t0.imec0.ap.bin": ("raw", 4, 30_000, 16),
        "run_g0_t0.imec0.ap.meta": ("verbatim",),
    }
    assert_restored(tmp_path / "a.spk", spikeglx)


def test_a_folder_of_open_ephys(tmp_path, open_ephys, monkeypatch):
    printed = run("compress", "-r", open_ephys, tmp_path / "a.spk")
    assert "warning" not in printed
    assert {name: told for name, told in files_of(tmp_path / "a.spk").items() if told != ("verbatim",)} == {
        "continuous/Probe-A/continuous.dat": ("raw", 4, 30_000, 16),
        "continuous/Probe-B/continuous.dat": ("raw", 2, 2500, 16),
    }
    assert_restored(tmp_path / "a.spk", open_ephys)
    monkeypatch.chdir(open_ephys / "continuous" / "Probe-B")  # a path may be short
    assert raw_format_beside(Path("continuous.dat")) == RawFormat(2, 2500)


def test_what_raw_says_goes_before_what_stands_beside(tmp_path, spikeglx):
    run("compress", "-r", "--raw", "2:20000", spikeglx, tmp_path / "a.spk")
    assert files_of(tmp_path / "a.spk")["run_g0_t0.imec0.ap.bin"] == ("raw", 2, 20_000, 16)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("imec", "nidq", RawFormat(4, 25_000)),
        ("imec", "obx", None),  # there is no obSampRate
        ("imec", "other", None),
        ("nSavedChans=4", "nSavedChans=0", None),
        ("nSavedChans=4", "nSavedChans=4.0", None),
        ("nSavedChans", "nChans", None),
        ("30000.083871", "nan", None),
        ("30000.083871", "inf", None),
        ("30000.083871", "0.3", RawFormat(4, 0)),  # no whole number is near
        ("30000.083871", "1e300", None),
        ("imSampRate", "imRate", None),
        ("typeThis=imec\n", "typeThis = imec\n", None),
    ],
)
def test_what_spikeglx_tells_otherwise(spikeglx, old, new, expected):
    (spikeglx / "run_g0_t0.imec0.ap.meta").write_text(SPIKEGLX.replace(old, new, 1))
    assert raw_format_beside(spikeglx / "run_g0_t0.imec0.ap.bin") == expected


@pytest.mark.parametrize(
    "told",
    [
        [],
        {"continuous": {}},
        {"continuous": ["Probe-A"]},
        {"continuous": [{"folder_name": 1, "sample_rate": 30000, "num_channels": 4}]},
        {"continuous": [{"folder_name": "Probe-A", "sample_rate": "30000", "num_channels": 4}]},
        {"continuous": [{"folder_name": "Probe-A", "sample_rate": 30000, "num_channels": True}]},
        {"continuous": [{"folder_name": "Probe-A", "num_channels": 4}]},
        {"continuous": OPEN_EPHYS["continuous"][:1] * 2},
        {"continuous": OPEN_EPHYS["continuous"][1:]},
    ],
)
def test_what_open_ephys_does_not_tell(open_ephys, told):
    (open_ephys / "structure.oebin").write_text(json.dumps(told))
    assert raw_format_beside(open_ephys / "continuous" / "Probe-A" / "continuous.dat") is None


def test_other_files_have_nothing_beside_them(tmp_path, open_ephys, spikeglx):
    assert raw_format_beside(spikeglx / "other.bin") is None
    assert raw_format_beside(spikeglx / "run_g0_t0.imec0.ap.dat") is None
    assert raw_format_beside(open_ephys / "continuous" / "Probe-A" / "other.dat") is None
    assert raw_format_beside(open_ephys / "continuous.dat") is None
    assert raw_format_beside(Path("/continuous.dat")) is None
    (spikeglx / "run_g0_t0.imec0.ap.meta").write_text(SPIKEGLX + "~" * (5 << 20))
    assert raw_format_beside(spikeglx / "run_g0_t0.imec0.ap.bin") is None, "it is too long to be read"


_PIECES = st.sampled_from([*SPIKEGLX.encode().splitlines(keepends=True), b"\xef\xbb\xbf", b"=", b"\xff", b"9" * 5000])
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(["Probe-A/", "folder_name"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["continuous", "folder_name", "sample_rate", "num_channels"]), inner)
    ),
)


@given(
    meta=st.lists(_PIECES | st.binary(max_size=20)).map(b"".join),
    oebin=_JSON.map(lambda told: json.dumps(told).encode()) | st.binary(max_size=50) | st.just(b"[" * 100_000),
)
def test_whatever_stands_beside_tells_of_a_recording_or_nothing(tmp_path_factory, meta, oebin):
    folder = tmp_path_factory.mktemp("beside")
    (folder / "a.meta").write_bytes(meta)
    (folder / "structure.oebin").write_bytes(oebin)
    for path in (folder / "a.bin", folder / "continuous" / "Probe-A" / "continuous.dat"):
        told = raw_format_beside(path)
        assert told is None or (1 <= told.channels <= 65_535 and 1 <= told.sample_rate < 2**32), told


def test_the_commands_of_the_page_on_inputs_run(inputs_of_the_page, samples):
    """In order, as they stand; those of HDF5 where h5py is installed."""
    page = PAGE.read_text(encoding="utf-8")
    commands = [shlex.split(line) for line in re.findall(r"^    spikey (.*)$", page, re.MULTILINE)]
    assert len(commands) > 7
    for words in commands:
        if Path("session.nwb").exists() or not {"session.nwb", "nwb.spk"}.intersection(words):
            assert "warning" not in run(*words)
    np.testing.assert_array_equal(np.load("piece.npy"), samples[1500:3000, [1, 3]])
    assert Path("piece.wav").read_bytes() == wav_bytes(samples[1000:2000], rate=30_000)
    if Path("session.nwb").exists():
        told = re.findall(r"```json\n(.*?)```", page, re.DOTALL)
        assert json.loads(Path("restored/session.json").read_text()) == json.loads(told[0])
