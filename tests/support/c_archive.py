"""Archives read by the C library (spikey.h)."""

from __future__ import annotations

import ctypes
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from spikey_cli.api.recording import read_frames
from spikey_cli.codec.decoder import Decoder
from spikey_cli.container.archive import ArchiveReader
from spikey_cli.container.limits import DEFAULT_LIMITS, Limits
from spikey_cli.core.library import get_library
from spikey_cli.system.workers import Workers

HEADER, TRAILER = 40, 56
TYPES = ["", "|u1", "<i2", "", "<i4", "<f4", "<f8", "<u2", "<u4", "<i8"]
INT24 = 3


class _Recording(ctypes.Structure):
    _fields_ = [("name", ctypes.c_char_p)] + [
        (name, ctypes.c_int64)
        for name in ("name_bytes", "type", "sample_bytes", "is_in_file", "channels", "frames", "rate")
    ]


class _Part(ctypes.Structure):
    _fields_ = [
        (name, ctypes.c_int64)
        for name in ("recording", "first", "frames", "block", "block_offset", "block_bytes", "position")
    ]


class _Limits(ctypes.Structure):
    _fields_ = [(name, ctypes.c_int64) for name in ("memory", "expansion", "array", "expected")]


class CError(Exception):
    """What the library says of an archive: its number, and the reason."""


class Recording(NamedTuple):
    """A file of an archive, or one of several recordings in it."""

    name: str
    rate: int
    samples: np.ndarray
    """Of shape (frames, channels); int24 as int32."""


