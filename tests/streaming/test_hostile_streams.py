"""Live streams and WAVs of an enemy, and names that lead elsewhere."""

from __future__ import annotations

import io
import struct
import time
import tracemalloc
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.archive_builder import Content, deflated, directory_tokens, joined
from support.recordings import wav_bytes, write_session

import spikey_cli
from spikey_cli import Limits, StreamDecoder, StreamEncoder
from spikey_cli.container.directory import name_fault
from spikey_cli.container.limits import DEFAULT_LIMITS, TIME_A_BYTE
from spikey_cli.container.quantizer_table import pack_quantizer
from spikey_cli.core.packed import packed_bytes
from spikey_cli.core.quantizer import identity
from spikey_cli.errors import ArchiveError, InputError, LimitError, SpikeyError
from spikey_cli.io.wav import parse, parse_start
from spikey_cli.model.predictor import default_predictor
from spikey_cli.streaming.decoder import SILENCE
from spikey_cli.streaming.packets import CODED, END, QUANTIZER, SAMPLES, Packet, pack_packet
from spikey_cli.streaming.pipe import decompress_pipe
from spikey_cli.streaming.stream_state import n_ways

ONE_VALUE = b"\2\0\1\1"
"""A grid of a single value: any number of samples on it takes no bits."""


def stream(channels: int, *packets: Packet, description: bytes | None = None, size: int | None = None) -> bytes:
    """A live stream of packets, its checksums right."""
    if description is None:
        description = joined([1000, channels, 0]) + bytes(min(channels, 70_000))
    length = len(description) if size is None else size
    fixed = b"\x89SPS\r\n\x1a\n\1\0\2\0" + default_predictor().digest[:8] + struct.pack("<I", length)
    crc = zlib.crc32(description, zlib.crc32(fixed))
    out = fixed + struct.pack("<I", crc) + description
    for packet in packets:
        data, crc = pack_packet(packet, crc)
        out += data
    return out


@pytest.mark.parametrize(
    "data",
    [
        stream(2, size=2**32 - 1),
        stream(2, description=joined([1000, 1 << 60, 0])),
        stream(2, description=joined([1000, 65_536, 0]) + bytes(65_536)),
        stream(2, description=joined([1000, 2, 1 << 60])),
        stream(2, description=joined([1000, 2, 2**70])),
        stream(2, description=joined([1 << 60, 2, 0, b"\0\0"])),
        stream(2) + joined([(1 << 60) * 4 + CODED, 8]),
        stream(2) + joined([(1 << 22) * 4 + CODED, 8]),
        stream(2) + joined([4 + CODED, 1 << 60]),
        stream(2) + joined([4 + SAMPLES, 1 << 30]),
        stream(2) + joined([QUANTIZER, 1 << 30]),
        stream(2) + joined([END, 1 << 30]),
        stream(65_535) + joined([4 * 65 + CODED, 8]),
    ],
)
def test_live_streams_that_claim_too_much(data):
    """Refused as soon as the claim is there, before what it is of is waited for."""
    default_predictor()
    tracemalloc.start()
    try:
        with pytest.raises(SpikeyError):
            StreamDecoder().push(data)
        assert tracemalloc.get_traced_memory()[1] < 16 << 20
    finally:
        tracemalloc.stop()


def _sure(channels: int, frames: int, *, first: bool = False) -> Packet:
    """Frames on a grid of one value: a word for each way, and before them the words of all but the last."""
    ways = min(n_ways((frames - first) * channels), channels)
    header = bytes(packed_bytes(channels, 1)) if first else b""
    return Packet(frames, CODED, header + b"\1" * (ways - 1) + bytes(4 * ways))


def test_a_live_stream_of_nothing_is_bounded():
    """Frames that take no bits: so many for each byte, and no more."""
    packets = [Packet(0, QUANTIZER, ONE_VALUE), _sure(64, 1 << 16, first=True), *[_sure(64, 1 << 16)] * 40]
    data = stream(64, *packets)
    StreamDecoder().push(stream(64, packets[0], _sure(64, 1 << 10, first=True)))  # kernels are compiled
    start = time.process_time()
    decoder = StreamDecoder()
    assert len(decoder.push(data)) * 128 <= 16 << 20, "frames before the claim come first"
    with pytest.raises(LimitError, match="--max-expansion"):
        decoder.push(b"")
    with pytest.raises(LimitError, match=r"^stdin: claims to hold .*--max-expansion"):
        decompress_pipe(io.BytesIO(data), lambda data: None, name="stdin")
    assert time.process_time() - start < 10
    trusting = StreamDecoder(limits=Limits(expansion=1 << 30))
    assert len(trusting.push(stream(64, *packets[:7]))) == 6 << 16


