"""Open Ephys .continuous files: https://open-ephys.github.io/gui-docs/User-Manual/Recording-data/Open-Ephys-format.html.

header    1024 bytes of text: header.KEY = VALUE;
records   number of the first sample (8 bytes), samples16 (1024), number of the recording16,
          1024 samples of 16 bits, signed, big endian, and a marker of 10 bytes
"""

from __future__ import annotations

import re
from typing import BinaryIO

import numpy as np

from .layout import SampleType, whole_rate
from .reading import ChannelInfo, numbers, positive_number, read, record_layout
from .records import Field, Group, RecordLayout

MAGIC = b"header.format = 'Open Ephys Data Format'"

_HEADER_BYTES = 1024
_SAMPLES = 1024
_RECORD_BYTES = 12 + 2 * _SAMPLES + 10
_MARKER = bytes([0, 1, 2, 3, 4, 5, 6, 7, 8, 255])


def parse(file: BinaryIO, size: int) -> RecordLayout | None:
    """Find the samples of a .continuous file; return None if it is none."""
    header = read(file, 0, _HEADER_BYTES, size)
    if not header.startswith(MAGIC):
        return None
    n_records = (size - _HEADER_BYTES) // _RECORD_BYTES
    for record in (0, n_records // 2, n_records - 1):
        data = read(file, _HEADER_BYTES + record * _RECORD_BYTES, _RECORD_BYTES, size)
        if n_records < 1 or data[8:10] != _SAMPLES.to_bytes(2, "little") or data[-10:] != _MARKER:
            return None
    fields = [Field(1, kept_type=8), Field(2, kept_type=2), Field(1, 0), Field(len(_MARKER))]
    rate = whole_rate(_number(header, b"sampleRate"))
    return record_layout(file, size, _HEADER_BYTES, fields, [Group(SampleType.INT16, rate, _SAMPLES, True)])


def describe(header: bytes) -> list[ChannelInfo]:
    """Return what the header says of the channel."""
    name = re.search(rb"header\.channel = '([^']*)'", header)
    gain = _number(header, b"bitVolts") or None
    text = name[1].decode("latin-1") if name else ""
    return [ChannelInfo(text, "", _number(header, b"sampleRate"), "uV" if gain else "", gain)]


def times(header: bytes, rows: np.ndarray) -> np.ndarray:
    """Return the times of records in seconds, by the header and their kept numbers."""
    rate = _number(header, b"sampleRate")
    if not rate:
        raise ValueError("the header states no rate")
    return numbers(rows, 0, "<i8") / rate


def _number(header: bytes, key: bytes) -> float:
    found = re.search(rb"header\." + key + rb" = ([0-9.eE+-]{1,40});", header)
    return positive_number(found[1].decode()) if found else 0.0
