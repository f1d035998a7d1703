"""The directory of an archive: its files, and the topology of their channels.

Two packed tables (see `packing`), whose numbers are uvarints (see `varint`). The names:

    number of files, names in UTF-8 (see `_put_names`)

and all else:

    size of the embedded model (0: none), the model's ONNX file
    of all files, a column:          type of a sample (see `SampleType`; 0: verbatim; 10: records)
    but for files of records:        frames (of a verbatim file: bytes)
    of files with samples, columns:  sample rate, channels
                                     headers, trailers (see `_put_repeated`)
    for each file of records:        its layout (see `record_table`)
    and for its groups, or for       scaling (see `scaling_table`) if samples are scaled
    each file with samples:          quantizer (see `quantizer_table`)
    topology of all channels, file by file (see `topology_table`)

What the files of a session have in common takes a few bits: names share their beginning with the one before, frames are
stored as differences, and the headers of WAV files without the sizes in them.

A file of records takes several numbers in blocks: its own, which stands for its kept numbers as if they were a verbatim
file, and one for each of its groups.
"""

from __future__ import annotations

import itertools
import re
import struct
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np

from ..core.quantizer import IDENTITY, Quantizer, SampleFormat
from ..core.scaling import FileScaling
from ..core.varint import unzigzag, zigzag
from ..errors import DamageError, InputError, LimitError
from ..io.layout import MAX_CHANNELS, MAX_HEADER_BYTES, MAX_RATE, MAX_TRAILER_BYTES, Layout, SampleType
from ..io.records import KeptNumbers, RecordLayout
from ..topology.references import BlockChannel, ReferenceGraph
from ..topology.topology import Topology
from .limits import DEFAULT_LIMITS, Limits, beyond_memory
from .packing import unpack
from .parts import Part
from .quantizer_table import pack_quantizer, unpack_quantizer
from .record_table import pack_records, unpack_records
from .scaling_table import pack_scaling, unpack_scaling
from .table_reader import TableReader
from .table_writer import TableWriter, field_bytes
from .topology_table import put_topology, read_topology

MAX_DIRECTORY_BYTES = 64 << 20
"""Maximum size of each unpacked table, of all names, of all headers, and of all trailers."""

MAX_MODEL_BYTES = 1 << 20
"""Maximum size of an embedded model."""

MAX_FRAMES = 1 << 56

RECORDS = 10
"""Stands for the type of a sample of a file of records, whose groups have types of their own."""

_CHECKSUM_BYTES = 4
_RIFF, _SIZE = struct.Struct("<4sI"), struct.Struct("<I")

MAX_NAME_BYTES, MAX_NAME_PARTS, MAX_PART_BYTES = 4096, 64, 255
"""Bounds of a file's name in UTF-8, of its parts between slashes, and of each part."""

_RESERVED_NAME = re.compile(r"(con|prn|aux|nul|clock\$|conin\$|conout\$|(com|lpt)[0-9¹²³]) *(\..*)?", re.IGNORECASE)


class FileEntry(NamedTuple):
    """A file of the archive: samples in channels, or `size` verbatim bytes if `layout` is None.

    A file of records has several entries: the first has its name, its size and its kept numbers, as if they were a
    verbatim file; the others, its groups, follow it. They are samples without a file of their own.
    """

    name: str
    size: int
    layout: Layout | None = None
    quantizer: Quantizer = IDENTITY
    scaling: FileScaling | None = None
    records: RecordLayout | None = None
    """Of a file of records, and of each of its groups."""
    group: int = -1
    """Index of a group in its file of records; -1 for a file."""

    @property
    def is_file(self) -> bool:
        """Whether a file is restored by this entry; otherwise it is a group of the file before."""
        return self.group < 0

    @property
    def kept(self) -> KeptNumbers | None:
        """The kept numbers of a record, if this entry holds them."""
        return self.records.kept if self.records and self.is_file else None

    @property
    def unit(self) -> int:
        """Frames that stand in one record, of which a part holds a whole number; 1 for files without records."""
        if self.records is None:
            return 1
        return self.records.groups[self.group].samples if self.group >= 0 else self.records.kept.bytes

    @property
    def body_bytes(self) -> int:
        """Bytes of the file between its header and its trailer."""
        return self.size - len(self.header) - len(self.trailer)

    @property
    def header(self) -> bytes:
        """Bytes of the file before its first frame or record."""
        described = self.records if self.is_file and self.records else self.layout
        return described.header if described else b""

    @property
    def trailer(self) -> bytes:
        """Bytes of the file after its last frame or record."""
        described = self.records if self.is_file and self.records else self.layout
        return described.trailer if described else b""

    @property
    def channels(self) -> int:
        """Number of streams of each part: the channels, or 1 for a verbatim file."""
        return self.layout.channels if self.layout else 1

    @property
    def frame_bytes(self) -> int:
        """Size of a frame in bytes."""
        return self.layout.frame_bytes if self.layout else 1

    @property
    def frames(self) -> int:
        """Number of frames; of a verbatim file, its size in bytes, and of a file of records, that of its numbers."""
        if self.kept:
            assert self.records is not None
            return self.records.n_records * self.kept.bytes
        return self.layout.n_frames if self.layout else self.size

    @property
    def format(self) -> SampleFormat | None:
        """How the samples are coded; None for a verbatim file."""
        return SampleFormat.of(self.layout, self.quantizer, self.scaling)


