"""The directory of an archive: its files and the topology of their threads, as bytes and as objects.

Raw deflate, with `DICTIONARY` preset; numbers are unsigned LEB128 (see `varint`):

    length of the embedded model (0: none), the model's ONNX file     (not before format 3.0)
    number of files, then of each file:
      length of its name, name (UTF-8, forward slashes), bytes a sample (0: a file kept verbatim)
      verbatim:   its length in bytes
      WAV:        sample rate, channels, frames, length of the header, header, length of the trailer, trailer,
                  quantizer (see `quantizer_table`)
    topology of all threads, file by file, channel by channel (see `topology`)

A frame of a verbatim file is one byte.
"""

from __future__ import annotations

import itertools
import re
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from ..core.quantizer import IDENTITY, Quantizer, SampleFormat
from ..core.varint import put_uvarint
from ..errors import ArchiveError, InputError
from ..io.layout import MAX_HEADER_BYTES, MAX_TRAILER_BYTES, Layout
from ..topology.references import BlockChannel, ReferenceGraph
from ..topology.topology import Topology
from .limits import DEFAULT_LIMITS, Limits, beyond_memory
from .parts import Part
from .quantizer_table import pack_quantizer, unpack_quantizer
from .table_reader import Cursor
from .topology_table import pack_topology, unpack_topology

DICTIONARY = (
    b".wavRIFF$\x00\x00\x00WAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00KL\x00\x00\x96\x98\x00\x00\x02\x00\x10\x00data"
)
"""What the head of a mono 16-bit WAV looks like, so that it costs few bytes where there is but one."""

MAX_DIRECTORY_BYTES = 64 << 20
"""Size of an inflated directory, at most."""

MAX_MODEL_BYTES = 1 << 20
"""Size of an embedded model, at most."""

MAX_FRAMES = 1 << 56

_CHECKSUM_BYTES = 4

_RESERVED_NAME = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[\d¹²³]) *(\..*)?", re.IGNORECASE)


@dataclass(frozen=True)
class FileEntry:
    """A file of the archive: a WAV in threads, or, where `layout` is None, `size` bytes kept verbatim."""

    name: str
    size: int
    layout: Layout | None = None
    quantizer: Quantizer = IDENTITY

    @property
    def channels(self) -> int:
        """Streams that each part of the file has: one a channel, and one for a verbatim file."""
        return self.layout.channels if self.layout else 1

    @property
    def frame_bytes(self) -> int:
        """Bytes a frame."""
        return self.layout.frame_bytes if self.layout else 1

    @property
    def frames(self) -> int:
        """Frames; of a verbatim file, bytes."""
        return self.layout.n_frames if self.layout else self.size

    @property
    def format(self) -> SampleFormat | None:
        """None of a verbatim file."""
        return SampleFormat.of(self.layout, self.quantizer)


def channel_names(files: Sequence[FileEntry]) -> dict[str, tuple[int, int]]:
    """(file, channel) of every thread by its name, in the order of the topology.

    A mono file's thread has the file's name; those of others have `:0`, `:1`, ... behind it.
    """
    names = {}
    for i, file in enumerate(files):
        if file.layout:
            for channel in range(file.channels):
                names[file.name if file.channels == 1 else f"{file.name}:{channel}"] = (i, channel)
    return names


@dataclass(frozen=True)
class Directory:
    """Every file, and the topology of all their threads."""

    files: tuple[FileEntry, ...]
    topology: Topology
    model: bytes = field(default=b"", repr=False)
    """The model's ONNX file, where it is embedded."""

    @cached_property
    def first_channels(self) -> tuple[int, ...]:
        """Where the threads of each file begin in the topology; a verbatim file has none."""
        channels = [file.channels if file.layout else 0 for file in self.files]
        return tuple(itertools.accumulate(channels, initial=0))[:-1]

    def reference_graph(self, parts: Sequence[Part]) -> ReferenceGraph:
        """Who may lean on whom among the threads of a block that holds these parts of WAV files."""
        return ReferenceGraph.of(
            self.topology,
            [
                BlockChannel(self.first_channels[part.file] + channel, part.first_frame, part.n_frames)
                for part in parts
                for channel in range(self.files[part.file].channels)
            ],
        )


def name_fault(name: str) -> str | None:
    """Why a file of this name may not be written below a folder; None where it may."""
    parts = name.split("/")
    try:
        name.encode()
    except UnicodeEncodeError:  # of bytes that are no UTF-8
        return "is no Unicode"
    if not name or any(part in ("", ".", "..") for part in parts):
        return "is empty, absolute or leads out of the folder"
    if any(ord(c) < 32 or c in '\\:*?"<>|' for c in name):
        return "has a character that not every file system takes"
    if any(part != part.rstrip(" .") or _RESERVED_NAME.fullmatch(part) for part in parts):
        return "is one that not every file system takes"
    return None


