"""Axon ABF 2 files: "Axon Binary File Format", as pyABF documents it (https://swharden.com/pyabf/abf2-file-format).

    header    512 bytes: "ABF2", ..., then for each of 18 sections its first block of 512 bytes, the size and the number
              of its entries; then some of the sections
    data      16-bit samples, signed, or float32, which are in units; interleaved
    trailer   the other sections

Sweeps of episodic files follow one another.
"""

from __future__ import annotations

import math
import struct
from typing import BinaryIO, NamedTuple

from .layout import Layout, SampleType, whole_rate
from .reading import FAULTS, ChannelInfo, Cursor, frame_layout, read, unit_name
from .records import MAX_HEADER_BYTES, RecordLayout

MAGIC = b"ABF2"

_BLOCK = 512
_PROTOCOL, _ADC, _STRINGS, _DATA = 76, 92, 220, 236
_ADC_BYTES = 128
_MAX_CHANNELS = 16
_MAX_STRING_BYTES = 64 << 10


class _Section(NamedTuple):
    offset: int
    entry_bytes: int
    entries: int


def parse(file: BinaryIO, size: int) -> Layout | RecordLayout | None:
    """Find the samples of an ABF 2 file; return None if it is none."""
    start = read(file, 0, _BLOCK, size)
    if not start.startswith(MAGIC):
        return None
    try:
        data, adc, protocol = (_section(start, at) for at in (_DATA, _ADC, _PROTOCOL))
        sample_type = _sample_type(start)
        rate = _rate(read(file, protocol.offset, 6, size))
    except FAULTS:
        return None
    channels = adc.entries
    if data.entry_bytes != sample_type.bytes or not 1 <= channels <= _MAX_CHANNELS:
        return None
    if not _BLOCK <= data.offset <= min(size, MAX_HEADER_BYTES):
        return None
    n_frames = min(data.entries, (size - data.offset) // data.entry_bytes) // channels
    runs = [(data.offset, n_frames)] if n_frames else []
    return frame_layout(file, size, runs, channels, whole_rate(rate), sample_type)


def describe(header: bytes) -> list[ChannelInfo]:
    """Return what the header says of each channel; less if a section that it needs follows the samples."""
    protocol, adc, strings = (_section(header, at) for at in (_PROTOCOL, _ADC, _STRINGS))
    rate = _rate(header[protocol.offset :])
    (volts,) = struct.unpack_from("<f", header, protocol.offset + 110)
    (steps,) = struct.unpack_from("<i", header, protocol.offset + 118)
    texts = header[strings.offset : strings.offset + min(strings.entry_bytes, _MAX_STRING_BYTES)]
    names = texts[max(texts.rfind(b"\0\0"), 0) :].split(b"\0")[1:]
    channels = []
    for i in range(min(adc.entries, _MAX_CHANNELS)):
        one = Cursor(header, adc.offset + i * adc.entry_bytes)
        _, has_telegraph, _, extra_gain = one.unpack("hhhf")
        one.take(18)
        programmable, _, _, scale, instrument_offset, signal_gain, signal_offset = one.unpack("7f")
        one.take(8 + 2 + 4 + 1 + 1 + 2)
        name, unit = (_string(names, index) for index in one.unpack("ii"))
        factor = scale * signal_gain * programmable * steps * (extra_gain if has_telegraph else 1)
        gain = volts / factor if factor and math.isfinite(factor) else None
        offset = instrument_offset - signal_offset
        if _sample_type(header) == SampleType.FLOAT32:
            gain, offset = 1.0, 0.0
        channels.append(ChannelInfo(name, "", rate, unit_name(unit), gain, offset if math.isfinite(offset) else 0.0))
    return channels


def _section(header: bytes, at: int) -> _Section:
    block, entry_bytes, count = struct.unpack_from("<IIq", header, at)
    if block < 1 or count < 0:
        raise ValueError("a section is missing")
    return _Section(block * _BLOCK, entry_bytes, count)


def _sample_type(header: bytes) -> SampleType:
    (data_format,) = struct.unpack_from("<H", header, 30)
    return (SampleType.INT16, SampleType.FLOAT32)[data_format]


def _rate(protocol: bytes) -> float:
    (interval,) = struct.unpack_from("<f", protocol, 2)  # microseconds between samples of a channel
    return 1e6 / interval if math.isfinite(interval) and interval > 0 else 0.0


def _string(strings: list[bytes], index: int) -> str:
    return strings[index].decode("cp1252", "replace") if 0 <= index < len(strings) else ""
