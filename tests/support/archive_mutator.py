"""Hostile archives: mutations of valid archives, with correct checksums.

Checksums find damage, but do not stop an attacker. Some mutations change what an archive claims, consistently in all
its tables; others change one number or byte of one table.
"""

from __future__ import annotations

import hashlib
import itertools
import lzma
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from support.archive_builder import (
    ArchiveParts,
    Content,
    packed,
    packed_table,
    unpacked,
)
from support.topologies import topology_of_pairs

from spikey_cli.container.block_table import block_table
from spikey_cli.container.directory import FileEntry, directory_tables, put_names
from spikey_cli.container.index import index_table
from spikey_cli.container.packing import pack
from spikey_cli.container.parts import Part
from spikey_cli.container.quantizer_table import unpack_quantizer
from spikey_cli.container.table_writer import TableWriter
from spikey_cli.core.quantizer import IDENTITY
from spikey_cli.core.varint import put_uvarint
from spikey_cli.io.layout import Layout, SampleType
from spikey_cli.topology.topology import MAX_LAG, MIN_LAG, ORDERS, Topology

MOST_BYTES = 16 << 10
EDGES = (0, 1, 2, 3, 7, 63, 64, 127, 128, 255, 256, 1535, 1 << 14, 65535, 65536, 1 << 17, 1 << 20, (1 << 22) - 1)
HUGE = (1 << 22, 1 << 24, 1 << 25, 2**32 - 1, 1 << 56, 1 << 60, 2**63 - 1, 2**64, 2**80)
NAMES = (
    "../up",
    "/etc/passwd",
    "a\\b",
    "nul",
    "COM1.wav",
    "a/../../b",
    "",
    ".",
    "x" * 5000,
    "a.wav",
    "A.WAV",
    "\0",
    "ß/ss",
    "y/" * 2000 + "y",
    "a\x9b31m.wav",
)


def _pick(random: np.random.Generator, items: Sequence) -> Any:
    return items[int(random.integers(len(items)))]


def _number(random: np.random.Generator, old: int) -> int:
    """A mutated number."""
    how = random.integers(5)
    if how == 0:
        return max(0, old + int(random.integers(-3, 4)))
    if how == 1:
        return int(old) ^ 1 << int(random.integers(24))
    if how == 2:
        return _pick(random, HUGE)
    if how == 3:
        return int(random.integers(1 << int(random.integers(1, 26))))
    return _pick(random, EDGES)


def scratched(random: np.random.Generator, data: bytes) -> bytes:
    """Flip, cut off, double, insert or overwrite bytes."""
    out = bytearray(data)
    for _ in range(int(random.integers(1, 4))):
        at = int(random.integers(len(out) + 1))
        how = random.integers(8)
        if how < 3 and out:
            out[at % len(out)] ^= 1 << int(random.integers(8))
        elif how == 3:
            del out[at:]
        elif how == 4:
            out[at:at] = random.bytes(int(random.integers(1, 9)))
        elif how == 5:
            out[at : at + 9] = b""
        elif how == 6:
            out[at:] = bytes([_pick(random, (0, 255, 128))]) * (len(out) - at)
        else:
            out[at:at] = out[at : at + 40]
    return bytes(out)


def _mutated_table(random: np.random.Generator, table: TableWriter) -> bytes:
    if random.integers(4) == 0:
        (*fields, tail) = unpacked(packed_table(table), 1)
        return (
            packed([scratched(random, fields[0])], tail)
            if random.integers(3)
            else pack(fields) + scratched(random, tail)
        )
    for _ in range(int(random.integers(1, 3))):
        at = int(random.integers(len(table.fields)))
        field = table.fields[at]
        if isinstance(field, int):
            table.fields[at] = _number(random, field)
        elif isinstance(field, bytes):
            table.fields[at] = scratched(random, field)
        elif field:
            i = int(random.integers(len(field)))
            how = int(random.integers(8))
            middle = [_number(random, field[i])] * (how + 1 if how < 2 else 1) if how else []
            table.fields[at] = [*field[:i], *middle, *field[i + 1 :]]
    return packed_table(table)


