"""Metadata files next to raw samples that state their channels and rate.

    SpikeGLX     NAME.bin and NAME.meta: lines KEY=VALUE. nSavedChans is the number of channels. The rate is imSampRate,
                 niSampRate or obSampRate if typeThis is imec, nidq or obx.
    Open Ephys   continuous/FOLDER/continuous.dat, and structure.oebin in the parent folder of `continuous`: JSON whose
                 list `continuous` has an object with this folder_name, num_channels and sample_rate.
    Intan        amplifier.dat, amp-A-000.dat and others, and info.rhd or info.rhs in their folder (see `intan`).

All store 16-bit samples. Rates are rounded to whole Hz (`whole_rate`). Any other form is ignored.

`Sidecar` reads more of them, for archives that hold both: names, exact rates and gains of channels, and which
channel is that of synchronisation.
"""

from __future__ import annotations

import contextlib
import math
import os
import re
from collections import Counter
from functools import cached_property
from pathlib import Path, PurePath, PurePosixPath
from typing import Any

from ..errors import InputError
from ..system.names import name_of_path
from . import intan
from .layout import whole_rate
from .raw import RawFormat
from .reading import FAULTS, ChannelInfo, unit_name

MAX_BYTES = 1 << 20
"""Longest sidecar that is read; those of probes have about 10,000 bytes."""

SIGNALS, ANALOG, SYNC = "signals", "ADC", "sync"
"""Streams of a raw file: what electrodes and analog inputs record, and marks for synchronisation."""

_FAULTS = (*FAULTS, OSError, TypeError, AttributeError, RecursionError, InputError)

_AP_GAIN = {"21": 80.0, "24": 80.0}
"""Gain of the probes of these types (Neuropixels 2.0) whose metadata do not state it."""

_SPIKEGLX_RATES = {"imec": "imSampRate", "nidq": "niSampRate", "obx": "obSampRate"}


def raw_format_beside(path: Path) -> RawFormat | None:
    """Return the raw format that a sidecar states for a file, or None if there is no readable sidecar."""
    path = Path(os.path.abspath(path))
    for sidecar in sidecar_names(path):
        with contextlib.suppress(*_FAULTS):
            data = _read(Path(sidecar))
            if path.suffix.lower() == ".bin":
                return _from_spikeglx(_text(data))
            if path.name == "continuous.dat":
                return _from_open_ephys(_text(data), name_of_path(path.parent.name))
            return _from_intan(data, path.name)
    return None


def is_intan_clock(path: Path) -> bool:
    """Return whether a file has the time stamps of a folder that Intan's software wrote."""
    if path.name != intan.TIME_FILE:
        return False
    with contextlib.suppress(OSError):
        return any((path.parent / name).is_file() for name in intan.HEADER_FILES)
    return False


def sidecar_names(path: PurePath) -> list[str]:
    """Return what the sidecar of a raw file may be called, by the file's path or its name in an archive."""
    if path.suffix.lower() == ".bin":
        return [str(path.with_suffix(".meta"))]
    if path.name == "continuous.dat" and path.parent.parent.name == "continuous":
        return [str(path.parents[2] / "structure.oebin")]
    return [str(path.parent / name) for name in intan.HEADER_FILES] if path.suffix == ".dat" else []


class Sidecar:
    """A sidecar in an archive: what it says of the channels of raw files, of which thousands may have the same one.

    Parameters
    ----------
    data : bytes
        The file; if it is malformed, it says nothing.
    """

    def __init__(self, data: bytes) -> None:
        self._data = data

    def describe(self, name: str) -> list[ChannelInfo]:
        """Return what it says of each channel of the raw file of this name, or nothing."""
        try:
            if self._data.startswith(intan.MAGIC):
                return intan.describe_part(self._data, name)[1]
            if PurePosixPath(name).name == "continuous.dat":
                return _describe_open_ephys(self._open_ephys_streams[PurePosixPath(name).parent.name])
            return _describe_spikeglx(_spikeglx_fields(_text(self._data)))
        except _FAULTS:
            return []

    @cached_property
    def _open_ephys_streams(self) -> dict[str, Any]:
        with contextlib.suppress(*_FAULTS):
            return _open_ephys_streams(_text(self._data))
        return {}


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        data = file.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise ValueError(f"{path} is too long for a sidecar")
    return data


