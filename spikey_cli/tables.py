"""The tables of an archive: directory, block table and index, as bytes and as objects.

Numbers are unsigned LEB128 (see `varint`) unless a size stands beside them.

    Directory    raw deflate, with `DICTIONARY` preset, of
                   number of files, then of each file:
                     length of its name, name (UTF-8, forward slashes), bytes a sample (0: a file kept verbatim)
                     verbatim:   its length in bytes
                     WAV:        sample rate, channels, frames, length of the head, head, length of the tail, tail,
                                 grid (see `grid`)
                   topology of all threads, file by file, channel by channel (see `topology`)

    Block table  steps (0 in a block of verbatim bytes), number of parts, then of each part:
                   file, first frame, frames; of each of the file's channels:
                     method (1 byte), length of the stream, CRC-32 of the stream (4 bytes)

    Index        number of blocks, then of each block: its length, number of parts, of each part file, first frame,
                 frames; then of each file the CRC-32 of its bytes (4 bytes)

A frame of a verbatim file is one byte.
"""

from __future__ import annotations

import itertools
import re
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from .blocks import Part
from .errors import ArchiveError, InputError, LimitError
from .grid import IDENTITY, Grid, SampleFormat, unpack_grid
from .layout import MAX_HEAD_BYTES, MAX_TAIL_BYTES, Layout
from .limits import DEFAULT_LIMITS, Limits
from .peers import Company, Place
from .topology import Topology, unpack_topology
from .varint import get_uvarint, put_uvarint

DICTIONARY = (
    b".wavRIFF$\x00\x00\x00WAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00KL\x00\x00\x96\x98\x00\x00\x02\x00\x10\x00data"
)
"""What the head of a mono 16-bit WAV looks like, so that it costs few bytes where there is but one."""

MAX_BLOCK_SAMPLES = 1 << 25
"""Samples of a block, at most, or one frame of one file: what formats allow, and readers only within their limits."""

MAX_LANES = 1 << 17
"""Lanes a block, at most."""

MAX_DIRECTORY_BYTES = 64 << 20
"""Size of an inflated directory, at most."""

MAX_MODEL_BYTES = 1 << 20
"""Size of an embedded model, at most."""

MAX_FRAMES = 1 << 56

_LEAST_BLOCK_BYTES = 18
"""No block is smaller, in any version: its header, and a table of two numbers."""
_CHECKSUM_BYTES = 4

_RESERVED_NAME = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[\d¹²³]) *(\..*)?", re.IGNORECASE)


@dataclass(frozen=True)
class FileEntry:
    """A file of the archive: a WAV in threads, or, where `layout` is None, `size` bytes kept verbatim."""

    name: str
    size: int
    layout: Layout | None = None
    grid: Grid = IDENTITY

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
        return SampleFormat(self.layout.channels, self.layout.sample_bytes, self.grid) if self.layout else None


def thread_names(files: Sequence[FileEntry]) -> dict[str, tuple[int, int]]:
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
    def first_threads(self) -> tuple[int, ...]:
        """Where the threads of each file begin in the topology; a verbatim file has none."""
        channels = [file.channels if file.layout else 0 for file in self.files]
        return tuple(itertools.accumulate(channels, initial=0))[:-1]

    def company(self, parts: Sequence[Part]) -> Company:
        """Who may lean on whom among the threads of a block that holds these parts of WAV files."""
        return Company.of(
            self.topology,
            [
                Place(self.first_threads[part.file] + channel, part.first_frame, part.n_frames)
                for part in parts
                for channel in range(self.files[part.file].channels)
            ],
        )


@dataclass(frozen=True, slots=True)
class StreamEntry:
    """Method, length in bytes and CRC-32 of one stream."""

    method: int
    length: int
    crc: int


@dataclass(frozen=True)
class BlockTable:
    """What a block holds: its parts, and for each part the streams of its channels."""

    steps: int
    parts: tuple[Part, ...]
    streams: tuple[tuple[StreamEntry, ...], ...]


@dataclass(frozen=True, slots=True)
class IndexEntry:
    """Where a block lies (bytes), and its parts."""

    offset: int
    length: int
    parts: tuple[Part, ...]
    number: int | None = None
    """The block's number, where it is not its place in the index: blocks before it are lost."""


