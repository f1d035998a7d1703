"""Folders of raw samples with metadata, as acquisition programs write them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

SPIKEGLX = (
    "typeThis=imec\nnSavedChans=4\nimSampRate=30000.083871\nniSampRate=25000\nimAiRangeMax=0.6\nimDatPrb_type=0\n"
    "~imroTbl=(0,384)(0 0 0 500 250 1)(1 0 0 500 250 1)(2 0 0 250 250 1)\n"
    "~snsChanMap=(384,384,1)(AP0;0:0)(AP1;1:1)(AP2;2:2)(SY0;768:3)\n"
)
OPEN_EPHYS = {
    "GUI version": "0.6.7",
    "continuous": [
        {"folder_name": "Probe-A/", "sample_rate": 30000, "num_channels": 4, "channels": [{"bit_volts": 0.195}]},
        {"folder_name": "Probe-B/", "sample_rate": 2500.0, "num_channels": 2},
    ],
}


def write_spikeglx(folder: Path, samples: np.ndarray) -> Path:
    """Write a run of SpikeGLX with samples of shape (frames, 4)."""
    run = folder / "run_g0"
    run.mkdir()
    (run / "run_g0_t0.imec0.ap.bin").write_bytes(samples.tobytes())
    (run / "run_g0_t0.imec0.ap.meta").write_text(SPIKEGLX)
    return run


def write_open_ephys(folder: Path, samples: np.ndarray) -> Path:
    """Write a recording of Open Ephys: a stream of samples of shape (frames, 4), and one of the first two."""
    recording = folder / "recording1"
    for stream, channels in (("Probe-A", 4), ("Probe-B", 2)):
        (recording / "continuous" / stream).mkdir(parents=True)
        np.ascontiguousarray(samples[:, :channels]).tofile(recording / "continuous" / stream / "continuous.dat")
        np.save(recording / "continuous" / stream / "timestamps.npy", np.arange(len(samples)) / 30_000)
    (recording / "structure.oebin").write_text(json.dumps(OPEN_EPHYS))
    return recording


def write_neuropixels_spikeglx(folder: Path, samples: np.ndarray) -> Path:
    """Write the AP and LF bands of a Neuropixels 1.0 probe, of which the first channels and the last were saved.

    `samples` have the shape (frames, channels); the last channel is that of synchronisation.
    """
    run, saved = folder / "run_g0" / "run_g0_imec0", samples.shape[1] - 1
    run.mkdir(parents=True)
    for band, rate, first in (("ap", 30000.27, 0), ("lf", 2500.0225, 384)):
        stem, letters = f"run_g0_t0.imec0.{band}", band.upper()
        own = samples if band == "ap" else np.ascontiguousarray(samples[::12])
        (run / f"{stem}.bin").write_bytes(own.tobytes())
        gains = [f"({i} 0 0 {500 if i % 2 else 250} {125 if i % 2 else 250} 1)" for i in range(384)]
        names = [f"({letters}{i};{first + i}:{i})" for i in range(saved)]
        places = [f"(0:{27 + 32 * (i % 2)}:{20 * (i // 2)}:1)" for i in range(saved)]
        fields = {
            "acqApLfSy": "384,384,1",
            "appVersion": "20230202",
            "fileName": f"D:/run_g0/{stem}.bin",
            "fileSizeBytes": own.nbytes,
            "fileTimeSecs": len(own) / rate,
            "firstSample": 0,
            "gateMode": "Immediate",
            "imAiRangeMax": 0.6,
            "imAiRangeMin": -0.6,
            "imDatPrb_pn": "NP1000",
            "imDatPrb_port": 1,
            "imDatPrb_slot": 2,
            "imDatPrb_sn": 18005116102,
            "imDatPrb_type": 0,
            "imMaxInt": 512,
            "imSampRate": rate,
            "nSavedChans": saved + 1,
            "snsApLfSy": f"{saved},0,1" if band == "ap" else f"0,{saved},1",
            "snsSaveChanSubset": f"{first}:{first + saved - 1},768",
            "typeThis": "imec",
            "~imroTbl": "".join(["(0,384)", *gains]),
            "~snsChanMap": "".join(["(384,384,1)", *names, f"(SY0;768:{saved})"]),
            "~snsGeomMap": "".join(["(NP1000,1,0,70)", *places]),
        }
        (run / f"{stem}.meta").write_text("".join(f"{key}={value}\n" for key, value in fields.items()))
    return folder / "run_g0"


def write_inputs_of_spikeglx(folder: Path, samples: np.ndarray) -> Path:
    """Write a run of a National Instruments device: analog inputs, and digital inputs as the last channel."""
    run, saved = folder / "run_g0", samples.shape[1] - 1
    run.mkdir()
    stem = "run_g0_t0.nidq"
    (run / f"{stem}.bin").write_bytes(samples.tobytes())
    names = [f"(XA{i};{i}:{i})" for i in range(saved)]
    fields = {
        "acqMnMaXaDw": f"0,0,{saved},1",
        "fileName": f"D:/run_g0/{stem}.bin",
        "fileSizeBytes": samples.nbytes,
        "fileTimeSecs": len(samples) / 25_000.5,
        "firstSample": 0,
        "nSavedChans": saved + 1,
        "niAiRangeMax": 5,
        "niAiRangeMin": -5,
        "niMAGain": 1,
        "niMNGain": 200,
        "niSampRate": 25_000.5,
        "niXDChans1": "0:7",
        "snsMnMaXaDw": f"0,0,{saved},1",
        "snsSaveChanSubset": "all",
        "typeThis": "nidq",
        "~snsChanMap": "".join([f"(0,0,1,{saved},1)", *names, f"(XD0;{saved}:{saved})"]),
    }
    (run / f"{stem}.meta").write_text("".join(f"{key}={value}\n" for key, value in fields.items()))
    return run


BOARD, PROBE = "Acquisition_Board-100.Rhythm", "Neuropix-PXI-100.ProbeA-AP"


def write_node_of_open_ephys(folder: Path, samples: np.ndarray) -> Path:
    """Write a record node of Open Ephys: electrodes and an analog input; a probe with a channel of synchronisation."""
    node, n_channels = folder / "Record Node 101", samples.shape[1]
    recording = node / "experiment1" / "recording1"
    continuous = []
    for name, last in ((BOARD, "ADC1"), (PROBE, "SYNC")):
        stream = recording / "continuous" / name
        stream.mkdir(parents=True)
        np.ascontiguousarray(samples).tofile(stream / "continuous.dat")
        np.save(stream / "sample_numbers.npy", 7000 + np.arange(len(samples)))
        np.save(stream / "timestamps.npy", (7000 + np.arange(len(samples))) / 30_000)
        common = {"description": "", "identifier": "", "history": ""}
        channels = [
            common | {"channel_name": f"CH{i}", "bit_volts": 0.195, "units": "uV"} for i in range(n_channels - 1)
        ]
        channels.append(common | {"channel_name": last, "bit_volts": 0.000153, "units": "V"})
        fields = {"folder_name": f"{name}/", "sample_rate": 30_000.0, "num_channels": n_channels, "channels": channels}
        fields |= {"stream_name": name.split(".")[1], "source_processor_id": 100, "recorded_processor_id": 101}
        continuous.append(fields | {"source_processor_name": name.split("-")[0], "recorded_processor": "Record Node"})
    structure = {"GUI version": "0.6.7", "continuous": continuous, "events": [], "spikes": []}
    (recording / "structure.oebin").write_text(json.dumps(structure))
    each = [(f"CH{i}", i) for i in range(n_channels - 1)]
    banks = " ".join(f'{name}="0"' for name, _ in each)
    xs = " ".join(f'{name}="{(27, 59, 11, 43)[i % 4]}"' for name, i in each)
    ys = " ".join(f'{name}="{20 * (i // 2)}"' for name, i in each)
    (node / "settings.xml").write_text(
        f"""<SETTINGS><INFO><VERSION>0.6.7</VERSION></INFO><SIGNALCHAIN>
        <PROCESSOR name="Neuropix-PXI" libraryVersion="0.6.0" nodeId="100"><STREAM name="ProbeA-AP"/><EDITOR>
        <NP_PROBE slot="2" port="1" dock="1" probe_serial_number="1" probe_part_number="NP1000"
                  probe_name="Neuropixels 1.0">
        <CHANNELS {banks}/><ELECTRODE_XPOS {xs}/><ELECTRODE_YPOS {ys}/></NP_PROBE></EDITOR></PROCESSOR>
        </SIGNALCHAIN></SETTINGS>"""
    )
    return node
