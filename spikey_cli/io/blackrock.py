"""Blackrock NSx files (.ns1 to .ns6), versions 2.1 to 3.0: "File Formats", LB-0023, of Blackrock Neurotech.

    header    "NEURALSG" label16 period32 channels32, then ids32                              version 2.1; no packets
              "NEURALCD" or "BRSMPGRP" version16 size32 label16 comment256 period32 resolution32 origin16 channels32,
              then 66 bytes of each channel, which begin with "CC"                             versions 2.2 to 3.0
    packets   1, time stamp (4 bytes, 8 from version 3 on), frames32, then the frames: 16-bit samples, interleaved

A recording that was paused, or whose clock was set, has several packets; one with PTP time has one for each frame.
"""

from __future__ import annotations

from typing import BinaryIO, NamedTuple

import numpy as np

from .layout import Layout, SampleType, whole_rate
from .reading import FAULTS, ChannelInfo, Cursor, frame_layout, numbers, read, record_layout, unit_name
from .records import MAX_GAPS, MAX_HEADER_BYTES, Field, Group, RecordLayout

MAGIC = (b"NEURALSG", b"NEURALCD", b"BRSMPGRP")
SUFFIXES = tuple(f".ns{i}" for i in range(1, 7))

_PERIODS = 30_000
"""Periods are counted in parts of a second; time stamps have a resolution of their own."""
_CHANNEL_BYTES = 66
_FIXED_BYTES = 314
_PROBES = 8
"""Places at which a file with a packet for each frame is checked."""


class _Header(NamedTuple):
    bytes: int
    stamp_bytes: int
    """Bytes of a packet's time stamp; 0 without packets."""
    sample_rate: float
    resolution: int
    """Time stamps per second."""
    channels: list[ChannelInfo]


def parse(file: BinaryIO, size: int) -> Layout | RecordLayout | None:
    """Find the samples of an NSx file; return None if it is none."""
    start = read(file, 0, 8, size)
    if start not in MAGIC:
        return None
    try:
        header = _parse_header(read(file, 0, MAX_HEADER_BYTES, size))
    except FAULTS:
        return None
    channels, rate = len(header.channels), whole_rate(header.sample_rate)
    if header.stamp_bytes == 0:
        return frame_layout(file, size, [(header.bytes, (size - header.bytes) // (2 * channels))], channels, rate)
    if _has_packet_each_frame(file, size, header):
        fields = [Field(1), Field(1, kept_type=header.stamp_bytes), Field(1, kept_type=4), Field(channels, 0)]
        return record_layout(file, size, header.bytes, fields, [Group(SampleType.INT16, rate, 1)])
    return frame_layout(file, size, _packets(file, size, header), channels, rate)


def describe(header: bytes) -> list[ChannelInfo]:
    """Return what the header says of each channel."""
    return _parse_header(header).channels


def times(header: bytes, rows: np.ndarray) -> np.ndarray:
    """Return the times of packets in seconds, by the header and the bytes before their samples."""
    parsed = _parse_header(header)
    if not parsed.stamp_bytes or not parsed.resolution:
        raise ValueError("the header states no resolution of times")
    return numbers(rows, rows.shape[1] - 4 - parsed.stamp_bytes, f"<u{parsed.stamp_bytes}") / parsed.resolution


def _parse_header(data: bytes) -> _Header:
    header = Cursor(data, 8)
    if data.startswith(b"NEURALSG"):
        header.take(16)
        period, count = header.unpack("II")
        _check_channels(count)
        ids = header.unpack(f"{min(count, len(data))}I")
        rate = _PERIODS / period
        return _Header(header.at, 0, rate, 0, [ChannelInfo(str(number), "", rate) for number in ids])
    major, _, length = header.unpack("BBI")
    header.take(16 + 256)
    period, resolution = header.unpack("II")
    header.take(16)
    count = header.number("I")
    _check_channels(count)
    rate = _PERIODS / period
    if length != _FIXED_BYTES + _CHANNEL_BYTES * count:
        raise ValueError("the header has another length than it states")
    channels = []
    for _ in range(count):
        kind, _, label, _, _, low, high, lowest, highest, unit, _ = header.unpack("2sH16sBBhhhh16s20s")
        if kind != b"CC":
            raise ValueError("a header is not of a channel")
        gain = (highest - lowest) / (high - low) if high != low else None
        offset = lowest - low * gain if gain else 0.0
        channels.append(ChannelInfo(_text(label), "", rate, unit_name(_text(unit)), gain, offset))
    return _Header(length, 8 if major >= 3 else 4, rate, resolution, channels)


def _check_channels(count: int) -> None:
    if not count:
        raise ValueError("the file has no channels")


def _text(field: bytes) -> str:
    return field.split(b"\0")[0].decode("latin-1").strip()


def _packet(file: BinaryIO, at: int, size: int, header: _Header) -> int | None:
    """The number of frames that a packet at an offset states, or None if there is no packet."""
    data = read(file, at, 5 + header.stamp_bytes, size)
    if len(data) < 5 + header.stamp_bytes or data[0] != 1:
        return None
    return int.from_bytes(data[-4:], "little")


def _has_packet_each_frame(file: BinaryIO, size: int, header: _Header) -> bool:
    stride = 5 + header.stamp_bytes + 2 * len(header.channels)
    count = (size - header.bytes) // stride
    places = {0, 1, *(count * i // _PROBES for i in range(_PROBES)), count - 1}
    return count > 1 and all(_packet(file, header.bytes + i * stride, size, header) == 1 for i in places)


def _packets(file: BinaryIO, size: int, header: _Header) -> list[tuple[int, int]]:
    """Offset and frames of each packet; none if there are too many, or one is malformed."""
    packets: list[tuple[int, int]] = []
    frame_bytes, at = 2 * len(header.channels), header.bytes
    for _ in range(MAX_GAPS):
        n_frames = _packet(file, at, size, header)
        if n_frames is None:
            return packets  # what follows is no packet; it is the trailer unless it is long
        at += 5 + header.stamp_bytes
        available = (size - at) // frame_bytes
        # a program that was killed may have left the number at 0
        n_frames = available if n_frames == 0 and not packets else min(n_frames, available)
        if n_frames:
            packets.append((at, n_frames))
        at += n_frames * frame_bytes
    return []
