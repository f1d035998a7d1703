"""Recordings through pipes: complete, cut off, damaged, or from a source that fails."""

from __future__ import annotations

import io
import zlib

import numpy as np
import pytest
from support.pipes import FailingSource, piped
from support.recordings import n1_samples, neural, wav_bytes
from support.streams import PacketStream

from spikey_cli.container.limits import Limits
from spikey_cli.errors import ArchiveError, InputError, LimitError
from spikey_cli.io.raw import RawFormat
from spikey_cli.streaming.pipe import Piped, compress_pipe, decompress_pipe


@pytest.mark.parametrize("trailer", [b"", PacketStream.TRAILER, b"\0"])
@pytest.mark.parametrize("sample_bytes", [1, 2, 3])
def test_wav_files(random, sample_bytes, trailer):
    samples = np.cumsum(random.integers(-3, 4, (500, 3)), axis=0) % 200
    wav = wav_bytes(samples, sample_bytes, header=b"junk\x04\x00\x00\x00wxyz", trailer=trailer)
    assert piped(wav) == wav
    assert piped(wav, packet_frames=1) == wav
    assert piped(wav[:-2]) == wav[:-2], "cut off inside a frame"


@pytest.mark.parametrize("size", [0, 0xFFFFFFFF, 0x7FFFFFFF])
def test_a_wav_header_of_unknown_length(random, size):
    wav = bytearray(wav_bytes(n1_samples(neural(random, 3000))))
    wav[40:44] = size.to_bytes(4, "little")
    assert piped(bytes(wav)) == wav


@pytest.mark.parametrize("stated", [1001, *(pytest.param(n, marks=pytest.mark.slow) for n in (0, 1000, 10_002))])
def test_more_samples_than_the_wav_header_states(random, stated):
    wav = bytearray(wav_bytes(n1_samples(neural(random, 20_000, 2))) + bytes(70_000))
    wav[40:44] = stated.to_bytes(4, "little")
    for size in (len(wav), len(wav) - 1, 70_000, 66_000 + stated):
        assert piped(bytes(wav[:size])) == wav[:size], f"{stated} bytes stated, {size} piped"


def test_raw_samples(random):
    data = n1_samples(neural(random, 3000, 4)).tobytes()
    assert piped(data, raw=RawFormat(4, 19531)) == data
    assert piped(data + b"abc", raw=RawFormat(4, 19531), packet_frames=7) == data + b"abc"
    assert piped(b"", raw=RawFormat(4, 19531)) == b""


def test_a_source_that_is_not_a_wav_file(random):
    for data in (b"", b"RIFF", b"hello" * 100, wav_bytes(np.zeros(10))[:30], random.bytes(200_000)):
        with pytest.raises(InputError, match="is not a WAV file") as raised:
            compress_pipe(io.BytesIO(data), lambda data: None)
        assert raised.value.parameter == "raw"


def test_frames_too_long_for_a_stream():
    with pytest.raises(InputError, match="a frame has 131070 bytes, and 65536 is the most"):
        compress_pipe(io.BytesIO(bytes(200_000)), lambda data: None, raw=RawFormat(65535, 100))


def test_a_source_that_fails_ends_the_stream(random):
    data = n1_samples(neural(random, 20_000, 2)).tobytes()
    out: list[bytes] = []
    source = FailingSource(data, 40_000)
    done = compress_pipe(source, out.append, raw=RawFormat(2, 1000), name="stdin", keep_going=True)
    assert str(done.fault) == "stdin: cannot read: Input/output error; check its source"
    assert done.frames == 10_000
    back: list[bytes] = []
    decompress_pipe(io.BytesIO(b"".join(out)), back.append)
    assert b"".join(back) == data[:40_000]
    with pytest.raises(InputError, match="Input/output error"):
        compress_pipe(FailingSource(data, 40_000), out.append, raw=RawFormat(2, 1000))


@pytest.fixture
def stream(random: np.random.Generator) -> PacketStream:
    return PacketStream.of(random)


def salvaged(data: bytes, **options: object) -> tuple[Piped, bytes]:
    """Result and output of `decompress_pipe` with `keep_going`."""
    back: list[bytes] = []
    done = decompress_pipe(io.BytesIO(data), back.append, name="a.spk", keep_going=True, **options)
    return done, b"".join(back)


def test_an_intact_stream_has_no_fault(stream: PacketStream) -> None:
    done, back = salvaged(stream.data)
    assert done.fault is None
    assert back == stream.wav


def test_frames_before_damage_are_restored(stream: PacketStream, random: np.random.Generator) -> None:
    anywhere = random.integers(stream.header_bytes, len(stream.data), 60).tolist()
    edges = [stream.header_bytes, stream.ends[0] - 1, stream.ends[0], stream.ends[-1], len(stream.data) - 1]
    for at in anywhere + edges:
        changed = bytearray(stream.data)
        changed[at] ^= 1 + at % 255
        for data in (bytes(changed), stream.data[:at]):
            done, back = salvaged(data)
            assert isinstance(done.fault, ArchiveError), f"damage at {at} was not detected"
            assert str(done.fault).startswith("a.spk: "), done.fault
            assert done.frames == PacketStream.PACKET_FRAMES * sum(end <= at for end in stream.ends), f"damaged at {at}"
            assert back == stream.restored(done.frames), f"damaged at {at}"


def test_a_damaged_header_restores_nothing(stream: PacketStream) -> None:
    for at in range(0, stream.header_bytes, 7):
        changed = bytearray(stream.data)
        changed[at] ^= 1 + at % 255
        for data in (bytes(changed), stream.data[:at]):
            with pytest.raises(ArchiveError, match=r"^a\.spk: "):
                salvaged(data)


def test_a_wrong_sha256_is_reported(stream: PacketStream) -> None:
    """The checksums of all packets match, and the trailer was changed."""
    last = stream.ends[-1]
    packet = bytearray(stream.data[last:-4])
    packet[-1] ^= 1
    crc_before = int.from_bytes(stream.data[last - 4 : last], "little")
    forged = stream.data[:last] + packet + zlib.crc32(packet, crc_before).to_bytes(4, "little")
    done, back = salvaged(forged)
    assert "do not match its SHA-256" in str(done.fault)
    assert back == stream.restored(PacketStream.FRAMES)


def test_bytes_after_the_end_are_reported(stream: PacketStream) -> None:
    done, back = salvaged(stream.data + b"more")
    assert "bytes follow its end" in str(done.fault)
    assert back == stream.wav


def test_limits_apply_with_keep_going_too(stream: PacketStream) -> None:
    with pytest.raises(LimitError, match=r"^a\.spk: .*Limits\.expansion") as raised:
        salvaged(stream.data, limits=Limits(expansion=1))
    assert raised.value.parameter == "expansion"


def test_frames_before_a_read_error_are_restored(stream: PacketStream) -> None:
    back: list[bytes] = []
    source = FailingSource(stream.data, stream.ends[9])
    done = decompress_pipe(source, back.append, name="a.spk", keep_going=True)
    assert isinstance(done.fault, InputError)
    assert "a.spk: cannot read: Input/output error" in str(done.fault)
    assert done.frames >= 10 * PacketStream.PACKET_FRAMES
    assert b"".join(back) == stream.restored(done.frames)
    with pytest.raises(InputError, match="Input/output error"):
        decompress_pipe(FailingSource(stream.data, stream.ends[9]), back.append, name="a.spk")