def _text(data: bytes) -> str:
    return data.decode("utf-8-sig", "replace")


def _spikeglx_fields(text: str) -> dict[str, str]:
    return dict(line.strip().split("=", 1) for line in text.splitlines() if "=" in line)


def _describe_spikeglx(fields: dict[str, str]) -> list[ChannelInfo]:
    kind = fields["typeThis"]
    rate, unit = float(fields[_SPIKEGLX_RATES[kind]]), "uV" if kind == "imec" else "V"
    # one entry a channel: (AP0;0:0)(AP1;1:1) ... (SY0;384:384)
    names = re.findall(r"\(([^;()]+);\d+:\d+\)", fields["~snsChanMap"])
    gain_of = _imec_gains(fields) if kind == "imec" else _input_gains(fields, kind)
    channels = []
    for name in names:
        gain = gain_of.get(name, gain_of.get(name[:2]))
        stream = SYNC if name.startswith("SY") else SIGNALS
        channels.append(ChannelInfo(name, stream, rate, unit if gain else "", gain))
    return channels


def _imec_gains(fields: dict[str, str]) -> dict[str, float]:
    """Microvolts of a step, by channel or by the first two letters of its name."""
    step = 1e6 * float(fields["imAiRangeMax"]) / float(fields.get("imMaxInt", 512))
    probe = fields.get("imDatPrb_type", "0")
    rows = [row.split() for row in re.findall(r"\(([\d ]+)\)", fields.get("~imroTbl", ""))]
    if rows and (len(rows[0]) == 6 or (probe == "0" and len(rows[0]) == 5)):  # channel bank reference AP LF filter
        gains = {f"AP{row[0]}": step / float(row[3]) for row in rows}
        return gains | {f"LF{row[0]}": step / float(row[4]) for row in rows}
    gain = float(fields.get("imChan0apGain", _AP_GAIN.get(probe, 0.0)))
    return {"AP": step / gain, "LF": step / gain} if gain else {}


def _input_gains(fields: dict[str, str], kind: str) -> dict[str, float]:
    """Volts of a step of the inputs of a National Instruments device or a OneBox."""
    if kind == "obx":
        return {"XA": float(fields["obAiRangeMax"]) / float(fields["obMaxInt"])}
    step = float(fields["niAiRangeMax"]) / 32768
    return {"MN": step / float(fields["niMNGain"]), "MA": step / float(fields["niMAGain"]), "XA": step}


def _from_spikeglx(text: str) -> RawFormat:
    fields = _spikeglx_fields(text)
    return _raw_format(int(fields["nSavedChans"]), float(fields[_SPIKEGLX_RATES[fields["typeThis"]]]))


def _open_ephys_streams(text: str) -> dict[str, Any]:
    """The streams by their folders, of which each has one."""
    import json

    streams = json.loads(text)["continuous"]
    folders = [stream["folder_name"].strip("/\\") for stream in streams]
    counts = Counter(folders)
    return {folder: stream for folder, stream in zip(folders, streams, strict=True) if counts[folder] == 1}


def _describe_open_ephys(stream: Any) -> list[ChannelInfo]:
    rate = float(stream["sample_rate"])
    channels = []
    for channel in stream["channels"]:
        name = str(channel["channel_name"])
        kind = SYNC if "SYNC" in name else ANALOG if "ADC" in name else SIGNALS
        # electrodes in microvolts and analog inputs in volts, if no unit is named
        unit = unit_name(str(channel.get("units", ""))) or ("V" if kind == ANALOG else "uV")
        channels.append(ChannelInfo(name, kind, rate, unit, float(channel["bit_volts"])))
    return channels


def _from_open_ephys(text: str, folder: str) -> RawFormat:
    stream = _open_ephys_streams(text)[folder]
    return _raw_format(stream["num_channels"], stream["sample_rate"])


def _from_intan(header: bytes, name: str) -> RawFormat:
    sample_type, channels = intan.describe_part(header, name)
    return RawFormat(len(channels), whole_rate(channels[0].sample_rate), sample_type)


def _raw_format(channels: Any, rate: Any) -> RawFormat:
    if type(channels) is not int or type(rate) not in (int, float) or not math.isfinite(rate) or rate <= 0:
        raise ValueError(f"{channels} channels at {rate} Hz are no recording")
    return RawFormat(channels, whole_rate(rate))