@dataclass(frozen=True)
class Index:
    """All blocks, and the CRC-32 of every file; None where it is lost."""

    blocks: tuple[IndexEntry, ...]
    file_crcs: tuple[int | None, ...] = field(repr=False)


def name_fault(name: str) -> str | None:
    """Why a file of this name may not be written below a folder; None where it may."""
    parts = name.split("/")
    if not name or any(part in ("", ".", "..") for part in parts):
        return "is empty, absolute or leads out of the folder"
    if any(ord(c) < 32 or c in '\\:*?"<>|' for c in name):
        return "has a character that not every file system takes"
    if any(part != part.rstrip(" .") or _RESERVED_NAME.fullmatch(part) for part in parts):
        return "is one that not every file system takes"
    return None


class _Cursor:
    """Reads a table from front to back."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def number(self, limit: int, what: str) -> int:
        value, self._at = get_uvarint(self._data, self._at)
        if value > limit:
            raise ArchiveError(f"{what} is {value}, and {limit} is the most there can be")
        return value

    def count(self, what: str) -> int:
        """A number of things that take a byte each at least, so that no count is believed beyond the table's size."""
        return self.number(len(self._data) - self._at, what)

    def take(self, n: int, what: str) -> bytes:
        if n > len(self._data) - self._at:
            raise ArchiveError(f"{what} runs past the end of its table")
        self._at += n
        return self._data[self._at - n : self._at]

    def rest(self) -> bytes:
        return self._data[self._at :]

    def grid(self, sample_bytes: int) -> Grid:
        grid, used = unpack_grid(memoryview(self._data)[self._at :], sample_bytes)
        self._at += used
        return grid

    def end(self, what: str) -> None:
        if self._at != len(self._data):
            raise ArchiveError(f"{what} has {len(self._data) - self._at} bytes too many")


def _put_text(out: bytearray, data: bytes) -> None:
    put_uvarint(out, len(data))
    out += data


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
        _put_text(out, layout.head)
        _put_text(out, layout.tail)
        out += file.grid.pack()
    out += directory.topology.pack()
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
        raise _beyond("its directory is large")
    if not inflate.eof or inflate.unused_data:
        raise ArchiveError("the directory does not end where its compressed bytes do")
    cursor = _Cursor(data)
    model = cursor.take(cursor.number(MAX_MODEL_BYTES, "the length of the model"), "the model") if major > 2 else b""
    n_files = cursor.count("the number of files")
    if n_files > archive_bytes // _CHECKSUM_BYTES:
        raise ArchiveError(f"it has {n_files} files, and no room for their checksums")
    if n_files > limits.entries:
        raise _beyond(f"it has {n_files} files")
    files = tuple(_unpack_file(cursor) for _ in range(n_files))
    names = {file.name.casefold() for file in files}
    if len(names) != len(files):
        raise ArchiveError("two files have the same name")
    n_threads = sum(file.layout.channels for file in files if file.layout)
    if n_threads > limits.entries:
        raise _beyond(f"it has {n_threads} threads")
    # peers have samples, and so a stream each, whose place in a block's table takes more than a pair of them here
    return Directory(files, unpack_topology(cursor.rest(), n_threads, archive_bytes), model)


def _beyond(what: str) -> LimitError:
    return LimitError(f"{what}, more than its limit of memory allows; if you trust it, raise that with --memory")


def samples_of(parts: Iterable[Part], files: Sequence[FileEntry]) -> int:
    """Samples of the parts of WAV files, and bytes of those of verbatim ones."""
    return sum(part.n_frames * files[part.file].channels for part in parts)


def _unpack_file(cursor: _Cursor) -> FileEntry:
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
    head = cursor.take(cursor.number(MAX_HEAD_BYTES, "the length of a head"), "a head")
    tail = cursor.take(cursor.number(MAX_TAIL_BYTES, "the length of a tail"), "a tail")
    layout = Layout(head, tail, rate, channels, sample_bytes, frames)
    return FileEntry(name, layout.file_bytes, layout, cursor.grid(sample_bytes))


def _put_parts(out: bytearray, part: Part) -> None:
    for number in (part.file, part.first_frame, part.n_frames):
        put_uvarint(out, number)


def _unpack_part(cursor: _Cursor, files: Sequence[FileEntry]) -> Part:
    file = cursor.number(len(files) - 1, "the file of a part")
    first = cursor.number(files[file].frames, "the first frame of a part")
    frames = cursor.number(files[file].frames - first, "the length of a part")
    if frames == 0:
        raise ArchiveError("a part is empty")
    return Part(file, first, frames)


