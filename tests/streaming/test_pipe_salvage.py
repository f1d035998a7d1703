"""What is left of live streams that are damaged, or break off."""

from __future__ import annotations

import io
import json
import zlib
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from support.pipes import run_piped as run
from support.recordings import n1_samples, neural, wav_bytes

from spikey_cli.container.limits import Limits
from spikey_cli.errors import ArchiveError, InputError, LimitError
from spikey_cli.streaming.encoder import StreamEncoder
from spikey_cli.streaming.pipe import Piped, decompress_pipe

AT_ONCE, FRAMES = 100, 3000
TAIL = b"LIST\x04\x00\x00\x00abcd"


class Stream(NamedTuple):
    """A WAV of two channels, and the live stream of it in packets of AT_ONCE frames."""

    wav: bytes
    head_bytes: int
    """Of the WAV, before its samples."""
    data: bytes
    header_bytes: int
    """Of the stream, before its first packet."""
    ends: list[int]
    """Where what was pushed at once ends in it."""

    def restored(self, frames: int) -> bytes:
        """The WAV up to this frame."""
        return self.wav[: self.head_bytes + 4 * frames]


@pytest.fixture
def stream(random: np.random.Generator) -> Stream:
    samples = n1_samples(neural(random, FRAMES, 2))
    wav = wav_bytes(samples, trailer=TAIL)
    wav_header = wav[: len(wav) - samples.nbytes - len(TAIL)]
    encoder = StreamEncoder(2, 19531, header=wav_header)
    header = encoder.push(samples[:0])
    parts = [encoder.push(samples[at : at + AT_ONCE]) for at in range(0, FRAMES, AT_ONCE)]
    ends = np.cumsum([len(header), *map(len, parts)])[1:].tolist()
    return Stream(wav, len(wav_header), header + b"".join(parts) + encoder.finish(TAIL), len(header), ends)


def salvaged(data: bytes, **options: object) -> tuple[Piped, bytes]:
    """What `decompress_pipe` tells, and gives, of a stream."""
    back: list[bytes] = []
    done = decompress_pipe(io.BytesIO(data), back.append, name="a.spk", keep_going=True, **options)
    return done, b"".join(back)


def test_a_whole_stream_has_no_fault(stream: Stream) -> None:
    done, back = salvaged(stream.data)
    assert done.fault is None
    assert back == stream.wav


def test_what_comes_before_damage_is_kept(stream: Stream, random: np.random.Generator) -> None:
    anywhere = random.integers(stream.header_bytes, len(stream.data), 60).tolist()
    edges = [stream.header_bytes, stream.ends[0] - 1, stream.ends[0], stream.ends[-1], len(stream.data) - 1]
    for at in anywhere + edges:
        changed = bytearray(stream.data)
        changed[at] ^= 1 + at % 255
        for data in (bytes(changed), stream.data[:at]):
            done, back = salvaged(data)
            assert isinstance(done.fault, ArchiveError), f"damaged at {at}, and accepted"
            assert str(done.fault).startswith("a.spk: "), done.fault
            assert done.frames == AT_ONCE * sum(end <= at for end in stream.ends), f"damaged at {at}"
            assert back == stream.restored(done.frames), f"damaged at {at}"


def test_nothing_comes_of_a_damaged_header(stream: Stream) -> None:
    for at in range(0, stream.header_bytes, 7):
        changed = bytearray(stream.data)
        changed[at] ^= 1 + at % 255
        for data in (bytes(changed), stream.data[:at]):
            with pytest.raises(ArchiveError, match=r"^a\.spk: "):
                salvaged(data)


def test_what_does_not_match_its_sha256_is_told(stream: Stream) -> None:
    """A stream whose checksums of packets are right, and whose end is of another: its tail proves nothing either."""
    behind = stream.ends[-1]
    packet = bytearray(stream.data[behind:-4])
    packet[-1] ^= 1  # of the tail
    before = int.from_bytes(stream.data[behind - 4 : behind], "little")
    forged = stream.data[:behind] + packet + zlib.crc32(packet, before).to_bytes(4, "little")
    done, back = salvaged(forged)
    assert "does not match its SHA-256" in str(done.fault)
    assert back == stream.restored(FRAMES)


def test_bytes_behind_the_end_are_told(stream: Stream) -> None:
    done, back = salvaged(stream.data + b"more")
    assert "goes on behind its end" in str(done.fault)
    assert back == stream.wav


def test_a_limit_ends_it_all_the_same(stream: Stream) -> None:
    with pytest.raises(LimitError, match=r"^a\.spk: .*--max-expansion"):
        salvaged(stream.data, limits=Limits(expansion=1))


def test_what_came_before_a_disk_fails_is_kept(stream: Stream) -> None:
    class Failing(io.BytesIO):
        def read1(self, size: int | None = -1, /) -> bytes:
            if self.tell() >= stream.ends[9]:
                raise OSError(5, "Input/output error")
            return super().read1(1000)

    back: list[bytes] = []
    done = decompress_pipe(Failing(stream.data), back.append, name="a.spk", keep_going=True)
    assert isinstance(done.fault, InputError)
    assert "a.spk: cannot read: Input/output error" in str(done.fault)
    assert done.frames >= 10 * AT_ONCE
    assert b"".join(back) == stream.restored(done.frames)
    with pytest.raises(InputError, match="Input/output error"):
        decompress_pipe(Failing(stream.data), back.append, name="a.spk")


def test_on_the_command_line(tmp_path: Path, stream: Stream) -> None:
    damaged, out = tmp_path / "a.spk", tmp_path / "out"
    damaged.write_bytes(stream.data[: stream.ends[11] + 3])
    strict = run("decompress", damaged, out)
    assert strict.exit_code == 1
    assert "; keep going to restore the 1,200 frames before (--keep-going)" in strict.stderr
    assert list(out.iterdir()) == []
    tested = run("test", damaged)
    assert tested.exit_code == 1
    assert "; keep going to restore the 1,200 frames before (spikey decompress --keep-going)" in tested.stderr

    kept = run("decompress", "--keep-going", damaged, out)
    assert kept.exit_code == 1
    assert "1,200 frames" in kept.stdout
    assert (out / "a.wav").read_bytes() == stream.restored(1200)
    told = json.loads((out / "a.spk.lost.json").read_text())
    lost = {"file": "a.wav", "channels": [0, 1], "first_frame": 1200, "stop_frame": None, "sample_rate": 19531}
    assert told == {"archive": str(damaged), "faults": [kept.stderr.strip().removeprefix("spikey: ")], "lost": [lost]}

    (out / "a.wav").unlink()
    again = run("decompress", "--keep-going", damaged, out)
    assert again.exit_code == 1
    assert told["faults"][0] in again.stderr, "the fault was not told, because a report of it was there already"
    assert "a.spk.lost.json: exists already" in again.stderr
    assert run("decompress", "--keep-going", "-f", damaged, out).stderr == kept.stderr


def test_through_a_pipe_on_the_command_line(tmp_path: Path, stream: Stream) -> None:
    cut = stream.data[: stream.ends[11] + 3]
    kept = run("decompress", "--keep-going", "-", tmp_path / "b.wav", stdin=cut)
    assert kept.exit_code == 1
    assert "stdin: its end is missing" in kept.stderr
    assert list(tmp_path.iterdir()) == [tmp_path / "b.wav"]
    assert (tmp_path / "b.wav").read_bytes() == stream.restored(1200)
    through = run("decompress", "--keep-going", "-", stdin=cut)
    assert (through.exit_code, through.stdout_bytes) == (1, stream.restored(1200))