# consistent changes of all tables


def _frames(random: np.random.Generator, content: Content) -> None:
    """Change the number of frames of a file, and of its last part."""
    file = int(random.integers(len(content.directory.files)))
    frames = max(1, int(_pick(random, (*EDGES, *HUGE[:3], 1 << 23, 3 << 20, int(random.integers(1, 1 << 23))))))
    places = [
        (b, p) for b, (_, parts, _) in enumerate(content.blocks) for p, part in enumerate(parts) if part.file == file
    ]
    entry = content.directory.files[file]
    if not places:
        return
    block, place = places[-1]
    part = content.blocks[block][1][place]
    content.blocks[block][1][place] = Part(file, part.first_frame, frames)
    _set_file(content, file, _with_frames(entry, part.first_frame + frames))


def _with_frames(entry: FileEntry, frames: int) -> FileEntry:
    if entry.layout is None:
        return entry._replace(size=frames)
    layout = replace(entry.layout, n_frames=frames)
    return entry._replace(layout=layout, size=layout.file_bytes)


def _set_file(content: Content, file: int, entry: FileEntry) -> None:
    files = list(content.directory.files)
    files[file] = entry
    content.directory = replace(content.directory, files=tuple(files))


def _steps(random: np.random.Generator, content: Content) -> None:
    block = int(random.integers(len(content.blocks)))
    _, parts, streams = content.blocks[block]
    content.blocks[block] = (_pick(random, (*EDGES, 1 << 25)), parts, streams)
    if random.integers(2):
        _frames(random, content)


def _channels(random: np.random.Generator, content: Content) -> None:
    """Give a file another number of channels, with copied or empty streams."""
    file = int(random.integers(len(content.directory.files)))
    entry = content.directory.files[file]
    if entry.layout is None:
        return
    channels = _pick(random, (1, 2, 3, 40, 500, 5000, 65535))
    layout = replace(entry.layout, channels=channels)
    _set_file(content, file, entry._replace(layout=layout, size=layout.file_bytes))
    channels = sum(f.channels for f in content.directory.files if f.layout)
    content.directory = replace(content.directory, topology=Topology.independent(channels))
    for _, parts, streams in content.blocks:
        for place, part in enumerate(parts):
            if part.file == file:
                old = streams[place]
                streams[place] = [old[i] if i < len(old) else (1, b"") for i in range(channels)]


def _many_parts(random: np.random.Generator, content: Content) -> None:
    """Split the first part of a block."""
    for block, (steps, parts, streams) in enumerate(content.blocks):
        if parts and parts[0].n_frames > 1:
            part = parts[0]
            count = min(_pick(random, (2, 10, 100, 400)), part.n_frames)
            edges = [part.first_frame + part.n_frames * i // count for i in range(count + 1)]
            new = [Part(part.file, a, b - a) for a, b in itertools.pairwise(edges)]
            content.blocks[block] = (steps, new + parts[1:], [streams[0]] * count + streams[1:])
            return


def _many_files(random: np.random.Generator, content: Content) -> None:
    count = _pick(random, (10, 300, 1000, 3000, 70_000))
    size = _pick(random, (0, 1))
    kind = random.integers(2)
    layout = Layout(b"", b"", 1, 1, 1, 0)
    extra = [FileEntry(f"{i:x}", 0 if kind else size, layout if kind else None, IDENTITY) for i in range(count)]
    files = (*content.directory.files, *extra)
    channels = sum(f.channels for f in files if f.layout)
    content.directory = replace(content.directory, files=files, topology=Topology.independent(channels))
    content.crcs = content.crcs + (0,) * _pick(random, (0, count))


def _many_blocks(random: np.random.Generator, content: Content) -> None:
    """Append empty blocks, or copies of one."""
    block = content.blocks[int(random.integers(len(content.blocks)))]
    empty: tuple = (int(random.integers(3)), [], [])
    content.blocks += [empty if random.integers(2) else block] * _pick(random, (1, 10, 200))


def _methods(random: np.random.Generator, content: Content) -> None:
    for _, _, streams in content.blocks:
        for part in streams:
            for channel, (_, data) in enumerate(part):
                if random.integers(2):
                    part[channel] = (_pick(random, (0, 1, 2, 3, 4, 255)), data)


def _streams(random: np.random.Generator, content: Content) -> None:
    for _, _, streams in content.blocks:
        for part in streams:
            for channel, (method, data) in enumerate(part):
                if random.integers(3) == 0:
                    part[channel] = (method, scratched(random, data))


def _bomb(random: np.random.Generator, content: Content) -> None:
    """Replace a stream by one that inflates."""
    zeros = bytes(_pick(random, (100, 1 << 20, 1 << 22, 20 << 20)))
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 0, "dict_size": _pick(random, (1 << 16, 1 << 22, 1 << 28))}]
    data = [
        lambda: lzma.compress(zeros, check=lzma.CHECK_NONE, filters=filters),
        lambda: bytes([int(random.integers(26)), 1, 2, 0]) + bytes(300),
        lambda: zeros[:2000],
    ][int(random.integers(3))]()
    block = int(random.integers(len(content.blocks)))
    _, parts, streams = content.blocks[block]
    if parts:
        place = int(random.integers(len(parts)))
        method = streams[place][0][0]
        header = streams[place][0][1][: int(random.integers(6))] if method == 1 else b""
        streams[place][0] = (method, header + data)
        if random.integers(2):
            _frames(random, content)


