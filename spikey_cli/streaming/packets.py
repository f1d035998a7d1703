"""The bytes of a live stream (docs/live.md has the specification).

    header    magic8  major1  minor1  samplebytes1  0  model8  size4  crc4     then `size` bytes:
              uvarint rate, uvarint channels, uvarint length of head, head, topology
    packets   uvarint 4 * frames + kind,  uvarint size,  payload of `size` bytes,  crc4

        END      uvarint frames in all, SHA-256 of all restored bytes, tail
        CODED    the frames' codes, as `lockstep` writes them
        SAMPLES  the frames' bytes as they are
        GRID     the grid of what follows; no frames

A packet's CRC-32 begins from that of the packet before, the first one's from the header's: so none can be lost, doubled
or moved without notice.
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from dataclasses import dataclass

from ..container.topology_table import pack_topology, unpack_topology
from ..core.varint import get_uvarint, put_uvarint
from ..errors import ArchiveError
from ..io.layout import MAX_HEADER_BYTES, MAX_TRAILER_BYTES, SAMPLE_BYTES
from ..topology.topology import Topology

MAGIC = b"\x89SPS\r\n\x1a\n"
MAJOR, MINOR = 1, 1
END, CODED, SAMPLES, QUANTIZER = range(4)

MAX_SAMPLES = 1 << 22
"""Samples of a packet, at most, or one frame: what bounds a decoder's memory."""
MAX_CHANNELS = 65535
MAX_STREAM_HEADER_BYTES = 1 << 22
"""A header is no longer: a head, and the topology of MAX_CHANNELS threads."""

_HEADER = struct.Struct("<8sBBBB8sI")
_CRC = struct.Struct("<I")
_MAX_SAMPLE_BYTES = 8
"""No coded sample takes more: 24 bits at most for a symbol, 24 for what follows it, and its share of words."""
_SPARE_BYTES = 4096
_NUMBERS_BYTES = 18
"""Two uvarints are no longer."""


