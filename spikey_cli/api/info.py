"""What an archive holds, told from its directory and index; nothing is decoded."""

from __future__ import annotations

import os

from ..container.archive import NO_MODEL, ArchiveReader
from ..container.directory import channel_names
from ..container.limits import DEFAULT_LIMITS, Limits
from ..core.coders import coder_with_number
from ..model.zoo import shipped_models_with


def describe(archive: str | os.PathLike[str], *, limits: Limits | None = None) -> dict[str, object]:
    """Describe an archive, as JSON data: `spikey info --json` prints it.

    Keys: path, format, coder, model (name, SHA-256 digits, and whether it is embedded; or null), archive_bytes,
    source_bytes, ratio, samples, bits_per_sample (bits of archive for each sample), blocks, sessions, files (name,
    bytes, crc32, kind: wav, npy, raw or verbatim; but for the last sample_rate, channels, frames, sample_bits, grid),
    threads (name, wave, peers with name and metric). Raises ArchiveError where the archive is damaged, or asks for more
    than `limits`.
    """
    with ArchiveReader(archive, limits or DEFAULT_LIMITS) as reader:
        directory = reader.directory
        names = list(channel_names(directory.files))
        source_bytes = sum(file.size for file in directory.files)
        samples = sum(file.frames * file.channels for file in directory.files if file.layout)
        coder = coder_with_number(reader.coder)
        files: list[dict[str, object]] = []
        for file, crc in zip(directory.files, reader.index.file_crcs, strict=True):
            entry: dict[str, object] = {"name": file.name, "bytes": file.size, "crc32": f"{crc:08x}"}
            if file.layout:
                entry |= {
                    "kind": file.layout.kind,
                    "sample_rate": file.layout.sample_rate,
                    "channels": file.layout.channels,
                    "frames": file.layout.n_frames,
                    "sample_bits": 8 * file.layout.sample_bytes,
                    "quantizer": file.quantizer.kind,
                }
            else:
                entry["kind"] = "verbatim"
            files.append(entry)
        topology = directory.topology
        file_of_channel = [i for i, file in enumerate(directory.files) if file.layout for _ in range(file.channels)]
        return {
            "path": os.fspath(archive),
            "format": ".".join(map(str, reader.version)),
            "coder": coder.name if coder else f"number {reader.coder}",
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
            "files": files,
            "channels": [
                {
                    "name": name,
                    "coding_pass": coding_pass,
                    "peers": [{"name": names[peer.channel], "metric": peer.metric} for peer in peers],
                }
                for name, coding_pass, peers in zip(names, topology.passes, topology.peers, strict=True)
            ],
        }