def pack_block_table(table: BlockTable) -> bytes:
    """A block's table as it stands in the archive."""
    out = bytearray()
    put_uvarint(out, table.steps)
    put_uvarint(out, len(table.parts))
    for part, streams in zip(table.parts, table.streams, strict=True):
        _put_parts(out, part)
        for stream in streams:
            out.append(stream.method)
            put_uvarint(out, stream.length)
            out += stream.crc.to_bytes(4, "little")
    return bytes(out)


def unpack_block_table(
    packed: bytes, directory: Directory, payload_bytes: int, most_samples: int = MAX_BLOCK_SAMPLES
) -> BlockTable:
    """The reverse of `pack_block_table`, whose streams take `payload_bytes` in all.

    Raises ArchiveError where it is none, or has more than `most_samples`.
    """
    cursor = _Cursor(packed)
    steps = cursor.number(MAX_BLOCK_SAMPLES, "the number of steps")
    parts, streams = [], []
    samples = lanes = left = 0
    left = payload_bytes
    for _ in range(cursor.count("the number of parts")):
        part = _unpack_part(cursor, directory.files)
        file = directory.files[part.file]
        if (file.layout is None) != (steps == 0):
            raise ArchiveError("threads and verbatim bytes stand in one block")
        samples += part.n_frames * file.channels
        lanes += -(-part.n_frames // steps) * file.channels if steps else 0
        entries = []
        for _ in range(file.channels):
            method = cursor.take(1, "a method")[0]
            length = cursor.number(left, "the length of a stream")
            left -= length
            entries.append(StreamEntry(method, length, int.from_bytes(cursor.take(4, "a checksum"), "little")))
        parts.append(part)
        streams.append(tuple(entries))
    cursor.end("the table")
    if left:
        raise ArchiveError(f"{left} bytes belong to no stream")
    if lanes > MAX_LANES or samples > max(
        MAX_BLOCK_SAMPLES, max((directory.files[p.file].channels for p in parts), default=0)
    ):
        raise ArchiveError(f"a block of {samples} samples in {lanes} lanes is larger than the format allows")
    if samples > max(most_samples, max((directory.files[p.file].channels for p in parts), default=0)):
        raise _beyond(f"it has a block of {samples} samples")
    return BlockTable(steps, tuple(parts), tuple(streams))


def pack_index(index: Index) -> bytes:
    """The index as it stands in the archive."""
    out = bytearray()
    put_uvarint(out, len(index.blocks))
    for block in index.blocks:
        put_uvarint(out, block.length)
        put_uvarint(out, len(block.parts))
        for part in block.parts:
            _put_parts(out, part)
    for crc in index.file_crcs:
        assert crc is not None
        out += crc.to_bytes(4, "little")
    return bytes(out)


def unpack_index(packed: bytes, directory: Directory, first_block: int, index_at: int) -> Index:
    """The reverse of `pack_index`: blocks lie one after another from byte `first_block` to byte `index_at`.

    Raises ArchiveError where they do not, or where a file's parts are not all of it, once, in the order of time.
    """
    cursor = _Cursor(packed)
    blocks = []
    offset = first_block
    reached = [0] * len(directory.files)
    for _ in range(cursor.count("the number of blocks")):
        length = cursor.number(index_at - offset, "the length of a block")
        if length < _LEAST_BLOCK_BYTES:
            raise ArchiveError(f"a block of {length} bytes is none")
        parts = tuple(_unpack_part(cursor, directory.files) for _ in range(cursor.count("the number of parts")))
        for part in parts:
            if part.first_frame != reached[part.file]:
                raise ArchiveError(f"the parts of {directory.files[part.file].name!r} are not in order")
            reached[part.file] += part.n_frames
        blocks.append(IndexEntry(offset, length, parts))
        offset += length
    if offset != index_at:
        raise ArchiveError(f"{index_at - offset} bytes before the index belong to no block")
    for file, frames in zip(directory.files, reached, strict=True):
        if frames != file.frames:
            raise ArchiveError(f"of {file.name!r} there are {frames} frames of {file.frames}")
    crcs = tuple(int.from_bytes(cursor.take(4, "a checksum"), "little") for _ in directory.files)
    cursor.end("the index")
    return Index(tuple(blocks), crcs)