@dataclass(frozen=True)
class LiveFormat:
    """What a live stream is of."""

    sample_bytes: int
    """Bytes a sample: 1, 2 or 3."""
    sample_rate: int
    """Frames a second."""
    channels: int
    model: bytes
    """The first 8 bytes of the model's SHA-256."""
    topology: Topology
    header: bytes = b""
    """Bytes before the first sample: those of a WAV header, or none."""

    @property
    def frame_bytes(self) -> int:
        """Bytes a frame."""
        return self.channels * self.sample_bytes

    @property
    def max_frames(self) -> int:
        """Frames of a packet, at most."""
        return max(1, MAX_SAMPLES // self.channels)


def pack_header(form: LiveFormat) -> tuple[bytes, int]:
    """A stream's header, and the checksum that the first packet's begins from."""
    out = bytearray()
    for number in (form.sample_rate, form.channels, len(form.header)):
        put_uvarint(out, number)
    out += form.header + pack_topology(form.topology)
    fixed = _HEADER.pack(MAGIC, MAJOR, MINOR, form.sample_bytes, 0, form.model, len(out))
    crc = zlib.crc32(out, zlib.crc32(fixed))
    return fixed + _CRC.pack(crc) + out, crc


def unpack_header(data: bytes | bytearray) -> tuple[LiveFormat, int, int] | None:
    """The reverse of `pack_header`: (format, bytes taken, checksum); None where `data` is only its beginning.

    Raises ArchiveError where it is none.
    """
    if data[: len(MAGIC)] != MAGIC[: len(data)]:
        raise ArchiveError("is no live stream; it begins otherwise than what `spikey compress -` writes")
    if len(data) < _HEADER.size + _CRC.size:
        return None
    _, major, minor, sample_bytes, reserved, model, size = _HEADER.unpack_from(data)
    if major != MAJOR or reserved:
        raise ArchiveError(
            f"is a live stream of version {major}.{minor} (flags {reserved}), and this release reads {MAJOR}.{MINOR}; "
            "install a newer spikey-cli"
        )
    if size > MAX_STREAM_HEADER_BYTES - _HEADER.size - _CRC.size:
        raise ArchiveError("is damaged: its header says that it is longer than can be; transmit it again")
    start = _HEADER.size + _CRC.size
    if len(data) < start + size:
        return None
    rest = bytes(data[start : start + size])
    crc = zlib.crc32(rest, zlib.crc32(data[: _HEADER.size]))
    if crc != _CRC.unpack_from(data, _HEADER.size)[0] or sample_bytes not in SAMPLE_BYTES:
        raise ArchiveError("is damaged: its header does not match its checksum; transmit it again")
    rate, at = get_uvarint(rest, 0)
    channels, at = get_uvarint(rest, at)
    length, at = get_uvarint(rest, at)
    if not 1 <= channels <= MAX_CHANNELS or length > min(MAX_HEADER_BYTES, len(rest) - at) or rate >= 1 << 32:
        raise ArchiveError("is damaged: its header says what cannot be; transmit it again")
    topology = unpack_topology(rest[at + length :], channels)
    form = LiveFormat(sample_bytes, rate, channels, model, topology, rest[at : at + length])
    return form, start + size, crc


@dataclass(frozen=True)
class Packet:
    """A packet that was read: its frames, its kind, and what it holds."""

    frames: int
    kind: int
    payload: bytes


def pack_packet(packet: Packet, crc: int) -> tuple[bytes, int]:
    """A packet's bytes behind one of checksum `crc`, and its own."""
    out = bytearray()
    put_uvarint(out, 4 * packet.frames + packet.kind)
    put_uvarint(out, len(packet.payload))
    out += packet.payload
    crc = zlib.crc32(out, crc)
    return bytes(out) + _CRC.pack(crc), crc


def unpack_packet(data: bytearray, at: int, form: LiveFormat, crc: int) -> tuple[Packet, int, int] | None:
    """The packet at byte `at` of `data`, behind one of checksum `crc`: (packet, byte behind it, its checksum).

    None where not all of it is there. Raises ArchiveError where it is damaged.
    """
    numbers = bytes(data[at : at + _NUMBERS_BYTES])
    if sum(byte < 0x80 for byte in numbers) < 2 and len(numbers) < _NUMBERS_BYTES:
        return None
    tag, pos = get_uvarint(numbers, 0)
    size, pos = get_uvarint(numbers, pos)
    frames, kind = divmod(tag, 4)
    samples = frames * form.channels
    most = {
        END: _NUMBERS_BYTES + hashlib.sha256().digest_size + MAX_TRAILER_BYTES,
        CODED: samples * _MAX_SAMPLE_BYTES + _SPARE_BYTES,
        SAMPLES: samples * form.sample_bytes,
        QUANTIZER: MAX_TRAILER_BYTES,
    }[kind]
    if frames > form.max_frames or size > most or (frames > 0) != (kind in (CODED, SAMPLES)):
        raise ArchiveError("is damaged: a packet says what cannot be; transmit it again")
    start = at + pos
    if len(data) < start + size + _CRC.size:
        return None
    stop = start + size
    found = zlib.crc32(memoryview(data)[at:stop], crc)
    if found != _CRC.unpack_from(data, stop)[0]:
        raise ArchiveError("is damaged: a packet does not match its checksum, or one before it is missing")
    return Packet(frames, kind, bytes(data[start:stop])), stop + _CRC.size, found


def pack_end(frames: int, sha256: bytes, trailer: bytes) -> Packet:
    """The last packet of a stream of so many frames, whose restored bytes have this SHA-256."""
    out = bytearray()
    put_uvarint(out, frames)
    return Packet(0, END, bytes(out) + sha256 + trailer)


def unpack_end(payload: bytes) -> tuple[int, bytes, bytes]:
    """The reverse of `pack_end`: (frames, SHA-256, tail). Raises ArchiveError."""
    frames, at = get_uvarint(payload, 0)
    size = hashlib.sha256().digest_size
    if len(payload) < at + size:
        raise ArchiveError("is damaged: its last packet is too short; transmit it again")
    return frames, payload[at : at + size], payload[at + size :]
