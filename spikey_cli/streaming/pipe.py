"""Pipes: a WAV file or raw samples to a live stream and back, as the bytes arrive.

`decompress_pipe` restores the input of `compress_pipe`, byte for byte.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

from ..codec.presets import DEFAULT_PRESET, preset_name
from ..container.limits import Limits
from ..errors import ArchiveError, DamageError, InputError, LimitError, SpikeyError, system_fault
from ..io.layout import MAX_HEADER_BYTES, MAX_TRAILER_BYTES, samples_from_bytes, samples_to_bytes
from ..io.raw import RawFormat
from ..io.wav import WavStart, parse_start
from ..model.predictor import Predictor
from ..model.zoo import model_name
from ..system.progress import logger
from ..system.remote import location, open_binary
from .decoder import StreamDecoder
from .encoder import StreamEncoder
from .packets import MAX_STREAM_HEADER_BYTES, VERSION, LiveFormat, named, unpack_header

PACKET_SAMPLES = 1 << 16
_READ_BYTES = 1 << 16
_CHUNK_HEADER_BYTES = 64
"""What is read beyond a WAV header of the greatest length, so that its parser sees where the samples begin."""


@dataclass(frozen=True)
class Piped:
    """Result of `compress_pipe` or `decompress_pipe`."""

    source_bytes: int
    """Bytes of the recording: header, samples and trailer."""
    stream_bytes: int
    """Bytes of the live stream."""
    frames: int
    format: LiveFormat
    fault: SpikeyError | None = None
    """What ended the stream early; with ``keep_going`` only."""


def compress_pipe(
    source: BinaryIO,
    write: Callable[[bytes], object],
    *,
    raw: RawFormat | None = None,
    packet_frames: int | None = None,
    predictor: Predictor | None = None,
    preset: str = DEFAULT_PRESET,
    name: str = "-",
    keep_going: bool = False,
) -> Piped:
    """Compress a WAV file or raw samples to a live stream while they are read.

    If more samples follow than the WAV header states, they are compressed too: a recorder writes the header before it
    knows the length.

    Parameters
    ----------
    source : binary file
        What to read. A pipe is read as its bytes arrive.
    write : callable
        Called with the bytes of each packet.
    raw : RawFormat, optional
        Channels, sample rate and sample width of samples without a header. By default `source` is a WAV file of 8, 16
        or 24 bits.
    packet_frames : int, optional
        Frames a packet; the last packet may have fewer. The default is 0.1 s or PACKET_SAMPLES samples, whichever is
        less.
    predictor : Predictor, optional
        Network that predicts the samples; by default the package's default model.
    preset : {"default", "fast", "best"}, optional
        As in `StreamEncoder`.
    name : str, optional
        What error messages call the source.
    keep_going : bool, optional
        If `source` cannot be read further, end the stream and report the error in `Piped.fault`.

    Returns
    -------
    Piped
        Frames and bytes compressed.

    Raises
    ------
    InputError
        If `source` cannot be read or is not a WAV file.

    Examples
    --------
    >>> import io
    >>> from spikey_cli.io.raw import RawFormat
    >>> from spikey_cli.streaming.pipe import compress_pipe, decompress_pipe
    >>> stream, restored = io.BytesIO(), io.BytesIO()
    >>> compress_pipe(io.BytesIO(bytes(8000)), stream.write, raw=RawFormat(channels=2, sample_rate=30_000)).frames
    2000
    >>> decompress_pipe(io.BytesIO(stream.getvalue()), restored.write).frames
    2000
    >>> restored.getvalue() == bytes(8000)
    True
    """
    pieces = _pieces(source, name)
    buffered = bytearray()
    if raw is None:
        start = _read_start(pieces, buffered, name)
    else:
        start = WavStart(b"", raw.sample_rate, raw.channels, raw.sample_type, None)
    if start.sample_type.is_scaled:
        raise InputError(
            f"{name}: a live stream has integers of 8, 16 or 24 bits, not {start.sample_type}; compress it as a file"
        )
    channels, sample_bytes, data_bytes = start.channels, start.sample_type.bytes, start.data_bytes
    encoder = StreamEncoder(
        channels, start.sample_rate, sample_bytes=sample_bytes, predictor=predictor, preset=preset, header=start.header
    )
    frame_bytes = channels * sample_bytes
    if frame_bytes > MAX_TRAILER_BYTES:  # an incomplete frame would not fit into the trailer
        raise InputError(
            f"{name}: a frame has {frame_bytes} bytes, and {MAX_TRAILER_BYTES} is the most in a live stream; compress "
            "it as a file"
        )
    if packet_frames is None:
        packet_frames = max(1, min(start.sample_rate // 10, PACKET_SAMPLES // channels))
    _log_format(name, encoder.format)
    logger.info("frames a packet: %d", packet_frames)
    packet_bytes = packet_frames * frame_bytes
    frames = source_bytes = stream_bytes = 0

    def put(data: bytes) -> None:
        nonlocal stream_bytes
        write(data)
        stream_bytes += len(data)

    def push(n_frames: int) -> None:
        nonlocal frames, source_bytes
        data = bytes(buffered[: n_frames * frame_bytes])
        del buffered[: len(data)]
        put(encoder.push(samples_from_bytes(data, channels, sample_bytes)))
        frames += n_frames
        source_bytes += len(data)

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
        if data_bytes is not None and source_bytes + len(buffered) - data_bytes > MAX_TRAILER_BYTES:
            data_bytes = None  # too long for a trailer: the header was written before the length was known
        while (ready := len(buffered) if data_bytes is None else min(len(buffered), data_bytes - source_bytes)) >= (
            packet_bytes
        ):
            push(packet_frames)
        if ended and ready >= frame_bytes:
            push(ready // frame_bytes)
    if len(buffered) > MAX_TRAILER_BYTES:  # together with an incomplete frame
        push(len(buffered) // frame_bytes)
    trailer = bytes(buffered)
    put(encoder.finish(trailer))
    return Piped(len(start.header) + source_bytes + len(trailer), stream_bytes, frames, encoder.format, fault)


def decompress_pipe(
    source: BinaryIO,
    write: Callable[[bytes], object],
    *,
    predictor: Predictor | None = None,
    name: str = "-",
    limits: Limits | None = None,
    keep_going: bool = False,
) -> Piped:
    """Decompress a live stream while it is read.

    Parameters
    ----------
    source : binary file
        What to read. A pipe is read as its bytes arrive.
    write : callable
        Called with the restored bytes, as soon as each packet is decoded.
    predictor : Predictor, optional
        The network that the stream was written with. Needed only if the package does not include it.
    name : str, optional
        What error messages call the source.
    limits : Limits, optional
        Bytes and decoding time granted for each byte read.
    keep_going : bool, optional
        If the stream is damaged after its header or cannot be read further, return and report the error in
        `Piped.fault`.

    Returns
    -------
    Piped
        Frames and bytes restored.

    Raises
    ------
    ArchiveError
        If the stream is damaged or ends early. All frames of complete packets have been written then.
    LimitError
        If the stream claims more than `limits` grants.
    ModelError
        If the model of the stream is not installed.
    InputError
        If `source` cannot be read.
    """
    decoder = StreamDecoder(predictor, limits=limits, name=name)
    source_bytes = stream_bytes = 0
    is_header_written = False
    fault: SpikeyError | None = None

    def put(data: bytes) -> None:
        nonlocal source_bytes
        if data:
            write(data)
        source_bytes += len(data)

    try:
        for piece in _pieces(source, name):
            frames = decoder.push(piece)
            stream_bytes += len(piece)
            if decoder.format is None:
                continue
            if not is_header_written:
                is_header_written = True
                _log_format(name, decoder.format)
                put(decoder.format.header)
            put(samples_to_bytes(frames, decoder.format.sample_bytes))
        decoder.close()
    except (ArchiveError, InputError) as error:
        if isinstance(error, LimitError) or decoder.format is None or not keep_going:
            raise
        fault = error
        if not is_header_written:
            put(decoder.format.header)
    put(decoder.trailer)
    assert decoder.format is not None
    return Piped(source_bytes, stream_bytes, decoder.frames, decoder.format, fault)


def live_suffix(path: str | os.PathLike[str]) -> str:
    """Suffix of the file that a live stream restores: ".wav", or ".raw" if its samples have no header.

    Raises ArchiveError if the stream's header is damaged.
    """
    return ".wav" if _read_header(path)[0].header else ".raw"


def live_info(path: str | os.PathLike[str]) -> dict[str, object]:
    """Return what the header of a live stream states, as JSON data; `spikey_cli.info` is the same for archives.

    Parameters
    ----------
    path : path or URL
        File that holds the stream.

    Returns
    -------
    dict
        Keys: path, format, archive_bytes, channels, sample_rate (Hz), sample_bits, kind ("wav" or "raw"), preset and
        model (name, sha256_prefix). The number of frames is unknown before the stream is decoded.

    Raises
    ------
    ArchiveError
        If the file cannot be read or its header is damaged.
    """
    stream, archive_bytes = _read_header(path)
    return {
        "path": str(location(path)),
        "format": f"live {VERSION}",
        "archive_bytes": archive_bytes,
        "channels": stream.channels,
        "sample_rate": stream.sample_rate,
        "sample_bits": 8 * stream.sample_bytes,
        "kind": "wav" if stream.header else "raw",
        "preset": preset_name(stream.effort),
        "model": {"name": model_name(stream.model), "sha256_prefix": stream.model.hex()},
    }


def _pieces(source: BinaryIO, name: str) -> Iterator[bytes]:
    """Bytes of a source, as soon as any can be read."""
    read: Callable[[int], bytes] = getattr(source, "read1", source.read)
    while True:
        try:
            data = read(_READ_BYTES)
        except OSError as error:
            raise InputError(f"{name}: cannot read: {error.strerror or error}; check its source") from error
        if not data:
            return
        yield data


def _read_start(pieces: Iterator[bytes], buffered: bytearray, name: str) -> WavStart:
    """Read the header of a WAV file; samples that were read with it remain in `buffered`."""
    limit = MAX_HEADER_BYTES + _CHUNK_HEADER_BYTES
    for piece in pieces:
        buffered += piece
        start = parse_start(bytes(buffered[:limit]))
        if start is not None:
            del buffered[: len(start.header)]
            return start
        if len(buffered) > limit:
            break
    raise InputError(
        f"{name}: is not a WAV file of 8, 16 or 24 bits; for samples without a header give channels and sample rate",
        parameter="raw",
    )


def _read_header(path: str | os.PathLike[str]) -> tuple[LiveFormat, int]:
    """Format of a live stream in a file, and the length of the file in bytes."""
    name, data, unpacked = str(location(path)), b"", None
    try:
        with open_binary(path) as file:
            length = file.seek(0, os.SEEK_END)
            while unpacked is None and len(data) < min(length, MAX_STREAM_HEADER_BYTES):
                file.seek(len(data))
                data += file.read(_READ_BYTES)
                try:
                    unpacked = unpack_header(data)
                except ArchiveError as error:
                    raise named(error, name) from error
    except OSError as error:
        raise ArchiveError(system_fault(path, "read", error)) from error
    if unpacked is None:
        raise named(DamageError("its header is cut off"), name)
    return unpacked[0], length


def _log_format(name: str, stream: LiveFormat) -> None:
    logger.info(
        "%s: channels: %d, %d bit, %d Hz, coder range, preset %s, model %s",
        *(name, stream.channels, 8 * stream.sample_bytes, stream.sample_rate),
        *(preset_name(stream.effort), model_name(stream.model)),
    )