def record_entries(
    name: str, records: RecordLayout, coded: Iterable[tuple[Quantizer, FileScaling | None]]
) -> tuple[FileEntry, ...]:
    """Return the entries of a file of records: its own, and one for each group with its quantizer and scaling."""
    groups = zip(records.layouts, coded, strict=True)
    return (
        FileEntry(name, records.file_bytes, records=records),
        *(FileEntry(name, 0, layout, *own, records, i) for i, (layout, own) in enumerate(groups)),
    )


def channel_name(file: str, n_channels: int, channel: int) -> str:
    """Name of one of a file's channels: the file's name if it has one channel, else `name:0`, `name:1` and so on."""
    return file if n_channels == 1 else f"{file}:{channel}"


def channel_names(files: Sequence[FileEntry]) -> dict[str, tuple[int, int]]:
    """Map the name of every channel to (file, channel), in the order of the topology."""
    names = {}
    number = 0
    for i, file in enumerate(files):
        if file.layout:
            total = sum(file.records.n_channels) if file.records else file.channels
            number = number if file.group > 0 else 0
            for channel in range(file.channels):
                names[channel_name(file.name, total, number + channel)] = (i, channel)
            number += file.channels
    return names


@dataclass(frozen=True)
class Directory:
    """All files, the topology of all their channels, and the embedded model."""

    files: tuple[FileEntry, ...]
    topology: Topology
    model: bytes = field(default=b"", repr=False)
    """The model's ONNX file; empty if it is not embedded."""

    @cached_property
    def first_channels(self) -> tuple[int, ...]:
        """Index in the topology of the first channel of each file; a verbatim file has no channels there."""
        channels = [file.channels if file.layout else 0 for file in self.files]
        return tuple(itertools.accumulate(channels, initial=0))[:-1]

    @cached_property
    def members(self) -> tuple[range, ...]:
        """The entries of the file that each entry belongs to."""
        starts = [*(i for i, file in enumerate(self.files) if file.is_file), len(self.files)]
        return tuple(range(first, stop) for first, stop in itertools.pairwise(starts) for _ in range(first, stop))

    @cached_property
    def linked_files(self) -> Sequence[Sequence[int]]:
        """For each file, the files with which one of its channels is linked, ascending; empty if there are none."""
        if len(self.files) == 1:
            return ()
        files = [i for i, entry in enumerate(self.files) if entry.layout for _ in range(entry.channels)]
        linked: dict[int, set[int]] = {}
        for a, b in self.topology.links():
            if files[a] != files[b]:
                linked.setdefault(files[a], set()).add(files[b])
                linked.setdefault(files[b], set()).add(files[a])
        return [sorted(linked.get(i, ())) for i in range(len(self.files))] if linked else ()

    def reference_graph(self, parts: Sequence[Part]) -> ReferenceGraph:
        """Which channels of a block with these parts reference which others; kept numbers reference nothing."""
        graph = ReferenceGraph.of(
            self.topology,
            [
                BlockChannel(self.first_channels[part.file] + channel, part.first_frame, part.n_frames)
                for part in parts
                if self.files[part.file].layout
                for channel in range(self.files[part.file].channels)
            ],
        )
        return graph.extended(sum(self.files[part.file].layout is None for part in parts))


