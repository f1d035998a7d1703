"""What an archive holds, told from its directory and index; nothing is decoded."""

from __future__ import annotations

import os

from .archive import NO_MODEL, ArchiveReader
from .coders import coder_with_number
from .limits import DEFAULT_LIMITS, Limits
from .shipped import shipped_models_with
from .tables import thread_names


def describe(archive: str | os.PathLike[str], *, limits: Limits | None = None) -> dict[str, object]:
    """Describe an archive, as JSON data: `spikey info --json` prints it.

    Keys: path, format, coder, model (name and SHA-256 digits, or null), archive_bytes, source_bytes, ratio, samples,
    bits_per_sample (bits of archive for each sample), blocks, files (name, bytes, crc32, kind: wav, npy, raw or
    verbatim; of all but the last sample_rate, channels, frames, sample_bits, grid), threads (name, wave, peers with
    name and metric). Raises ArchiveError where the archive is damaged, or asks for more than `limits`.
    """
    with ArchiveReader(archive, limits or DEFAULT_LIMITS) as reader:
        directory = reader.directory
        names = list(thread_names(directory.files))
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
                    "grid": file.grid.kind,
                }
            else:
                entry["kind"] = "verbatim"
            files.append(entry)
        topology = directory.topology
        return {
            "path": os.fspath(archive),
            "format": ".".join(map(str, reader.version)),
            "coder": coder.name if coder else f"number {reader.coder}",
            "model": None
            if reader.model == NO_MODEL
            else {
                "name": next((path.name for path in shipped_models_with(reader.model)), None),
                "sha256_prefix": reader.model.hex(),
            },
            "archive_bytes": reader.length,
            "source_bytes": source_bytes,
            "ratio": round(source_bytes / reader.length, 4),
            "samples": samples,
            "bits_per_sample": round(8 * reader.length / samples, 4) if samples else None,
            "blocks": len(reader.index.blocks),
            "files": files,
            "threads": [
                {
                    "name": name,
                    "wave": wave,
                    "peers": [{"name": names[peer.thread], "metric": peer.metric} for peer in peers],
                }
                for name, wave, peers in zip(names, topology.waves, topology.peers, strict=True)
            ],
        }


def summarise(description: dict) -> str:  # type: ignore[type-arg]
    """A description as lines for people."""
    files, threads = description["files"], description["threads"]
    model = description["model"]
    lines = [
        f"{description['path']}: Spikey archive, format {description['format']}",
        f"  coder     {description['coder']}",
        f"  model     {(model['name'] or model['sha256_prefix'] + ' (not installed)') if model else 'none'}",
        f"  size      {description['source_bytes']:,} -> {description['archive_bytes']:,} bytes, "
        f"ratio {description['ratio']:.4f}"
        + (f", {description['bits_per_sample']:.4f} bits/sample" if threads else ""),
        f"  content   {len(files)} files, {len(threads)} threads, {description['samples']:,} samples, "
        f"{description['blocks']} blocks",
        f"  peers     {sum(bool(thread['peers']) for thread in threads)} threads have peers",
        "",
        "  files",
    ]
    for file in files:
        kind = (
            f"{file['channels']} x {file['frames']:,} samples, {file['sample_bits']} bit, {file['sample_rate']:,} Hz, "
            f"grid {file['grid']}"
            if file["kind"] != "verbatim"
            else f"{file['bytes']:,} bytes, kept verbatim"
        )
        lines.append(f"    {file['name']}  {kind}")
    if any(thread["peers"] for thread in threads):
        lines += ["", "  topology (thread, wave: peer at metric 0..255)"]
        lines += [
            f"    {thread['name']}, {thread['wave']}: "
            + ", ".join(f"{peer['name']} at {peer['metric']}" for peer in thread["peers"])
            for thread in threads
            if thread["peers"]
        ]
    return "\n".join(lines)