def pack_directory(directory: Directory) -> bytes:
    """The directory as it stands in the archive."""
    if len(directory.model) > MAX_MODEL_BYTES:
        raise InputError(f"a model of {len(directory.model)} bytes is too large to be embedded; leave it out")
    out = bytearray()
    _put_text(out, directory.model)
    put_uvarint(out, len(directory.files))
    for file in directory.files:
        _put_text(out, file.name.encode())
        layout = file.layout
        if layout is None:
            put_uvarint(out, 0)
            put_uvarint(out, file.size)
            continue
        for number in (layout.sample_bytes, layout.sample_rate, layout.channels, layout.n_frames):
            put_uvarint(out, number)
        _put_text(out, layout.header)
        _put_text(out, layout.trailer)
        out += pack_quantizer(file.quantizer)
    out += pack_topology(directory.topology)
    if len(out) > MAX_DIRECTORY_BYTES:
        raise InputError(f"{len(directory.files)} files are too many for one archive; make several")
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15, 9, zdict=DICTIONARY)
    return deflate.compress(bytes(out)) + deflate.flush()


def unpack_directory(
    packed: bytes, major: int, limits: Limits = DEFAULT_LIMITS, archive_bytes: int = 1 << 63
) -> Directory:
    """The reverse of `pack_directory`, of an archive of this major version and of so many bytes.

    Raises ArchiveError where the bytes are no directory, or one beyond the limits.
    """
    inflate = zlib.decompressobj(-15, zdict=DICTIONARY)
    try:
        data = inflate.decompress(packed, min(MAX_DIRECTORY_BYTES, limits.directory_bytes) + 1)
    except zlib.error as error:
        raise ArchiveError(f"the directory cannot be inflated: {error}") from error
    if len(data) > min(MAX_DIRECTORY_BYTES, limits.directory_bytes):
        raise beyond_memory("its directory is large")
    if not inflate.eof or inflate.unused_data:
        raise ArchiveError("the directory does not end where its compressed bytes do")
    cursor = Cursor(data)
    model = cursor.take(cursor.number(MAX_MODEL_BYTES, "the length of the model"), "the model") if major > 2 else b""
    n_files = cursor.count("the number of files")
    if n_files > archive_bytes // _CHECKSUM_BYTES:
        raise ArchiveError(f"it has {n_files} files, and no room for their checksums")
    if n_files > limits.entries:
        raise beyond_memory(f"it has {n_files} files")
    files = tuple(_unpack_file(cursor) for _ in range(n_files))
    _check_names([file.name.casefold() for file in files])
    n_channels = sum(file.layout.channels for file in files if file.layout)
    if n_channels > limits.entries:
        raise beyond_memory(f"it has {n_channels} threads")
    # peers have samples, and so a stream each, whose place in a block's table takes more than a pair of them here
    return Directory(files, unpack_topology(cursor.rest(), n_channels, archive_bytes), model)


def _check_names(names: Iterable[str]) -> None:
    """Raise ArchiveError where files of these names, folded, cannot stand beside each other."""
    # no name has a character below a space: so what lies in a folder of a name comes right behind that name
    for one, other in itertools.pairwise(sorted(name.replace("/", "\0") for name in names)):
        if one == other:
            raise ArchiveError("two files have the same name")
        if other.startswith(f"{one}\0"):
            raise ArchiveError("a file has the name of another one's folder")


def _unpack_file(cursor: Cursor) -> FileEntry:
    try:
        name = cursor.take(cursor.count("the length of a name"), "a name").decode()
    except UnicodeDecodeError as error:
        raise ArchiveError("a file name is not UTF-8") from error
    fault = name_fault(name)
    if fault:
        raise ArchiveError(f"the file name {name!r} {fault}")
    sample_bytes = cursor.number(3, "the width of a sample")
    if sample_bytes == 0:
        return FileEntry(name, cursor.number(MAX_FRAMES, "the size of a file"))
    rate = cursor.number(2**32 - 1, "the sample rate")
    channels = cursor.number(2**16 - 1, "the number of channels")
    frames = cursor.number(MAX_FRAMES, "the number of frames")
    if channels == 0:
        raise ArchiveError("a WAV has no channel")
    header = cursor.take(cursor.number(MAX_HEADER_BYTES, "the length of a head"), "a head")
    trailer = cursor.take(cursor.number(MAX_TRAILER_BYTES, "the length of a tail"), "a tail")
    layout = Layout(header, trailer, rate, channels, sample_bytes, frames)
    quantizer, quantizer_bytes = unpack_quantizer(cursor.rest(), sample_bytes)
    cursor.take(quantizer_bytes, "a grid")
    return FileEntry(name, layout.file_bytes, layout, quantizer)


def _put_text(out: bytearray, data: bytes) -> None:
    put_uvarint(out, len(data))
    out += data