def name_fault(name: str) -> str | None:
    """Why a file of this name must not be written below a folder; None if it may be."""
    try:
        encoded = name.encode()
    except UnicodeEncodeError:  # the name was not UTF-8
        return "is not Unicode"
    if len(encoded) > MAX_NAME_BYTES or encoded.count(b"/") >= MAX_NAME_PARTS:
        return f"is longer than {MAX_NAME_BYTES} bytes, or has more than {MAX_NAME_PARTS} parts"
    if any(len(part) > MAX_PART_BYTES for part in encoded.split(b"/")):
        return f"has a part of more than {MAX_PART_BYTES} bytes"
    parts = name.split("/")
    if not name or any(part in ("", ".", "..") for part in parts):
        return "is empty, absolute or leads out of the folder"
    if any(ord(c) < 32 or c in '\\:*?"<>|' for c in name):
        return "has a character that some file systems refuse"
    if any(part != part.rstrip(" .") or _RESERVED_NAME.fullmatch(part) for part in parts):
        return "is refused by some file systems"
    return None


def folded(name: str) -> str:
    """The name as file systems compare it that ignore case and Unicode normalisation: they take equal ones for one."""
    if name.isascii():
        return name.casefold()
    return unicodedata.normalize("NFD", unicodedata.normalize("NFD", name).casefold())


def directory_tables(directory: Directory) -> tuple[TableWriter, TableWriter]:
    """Return the two tables of a directory. Raises InputError if its model is larger than the format allows."""
    if len(directory.model) > MAX_MODEL_BYTES:
        raise InputError(
            f"a model of {len(directory.model)} bytes is too large to embed; leave it out",
            parameter="embed_model=False",
        )
    names, table = TableWriter(), TableWriter()
    files = [file for file in directory.files if file.is_file]
    names.number(len(files))
    put_names(names, [file.name.encode() for file in files])
    table.number(len(directory.model))
    table.data(directory.model)
    table.column(RECORDS if file.records else file.layout.sample_type if file.layout else 0 for file in files)
    frames = [file.frames for file in files if not file.records]
    table.wide_column(zigzag(n - before) for before, n in itertools.pairwise([0, *frames]))
    layouts = [file.layout for file in files if file.layout]
    table.column(layout.sample_rate for layout in layouts)
    table.column(layout.channels for layout in layouts)
    _put_repeated(table, [_shifted_sizes(layout, layout.header, -1) for layout in layouts])
    _put_repeated(table, [layout.trailer for layout in layouts])
    for file in directory.files:
        if file.records and file.is_file:
            table.data(pack_records(file.records))
        elif file.layout:
            table.data(pack_scaling(file.scaling) if file.scaling else b"")
            table.data(pack_quantizer(file.quantizer))
    put_topology(table, directory.topology)
    return names, table


def pack_directory(directory: Directory, *, may_use_lzma: bool = True) -> bytes:
    """Serialise a directory. Raises InputError if it, or its model, is larger than the format allows."""
    tables = directory_tables(directory)
    layouts = [file.layout for file in directory.files if file.layout and file.is_file]
    sizes = [
        sum(len(file.name.encode()) for file in directory.files if file.is_file),
        sum(len(layout.header) for layout in layouts),
        sum(len(layout.trailer) for layout in layouts),
        *(sum(len(field_bytes(field)) for field in table.fields) for table in tables),
    ]
    if max(sizes) > MAX_DIRECTORY_BYTES:
        raise InputError(f"{len(directory.files)} files are too many for one archive; write several archives")
    return b"".join(table.packed(may_use_lzma=may_use_lzma) for table in tables)


