"""What SpikeInterface knows of a recording beside its samples, as JSON, and back.

    recording.json   {"spikey_recording": 1,
                      "sampling_frequency": 30000.0,
                      "dtype": "uint16", "offset": 32768,
                      "segments": [{"file": "segment0.npy", "t_start": 12.5, "times": null}, ...],
                      "channel_ids": {"dtype": "<U4", "values": ["AP0", ...]},
                      "properties": {"gain_to_uV": {"dtype": "<f8", "values": [2.34375, ...]}, "offset_to_uV": ...},
                      "annotations": {"is_filtered": false, ...},
                      "probegroup": probeinterface's ProbeGroup.to_dict, or null}

A trace is the sample of the segment's file, plus `offset`, as `dtype`. `times` names a file that holds the time of each
frame, float64, where they are not evenly spaced. Numbers are exact; NaN and Infinity stand as Python writes them.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
from probeinterface import ProbeGroup
from spikeinterface.core import BaseRecording
from spikeinterface.core.core_tools import SIJsonEncoder

from ..api.array_metadata import UINT16_OFFSET
from ..api.recording import Recording

FILE = "recording.json"
VERSION = 1

_MARK = "spikey_recording"
_KINDS = "biufSU"
"""Kinds of dtypes whose values are numbers or text in JSON."""

NONSENSE = (ValueError, KeyError, TypeError, AttributeError, AssertionError, OverflowError)
"""What is raised of JSON that is not what it should be, by NumPy, probeinterface and SpikeInterface too."""

OFFSETS = {"int16": 0, "uint8": 0, "uint16": UINT16_OFFSET}
"""dtypes that traces may have, and what is taken from each for the sample to fit into 16 bits."""


@dataclass(frozen=True)
class Segment:
    """A segment's files, and when it begins."""

    file: str
    t_start: float | None
    """Seconds."""
    times: str | None


@dataclass(frozen=True)
class Metadata:
    """All but the samples."""

    sampling_frequency: float
    """Hz."""
    dtype: np.dtype
    offset: int
    segments: tuple[Segment, ...]
    channel_ids: np.ndarray
    properties: dict[str, np.ndarray]
    annotations: dict[str, Any]
    probegroup: ProbeGroup | None

    def give_to(self, recording: BaseRecording) -> None:
        """Set what stands on a recording as a whole."""
        if self.probegroup is not None:
            recording.set_probegroup(self.probegroup, check_overlap=False)
        for name, values in self.properties.items():
            recording.set_property(name, values)
        recording.annotate(**self.annotations)


def bare_metadata(stored: Recording) -> Metadata:
    """What is known of threads of which nothing is told but their names and their rate."""
    segment = Segment(stored.channel_names[0], None, None)
    return Metadata(
        float(stored.sample_rate), stored.dtype, 0, (segment,), np.array(stored.channel_names), {}, {}, None
    )


def pack_metadata(recording: BaseRecording, segments: list[Segment]) -> tuple[bytes, list[str]]:
    """The JSON of a recording, and what of it can be no JSON: it is left out, or comes back as something else."""
    not_kept = []
    properties = {}
    for name in recording.get_property_keys():
        values = recording.get_property(name)
        if values.dtype.kind in _KINDS and not (values.dtype.kind == "f" and values.dtype.itemsize > 8):
            properties[name] = _pack_array(values)
        else:
            not_kept.append(f"property {name!r} ({values.dtype})")
    annotations = {}
    for name in recording.get_annotation_keys():
        value = recording.get_annotation(name)
        try:
            annotations[name] = json.loads(json.dumps(value, cls=SIJsonEncoder))
        except (TypeError, ValueError, RecursionError):
            not_kept.append(f"annotation {name!r} ({type(value).__name__})")
            continue
        if not _is_same(value, annotations[name]):
            not_kept.append(f"annotation {name!r} (it will be {annotations[name]!r:.60})")
    dtype = recording.get_dtype().name
    told = {
        _MARK: VERSION,
        "sampling_frequency": float(recording.sampling_frequency),
        "dtype": dtype,
        "offset": OFFSETS[dtype],
        "segments": [vars(segment) for segment in segments],
        "channel_ids": _pack_array(recording.channel_ids),
        "properties": properties,
        "annotations": annotations,
        "probegroup": recording.get_probegroup().to_dict(array_as_list=True) if recording.has_probe() else None,
    }
    return json.dumps(told, cls=SIJsonEncoder, indent=1).encode(), not_kept


def _is_same(value: Any, back: Any) -> bool:
    """Whether what came of JSON is what went into it, numbers and lists of NumPy being those of Python."""
    if isinstance(value, np.ndarray):
        return _is_same(value.tolist(), back)
    if isinstance(value, dict):
        return isinstance(back, dict) and [*value] == [*back] and all(_is_same(value[key], back[key]) for key in back)
    if isinstance(value, list):
        return isinstance(back, list) and len(value) == len(back) and all(map(_is_same, value, back))
    return bool(value == back or value != value)


def unpack_metadata(data: bytes) -> Metadata | None:
    """The reverse; None where the JSON is of something else.

    Raises one of NONSENSE where it makes no sense.
    """
    try:
        told = json.loads(data)
    except ValueError:
        return None
    if not isinstance(told, dict) or _MARK not in told:
        return None
    if told[_MARK] != VERSION:
        raise ValueError(f"its version is {told[_MARK]}, and this release reads {VERSION}; install a newer spikey-cli")
    if told["offset"] != OFFSETS[told["dtype"]]:
        raise ValueError(f"traces of {told['dtype']} with the offset {told['offset']}")
    probegroup = told["probegroup"]
    return Metadata(
        sampling_frequency=float(told["sampling_frequency"]),
        dtype=np.dtype(told["dtype"]),
        offset=told["offset"],
        segments=tuple(Segment(**segment) for segment in told["segments"]),
        channel_ids=_unpack_array(told["channel_ids"]),
        properties={name: _unpack_array(packed) for name, packed in told["properties"].items()},
        annotations=told["annotations"],
        probegroup=None if probegroup is None else ProbeGroup.from_dict(probegroup),
    )


def _pack_array(values: np.ndarray) -> dict[str, Any]:
    text = np.char.decode(values, "latin-1") if values.dtype.kind == "S" else values
    return {"dtype": values.dtype.str, "values": text.tolist()}


def _unpack_array(packed: dict[str, Any]) -> np.ndarray:
    dtype = np.dtype(packed["dtype"])
    if dtype.kind not in _KINDS:
        raise ValueError(f"an array of {dtype}")
    if dtype.kind not in "SU":
        return np.array(packed["values"], dtype)
    text = np.array(packed["values"], "U")  # as wide as it is: what dtype says may be any width
    return np.char.encode(text, "latin-1") if dtype.kind == "S" else text
