"""Pipes: a WAV, or raw samples, to a live stream and back, as bytes come.

What comes out of `decompress_pipe` is what went into `compress_pipe`, to the last byte.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

from ..container.limits import Limits
from ..errors import ArchiveError, InputError, LimitError, SpikeyError, system_fault
from ..io.layout import MAX_HEADER_BYTES, MAX_TRAILER_BYTES, RawFormat, samples_from_bytes, samples_to_bytes
from ..io.wav import WavStart, parse_start
from ..model.predictor import Predictor
from ..model.zoo import model_name
from ..system.progress import logger
from .decoder import StreamDecoder
from .encoder import StreamEncoder
from .packets import MAGIC, MAJOR, MAX_STREAM_HEADER_BYTES, MINOR, LiveFormat, unpack_header

PACKET_SAMPLES = 1 << 16
_READ_BYTES = 1 << 16
_SPARE_BYTES = 64


@dataclass(frozen=True)
class Piped:
    """What went through a pipe."""

    source_bytes: int
    """Of samples and what stands around them."""
    stream_bytes: int
    frames: int
    format: LiveFormat
    fault: SpikeyError | None = None
    """What is wrong behind these frames, where that was to end nothing."""


def _pieces(source: BinaryIO, name: str) -> Iterator[bytes]:
    """What can be read, as soon as there is any."""
    read: Callable[[int], bytes] = getattr(source, "read1", source.read)
    while True:
        try:
            data = read(_READ_BYTES)
        except OSError as error:
            raise InputError(f"{name}: cannot read: {error.strerror}; check what it comes from") from error
        if not data:
            return
        yield data


def compress_pipe(
    source: BinaryIO,
    write: Callable[[bytes], object],
    *,
    raw: RawFormat | None = None,
    packet_frames: int | None = None,
    predictor: Predictor | None = None,
    name: str = "-",
    keep_going: bool = False,
) -> Piped:
    """Compress a WAV that `source` gives, or raw samples, to a live stream: `write` takes it packet by packet.

    A packet is of `packet_frames` frames, fewer at the end; by default of a tenth of a second, or of PACKET_SAMPLES
    samples where that is less. `name` is what errors call the source. A WAV whose header tells of fewer samples than
    come, as where its length was not known, is taken to go on.

    Raises InputError where the source cannot be read, or is not what it should be. With `keep_going` the stream ends
    where it cannot be read any more, and `Piped.fault` tells why.
    """
    pieces = _pieces(source, name)
    buffered = bytearray()
    if raw is None:
        start = _read_start(pieces, buffered, name)
    else:
        start = WavStart(b"", raw.sample_rate, raw.channels, raw.sample_bytes, None)
    channels, sample_bytes, left = start.channels, start.sample_bytes, start.data_bytes
    encoder = StreamEncoder(
        channels, start.sample_rate, sample_bytes=sample_bytes, predictor=predictor, header=start.header
    )
    frame_bytes = channels * sample_bytes
    if frame_bytes > MAX_TRAILER_BYTES:  # an incomplete one would have no place
        raise InputError(f"{name}: frames of more than {MAX_TRAILER_BYTES} bytes go through no pipe; save it as a file")
    if packet_frames is None:
        packet_frames = max(1, min(start.sample_rate // 10, PACKET_SAMPLES // channels))
    _tell(name, encoder.format)
    logger.info("frames a packet: %d", packet_frames)
    at_once = packet_frames * frame_bytes
    frames = source_bytes = stream_bytes = 0

    def put(data: bytes) -> None:
        nonlocal stream_bytes
        write(data)
        stream_bytes += len(data)

    def push(count: int) -> None:
        nonlocal frames, source_bytes
        data = bytes(buffered[:count])
        del buffered[:count]
        put(encoder.push(samples_from_bytes(data, channels, sample_bytes)))
        frames += count // frame_bytes
        source_bytes += count

    fault: SpikeyError | None = None
    ended = False
    while not ended:
        try:
            piece = next(pieces, None)
        except InputError as error:
            if not keep_going:
                raise
            fault, piece = error, None
        ended = piece is None
        buffered += piece or b""
        if left is not None and source_bytes + len(buffered) - left > MAX_TRAILER_BYTES:
            left = None  # more than a tail: what wrote the header could not know how much would come
        # of what lies behind the samples, nothing is one
        while (here := len(buffered) if left is None else min(len(buffered), left - source_bytes)) >= at_once:
            push(at_once)
        if ended and here >= frame_bytes:
            push(here // frame_bytes * frame_bytes)
    if len(buffered) > MAX_TRAILER_BYTES:  # with the incomplete frame before it
        push(len(buffered) // frame_bytes * frame_bytes)
    trailer = bytes(buffered)
    put(encoder.finish(trailer))
    return Piped(len(start.header) + source_bytes + len(trailer), stream_bytes, frames, encoder.format, fault)


def _read_start(pieces: Iterator[bytes], buffered: bytearray, name: str) -> WavStart:
    """Read the head of a WAV; what has come of its samples stays in `buffered`."""
    for piece in pieces:
        buffered += piece
        start = parse_start(bytes(buffered[: MAX_HEADER_BYTES + _SPARE_BYTES]))
        if start is not None:
            del buffered[: len(start.header)]
            return start
        if len(buffered) > MAX_HEADER_BYTES + _SPARE_BYTES:
            break
    raise InputError(
        f"{name}: is no WAV of 8, 16 or 24 bits; say what samples without a header are, as in --raw 1024:19531"
    )


def decompress_pipe(
    source: BinaryIO,
    write: Callable[[bytes], object],
    *,
    predictor: Predictor | None = None,
    name: str = "-",
    limits: Limits | None = None,
    keep_going: bool = False,
) -> Piped:
    """Decompress a live stream that `source` gives: `write` takes what it was made from, as it comes.

    Raises ArchiveError where it is damaged or ends too early, behind all frames that are whole, LimitError where it
    asks for more than the limits grant, ModelError where its model is not installed, and InputError where it cannot be
    read. With `keep_going` damage behind the header, and what cannot be read, are told by `Piped.fault` instead.
    """
    decoder = StreamDecoder(predictor, limits=limits)
    source_bytes = stream_bytes = 0
    begun = False
    fault: SpikeyError | None = None

    def put(data: bytes) -> None:
        nonlocal source_bytes
        if data:
            write(data)
        source_bytes += len(data)

    def begin() -> None:
        nonlocal begun
        if decoder.format is not None and not begun:
            _tell(name, decoder.format)
            put(decoder.format.header)
            begun = True

    try:
        for piece in _pieces(source, name):
            frames = decoder.push(piece)
            stream_bytes += len(piece)
            begin()
            if decoder.format is not None:
                put(samples_to_bytes(frames, decoder.format.sample_bytes))
        decoder.close()
    except LimitError as error:
        raise LimitError(f"{name}: {error}") from error
    except (ArchiveError, InputError) as error:
        fault = ArchiveError(f"{name}: {error}") if isinstance(error, ArchiveError) else error
        if decoder.format is None or not keep_going:
            raise fault  # noqa: B904 (it is the error, with a name)
        begin()
    put(decoder.trailer)
    assert decoder.format is not None
    return Piped(source_bytes, stream_bytes, decoder.frames, decoder.format, fault)


def _tell(name: str, form: LiveFormat) -> None:
    told = (form.channels, 8 * form.sample_bytes, form.sample_rate, model_name(form.model))
    logger.info("%s: threads: %d, %d bit, %d Hz, coder range, model %s", name, *told)


def live_suffix(path: str | os.PathLike[str]) -> str:
    """How the name of what a live stream was made from ends: .wav, or .raw where it had no header.

    Raises ArchiveError where the stream's header is damaged.
    """
    return ".wav" if _header_of(path)[0].header else ".raw"


def describe_live(path: str | os.PathLike[str]) -> dict[str, object]:
    """Describe a live stream by its header, as JSON data.

    Keys: path, format, archive_bytes, channels, sample_rate, sample_bits, kind (wav or raw), model (name and SHA-256
    digits). How many frames there are is seen by decoding it. Raises ArchiveError where the header is damaged.
    """
    form, length = _header_of(path)
    return {
        "path": os.fspath(path),
        "format": f"live {MAJOR}.{MINOR}",
        "archive_bytes": length,
        "channels": form.channels,
        "sample_rate": form.sample_rate,
        "sample_bits": 8 * form.sample_bytes,
        "kind": "wav" if form.header else "raw",
        "model": {"name": model_name(form.model), "sha256_prefix": form.model.hex()},
    }


def _header_of(path: str | os.PathLike[str]) -> tuple[LiveFormat, int]:
    """What a live stream is of, and its length in bytes."""
    try:
        with open(path, "rb") as file:
            header, length = unpack_header(file.read(MAX_STREAM_HEADER_BYTES)), os.fstat(file.fileno()).st_size
    except OSError as error:
        raise ArchiveError(system_fault(path, "read", error)) from error
    except ArchiveError as error:
        raise ArchiveError(f"{os.fspath(path)}: {error}") from error
    if header is None:
        raise ArchiveError(f"{os.fspath(path)}: is damaged: its header is cut off; transmit it again")
    return header[0], length


def is_live(path: str | os.PathLike[str]) -> bool:
    """Whether a file begins as a live stream does."""
    try:
        with open(path, "rb") as file:
            return file.read(len(MAGIC)) == MAGIC
    except OSError:
        return False
