"""Reports what an archive holds, from its directory and index; no samples are decoded."""

from __future__ import annotations

import os
from collections.abc import Sequence

from ..codec.presets import preset_name
from ..container.archive import NO_MODEL, ArchiveReader
from ..container.directory import FileEntry, channel_names
from ..container.limits import DEFAULT_LIMITS, Limits
from ..core.coders import coder_with_number
from ..io.events import holds_events
from ..io.formats import format_name
from ..io.reading import ChannelInfo
from ..model.zoo import shipped_models_with
from .channels import channel_info
from .inputs import quantizer_text


def info(archive: str | os.PathLike[str], *, limits: Limits | None = None) -> dict[str, object]:
    """Return what an archive holds, as JSON data.

    Parameters
    ----------
    archive : path or URL
        An ``.spk`` file.
    limits : Limits, optional
        What the archive may ask for.

    Returns
    -------
    dict
        ``path``, ``format`` (version), ``coder``, ``archive_bytes``, ``source_bytes``, ``ratio``, ``samples``,
        ``bits_per_sample`` (of the whole archive; None without samples), ``blocks``, ``sessions``;

        ``model``: None, or ``name``, ``sha256_prefix`` and ``embedded``;

        ``files``: for each, ``name``, ``bytes``, ``crc32`` (hexadecimal), ``kind`` (wav, npy, raw, another format, or
        verbatim) and, unless verbatim, ``sample_rate``, ``channels``, ``frames``, ``sample_bits``, ``sample_type``,
        ``scaling`` (None, or how samples are computed from coded integers k: the distinct formulas of the channels) and
        ``quantizer``. A file whose channels differ in rate has instead of these ``groups``, a list of them. A file of
        times has ``records``, their number;

        ``events``: names of the files that hold events, which are kept as they are;

        ``channels``: for each, ``name``, ``label``, ``stream``, ``unit``, ``gain``, ``offset`` and the exact
        ``sample_rate``, as far as the file states them, or None; ``coding_pass``, ``references`` to channels of earlier
        passes (``name`` and ``metric``, which is None unless the model uses metrics), ``later_references`` (names of
        channels of the same or of later passes, of which only past samples are used), ``long_lag`` (in samples, or
        None), ``order`` (how many of its own last differences predict it) and ``quantizer`` (the values of its samples;
        of a copy, the number of the channel, from 0).

    Raises
    ------
    ArchiveError
        The archive is damaged, or exceeds `limits`.

    Examples
    --------
    >>> _ = spikey_cli.compress(["left.wav", "right.wav"], "session.spk")
    >>> report = spikey_cli.info("session.spk")
    >>> report["coder"], report["samples"], report["sessions"]
    ('range', 120000, 1)
    >>> [reference["name"] for reference in report["channels"][1]["references"]]
    ['left.wav']
    """
    with ArchiveReader(archive, limits or DEFAULT_LIMITS) as reader:
        directory = reader.directory
        places = channel_names(directory.files)
        names = list(places)
        described = channel_info(reader)
        source_bytes = sum(entry.size for entry in directory.files)
        samples = sum(entry.frames * entry.channels for entry in directory.files if entry.layout)
        coder = coder_with_number(reader.coder)
        topology = directory.topology
        file_of_channel = [
            directory.members[i].start
            for i, entry in enumerate(directory.files)
            if entry.layout
            for _ in range(entry.channels)
        ]
        return {
            "path": str(reader.path),
            "format": str(reader.version),
            "coder": coder.name if coder else f"number {reader.coder}",
            "preset": preset_name(reader.effort),
            "model": None
            if reader.model == NO_MODEL
            else {
                "name": next((path.name for path in shipped_models_with(reader.model)), None),
                "sha256_prefix": reader.model.hex(),
                "embedded": bool(directory.model),
            },
            "archive_bytes": reader.length,
            "source_bytes": source_bytes,
            "ratio": round(source_bytes / reader.length, 4),
            "samples": samples,
            "bits_per_sample": round(8 * reader.length / samples, 4) if samples else None,
            "blocks": len(reader.index.blocks),
            "sessions": len(topology.sessions_of_files(file_of_channel)),
            "files": [
                _file_info([directory.files[member] for member in directory.members[i]], reader.index.file_crcs[i])
                for i, entry in enumerate(directory.files)
                if entry.is_file
            ],
            "events": [
                entry.name for entry in directory.files if entry.is_file and holds_events(entry.name, entry.header)
            ],
            "channels": [
                {
                    "name": name,
                    **_described(described.get((file, channel))),
                    "coding_pass": coding_pass,
                    "references": [{"name": names[one.channel], "metric": one.metric or None} for one in earlier],
                    "later_references": [names[other] for other in later],
                    "long_lag": lag or None,
                    "order": order,
                    "quantizer": str(directory.files[file].quantizer.of_channel(channel)),
                }
                for (name, (file, channel)), coding_pass, earlier, later, lag, order in zip(
                    places.items(), *topology, strict=True
                )
            ],
        }


def _described(info: ChannelInfo | None) -> dict[str, object]:
    """What a file says of a channel."""
    if info is None:
        return dict.fromkeys(("label", "stream", "unit", "gain", "offset", "sample_rate"))
    return {
        "label": info.name or None,
        "stream": info.stream or None,
        "unit": info.unit or None,
        "gain": info.gain,
        "offset": None if info.gain is None else info.offset,
        "sample_rate": info.sample_rate or None,
    }


def _file_info(members: Sequence[FileEntry], crc: int | None) -> dict[str, object]:
    """Describe a file, of which the first entry is; the others are its groups."""
    entry, *groups = members
    common: dict[str, object] = {"name": entry.name, "bytes": entry.size, "crc32": f"{crc:08x}"}
    if entry.records and groups:
        each = [_samples_info(group) for group in groups]
        return common | {"kind": format_name(entry.header)} | (each[0] if len(each) == 1 else {"groups": each})
    if entry.records:
        return common | {"kind": format_name(entry.header), "records": entry.records.n_records}
    if entry.layout is None:
        return common | {"kind": "verbatim"}
    return common | {"kind": format_name(entry.header)} | _samples_info(entry)


def _samples_info(entry: FileEntry) -> dict[str, object]:
    assert entry.layout is not None
    return {
        "sample_rate": entry.layout.sample_rate,
        "channels": entry.layout.channels,
        "frames": entry.layout.n_frames,
        "sample_bits": 8 * entry.layout.sample_bytes,
        "sample_type": str(entry.layout.sample_type),
        "scaling": [*dict.fromkeys(map(str, entry.scaling.channels))] if entry.scaling else None,
        "quantizer": quantizer_text(entry.quantizer, entry.layout.channels),
    }
