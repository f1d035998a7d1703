"""The directory of an archive: its files, and the topology of their channels.

A raw deflate stream with the preset dictionary `DICTIONARY`. Numbers are uvarints (see `varint`):

    size of the embedded model (0: none), the model's ONNX file
    number of files, then for each file:
      size of its name, name (UTF-8, forward slashes), type of a sample (see `SampleType`; 0: verbatim)
      verbatim:   size of the file
      samples:    sample rate, channels, frames, size of the header, header, size of the trailer, trailer,
                  scaling (see `scaling_table`) if samples are scaled, quantizer (see `quantizer_table`)
      records:    their layout (see `record_table`), then of each group the scaling and the quantizer
    topology of all channels, file by file (see `topology_table`)

A frame of a verbatim file is one byte. A file of records (type 10) takes several numbers in blocks: its own, which
stands for its kept numbers as if they were a verbatim file, and one for each of its groups.
"""

from __future__ import annotations

import itertools
import re
import unicodedata
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

from ..core.quantizer import IDENTITY, Quantizer, SampleFormat
from ..core.scaling import FileScaling
from ..core.varint import put_uvarint
from ..errors import DamageError, InputError
from ..io.layout import MAX_CHANNELS, MAX_HEADER_BYTES, MAX_RATE, MAX_TRAILER_BYTES, Layout, SampleType
from ..io.records import KeptNumbers, RecordLayout
from ..topology.references import BlockChannel, ReferenceGraph
from ..topology.topology import Topology
from .limits import DEFAULT_LIMITS, Limits, beyond_memory
from .parts import Part
from .quantizer_table import pack_quantizer, unpack_quantizer
from .record_table import pack_records, unpack_records
from .scaling_table import pack_scaling, unpack_scaling
from .table_reader import TableReader
from .topology_table import pack_topology, unpack_topology

DICTIONARY = (
    b".wavRIFF$\x00\x00\x00WAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00KL\x00\x00\x96\x98\x00\x00\x02\x00\x10\x00data"
)
"""The header of a mono 16-bit WAV: deflate refers to it, which saves most of the bytes of a single WAV's header."""

MAX_DIRECTORY_BYTES = 64 << 20
"""Maximum size of an inflated directory."""

MAX_MODEL_BYTES = 1 << 20
"""Maximum size of an embedded model."""

MAX_FRAMES = 1 << 56

RECORDS = 10
"""Stands for the type of a sample of a file of records, whose groups have types of their own."""

_CHECKSUM_BYTES = 4

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
            total = sum(map(file.records.channels, range(len(file.records.groups)))) if file.records else file.channels
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


def pack_directory(directory: Directory) -> bytes:
    """Serialise a directory. Raises InputError if it, or its model, is larger than the format allows."""
    if len(directory.model) > MAX_MODEL_BYTES:
        raise InputError(
            f"a model of {len(directory.model)} bytes is too large to embed; leave it out",
            parameter="embed_model=False",
        )
    out = bytearray()
    _put_bytes(out, directory.model)
    put_uvarint(out, sum(file.is_file for file in directory.files))
    for file in directory.files:
        if file.is_file:
            _put_bytes(out, file.name.encode())
        layout = file.layout
        if file.kept:
            assert file.records is not None
            put_uvarint(out, RECORDS)
            out += pack_records(file.records)
            continue
        if layout is None:
            put_uvarint(out, 0)
            put_uvarint(out, file.size)
            continue
        if file.is_file:
            for number in (layout.sample_type, layout.sample_rate, layout.channels, layout.n_frames):
                put_uvarint(out, number)
            _put_bytes(out, layout.header)
            _put_bytes(out, layout.trailer)
        if file.scaling:
            out += pack_scaling(file.scaling)
        out += pack_quantizer(file.quantizer)
    out += pack_topology(directory.topology)
    if len(out) > MAX_DIRECTORY_BYTES:
        raise InputError(f"{len(directory.files)} files are too many for one archive; write several archives")
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15, 9, zdict=DICTIONARY)
    return deflate.compress(bytes(out)) + deflate.flush()


