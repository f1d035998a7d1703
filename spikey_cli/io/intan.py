"""Intan RHD and RHS files: "Data File Formats", application notes of RHD2000 and RHS2000 by Intan Technologies.

    header    magic32 version, rates and bandwidths, notes, then the channels of each port
    records   60 or 128 samples: time stamps (32 bits), then channel by channel the amplifiers, auxiliary inputs (a
              quarter of the rate), supply voltages and temperatures (one sample), analog inputs, and the words of the
              digital inputs and outputs: 16 bits, unsigned but for the temperatures. RHS files have the DC amplifiers
              and the stimulation after the amplifiers, and analog outputs after the inputs.

Unsigned samples are coded less 32768.

Recordings in other formats are a folder of a header, `info.rhd` or `info.rhs`, time stamps of 32 bits, `time.dat`, and
files of interleaved samples, all at the rate of the amplifiers:

    one file per signal type    amplifier.dat, auxiliary.dat, analogin.dat, ...
    one file per channel        amp-A-000.dat, aux-A-AUX1.dat, board-ANALOG-IN-1.dat, ...

Samples of the amplifiers are signed there, and others are not.
"""

from __future__ import annotations

import math
from functools import lru_cache
from pathlib import PurePosixPath
from typing import BinaryIO, NamedTuple

import numpy as np

from .layout import SampleType, whole_rate
from .reading import FAULTS, ChannelInfo, Cursor, numbers, read, record_layout
from .records import MAX_HEADER_BYTES, Field, Group, RecordLayout

RHD, RHS = b"\x02\x27\x91\xc6", b"\xac\x27\x91\xd6"
MAGIC = (RHD, RHS)

HEADER_FILES, TIME_FILE = ("info.rhd", "info.rhs"), "time.dat"
"""Names of the files of a folder beside those of samples."""

_SIGNALS = {
    "amplifier": "amplifier",
    "lowpass": "lowpass",
    "highpass": "highpass",
    "dcamplifier": "DC amplifier",
    "stim": "stimulation",
    "auxiliary": "auxiliary input",
    "supply": "supply voltage",
    "analogin": "analog input",
    "analogout": "analog output",
    "digitalin": "digital input",
    "digitalout": "digital output",
}
"""Streams by the names of files of one signal type, and of one channel by what they begin with."""
_CHANNELS = {
    "amp-": "amplifier",
    "low-": "lowpass",
    "high-": "highpass",
    "dc-": "DC amplifier",
    "stim-": "stimulation",
    "aux-": "auxiliary input",
    "vdd-": "supply voltage",
    "board-ANALOG-IN-": "analog input",
    "board-ADC-": "analog input",
    "board-ANALOG-OUT-": "analog output",
    "board-DAC-": "analog output",
    "board-DIGITAL-IN-": "digital input",
    "board-DIN-": "digital input",
    "board-DIGITAL-OUT-": "digital output",
    "board-DOUT-": "digital output",
}
_FROM_AMPLIFIERS = ("amplifier", "lowpass", "highpass")
_MAX_CHANNELS = 4096
_MIDDLE = 32768


class _Stream(NamedTuple):
    """Channels of one kind, as they stand in a record."""

    name: str
    channels: list[str]
    samples: int
    unit: str = ""
    gain: float | None = None
    zero: float = _MIDDLE
    """The unsigned sample that stands for 0 units."""
    is_signed: bool = False


class _Header(NamedTuple):
    bytes: int
    sample_rate: float
    samples: int
    """Samples a record."""
    streams: list[_Stream]


def parse(file: BinaryIO, size: int) -> RecordLayout | None:
    """Find the samples of an RHD or RHS file; return None if it is none."""
    if read(file, 0, 4, size) not in MAGIC:
        return None
    try:
        header = _parse_header(read(file, 0, MAX_HEADER_BYTES, size))
    except FAULTS:
        return None
    fields = [Field(header.samples, kept_type=4)]
    groups = []
    for i, stream in enumerate(header.streams):
        rate = whole_rate(header.sample_rate * stream.samples / header.samples)
        groups.append(Group(SampleType.INT16, rate, stream.samples, is_offset_binary=not stream.is_signed))
        fields.append(Field(len(stream.channels), i, by_channel=True))
    return record_layout(file, size, header.bytes, fields, groups)


def describe(header: bytes) -> list[ChannelInfo]:
    """Return what the header says of each channel, in the order of the layout."""
    parsed = _parse_header(header)
    channels = []
    for stream in parsed.streams:
        rate = parsed.sample_rate * stream.samples / parsed.samples
        offset = (0 if stream.is_signed else _MIDDLE - stream.zero) * (stream.gain or 0.0)
        channels += [ChannelInfo(name, stream.name, rate, stream.unit, stream.gain, offset) for name in stream.channels]
    return channels


def has_samples(start: bytes) -> bool:
    """Return whether anything follows the header in the first bytes of a file, or they are no whole header."""
    try:
        return _parse_header(start).bytes < len(start)
    except FAULTS:
        return bool(start)


def parse_times(file: BinaryIO, size: int) -> RecordLayout | None:
    """Find the time stamps of a file `time.dat`; return None if it has none."""
    return record_layout(file, size, 0, [Field(1, kept_type=4)], [])


