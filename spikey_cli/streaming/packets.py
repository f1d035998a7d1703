"""The bytes of a live stream; `docs/live.md` is the specification.

    header    magic8  version1  samplebytes1  effort1  reserved1  model8  size4  crc4     then `size` bytes:
              uvarint sample rate, uvarint channels, uvarint size of the file's header, that header, topology
    packets   uvarint 4 * frames + kind,  uvarint size,  payload of `size` bytes,  crc4

        END        uvarint total frames, SHA-256 of all restored bytes, the file's trailer
        CODED      the frames' codes, as `stream_state` writes them
        SAMPLES    the frames' bytes, unchanged
        QUANTIZER  the quantizer of the frames that follow; no frames

The CRC-32 of a packet continues that of the packet before, and that of the first packet continues the header's. A lost,
doubled or moved packet therefore does not match.
"""

from __future__ import annotations

import errno
import hashlib
import os
import struct
import zlib
from typing import NamedTuple

from ..codec.cost import EFFORTS
from ..container.archive import MAGIC as ARCHIVE_MAGIC
from ..container.table_reader import TableReader
from ..container.topology_table import pack_topology, unpack_topology
from ..core.varint import get_uvarint, put_uvarint
from ..errors import ArchiveError, DamageError, SpikeyError, system_fault
from ..io.layout import MAX_CHANNELS, MAX_HEADER_BYTES, MAX_RATE, MAX_TRAILER_BYTES, SAMPLE_BYTES
from ..system.remote import location, open_binary
from ..topology.topology import Topology

MAGIC = b"\x89SPS\r\n\x1a\n"
VERSION = 1
"""Version of the format, which every later release must read."""
END, CODED, SAMPLES, QUANTIZER = range(4)

MAX_SAMPLES = 1 << 22
"""Maximum samples of a packet of more than one frame; it bounds the memory of a decoder."""
MAX_STREAM_HEADER_BYTES = 1 << 22
"""Maximum size of a stream's header: a file's header, and the topology of MAX_CHANNELS channels."""

_HEADER = struct.Struct("<8sBBBB8sI")
_CRC = struct.Struct("<I")
_MAX_SAMPLE_BYTES = 8
"""Maximum size of a coded sample: 24 bits for its symbol, 24 for the bits after it, and its share of the last words."""
_SPARE_BYTES = 4096
_MAX_NUMBERS_BYTES = 18
"""Maximum size of two uvarints."""
_SHA256_BYTES = hashlib.sha256().digest_size