class Archive:
    """An open archive.

    Parameters
    ----------
    data : bytes
    memory, expansion : int
        Limits.
    """

    def __init__(self, data: bytes, memory: int = 64 << 20, expansion: int = 8192) -> None:
        self._library = ctypes.CDLL(get_library())
        self._data = data
        self._open = ctypes.c_void_p()
        self._library.spikey_parts.restype = self._library.spikey_recordings.restype = ctypes.c_int64
        self._library.spikey_positions.restype = ctypes.c_int64
        front, end, size = ctypes.c_int64(), ctypes.c_int64(), ctypes.c_int64(len(data))
        self._call("ends", data[:HEADER].ljust(HEADER), data[-TRAILER:].rjust(TRAILER), size, *_refs(front, end))
        beginning, ending = data[: front.value], data[len(data) - end.value :]
        limits = _Limits(memory, expansion, 0, 0)
        lengths = ctypes.c_size_t(front.value), ctypes.c_size_t(end.value)
        self._call("open", beginning, lengths[0], ending, lengths[1], size, *_refs(limits, self._open))

    def close(self) -> None:
        """Free its memory."""
        self._library.spikey_close(self._open)

    def _call(self, name: str, *arguments: object) -> None:
        reason = ctypes.c_char_p(b"not set")
        error = getattr(self._library, f"spikey_{name}")(*arguments, ctypes.byref(reason))
        assert (error != 0) == (reason.value is not None)
        assert reason.value != b"not set"
        if error:
            raise CError(error, (reason.value or b"").decode())

    def _parts(self) -> list[_Part]:
        parts = [_Part() for _ in range(self._library.spikey_parts(self._open))]
        for i, part in enumerate(parts):
            assert self._library.spikey_part(self._open, ctypes.c_int64(i), ctypes.byref(part)) == 0
        return parts

    def _recording(self, i: int) -> _Recording:
        own = _Recording()
        assert self._library.spikey_recording(self._open, ctypes.c_int64(i), ctypes.byref(own)) == 0
        return own

    def recordings(self) -> Iterator[Recording]:
        """Decode all recordings; what has no samples is left out."""
        for i in range(self._library.spikey_recordings(self._open)):
            own = self._recording(i)
            if own.type:
                pieces = [self.decode(part, own) for part in self._parts() if part.recording == i]
                samples = (
                    np.concatenate([np.empty((own.channels, 0), pieces[0].dtype), *pieces], 1).T if pieces else None
                )
                dtype = np.int32 if own.type == INT24 else TYPES[own.type]
                yield Recording(
                    own.name.decode(), own.rate, np.empty((0, own.channels), dtype) if samples is None else samples
                )

    def decode(self, part: _Part, own: _Recording) -> np.ndarray:
        """Decode the channels of a part, of shape (channels, frames), in two calls: every other one first."""
        n = self._library.spikey_positions(self._open, ctypes.c_int64(part.block))
        block = self._data[part.block_offset :][: part.block_bytes]
        planes = [ctypes.create_string_buffer(part.frames * own.sample_bytes) for _ in range(own.channels)]
        for first in range(2):
            memory = (ctypes.c_void_p * n)()
            for channel in range(first, own.channels, 2):
                memory[part.position + channel] = ctypes.addressof(planes[channel])
            self.decode_block(part.block, block, memory)
        data = [bytes(plane)[: part.frames * own.sample_bytes] for plane in planes]
        if own.type == INT24:
            return np.stack([_of_int24(plane) for plane in data])
        return np.stack([np.frombuffer(plane, TYPES[own.type]) for plane in data])

    def decode_block(self, block: int, data: bytes, memory: ctypes.Array[ctypes.c_void_p] | None) -> None:
        """Decode positions of a block."""
        self._call("decode_block", self._open, ctypes.c_int64(block), data, ctypes.c_size_t(len(data)), memory)

    def decode_blocks(self) -> Iterator[int]:
        """Decode all channels of one block after another; yield the number of samples of each."""
        for block, group in itertools.groupby(self._parts(), lambda part: part.block):
            parts = [(part, own) for part in group if (own := self._recording(part.recording)).type]
            memory = (ctypes.c_void_p * self._library.spikey_positions(self._open, ctypes.c_int64(block)))()
            planes = []
            for part, own in parts:
                for channel in range(own.channels):
                    planes.append(ctypes.create_string_buffer(part.frames * own.sample_bytes))
                    memory[part.position + channel] = ctypes.addressof(planes[-1])
            if parts:
                data = self._data[parts[0][0].block_offset :][: parts[0][0].block_bytes]
                self.decode_block(block, data, memory)
            yield sum(part.frames * own.channels for part, own in parts)

    def groups(self, block: int) -> list[int]:
        """Return the groups of a block's positions."""
        groups = (ctypes.c_int32 * max(self._library.spikey_positions(self._open, ctypes.c_int64(block)), 0))()
        self._call("groups", self._open, ctypes.c_int64(block), groups)
        return list(groups)


def _refs(*values: object) -> list[object]:
    return [ctypes.byref(value) for value in values]  # type: ignore[arg-type]


def _of_int24(plane: bytes) -> np.ndarray:
    wide = np.zeros((len(plane) // 3, 4), np.uint8)
    wide[:, 1:] = np.frombuffer(plane, np.uint8).reshape(-1, 3)
    return wide.view("<i4")[:, 0] >> 8


def read(path: Path, **limits: int) -> list[Recording]:
    """Read all recordings of an archive."""
    archive = Archive(path.read_bytes(), **limits)
    try:
        return list(archive.recordings())
    finally:
        archive.close()


def expected_of(path: Path, limits: Limits = DEFAULT_LIMITS) -> list[Recording]:
    """The recordings of an archive as the package reads them."""
    with ArchiveReader(path, limits=limits) as reader:
        layouts = {i: file.layout for i, file in enumerate(reader.directory.files) if file.layout}
        whole = {
            i: np.empty((layout.n_frames, layout.channels), layout.sample_type.dtype) for i, layout in layouts.items()
        }
        channels = {i: range(layout.channels) for i, layout in layouts.items()}
        for i, at, piece in read_frames(Decoder.of(reader), Workers(None, 1), channels, 0, 1 << 62):
            whole[i][at : at + len(piece)] = piece
        names = [file.name for file in reader.directory.files]
        return [Recording(names[i], layouts[i].sample_rate, samples) for i, samples in whole.items()]
