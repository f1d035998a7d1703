"""What an archive says of its channels: labels, streams, rates and gains of session folders; microvolts."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from support import acquisition
from support.sidecars import BOARD, PROBE, write_neuropixels_spikeglx, write_node_of_open_ephys

import spikey_cli
from spikey_cli.analysis.traces import read_traces
from spikey_cli.io import intan
from spikey_cli.io.sidecar import Sidecar

AP, LF = "run_g0_imec0/run_g0_t0.imec0.ap.bin", "run_g0_imec0/run_g0_t0.imec0.lf.bin"


@pytest.fixture(scope="module")
def samples() -> np.ndarray:
    return np.random.default_rng(1).integers(-200, 200, (600, 5)).astype(np.int16)


@pytest.fixture(scope="module")
def spikeglx(tmp_path_factory: pytest.TempPathFactory, samples: np.ndarray) -> Path:
    folder = tmp_path_factory.mktemp("spikeglx")
    spikey_cli.compress([write_neuropixels_spikeglx(folder, samples)], folder / "a.spk", recursive=True)
    return folder / "a.spk"


def test_a_run_of_spikeglx(spikeglx):
    channels = {channel["name"]: channel for channel in spikey_cli.info(spikeglx)["channels"]}
    keys = ("label", "stream", "unit", "sample_rate")
    assert [channels[f"{AP}:1"][key] for key in keys] == ["AP1", "signals", "uV", 30000.27]
    assert [channels[f"{LF}:0"][key] for key in keys] == ["LF0", "signals", "uV", 2500.0225]
    assert [channels[f"{AP}:4"][key] for key in keys] == ["SY0", "sync", None, 30000.27]
    assert channels[f"{AP}:1"]["gain"] == pytest.approx(1e6 * 0.6 / 512 / 500)
    assert channels[f"{LF}:1"]["gain"] == pytest.approx(1e6 * 0.6 / 512 / 125)


def test_a_node_of_open_ephys(tmp_path, samples):
    spikey_cli.compress([write_node_of_open_ephys(tmp_path, samples)], tmp_path / "a.spk", recursive=True)
    report = spikey_cli.info(tmp_path / "a.spk")
    described = [(one["label"], one["stream"], one["unit"], one["gain"]) for one in report["channels"]]
    electrodes = [(f"CH{i}", "signals", "uV", 0.195) for i in range(4)]
    # in the order of the paths
    assert described == [*electrodes, ("ADC1", "ADC", "V", 0.000153), *electrodes, ("SYNC", "sync", "V", 0.000153)]
    times = {file["name"]: file["records"] for file in report["files"] if "records" in file}
    assert times == {
        f"experiment1/recording1/continuous/{folder}/{name}.npy": 600
        for folder in (BOARD, PROBE)
        for name in ("sample_numbers", "timestamps")
    }


def test_microvolts_are_extracted(spikeglx, samples, tmp_path):
    channels = [f"{AP}:signals"]
    result = spikey_cli.extract(spikeglx, tmp_path / "a.npy", channels=channels, frames=(100, 300), microvolts=True)
    assert result.shapes == ((200, 4),)
    microvolts = np.load(tmp_path / "a.npy")
    assert microvolts.dtype == np.float32
    gains = 1e6 * 0.6 / 512 / np.array([250, 500, 250, 500])
    np.testing.assert_allclose(microvolts, samples[100:300, :4] * gains, rtol=1e-6)
    spikey_cli.extract(spikeglx, tmp_path / "a.wav", channels=channels, frames=(100, 300), microvolts=True)
    assert (tmp_path / "a.wav").read_bytes()[-microvolts.nbytes :] == microvolts.tobytes()


def test_microvolts_need_gains(spikeglx, tmp_path):
    with pytest.raises(spikey_cli.InputError, match="does not state the gain"):
        spikey_cli.extract(spikeglx, tmp_path / "a.npy", channels=[f"{AP}:SY0"], microvolts=True)
    assert not (tmp_path / "a.npy").exists()
    with pytest.raises(ValueError, match="not to a folder"):
        spikey_cli.extract(spikeglx, f"{tmp_path}/", microvolts=True)


def test_traces_are_in_microvolts_if_all_gains_are_known(spikeglx, samples):
    first, second = read_traces(spikeglx, [f"{AP}:AP0", f"{AP}:AP1"], 0.0, 0.01)
    assert (first.unit, second.name) == ("uV", f"{AP}:1 AP1")
    np.testing.assert_allclose(second.low, samples[:300, 1] * 1e6 * 0.6 / 512 / 500)
    first, sync = read_traces(spikeglx, [f"{AP}:AP0", f"{AP}:SY0"], 0.0, 0.01)
    assert (first.unit, sync.unit) == ("", "")
    np.testing.assert_array_equal(first.low, samples[:300, 0])


def test_a_rate_that_is_no_whole_number_counts_seconds(tmp_path):
    made = acquisition.new_rhd(np.random.default_rng(1))
    (tmp_path / made.name).write_bytes(made.data)
    spikey_cli.compress([tmp_path / made.name], tmp_path / "a.spk")
    supply = ["a.rhd:supply voltage"]
    assert spikey_cli.extract(tmp_path / "a.spk", tmp_path / "a.npy", channels=supply, seconds=(0, 0.0128)).shapes == (
        (2, 1),
    )
    assert read_traces(tmp_path / "a.spk", supply, 0.0, 0.0128)[0].stop == pytest.approx(0.0128)


def test_each_rate_of_a_file_becomes_a_wav(tmp_path):
    made = acquisition.edf(np.random.default_rng(1))
    (tmp_path / made.name).write_bytes(made.data)
    spikey_cli.compress([tmp_path / made.name], tmp_path / "a.spk")
    result = spikey_cli.extract(tmp_path / "a.spk", f"{tmp_path}/out/")
    assert [path.name for path in result.paths] == ["a.edf.0.wav", "a.edf.1.wav"]
    assert result.shapes == ((150, 3), (30, 1))


IMEC = {
    "typeThis": "imec",
    "imSampRate": 30000,
    "imAiRangeMax": 0.62,
    "imMaxInt": 2048,
    "~snsChanMap": "(AP0;0:0)(SY0;1:1)",
}
NIDQ = {"typeThis": "nidq", "niSampRate": 25000, "niAiRangeMax": 5, "niMNGain": 200, "niMAGain": 2}
NIDQ |= {"~snsChanMap": "(MN0C0;0:0)(MA0C0;1:1)(XA0;2:2)(XD0;3:3)"}
ONEBOX = {
    "typeThis": "obx",
    "obSampRate": 30000,
    "obAiRangeMax": 5,
    "obMaxInt": 32768,
    "~snsChanMap": "(XA0;0:0)(SY0;1:1)",
}


@pytest.mark.parametrize(
    ("fields", "gains"),
    [
        (IMEC | {"imDatPrb_type": 24, "~imroTbl": "(24,1)(0 0 0 1 0)"}, [1e6 * 0.62 / 2048 / 80, None]),
        (IMEC | {"imDatPrb_type": 2013, "imChan0apGain": 100}, [1e6 * 0.62 / 2048 / 100, None]),
        (IMEC | {"imDatPrb_type": 2013}, [None, None]),
        (NIDQ, [5 / 32768 / 200, 5 / 32768 / 2, 5 / 32768, None]),
        (ONEBOX, [5 / 32768, None]),
    ],
)
def test_gains_of_spikeglx(fields, gains):
    sidecar = "\n".join(f"{key}={value}" for key, value in fields.items()).encode()
    described = Sidecar(sidecar).describe("a.bin")
    assert [channel.gain for channel in described] == [gain and pytest.approx(gain) for gain in gains]


@pytest.mark.parametrize(
    ("name", "sidecar"),
    [
        ("a.bin", b""),
        ("a.bin", b"typeThis=imec\nimSampRate=x\n~snsChanMap=(AP0;0:0)"),
        ("a.bin", b"typeThis=imec\nimSampRate=30000\n~snsChanMap=(AP0;0:0)\nimAiRangeMax=1\n~imroTbl=(0 0 0 0 0 1)"),
        ("continuous/a/continuous.dat", b"{"),
        ("continuous/a/continuous.dat", b'{"continuous": [{"folder_name": "a/", "sample_rate": 1, "channels": [1]}]}'),
    ],
)
def test_malformed_sidecars_say_nothing(name, sidecar):
    assert Sidecar(sidecar).describe(name) == []


@pytest.mark.parametrize(
    ("module", "function", "start", "name"),
    [
        (json, "loads", b"{", "continuous/{}/continuous.dat"),
        (intan, "_parse_header", intan.RHD, "amp-A-{}.dat"),
    ],
)
def test_a_malformed_sidecar_of_many_files_is_parsed_once(monkeypatch, module, function, start, name):
    calls = []

    def parse(data: object) -> None:
        calls.append(data)
        raise ValueError("malformed")

    monkeypatch.setattr(module, function, parse)
    sidecar = Sidecar(start + b"some text")
    assert [sidecar.describe(name.format(i)) for i in range(20)] == [[]] * 20
    assert len(calls) == 1