class LiveFormat(NamedTuple):
    """What a live stream holds."""

    sample_bytes: int
    """Bytes a sample: 1, 2 or 3."""
    sample_rate: int
    """Frames a second; 0 if unknown."""
    channels: int
    model: bytes
    """First 8 bytes of the SHA-256 of the model's ONNX file."""
    topology: Topology
    effort: int
    """How much the adaptation learns; see `codec.presets`."""
    header: bytes = b""
    """Bytes of the file before the first sample, such as a WAV header."""

    @property
    def frame_bytes(self) -> int:
        """Size of a frame in bytes."""
        return self.channels * self.sample_bytes

    @property
    def max_frames(self) -> int:
        """Maximum frames of a packet."""
        return max(1, MAX_SAMPLES // self.channels)


def is_live(path: str | os.PathLike[str]) -> bool:
    """Whether a file begins with the magic bytes of a live stream.

    Raises ArchiveError if a URL cannot be read, or for a pipe, which would lose what is read here.
    """
    try:
        with open_binary(path) as file:
            if not file.seekable():
                error = OSError(errno.ESPIPE, os.strerror(errno.ESPIPE))
                raise ArchiveError(system_fault(location(path), "read", error))
            return file.read(len(MAGIC)) == MAGIC
    except OSError:
        return False


def pack_header(stream: LiveFormat) -> tuple[bytes, int]:
    """Serialise a stream's header; return it and its CRC-32, which the first packet's continues."""
    out = bytearray()
    for number in (stream.sample_rate, stream.channels, len(stream.header)):
        put_uvarint(out, number)
    out += stream.header + pack_topology(stream.topology)
    fixed = _HEADER.pack(MAGIC, VERSION, stream.sample_bytes, stream.effort, 0, stream.model, len(out))
    crc = zlib.crc32(out, zlib.crc32(fixed))
    return fixed + _CRC.pack(crc) + out, crc


def named(error: SpikeyError, name: str) -> SpikeyError:
    """The error of a function that parses bytes, with the name of the stream and the remedy."""
    if isinstance(error, DamageError):
        return DamageError(error.reason, path=name, remedy="transmit it again")
    return error.within(name)


def unpack_header(data: bytes | bytearray) -> tuple[LiveFormat, int, int] | None:
    """Parse the header at the start of `data`.

    Returns
    -------
    tuple of (LiveFormat, int, int) or None
        The format, the size of the header, and its CRC-32; None if `data` is only the beginning of a header.

    Raises
    ------
    ArchiveError
        It is not a header of a live stream, is damaged, or has a version that this release does not read.
    """
    if data[: len(MAGIC)] == ARCHIVE_MAGIC:
        raise ArchiveError("is an archive of files, which is not read from a pipe; write it to a file, and name that")
    if data[: len(MAGIC)] != MAGIC[: len(data)]:
        raise ArchiveError("not a live stream; name one that `compress` or StreamEncoder wrote")
    start = _HEADER.size + _CRC.size
    if len(data) < start:
        return None
    _, version, sample_bytes, effort, reserved, model, size = _HEADER.unpack_from(data)
    if version != VERSION or reserved:
        raise ArchiveError(
            f"its format is version {version}{' with extensions' * bool(reserved)}, an older draft or a newer "
            f"version, and this release reads version {VERSION}; use the release that wrote it"
        )
    if size > MAX_STREAM_HEADER_BYTES - start:
        raise DamageError("its header claims to be longer than the format allows")
    if len(data) < start + size:
        return None
    description = bytes(data[start : start + size])
    crc = zlib.crc32(description, zlib.crc32(data[: _HEADER.size]))
    if crc != _CRC.unpack_from(data, _HEADER.size)[0] or sample_bytes not in SAMPLE_BYTES or effort not in EFFORTS:
        raise DamageError("its header does not match its checksum")
    table = TableReader(description)
    rate = table.number(MAX_RATE, "its sample rate")
    channels = table.number(MAX_CHANNELS, "its number of channels")
    if channels == 0:
        raise DamageError("its header states no channels")
    header = table.take(table.number(MAX_HEADER_BYTES, "the size of the file's header"), "the file's header")
    topology = unpack_topology(table.rest(), channels)
    return LiveFormat(sample_bytes, rate, channels, model, topology, effort, header), start + size, crc


class Packet(NamedTuple):
    """Number of frames, kind and payload of a packet."""

    frames: int
    kind: int
    payload: bytes


def pack_packet(packet: Packet, crc: int) -> tuple[bytes, int]:
    """Serialise a packet that follows one with the CRC-32 `crc`; return it and its own CRC-32."""
    out = bytearray()
    put_uvarint(out, 4 * packet.frames + packet.kind)
    put_uvarint(out, len(packet.payload))
    out += packet.payload
    crc = zlib.crc32(out, crc)
    return bytes(out) + _CRC.pack(crc), crc


def unpack_packet(data: bytearray, start: int, stream: LiveFormat, crc: int) -> tuple[Packet, int, int] | None:
    """Parse the packet at byte `start` of `data`, which follows one with the CRC-32 `crc`.

    Returns
    -------
    tuple of (Packet, int, int) or None
        The packet, the byte after it, and its CRC-32; None if `data` does not contain all of it.

    Raises
    ------
    ArchiveError
        It is damaged, or its size exceeds what the format allows.
    """
    numbers = bytes(data[start : start + _MAX_NUMBERS_BYTES])
    if len(numbers) < _MAX_NUMBERS_BYTES and sum(byte < 0x80 for byte in numbers) < 2:
        return None
    tag, pos = get_uvarint(numbers, 0)
    size, pos = get_uvarint(numbers, pos)
    frames, kind = divmod(tag, 4)
    samples = frames * stream.channels
    max_size = {
        END: _MAX_NUMBERS_BYTES + _SHA256_BYTES + MAX_TRAILER_BYTES,
        CODED: samples * _MAX_SAMPLE_BYTES + _SPARE_BYTES,
        SAMPLES: samples * stream.sample_bytes,
        QUANTIZER: MAX_TRAILER_BYTES,
    }[kind]
    if frames > stream.max_frames or size > max_size or (frames > 0) != (kind in (CODED, SAMPLES)):
        raise DamageError("a packet claims more than the format allows")
    payload, stop = start + pos, start + pos + size
    if len(data) < stop + _CRC.size:
        return None
    crc = zlib.crc32(memoryview(data)[start:stop], crc)
    if crc != _CRC.unpack_from(data, stop)[0]:
        raise DamageError("a packet does not match its checksum, or the one before it is missing")
    return Packet(frames, kind, bytes(data[payload:stop])), stop + _CRC.size, crc


def pack_end(frames: int, sha256: bytes, trailer: bytes) -> Packet:
    """The last packet of a stream of `frames` frames, whose restored file has this SHA-256 and trailer."""
    out = bytearray()
    put_uvarint(out, frames)
    return Packet(0, END, bytes(out) + sha256 + trailer)


def unpack_end(payload: bytes) -> tuple[int, bytes, bytes]:
    """Number of frames, SHA-256 and trailer of the last packet's payload. Raises ArchiveError."""
    frames, pos = get_uvarint(payload, 0)
    if len(payload) < pos + _SHA256_BYTES:
        raise DamageError("its last packet is too short")
    return frames, payload[pos : pos + _SHA256_BYTES], payload[pos + _SHA256_BYTES :]