def unpack_directory(packed: bytes, limits: Limits = DEFAULT_LIMITS, archive_bytes: int = 1 << 63) -> Directory:
    """Parse a directory.

    Parameters
    ----------
    packed : bytes
    limits : Limits
        Bounds on its size, and on the number of files and channels.
    archive_bytes : int
        Size of the archive, which bounds the number of files and of references.

    Raises
    ------
    DamageError
        The bytes are not a valid directory.
    LimitError
        It exceeds `limits`.
    """
    max_bytes = min(MAX_DIRECTORY_BYTES, limits.directory_bytes)
    too_large = beyond_memory(f"its directory has more than {max_bytes} bytes")
    names_data, rest = unpack(packed, max_bytes, "the directory")
    if names_data is None:
        raise too_large
    data, rest = unpack(rest, max_bytes, "the directory")
    if data is None:
        raise too_large
    table = TableReader(names_data)
    n_files = table.count("the number of files")
    if n_files > archive_bytes // _CHECKSUM_BYTES:
        raise DamageError(f"it has {n_files} files, but no room for their checksums")
    if n_files > limits.entries:
        raise beyond_memory(f"it has {n_files} files")
    names = _read_names(table, n_files, max_bytes, too_large)
    table.end("the table of names")
    _check_names([folded(name) for name in names])
    table = TableReader(data, rest)
    model = table.take(table.number(MAX_MODEL_BYTES, "the length of the model"), "the model")
    files = _read_files(table, names, max_bytes, limits, too_large)
    if len(files) > limits.entries:
        raise beyond_memory(f"it has {len(files)} files and groups")
    n_channels = sum(file.layout.channels for file in files if file.layout)
    # a channel with references has a stream, with a checksum in a block's table, for at most 10 references
    topology = read_topology(table, n_channels, 5 * archive_bytes // 2)
    table.end("the directory")
    if table.tail:
        raise DamageError(f"the directory has {len(table.tail)} extra bytes")
    return Directory(files, topology, model)


def put_names(table: TableWriter, names: Sequence[bytes]) -> None:
    """Append names: columns of the bytes that each has in common with the beginning of the one before, and of all its
    bytes; then of each that has others the last byte, then the one before it, and so on.
    """
    shared = [_common(*pair) for pair in itertools.pairwise([b"", *names])]
    endings = [name[n:][::-1] for name, n in zip(names, shared, strict=True)]
    table.column(shared)
    table.column(map(len, names))
    columns = itertools.zip_longest(*endings)
    table.data(b"".join(bytes(byte for byte in column if byte is not None) for column in columns))


def _common(a: bytes, b: bytes) -> int:
    """Return the number of bytes with which both begin."""
    return next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))


def _read_names(table: TableReader, n_files: int, max_bytes: int, too_large: LimitError) -> list[str]:
    shared = table.column(n_files, MAX_NAME_BYTES, "the length of a name")
    lengths = table.column(n_files, MAX_NAME_BYTES, "the length of a name")
    if int(lengths.sum()) > max_bytes:
        raise too_large
    lengths -= shared
    if lengths.size and lengths.min() < 0:
        raise DamageError("a name shares more bytes with the one before than it has")
    ends = np.cumsum(lengths)
    endings = np.empty(int(lengths.sum()), np.uint8)
    left, i = np.flatnonzero(lengths), 1
    while left.size:
        endings[ends[left] - i] = np.frombuffer(table.take(left.size, "a name"), np.uint8)
        left, i = left[lengths[left] > i], i + 1
    joined_endings = endings.tobytes()
    names, before = [], b""
    for n, start, stop in zip(shared.tolist(), (ends - lengths).tolist(), ends.tolist(), strict=True):
        if n > len(before):
            raise DamageError("a name shares more bytes with the one before than that has")
        before = before[:n] + joined_endings[start:stop]
        try:
            name = before.decode()
        except UnicodeDecodeError as error:
            raise DamageError("a file name is not UTF-8") from error
        fault = name_fault(name)
        if fault:
            raise DamageError(f"the file name {name!r} {fault}")
        names.append(name)
    return names


def _put_repeated(table: TableWriter, items: Sequence[bytes]) -> None:
    """Append bytes: a column with 0 for those that equal the ones before, otherwise their number plus 1; then these."""
    new = [item != before for before, item in itertools.pairwise([b"", *items])]
    table.column(len(item) + 1 if is_new else 0 for item, is_new in zip(items, new, strict=True))
    for item in itertools.compress(items, new):
        table.data(item)


def _read_repeated(table: TableReader, count: int, limit: int, what: str) -> Iterator[bytes]:
    item = b""
    for size in table.column(count, limit + 1, f"the length of {what}").tolist():
        if size:
            item = table.take(size - 1, what)
        yield item


