"""The directory of an archive: its files, and the topology of their channels.

A raw deflate stream with the preset dictionary `DICTIONARY`. Numbers are uvarints (see `varint`):

    size of the embedded model (0: none), the model's ONNX file
    number of files, then for each file:
      size of its name, name (UTF-8, forward slashes), type of a sample (see `SampleType`; 0: verbatim)
      verbatim:   size of the file
      samples:    sample rate, channels, frames, size of the header, header, size of the trailer, trailer,
                  scaling (see `scaling_table`) if samples are scaled, quantizer (see `quantizer_table`)
    topology of all channels, file by file (see `topology_table`)

A frame of a verbatim file is one byte.
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
from ..topology.references import BlockChannel, ReferenceGraph
from ..topology.topology import Topology
from .limits import DEFAULT_LIMITS, Limits, beyond_memory
from .parts import Part
from .quantizer_table import pack_quantizer, unpack_quantizer
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

_CHECKSUM_BYTES = 4

MAX_NAME_BYTES, MAX_NAME_PARTS, MAX_PART_BYTES = 4096, 64, 255
"""Bounds of a file's name in UTF-8, of its parts between slashes, and of each part."""

_RESERVED_NAME = re.compile(r"(con|prn|aux|nul|clock\$|conin\$|conout\$|(com|lpt)[0-9¹²³]) *(\..*)?", re.IGNORECASE)


class FileEntry(NamedTuple):
    """A file of the archive: samples in channels, or `size` verbatim bytes if `layout` is None."""

    name: str
    size: int
    layout: Layout | None = None
    quantizer: Quantizer = IDENTITY
    scaling: FileScaling | None = None

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
        """Number of frames; of a verbatim file, its size in bytes."""
        return self.layout.n_frames if self.layout else self.size

    @property
    def format(self) -> SampleFormat | None:
        """How the samples are coded; None for a verbatim file."""
        return SampleFormat.of(self.layout, self.quantizer, self.scaling)


def channel_name(file: str, n_channels: int, channel: int) -> str:
    """Name of one of a file's channels: the file's name if it has one channel, else `name:0`, `name:1` and so on."""
    return file if n_channels == 1 else f"{file}:{channel}"


def channel_names(files: Sequence[FileEntry]) -> dict[str, tuple[int, int]]:
    """Map the name of every channel to (file, channel), in the order of the topology."""
    names = {}
    for i, file in enumerate(files):
        if file.layout:
            for channel in range(file.channels):
                names[channel_name(file.name, file.channels, channel)] = (i, channel)
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

    def reference_graph(self, parts: Sequence[Part]) -> ReferenceGraph:
        """Which channels of a block with these parts, none of them verbatim, reference which others."""
        return ReferenceGraph.of(
            self.topology,
            [
                BlockChannel(self.first_channels[part.file] + channel, part.first_frame, part.n_frames)
                for part in parts
                for channel in range(self.files[part.file].channels)
            ],
        )


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
    put_uvarint(out, len(directory.files))
    for file in directory.files:
        _put_bytes(out, file.name.encode())
        layout = file.layout
        if layout is None:
            put_uvarint(out, 0)
            put_uvarint(out, file.size)
            continue
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
    files = tuple(_unpack_file(table) for _ in range(n_files))
    _check_names([folded(file.name) for file in files])
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


def _unpack_file(table: TableReader) -> FileEntry:
    try:
        name = table.take(table.number(MAX_NAME_BYTES, "the length of a name"), "a name").decode()
    except UnicodeDecodeError as error:
        raise DamageError("a file name is not UTF-8") from error
    fault = name_fault(name)
    if fault:
        raise DamageError(f"the file name {name!r} {fault}")
    number = table.number(max(SampleType), "the type of a sample")
    if number == 0:
        return FileEntry(name, table.number(MAX_FRAMES, "the size of a file"))
    rate = table.number(MAX_RATE, "the sample rate")
    channels = table.number(MAX_CHANNELS, "the number of channels")
    frames = table.number(MAX_FRAMES, "the number of frames")
    if channels == 0:
        raise DamageError("a file of samples has no channel")
    header = table.take(table.number(MAX_HEADER_BYTES, "the length of a header"), "a header")
    trailer = table.take(table.number(MAX_TRAILER_BYTES, "the length of a trailer"), "a trailer")
    layout = Layout(header, trailer, rate, channels, SampleType(number), frames)
    scaling = unpack_scaling(table, layout) if layout.sample_type.is_scaled else None
    integer_bytes = scaling.integer_bytes if scaling else number
    quantizer, quantizer_bytes = unpack_quantizer(table.rest(), integer_bytes, channels)
    table.take(quantizer_bytes, "a quantizer")
    return FileEntry(name, layout.file_bytes, layout, quantizer, scaling)


def _put_bytes(out: bytearray, data: bytes) -> None:
    put_uvarint(out, len(data))
    out += data
