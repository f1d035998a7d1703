"""Neuralynx NCS files: https://neuralynx.com/_software/NeuralynxDataFileFormats.pdf.

    header    16384 bytes of text, which begin with "######## Neuralynx"; then lines -KEY VALUE
    records   time stamp in microseconds (8 bytes), channel32, rate32, valid samples32, 512 samples of 16 bits, signed

A record may have fewer valid samples than 512; all are stored as they are.
"""

from __future__ import annotations

from typing import BinaryIO

import numpy as np

from .layout import SampleType, whole_rate
from .reading import ChannelInfo, Cursor, numbers, positive_number, read, record_layout
from .records import Field, Group, RecordLayout

MAGIC = b"######## Neuralynx"

_HEADER_BYTES = 16 << 10
_SAMPLES = 512
_RECORD_BYTES = 20 + 2 * _SAMPLES


def parse(file: BinaryIO, size: int) -> RecordLayout | None:
    """Find the samples of an NCS file; return None if it is none."""
    header = read(file, 0, _HEADER_BYTES, size)
    if not header.startswith(MAGIC) or size < _HEADER_BYTES + _RECORD_BYTES:
        return None
    last = (size - _HEADER_BYTES) // _RECORD_BYTES - 1
    _, channel, rate, _ = _numbers(file, size, 0)
    # every record states its channel and rate, so those of the last show whether all have the same length
    for record in (0, last // 2, last):
        _, own_channel, own_rate, n_valid = _numbers(file, size, record)
        if (own_channel, own_rate) != (channel, rate) or n_valid > _SAMPLES:
            return None
    fields = [Field(1, kept_type=8), Field(3, kept_type=4), Field(1, 0)]
    exact = _rate(_fields(header)) or float(rate)
    return record_layout(file, size, _HEADER_BYTES, fields, [Group(SampleType.INT16, whole_rate(exact), _SAMPLES)])


def describe(header: bytes) -> list[ChannelInfo]:
    """Return what the header says of the channel."""
    fields = _fields(header)
    volts = _number(fields, "ADBitVolts")
    is_inverted = fields.get("InputInverted", "").lower() == "true"
    gain = (-1e6 if is_inverted else 1e6) * volts if volts else None
    return [ChannelInfo(fields.get("AcqEntName", "").strip('"'), "", _rate(fields), "uV" if gain else "", gain)]


def times(header: bytes, rows: np.ndarray) -> np.ndarray:
    """Return the times of records in seconds, by their kept numbers."""
    return numbers(rows, 0, "<u8") / 1e6


def _numbers(file: BinaryIO, size: int, record: int) -> tuple[int, int, int, int]:
    data = read(file, _HEADER_BYTES + record * _RECORD_BYTES, 20, size)
    time, channel, rate, n_valid = Cursor(data).unpack("QIII")
    return time, channel, rate, n_valid


def _fields(header: bytes) -> dict[str, str]:
    lines = (line.strip() for line in header.rstrip(b"\0").decode("latin-1").splitlines())
    pairs = (line[1:].split(None, 1) for line in lines if line.startswith("-"))
    return {pair[0]: pair[1].strip() for pair in pairs if len(pair) == 2}


def _rate(fields: dict[str, str]) -> float:
    return _number(fields, "SamplingFrequency")


def _number(fields: dict[str, str], key: str) -> float:
    words = fields.get(key, "").split()
    return positive_number(words[0]) if words else 0.0