def _quantizers(random: np.random.Generator, content: Content) -> None:
    file = int(random.integers(len(content.directory.files)))
    entry = content.directory.files[file]
    if entry.layout is None:
        return
    quantizers = []
    for numbers in (
        (2, 0, 1, 1),
        (2, 1, 7, 2),
        (2, 0, 1, 4096),
        (2, 1, 1, 4097),
        (3, 1, 0),
        (3, 2, 0, 200),
        (0,),
        (1,),
    ):
        out = bytearray([numbers[0]])
        for number in numbers[1:]:
            put_uvarint(out, number)
        quantizers.append(bytes(out))
    width = _pick(random, (1, 2, 3))
    packed = bytes(_pick(random, quantizers))
    layout = replace(entry.layout, sample_type=SampleType(width))
    if packed == b"\1" and width != 2:
        packed = b"\0"
    try:
        quantizer = unpack_quantizer(packed, width)[0]
    except Exception:
        return
    _set_file(content, file, FileEntry(entry.name, layout.file_bytes, layout, quantizer))
    if random.integers(2):
        _frames(random, content)


def _topology(random: np.random.Generator, content: Content) -> None:
    channels = len(content.directory.topology.passes)
    passes = tuple(int(coding_pass) for coding_pass in random.integers(0, 16, channels))
    pairs = {}
    for _ in range(int(random.integers(0, 2 * channels + 1))):
        a, b = sorted(int(i) for i in random.integers(0, channels, 2))
        if a != b:
            pairs[a, b] = int(random.integers(256))
    lags = [int(lag) if lag >= MIN_LAG else 0 for lag in random.integers(0, MAX_LAG + 1, channels)]
    orders = random.choice(ORDERS, channels).tolist()
    topology = topology_of_pairs([(a, b, metric) for (a, b), metric in pairs.items()], passes, lags, orders)
    content.directory = replace(content.directory, topology=topology)


def _names(random: np.random.Generator, content: Content) -> None:
    file = int(random.integers(len(content.directory.files)))
    _set_file(content, file, content.directory.files[file]._replace(name=str(_pick(random, NAMES))))


def _model(random: np.random.Generator, content: Content) -> None:
    """Damage the embedded model and fix its SHA-256; without one, damage the SHA-256."""
    model = content.directory.model
    if not model:
        content.start = content.start[:12] + scratched(random, content.start[12:20])[:8].ljust(8, b"\0")
        return
    model = scratched(random, model)
    content.directory = replace(content.directory, model=model)
    content.start = content.start[:12] + hashlib.sha256(model).digest()[:8]