def _shifted_sizes(layout: Layout, header: bytes, sign: int) -> bytes:
    """Return a WAV header with the sizes of file and samples added to the fields that state them, or subtracted."""
    if not header.startswith(b"RIFF") or len(header) < _RIFF.size + _SIZE.size:
        return header
    magic, riff_bytes = _RIFF.unpack_from(header)
    (data_bytes,) = _SIZE.unpack_from(header, len(header) - _SIZE.size)
    riff_bytes = riff_bytes + sign * (layout.file_bytes - _RIFF.size) & 0xFFFFFFFF
    data_bytes = data_bytes + sign * layout.n_frames * layout.frame_bytes & 0xFFFFFFFF
    return _RIFF.pack(magic, riff_bytes) + header[_RIFF.size : -_SIZE.size] + _SIZE.pack(data_bytes)


def _read_files(
    table: TableReader, names: Sequence[str], max_bytes: int, limits: Limits, too_large: LimitError
) -> tuple[FileEntry, ...]:
    types = table.column(len(names), RECORDS, "the type of a sample").tolist()
    n_records = types.count(RECORDS)
    distances = table.wide_column(len(names) - n_records, 2 * MAX_FRAMES, "the number of frames").tolist()
    sizes = list(itertools.accumulate(map(unzigzag, distances)))
    if sizes and not 0 <= min(sizes) <= max(sizes) <= MAX_FRAMES:
        raise DamageError(f"the number of frames is {max(sizes, key=abs)}, above the maximum of {MAX_FRAMES}")
    n_layouts = len(names) - n_records - types.count(0)
    rates = table.column(n_layouts, MAX_RATE, "the sample rate").tolist()
    channels = table.column(n_layouts, MAX_CHANNELS, "the number of channels").tolist()
    if channels and min(channels) == 0:
        raise DamageError("a file of samples has no channel")
    n_channels = sum(channels)
    if n_channels > limits.entries:
        raise beyond_memory(f"it has {n_channels} channels")
    headers, trailers = (
        _bounded(_read_repeated(table, n_layouts, limit, what), max_bytes, too_large)
        for limit, what in ((MAX_HEADER_BYTES, "a header"), (MAX_TRAILER_BYTES, "a trailer"))
    )
    max_items = limits.entries  # gaps, groups and fields of all files of records
    frames, fields = iter(sizes), zip(headers, trailers, rates, channels, strict=True)
    files: list[FileEntry] = []
    for name, number in zip(names, types, strict=True):
        if number == 0:
            files.append(FileEntry(name, next(frames)))
        elif number == RECORDS:
            records = unpack_records(table, MAX_FRAMES, max_items)
            max_items -= len(records.gaps) + len(records.groups) + len(records.fields)
            n_channels += sum(records.n_channels)
            if n_channels > limits.entries:  # before the quantizers of these channels
                raise beyond_memory(f"it has {n_channels} channels")
            files += record_entries(name, records, [_read_coded(table, layout) for layout in records.layouts])
        else:
            header, trailer, rate, own_channels = next(fields)
            layout = Layout(header, trailer, rate, own_channels, SampleType(number), next(frames))
            layout = replace(layout, header=_shifted_sizes(layout, header, 1))
            files.append(FileEntry(name, layout.file_bytes, layout, *_read_coded(table, layout)))
    return tuple(files)


def _read_coded(table: TableReader, layout: Layout) -> tuple[Quantizer, FileScaling | None]:
    """Read the quantizer and the scaling of samples."""
    scaling = unpack_scaling(table, layout) if layout.sample_type.is_scaled else None
    integer_bytes = scaling.integer_bytes if scaling else int(layout.sample_type)
    quantizer, quantizer_bytes = unpack_quantizer(table.rest(), integer_bytes, layout.channels)
    table.take(quantizer_bytes, "a quantizer")
    return quantizer, scaling


def _bounded(items: Iterable[bytes], max_bytes: int, too_large: LimitError) -> list[bytes]:
    """Return all items, which may be one repeated; raise `too_large` if they have more than `max_bytes` together."""
    kept, size = [], 0
    for item in items:
        size += len(item)
        if size > max_bytes:
            raise too_large
        kept.append(item)
    return kept


def _check_names(names: Iterable[str]) -> None:
    """Raise DamageError if two files of these folded names cannot be restored into one folder."""
    # names have no control characters, so the files of a folder sort directly after a file of the folder's name
    for name, following in itertools.pairwise(sorted(name.replace("/", "\0") for name in names)):
        if name == following:
            raise DamageError("two files have the same name")
        if following.startswith(f"{name}\0"):
            raise DamageError("a file has the same name as the folder of another file")