def test_steps_of_a_live_stream_are_bounded():
    packets = [Packet(0, QUANTIZER, ONE_VALUE), _sure(1, 1 << 22, first=True), *[_sure(1, 1 << 22)] * 8]
    with pytest.raises(LimitError, match=r"takes longer to decode .*--max-expansion"):
        StreamDecoder().push(stream(1, *packets))


def test_grids_without_end_take_no_time():
    quantizers = [Packet(0, QUANTIZER, pack_quantizer(identity(2)))] * 20_000
    start = time.process_time()
    StreamDecoder().push(stream(5000, *quantizers))
    assert time.process_time() - start < 5


def test_silence_is_within_the_limits():
    """What an encoder writes of one value, in packets as pipes make them, never comes near them."""
    for channels, frames in ((1, 1953), (64, 1024)):
        encoder, decoder = StreamEncoder(channels, 19_531), StreamDecoder()
        sent = restored = 0
        for _ in range(10):
            data = encoder.push(np.full((frames, channels), 5, np.int16))
            restored += decoder.push(data).nbytes
            sent += len(data)
        assert restored == 20 * frames * channels
        assert restored < DEFAULT_LIMITS.expansion * sent
        assert decoder._time < SILENCE * TIME_A_BYTE * sent


def _riff(*chunks: bytes, form: bytes = b"RIFF") -> bytes:
    return form + b"\xff\xff\xff\xffWAVE" + b"".join(chunks)


FMT = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, 8000, 16000, 2, 16)


@pytest.mark.parametrize(
    "data",
    [
        _riff(FMT, b"data" + struct.pack("<I", 2**32 - 2)),
        _riff(
            struct.pack("<4sIQQQI", b"ds64", 28, 2**64 - 1, 1 << 60, 1 << 60, 0),
            FMT,
            b"data\xff\xff\xff\xff",
            form=b"RF64",
        ),
        _riff(struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 65535, 2**32 - 1, 0, 65535, 8), b"data\xff\xff\xff\xffab"),
        _riff(struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 3, 8000, 0, 0, 16), b"data\4\0\0\0abcd"),
        _riff(b"junk\xff\xff\xff\xff", FMT),
        _riff(*[b"junk\0\0\0\0"] * 100_000, FMT, b"data\2\0\0\0ab"),
        _riff(FMT, b"data\0\0\0\0", *[b"junk\0\0\0\0"] * 100_000),
    ],
)
def test_wavs_that_claim_too_much(data, tmp_path):
    tracemalloc.start()
    try:
        parse(io.BytesIO(data), len(data))
        parse_start(data[: 1 << 17])
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
    finally:
        tracemalloc.stop()
    (tmp_path / "a.wav").write_bytes(data)
    spikey_cli.compress([tmp_path / "a.wav"], tmp_path / "a.spk")
    spikey_cli.decompress(tmp_path / "a.spk", tmp_path / "back")
    assert (tmp_path / "back" / "a.wav").read_bytes() == data


@pytest.mark.parametrize(
    "name",
    [
        "con",
        "Con.wav",
        "aux .txt",
        "COM¹",
        "lpt³.wav",
        "CONIN$",
        "conout$.txt",
        "d:evil",
        "\\\\server\\share",
        "\\\\?\\C:\\x",
        "a/nul/b",
        "a:stream",
        "x\x1f",
        "a/ ",
        "...",
        "a/.. ",
        "//a",
        "~/../a",
        "a\x00.wav",
    ],
)
def test_more_names_that_lead_elsewhere(name):
    assert name_fault(name)


def _archive(tmp_path: Path, *names: str | bytes) -> Path:
    """An archive whose files have these names, whatever they are."""
    source = tmp_path / "in"
    source.mkdir()
    for i in range(len(names)):
        (source / f"{i}").write_bytes(b"content %d" % i)
    path = tmp_path / "names.spk"
    spikey_cli.compress([source], path, recursive=True)
    content = Content.of(path)
    tokens = directory_tokens(content.directory)
    for i, name in enumerate(names):
        new = name.encode() if isinstance(name, str) else name
        at = tokens.index(content.directory.files[i].name.encode())
        tokens[at - 1 : at + 1] = [len(new), new]
    anatomy = content.anatomy()
    anatomy.directory = deflated(joined(tokens))
    path.write_bytes(anatomy.pack())
    return path