def _coder_or_reserved(random: np.random.Generator, content: Content) -> None:
    at = 9 + int(random.integers(3))
    content.start = content.start[:at] + bytes([int(random.integers(6))]) + content.start[at + 1 :]


CONTENT_CHANGES: tuple[Callable[[np.random.Generator, Content], None], ...] = (
    _frames,
    _steps,
    _channels,
    _many_parts,
    _many_files,
    _many_blocks,
    _methods,
    _streams,
    _streams,
    _bomb,
    _quantizers,
    _topology,
    _names,
    _model,
    _coder_or_reserved,
)


# changes of one table only


def _in_directory(random: np.random.Generator, content: Content) -> ArchiveParts:
    parts = content.parts()
    tables = directory_tables(content.directory)
    i = int(random.integers(2))
    pieces = [table.packed() for table in tables]
    if random.integers(4) == 0:
        pieces[i] = pack([bytes(_pick(random, (1 << 16, 1 << 22)))])
    else:
        pieces[i] = _mutated_table(random, tables[i])
    parts.directory = b"".join(pieces)
    return parts


def _in_table(random: np.random.Generator, content: Content) -> ArchiveParts:
    parts = content.parts()
    i = int(random.integers(len(parts.blocks)))
    changed = _mutated_table(random, block_table(content.tables()[i], content.directory))
    delta = len(changed) - len(parts.blocks[i].table)
    parts.blocks[i].table = changed
    if delta:  # keep the size in the index consistent
        index = content.index()
        blocks = list(index.blocks)
        blocks[i] = blocks[i]._replace(length=blocks[i].length + delta)
        parts.index = index_table(index._replace(blocks=tuple(blocks)), content.directory).packed()
    return parts


def _in_index(random: np.random.Generator, content: Content) -> ArchiveParts:
    parts = content.parts()
    parts.index = _mutated_table(random, index_table(content.index(), content.directory))
    return parts


def _in_header_or_trailer(random: np.random.Generator, content: Content) -> ArchiveParts:
    parts = content.parts()
    how = random.integers(6)
    if how == 0:
        parts.start = parts.start[:8] + scratched(random, parts.start[8:])[:12].ljust(12, b"\0")
    elif how == 1:
        parts.identity = random.bytes(8)
    elif how == 2:
        parts.lengths = {str(_pick(random, ("directory", "index"))): int(random.integers(1 << 31))}
    elif how == 3:
        parts.blocks[0].number = int(random.integers(4))
    elif how == 4:
        parts.directory = scratched(random, parts.directory)
    else:
        parts.length = int(random.integers(1 << 20))
    return parts


TABLE_CHANGES = (_in_directory, _in_table, _in_index, _in_header_or_trailer)


def mutated(content: Content, random: np.random.Generator) -> bytes:
    """A hostile archive of at most MOST_BYTES, made of `content`."""
    while True:
        data = _mutated_once(content.copy(), random)
        if len(data) <= MOST_BYTES:  # the limits grow with the archive
            return data


def _mutated_once(changed: Content, random: np.random.Generator) -> bytes:
    if random.integers(5) < 2:
        return _pick(random, TABLE_CHANGES)(random, changed).pack()
    for _ in range(int(random.integers(1, 3))):
        _pick(random, CONTENT_CHANGES)(random, changed)
    return changed.parts().pack()


def directory_bomb(unpacked_bytes: int) -> bytes:
    """A directory that unpacks to so many bytes of palettes."""
    palette = b"\3\x80\x20\0" + bytes(4095)
    count = unpacked_bytes // (len(palette) + 12)
    names, table = TableWriter(), TableWriter()
    names.number(count)
    put_names(names, [f"{i:x}".encode() for i in range(count)])
    zeros = [0] * count
    table.fields = [
        0,
        [2] * count,
        0,
        zeros,
        [1] * count,
        [1] * count,
        zeros,
        zeros,
        palette * count,
        zeros,
        0,
        [],
        b"",
        0,
        [],
    ]
    return names.packed() + table.packed()