def unpack_directory(packed: bytes, limits: Limits = DEFAULT_LIMITS, archive_bytes: int = 1 << 63) -> Directory:
    """Parse a directory.

    Parameters
    ----------
    packed : bytes
        The deflated directory.
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
    inflate = zlib.decompressobj(-15, zdict=DICTIONARY)
    try:
        data = inflate.decompress(packed, max_bytes + 1)
    except zlib.error as error:
        raise DamageError(f"the directory cannot be inflated: {error}") from error
    if len(data) > max_bytes:
        raise beyond_memory(f"its directory has more than {max_bytes} bytes")
    if not inflate.eof or inflate.unused_data:
        raise DamageError("the directory does not end where its compressed bytes do")
    table = TableReader(data)
    model = table.take(table.number(MAX_MODEL_BYTES, "the length of the model"), "the model")
    n_files = table.count("the number of files")
    if n_files > archive_bytes // _CHECKSUM_BYTES:
        raise DamageError(f"it has {n_files} files, but no room for their checksums")
    if n_files > limits.entries:
        raise beyond_memory(f"it has {n_files} files")
    files = tuple(itertools.chain.from_iterable(_unpack_file(table) for _ in range(n_files)))
    if len(files) > limits.entries:
        raise beyond_memory(f"it has {len(files)} files and groups")
    _check_names([folded(file.name) for file in files if file.is_file])
    n_channels = sum(file.layout.channels for file in files if file.layout)
    if n_channels > limits.entries:
        raise beyond_memory(f"it has {n_channels} channels")
    # a channel with references has a stream: at least 6 bytes in a block's table for at most 10 references
    return Directory(files, unpack_topology(table.rest(), n_channels, 2 * archive_bytes), model)


def _check_names(names: Iterable[str]) -> None:
    """Raise DamageError if two files of these folded names cannot be restored into one folder."""
    # names have no control characters, so the files of a folder sort directly after a file of the folder's name
    for name, following in itertools.pairwise(sorted(name.replace("/", "\0") for name in names)):
        if name == following:
            raise DamageError("two files have the same name")
        if following.startswith(f"{name}\0"):
            raise DamageError("a file has the same name as the folder of another file")


def _unpack_file(table: TableReader) -> tuple[FileEntry, ...]:
    try:
        name = table.take(table.number(MAX_NAME_BYTES, "the length of a name"), "a name").decode()
    except UnicodeDecodeError as error:
        raise DamageError("a file name is not UTF-8") from error
    fault = name_fault(name)
    if fault:
        raise DamageError(f"the file name {name!r} {fault}")
    number = table.number(RECORDS, "the type of a sample")
    if number == 0:
        return (FileEntry(name, table.number(MAX_FRAMES, "the size of a file")),)
    if number == RECORDS:
        records = unpack_records(table, MAX_FRAMES)
        return record_entries(name, records, [_unpack_coded(table, layout) for layout in records.layouts])
    rate = table.number(MAX_RATE, "the sample rate")
    channels = table.number(MAX_CHANNELS, "the number of channels")
    frames = table.number(MAX_FRAMES, "the number of frames")
    if channels == 0:
        raise DamageError("a file of samples has no channel")
    header = table.take(table.number(MAX_HEADER_BYTES, "the length of a header"), "a header")
    trailer = table.take(table.number(MAX_TRAILER_BYTES, "the length of a trailer"), "a trailer")
    layout = Layout(header, trailer, rate, channels, SampleType(number), frames)
    return (FileEntry(name, layout.file_bytes, layout, *_unpack_coded(table, layout)),)


def _unpack_coded(table: TableReader, layout: Layout) -> tuple[Quantizer, FileScaling | None]:
    """Parse the quantizer and the scaling of samples."""
    scaling = unpack_scaling(table, layout) if layout.sample_type.is_scaled else None
    integer_bytes = scaling.integer_bytes if scaling else int(layout.sample_type)
    quantizer, quantizer_bytes = unpack_quantizer(table.rest(), integer_bytes, layout.channels)
    table.take(quantizer_bytes, "a quantizer")
    return quantizer, scaling


def _put_bytes(out: bytearray, data: bytes) -> None:
    put_uvarint(out, len(data))
    out += data
