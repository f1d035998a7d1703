"""EDF, EDF+, BDF and BDF+ files: https://www.edfplus.info/specs/edf.html, https://www.biosemi.com/faq/file_format.htm.

    header    256 bytes of the file, then 256 of each signal: first the labels of all, then the transducers, ...
    records   of each signal, in order, its samples of `duration` seconds: 16 bits (EDF) or 24 (BDF), signed

Signals have rates of their own. A signal named "EDF Annotations" holds text.
"""

from __future__ import annotations

import itertools
import re
from typing import BinaryIO, NamedTuple

import numpy as np

from .layout import SampleType, whole_rate
from .reading import FAULTS, ChannelInfo, read, record_layout, unit_name
from .records import Field, Group, RecordLayout

MAGIC = (b"0       ", b"\xffBIOSEMI")

_MAX_SIGNALS = 4095
_SIGNAL_FIELDS = (16, 80, 8, 8, 8, 8, 8, 80, 8, 32)
_ANNOTATIONS = ("EDF Annotations", "BDF Annotations")
_ONSET = re.compile(rb"([+-]\d{1,15}(?:\.\d{0,15})?)\x14\x14")
"""What the first signal of annotations begins with: the time of the record."""


class _Signal(NamedTuple):
    label: str
    unit: str
    physical: tuple[float, float]
    digital: tuple[float, float]
    samples: int

    @property
    def is_text(self) -> bool:
        return self.label in _ANNOTATIONS


class _Header(NamedTuple):
    sample_bytes: int
    duration: float
    signals: list[_Signal]

    @property
    def bytes(self) -> int:
        return 256 * (1 + len(self.signals))

    @property
    def lengths(self) -> list[int]:
        """The samples a record of the signals of each group, in order."""
        return list(dict.fromkeys(signal.samples for signal in self.signals if signal.samples and not signal.is_text))

    def rate(self, samples: int) -> float:
        return samples / self.duration if self.duration > 0 else 0.0


def parse(file: BinaryIO, size: int) -> RecordLayout | None:
    """Find the samples of an EDF or BDF file; return None if it is none."""
    if read(file, 0, 8, size) not in MAGIC:
        return None
    try:
        header = _parse_header(read(file, 0, 256 * (1 + _MAX_SIGNALS), size))
    except FAULTS:
        return None
    sample_type = SampleType.INT16 if header.sample_bytes == 2 else SampleType.INT24
    lengths = header.lengths
    groups = [Group(sample_type, whole_rate(header.rate(samples)), samples) for samples in lengths]
    fields: list[Field] = []
    for signal in header.signals:
        if signal.is_text:
            fields.append(Field(signal.samples * header.sample_bytes))
        elif signal.samples:
            group = lengths.index(signal.samples)
            if fields and fields[-1].group == group:
                fields[-1] = fields[-1]._replace(number=fields[-1].number + 1)
            else:
                fields.append(Field(1, group, by_channel=True))
    return record_layout(file, size, header.bytes, fields, groups)


def describe(header: bytes) -> list[ChannelInfo]:
    """Return what the header says of each channel, in the order of the layout."""
    parsed = _parse_header(header)
    of_group: dict[int, list[ChannelInfo]] = {samples: [] for samples in parsed.lengths}
    for signal in parsed.signals:
        if signal.samples in of_group and not signal.is_text:
            (low, high), (first, last) = signal.physical, signal.digital
            gain = (high - low) / (last - first) if last != first else None
            offset = low - first * gain if gain else 0.0
            rate, unit = parsed.rate(signal.samples), unit_name(signal.unit)
            of_group[signal.samples].append(ChannelInfo(signal.label, "", rate, unit, gain, offset))
    return [*itertools.chain(*of_group.values())]


def has_annotations(header: bytes) -> bool:
    """Return whether a file has a signal of annotations."""
    try:
        return any(signal.is_text for signal in _parse_header(header).signals)
    except FAULTS:
        return False


def times(header: bytes, rows: np.ndarray) -> np.ndarray:
    """Return the times of records in seconds since the start of the file, by their annotations."""
    if header[192:197] not in (b"EDF+C", b"EDF+D", b"BDF+C", b"BDF+D"):
        raise ValueError("only EDF+ and BDF+ state times of records")
    found = (_ONSET.match(row) for row in map(bytes, rows))
    return np.array([float(each[1]) if each else np.nan for each in found])


def _parse_header(data: bytes) -> _Header:
    n_signals = int(_text(data[252:256]))
    sample_bytes = 3 if data[:1] == b"\xff" else 2
    if not 1 <= n_signals <= _MAX_SIGNALS or int(_text(data[184:192])) != 256 * (1 + n_signals):
        raise ValueError("the header has another length than it states")
    if len(data) < 256 * (1 + n_signals):
        raise ValueError("the header is cut off")
    columns, at = [], 256
    for width in _SIGNAL_FIELDS:
        columns.append([_text(data[at + i * width : at + (i + 1) * width]) for i in range(n_signals)])
        at += width * n_signals
    signals = [
        _Signal(label, unit, (_number(low), _number(high)), (_number(first), _number(last)), int(samples))
        for label, _, unit, low, high, first, last, _, samples, _ in zip(*columns, strict=True)
    ]
    if any(signal.samples < 0 for signal in signals):
        raise ValueError("a signal has fewer than no samples")
    return _Header(sample_bytes, _number(_text(data[244:252])), signals)


def _text(field: bytes) -> str:
    return field.decode("latin-1").strip(" \0")


def _number(text: str) -> float:
    """The number of a field; 0 for a field that is empty or none, which does not concern the bytes."""
    try:
        number = float(text.replace(",", "."))
    except ValueError:
        return 0.0
    return number if abs(number) < 1e30 else 0.0