@pytest.mark.parametrize("name", ["../up", "/abs", "a/../../up", "nul", "a\\..\\up", b"\xff\xfe", "", "a\0b"])
def test_archives_with_such_names_write_nothing(name, tmp_path):
    path = _archive(tmp_path, "fine", name)
    before = sorted(tmp_path.rglob("*"))
    for run in (spikey_cli.decompress, spikey_cli.extract_files):
        with pytest.raises(ArchiveError, match=r"name"):
            run(path, tmp_path / "back")
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("names", [("a.wav", "A.WAV"), ("straße", "STRASSE"), ("x/y", "X/Y"), ("same", "same")])
def test_names_that_are_equal_but_for_case(names, tmp_path):
    with pytest.raises(ArchiveError, match="the same name"):
        spikey_cli.decompress(_archive(tmp_path, *names), tmp_path / "back")
    assert not (tmp_path / "back").exists()


@pytest.mark.parametrize("names", [("a", "a/b"), ("a/b", "a"), ("a/b/c/d", "A/B"), ("x/STRASSE", "x/straße/y")])
def test_a_file_that_is_a_folder_too(names, tmp_path):
    with pytest.raises(ArchiveError, match="a file has the name of another one's folder"):
        spikey_cli.decompress(_archive(tmp_path, *names), tmp_path / "back")
    assert not (tmp_path / "back").exists()


@pytest.mark.parametrize("names", [("a", "a.b/c"), ("a/b", "a b"), ("a/bc", "a/b"), ("a-/b", "a")])
def test_names_that_only_begin_alike(names, tmp_path):
    spikey_cli.decompress(_archive(tmp_path, *names), tmp_path / "back")
    assert all((tmp_path / "back" / name).is_file() for name in names)


def test_a_name_too_long_for_the_disk(tmp_path):
    path = _archive(tmp_path, "x" * 3000, "y/" * 1900 + "y")
    result = spikey_cli.decompress(path, tmp_path / "back", skip_failing=True)
    assert [type(failure) for failure in result.failures] == [InputError, InputError]
    assert not (tmp_path / "back" / "y").exists()


def test_files_that_exist_are_not_replaced(tmp_path):
    path = _archive(tmp_path, "one", "two")
    (tmp_path / "back").mkdir()
    (tmp_path / "back" / "two").write_text("mine")
    with pytest.raises(InputError, match="exists already"):
        spikey_cli.decompress(path, tmp_path / "back")
    assert (tmp_path / "back" / "two").read_text() == "mine"


def test_links_are_not_followed(tmp_path):
    """Neither out of the folder, by a folder that is yet to be made there, nor in the place of a file."""
    path = _archive(tmp_path, "sub/deep/one", "two")
    back, elsewhere = tmp_path / "back", tmp_path / "elsewhere"
    back.mkdir()
    elsewhere.mkdir()
    (back / "sub").symlink_to(elsewhere)
    (back / "two").symlink_to(elsewhere / "two")
    with pytest.raises(InputError, match=r"leads out of|exists already"):
        spikey_cli.decompress(path, back)
    assert not list(elsewhere.iterdir())
    result = spikey_cli.decompress(path, back, force=True, skip_failing=True)
    assert result.files == 1
    assert not list(elsewhere.iterdir()), "the link was replaced, not what it points to"
    assert not (back / "two").is_symlink()
    (back / "loop").symlink_to(back / "loop")
    with pytest.raises(InputError):
        spikey_cli.decompress(path, back / "loop")


def test_links_are_not_followed_by_extraction(tmp_path, random):
    write_session(tmp_path / "in" / "sub" / "deep", random, 1)
    spikey_cli.compress([tmp_path / "in"], tmp_path / "out.spk", recursive=True)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "back").mkdir()
    (tmp_path / "back" / "sub").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InputError, match="leads out of"):
        spikey_cli.extract_files(tmp_path / "out.spk", tmp_path / "back")
    assert not list((tmp_path / "elsewhere").iterdir())


def test_an_expected_ratio_is_within_the_limits(tmp_path):
    """Silence, which compresses best of all: what is written is read, without a word about limits."""
    for coder, width, frames in (("range", 2, 12_000_000), ("rice", 2, 3_000_000), ("range", 3, 9_000_000)):
        (tmp_path / "a.wav").write_bytes(wav_bytes(np.zeros(frames, np.int32), width))
        spikey_cli.compress([tmp_path / "a.wav"], tmp_path / "a.spk", coder=coder, force=True)
        assert spikey_cli.verify(tmp_path / "a.spk").files == 1, coder


def test_replace_keeps_a_content(tmp_path):
    """The tool itself: an archive taken apart and put together is the same."""
    path = _archive(tmp_path, "0", "1")
    assert replace(Content.of(path)).anatomy().pack() == path.read_bytes()
