"""Metadata of a recording of SpikeInterface as JSON.

    recording.json   {"spikey_recording": 1,
                      "sampling_frequency": 30000.0,
                      "dtype": "uint16", "offset": 32768,
                      "segments": [{"file": "segment0.npy", "t_start": 12.5, "times": null}, ...],
                      "channel_ids": {"dtype": "<U4", "values": ["AP0", ...]},
                      "properties": {"gain_to_uV": {"dtype": "<f8", "values": [2.34375, ...]}, "offset_to_uV": ...},
                      "annotations": {"is_filtered": false, ...},
                      "probegroup": probeinterface's ProbeGroup.to_dict, or null}

A trace is the stored sample plus `offset`, as `dtype`. `times` names a float64 file with the time of each frame, if
frames are not evenly spaced. Numbers are exact; NaN and Infinity are written as Python does.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
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

_VERSION_KEY = "spikey_recording"
_KINDS = "biufSU"
"""Kinds of dtypes whose values JSON can represent."""

INVALID = (ValueError, KeyError, TypeError, AttributeError, AssertionError, OverflowError)
"""Errors that NumPy, probeinterface and SpikeInterface raise for invalid metadata."""

OFFSETS = dict.fromkeys(("uint8", "int16", "int32", "uint32", "int64", "float32", "float64"), 0) | {
    "uint16": UINT16_OFFSET
}
"""What is subtracted from traces of each dtype before they are stored."""


@dataclass(frozen=True)
class Segment:
    """Files and start of a segment."""

    file: str
    t_start: float | None
    """Seconds."""
    times: str | None
    """File with the time of each frame, if they are not evenly spaced."""


@dataclass(frozen=True)
class Metadata:
    """A recording without its samples."""

    sampling_frequency: float
    """Hz."""
    dtype: np.dtype
    offset: int
    segments: tuple[Segment, ...]
    channel_ids: np.ndarray
    properties: dict[str, np.ndarray]
    annotations: dict[str, Any]
    probegroup: ProbeGroup | None

    def set_on(self, recording: BaseRecording) -> None:
        """Set probe, properties and annotations of a recording."""
        if self.probegroup is not None:
            recording.set_probegroup(self.probegroup, check_overlap=False)
        for name, values in self.properties.items():
            recording.set_property(name, values)
        recording.annotate(**self.annotations)


def default_metadata(stored: Recording, start: float | None = None) -> Metadata:
    """Metadata of an archive without `recording.json`: channel names, sample rate, and gains if files state them.

    `start` is the time of the first sample in seconds.
    """
    segment = Segment(stored.channel_names[0], start, None)
    properties = {}
    labels = [info.name if info else "" for info in stored.channel_info]
    if any(labels):
        properties["channel_name"] = np.array(labels)
    if stored.microvolts is not None:
        properties["gain_to_uV"], properties["offset_to_uV"] = stored.microvolts
    return Metadata(
        float(stored.exact_sample_rate),
        stored.dtype,
        0,
        (segment,),
        np.array(stored.channel_names),
        properties,
        {},
        None,
    )


def metadata_of(described: BaseRecording, names: Sequence[str], stored: Recording) -> tuple[Metadata, list[str]]:
    """Metadata of a raw file that SpikeInterface's reader describes.

    Parameters
    ----------
    described : BaseRecording
        Some of the file's channels, in any order.
    names : sequence of str
        Labels of the channels of `stored`.
    stored : Recording

    Returns
    -------
    metadata : Metadata
        Of the channels of `described`.
    channels : list of str
        Their names in the archive.
    """
    by_label = dict(zip(names, stored.channel_names, strict=True))
    # SpikeGLX's ids have the stream before the name: imec0.ap#AP0
    labels = [str(own).rpartition("#")[2] for own in described.channel_ids]
    if not by_label.keys() >= set(labels):
        return default_metadata(stored), list(stored.channel_names)
    channels = [by_label[label] for label in labels]
    kept = [name for name in described.get_property_keys() if described.get_property(name).dtype.kind in _KINDS]
    info = described.get_time_info(0)
    segment = Segment(stored.channel_names[0], info["t_start"], None)
    metadata = Metadata(
        float(described.sampling_frequency),
        stored.dtype,
        0,
        (segment,),
        np.array(described.channel_ids),
        {name: described.get_property(name) for name in kept},
        {key: described.get_annotation(key) for key in described.get_annotation_keys()},
        described.get_probegroup() if described.has_probe() else None,
    )
    return metadata, channels


def pack_metadata(recording: BaseRecording, segments: list[Segment]) -> tuple[bytes, list[str]]:
    """Metadata of a recording as JSON, and a description of everything that JSON cannot represent exactly."""
    left_out = []
    properties = {}
    for name in recording.get_property_keys():
        values = recording.get_property(name)
        if values.dtype.kind in _KINDS and not (values.dtype.kind == "f" and values.dtype.itemsize > 8):
            properties[name] = _pack_array(values)
        else:
            left_out.append(f"property {name!r} ({values.dtype})")
    annotations = {}
    for name in recording.get_annotation_keys():
        value = recording.get_annotation(name)
        try:
            annotations[name] = json.loads(json.dumps(value, cls=SIJsonEncoder))
        except (TypeError, ValueError, RecursionError):
            left_out.append(f"annotation {name!r} ({type(value).__name__})")
            continue
        if not _is_equal(value, annotations[name]):
            left_out.append(f"annotation {name!r} (stored as {annotations[name]!r:.60})")
    dtype = recording.get_dtype().name
    metadata = {
        _VERSION_KEY: VERSION,
        "sampling_frequency": float(recording.sampling_frequency),
        "dtype": dtype,
        "offset": OFFSETS[dtype],
        "segments": [vars(segment) for segment in segments],
        "channel_ids": _pack_array(recording.channel_ids),
        "properties": properties,
        "annotations": annotations,
        "probegroup": recording.get_probegroup().to_dict(array_as_list=True) if recording.has_probe() else None,
    }
    return json.dumps(metadata, cls=SIJsonEncoder, indent=1).encode(), left_out


def _is_equal(value: Any, parsed: Any) -> bool:
    """Whether parsed JSON equals the value it was written from; arrays count as lists, and NaN equals NaN."""
    if isinstance(value, np.ndarray):
        return _is_equal(value.tolist(), parsed)
    if isinstance(value, dict):
        return (
            isinstance(parsed, dict)
            and [*value] == [*parsed]
            and all(_is_equal(value[key], parsed[key]) for key in value)
        )
    if isinstance(value, list):
        return isinstance(parsed, list) and len(value) == len(parsed) and all(map(_is_equal, value, parsed))
    return bool(value == parsed or value != value)


def unpack_metadata(data: bytes) -> Metadata | None:
    """Parse the JSON of `pack_metadata`; None for any other content. Raises one of INVALID if it is invalid."""
    try:
        packed = json.loads(data)
    except ValueError:
        return None
    if not isinstance(packed, dict) or _VERSION_KEY not in packed:
        return None
    if packed[_VERSION_KEY] != VERSION:
        raise ValueError(
            f"its version is {packed[_VERSION_KEY]}, and this release reads {VERSION}; install a newer spikey-cli"
        )
    if packed["offset"] != OFFSETS[packed["dtype"]]:
        raise ValueError(f"traces are {packed['dtype']} with offset {packed['offset']}")
    probegroup = packed["probegroup"]
    return Metadata(
        sampling_frequency=float(packed["sampling_frequency"]),
        dtype=np.dtype(packed["dtype"]),
        offset=packed["offset"],
        segments=tuple(Segment(**segment) for segment in packed["segments"]),
        channel_ids=_unpack_array(packed["channel_ids"]),
        properties={name: _unpack_array(values) for name, values in packed["properties"].items()},
        annotations=packed["annotations"],
        probegroup=None if probegroup is None else ProbeGroup.from_dict(probegroup),
    )


def _pack_array(values: np.ndarray) -> dict[str, Any]:
    text = np.char.decode(values, "latin-1") if values.dtype.kind == "S" else values
    return {"dtype": values.dtype.str, "values": text.tolist()}


def _unpack_array(packed: dict[str, Any]) -> np.ndarray:
    dtype = np.dtype(packed["dtype"])
    if dtype.kind not in _KINDS:
        raise ValueError(f"an array is {dtype}")
    if dtype.kind not in "SU":
        return np.array(packed["values"], dtype)
    text = np.array(packed["values"], "U")  # not as `dtype`, whose width may be anything in a hostile file
    return np.char.encode(text, "latin-1") if dtype.kind == "S" else text