def describe_part(header: bytes, name: str) -> tuple[SampleType, list[ChannelInfo]]:
    """Return what a file of samples in a folder holds, by the folder's header and the file's name.

    Raises
    ------
    One of `reading.FAULTS`
        The header is malformed, or states no channels of such a file.
    """
    stem = PurePosixPath(name).stem
    prefix = next((prefix for prefix in _CHANNELS if stem.startswith(prefix)), "")
    kind = _CHANNELS[prefix] if prefix else _SIGNALS[stem]
    rate, streams = _streams_of(header)
    stream = streams["amplifier" if kind in _FROM_AMPLIFIERS else kind]
    names = stream.channels
    if prefix:
        names = [stem[len("board-") if prefix.startswith("board-") else len(prefix) :]]
        if names[0] not in stream.channels and "digital" not in kind:
            raise ValueError(f"the header states no channel {names[0]}")
    sample_type = SampleType.INT16 if kind in _FROM_AMPLIFIERS else SampleType.UINT16
    offset = -stream.zero * (stream.gain or 0.0) if sample_type == SampleType.UINT16 else 0.0
    return sample_type, [ChannelInfo(name, kind, rate, stream.unit, stream.gain, offset) for name in names]


@lru_cache(maxsize=2)
def _streams_of(header: bytes) -> tuple[float, dict[str, _Stream]]:
    """Rate and streams of a folder, which may have a file for each channel."""
    try:
        parsed = _parse_header(header)
    except FAULTS:  # without an exception, for which the cache has no room
        return 0.0, {}
    return parsed.sample_rate, {stream.name: stream for stream in parsed.streams}


def times(header: bytes, rows: np.ndarray) -> np.ndarray:
    """Return the times of records in seconds, by the header and their kept numbers."""
    return numbers(rows, 0, "<i4") / _parse_header(header).sample_rate


def _parse_header(data: bytes) -> _Header:
    header = Cursor(data, 4)
    is_rhs = data.startswith(RHS)
    version = header.unpack("hh")
    rate = float(header.number("f"))
    if not (math.isfinite(rate) and 0 < rate < 1e7):
        raise ValueError(f"a rate of {rate} Hz")
    header.take(2 + 8 * 4 if is_rhs else 2 + 6 * 4)  # of the filters
    header.take(2 + 2 * 4)  # of the notch filter and the impedance test
    if is_rhs:
        header.take(2 * 2 + 3 * 4)  # of the stimulation
    for _ in range(3):
        _text(header)
    has_dc, n_temperatures, mode = False, 0, 0
    if is_rhs:
        has_dc, mode = bool(header.number("h")), header.number("h")
        _text(header)
    else:
        n_temperatures = header.number("h") if version >= (1, 1) else 0
        mode = header.number("h") if version >= (1, 3) else 0
        if version >= (2, 0):
            _text(header)
    if not 0 <= n_temperatures <= 64:
        raise ValueError(f"{n_temperatures} sensors of temperature")
    by_kind = _channels(header, is_rhs)
    samples = 60 if not is_rhs and version < (2, 0) else 128
    streams = _rhs_streams(by_kind, samples, has_dc) if is_rhs else _rhd_streams(by_kind, samples, n_temperatures, mode)
    return _Header(header.at, rate, samples, [stream for stream in streams if stream.channels])


def _channels(header: Cursor, is_rhs: bool) -> list[list[str]]:
    """Names of the enabled channels of each kind of signal."""
    by_kind: list[list[str]] = [[] for _ in range(7)]
    for _ in range(header.number("h")):
        _text(header)
        _text(header)
        is_enabled, count, _ = header.unpack("hhh")
        for _ in range(count if is_enabled > 0 else 0):
            name = _text(header)
            _text(header)
            _, _, kind, is_channel_enabled = header.unpack("hhhh")
            header.take((7 if is_rhs else 6) * 2 + 2 * 4)
            if is_channel_enabled and 0 <= kind < len(by_kind):
                by_kind[kind].append(name)
    if sum(map(len, by_kind)) > _MAX_CHANNELS:
        raise ValueError("there are too many channels")
    return by_kind


def _rhd_streams(by_kind: list[list[str]], samples: int, n_temperatures: int, mode: int) -> list[_Stream]:
    amplifiers, auxiliary, supply, analog, digital_in, digital_out, _ = by_kind
    analog_gain, analog_zero = {0: (50.354e-6, 0), 1: (152.59e-6, _MIDDLE)}.get(mode, (312.5e-6, _MIDDLE))
    temperatures = [f"temperature {i}" for i in range(n_temperatures)]
    return [
        _Stream("amplifier", amplifiers, samples, "uV", 0.195),
        _Stream("auxiliary input", auxiliary, samples // 4, "V", 37.4e-6, 0),
        _Stream("supply voltage", supply, 1, "V", 74.8e-6, 0),
        _Stream("temperature", temperatures, 1, "degC", 0.01, is_signed=True),
        _Stream("analog input", analog, samples, "V", analog_gain, analog_zero),
        _Stream("digital input", ["digital input"] * bool(digital_in), samples),
        _Stream("digital output", ["digital output"] * bool(digital_out), samples),
    ]


def _rhs_streams(by_kind: list[list[str]], samples: int, has_dc: bool) -> list[_Stream]:
    amplifiers, _, _, analog, analog_out, digital_in, digital_out = by_kind
    # Intan's own readers make -0.01923 * (word - 512) volts of DC amplifiers; neo has the opposite sign
    return [
        _Stream("amplifier", amplifiers, samples, "uV", 0.195),
        _Stream("DC amplifier", amplifiers * has_dc, samples, "mV", -19.23, 512),
        _Stream("stimulation", amplifiers, samples),
        _Stream("analog input", analog, samples, "V", 312.5e-6),
        _Stream("analog output", analog_out, samples, "V", 312.5e-6),
        _Stream("digital input", ["digital input"] * bool(digital_in), samples),
        _Stream("digital output", ["digital output"] * bool(digital_out), samples),
    ]


def _text(header: Cursor) -> str:
    """A string of Qt: its size in bytes, then UTF-16."""
    size = header.number("I")
    return "" if size == 0xFFFFFFFF else header.take(size).decode("utf-16-le", "replace")
