"""WAV layouts: header, data and trailer are the file, and the samples are found."""

from __future__ import annotations

import io
import struct

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from spikey_cli.io.layout import (
    MAX_HEADER_BYTES,
    MAX_TRAILER_BYTES,
    Layout,
    samples_from_bytes,
    samples_to_bytes,
)
from spikey_cli.io.wav import MAX_CHUNKS, parse

PCM_GUID = bytes.fromhex("0100000000001000800000aa00389b71")
FLOAT_GUID = bytes.fromhex("0300000000001000800000aa00389b71")
UNKNOWN = 0xFFFFFFFF


def chunk(name: bytes, content: bytes, stated: int | None = None, pad: bool = True) -> bytes:
    stated = len(content) if stated is None else stated
    return name + struct.pack("<I", stated) + content + bytes(len(content) % 2 if pad else 0)


def fmt(channels: int = 1, bits: int = 16, tag: int = 1, align: int | None = None, extension: bytes = b"") -> bytes:
    align = channels * -(-bits // 8) if align is None else align
    return chunk(b"fmt ", struct.pack("<HHIIHH", tag, channels, 19531, 19531 * align, align, bits) + extension)


def extensible(bits: int, valid: int, guid: bytes = PCM_GUID) -> bytes:
    return fmt(bits=bits, tag=0xFFFE, extension=struct.pack("<HHI", 22, valid, 0) + guid)


def ds64(data_bytes: int) -> bytes:
    return chunk(b"ds64", struct.pack("<QQQI", 0, data_bytes, 0, 0))


def wav(*chunks: bytes, form: bytes = b"RIFF", stated: int = 0x12345678) -> bytes:
    return form + struct.pack("<I", stated) + b"WAVE" + b"".join(chunks)


def parsed(file: bytes) -> Layout | None:
    return parse(io.BytesIO(file), len(file))


def assert_split(file: bytes, data: bytes, after: bytes = b"") -> Layout:
    """The file is parsed, its samples are `data`, and its trailer is `after`."""
    layout = parsed(file)
    assert layout is not None, "not recognized"
    samples = file[layout.data_offset : len(file) - len(layout.trailer)]
    assert samples == data, f"samples are {samples[:40]!r}, not {data[:40]!r}"
    assert layout.trailer == after, f"the trailer is {layout.trailer[:40]!r}, not {after[:40]!r}"
    assert_complete(file, layout)
    return layout


def assert_complete(file: bytes, layout: Layout) -> None:
    data = file[layout.data_offset : layout.data_offset + layout.n_frames * layout.frame_bytes]
    assert layout.header + data + layout.trailer == file, "header, data and trailer are not the file"
    assert layout.file_bytes == len(file), f"the layout is of {layout.file_bytes} bytes, the file of {len(file)}"
    assert len(layout.header) <= MAX_HEADER_BYTES, f"the header has {len(layout.header)} bytes"
    assert len(layout.trailer) <= MAX_TRAILER_BYTES, f"the trailer has {len(layout.trailer)} bytes"


SIX = bytes([1, 2, 3, 4, 5, 6])
LIST = chunk(b"LIST", b"INFOodd")


@pytest.mark.parametrize(
    ("description", "sample_type"),
    [
        (fmt(), 2),
        (fmt(bits=8), 1),
        (fmt(bits=24), 3),
        (fmt(bits=12), 2),
        (fmt(bits=20), 3),
        (fmt(extension=b"\0\0"), 2),
        (fmt(extension=b"\0\0odd"), 2),
        (extensible(16, 16), 2),
        (extensible(24, 20), 3),
        (extensible(16, 16) + fmt(), 2),
        (fmt(bits=32), 4),
        (fmt(bits=24, align=4), 4),
        (extensible(32, 24), 4),
        (fmt(bits=32, tag=3), 5),
        (extensible(32, 32, FLOAT_GUID), 5),
        (fmt(bits=64, tag=3), 6),
    ],
    ids=[
        *["16", "8", "24", "12 in 16", "20 in 24", "size 18", "size 21", "WAVEX", "WAVEX 20 in 24", "two fmt"],
        *["32", "24 in 32", "WAVEX 24 in 32", "float", "WAVEX float", "double"],
    ],
)
def test_supported_formats(description: bytes, sample_type: int) -> None:
    layout = assert_split(wav(description, chunk(b"data", 4 * SIX)), 4 * SIX)
    assert layout.sample_type == sample_type, f"samples of type {layout.sample_type}"
    assert (layout.sample_rate, layout.channels) == (19531, 1), "the other fields of fmt were misread"
    assert layout.n_frames == 24 // layout.sample_bytes, f"{layout.n_frames} frames"


UNSUPPORTED = {
    "empty": b"",
    "short": b"RIFF",
    "no chunks": wav(),
    "no data": wav(fmt()),
    "data first": wav(chunk(b"data", SIX), fmt()),
    "fmt short": wav(chunk(b"fmt ", b"short"), chunk(b"data", SIX)),
    "data header short": wav(fmt(), b"data\x06\0\0"),
    "RIFX": wav(fmt(), chunk(b"data", SIX), form=b"RIFX"),
    "AVI": wav(fmt(), chunk(b"data", SIX)).replace(b"WAVE", b"AVI "),
    "40 bits": wav(fmt(bits=40), chunk(b"data", SIX)),
    "64 bits": wav(fmt(bits=64), chunk(b"data", SIX)),
    "float of 16 bits": wav(fmt(bits=16, tag=3), chunk(b"data", SIX)),
    "float of 65 bits": wav(fmt(bits=65, tag=3, align=8), chunk(b"data", SIX)),
    "A-law": wav(fmt(bits=8, tag=6), chunk(b"data", SIX)),
    "ADPCM": wav(fmt(bits=4, tag=2), chunk(b"data", SIX)),
    "24 in 16": wav(fmt(bits=24, align=2), chunk(b"data", SIX)),
    "0 bits": wav(fmt(bits=0, align=2), chunk(b"data", SIX)),
    "0 channels": wav(fmt(channels=0), chunk(b"data", SIX)),
    "odd frame": wav(fmt(channels=2, align=3), chunk(b"data", SIX)),
    "0 frame": wav(fmt(align=0), chunk(b"data", SIX)),
    "WAVEX float": wav(extensible(16, 16, FLOAT_GUID), chunk(b"data", SIX)),
    "WAVEX short": wav(fmt(tag=0xFFFE), chunk(b"data", SIX)),
    "many chunks": wav(*[chunk(b"JUNK", b"")] * MAX_CHUNKS, fmt(), chunk(b"data", SIX)),
    "long header": wav(fmt(), chunk(b"JUNK", bytes(MAX_HEADER_BYTES)), chunk(b"data", SIX)),
    "long trailer": wav(fmt(), chunk(b"data", SIX), bytes(MAX_TRAILER_BYTES + 1)),
}


@pytest.mark.parametrize("file", UNSUPPORTED.values(), ids=UNSUPPORTED.keys())
def test_unsupported_files_are_stored_verbatim(file: bytes) -> None:
    assert parsed(file) is None, f"parsed as {parsed(file)}"


def test_chunks_around_the_samples_are_kept() -> None:
    before = chunk(b"bext", b"x" * 601) + LIST + chunk(b"JUNK", b"") + chunk(b"cue ", b"data")
    assert_split(wav(before, fmt(), before, chunk(b"data", SIX), LIST, b"garbage"), SIX, LIST + b"garbage")
    assert_split(wav(fmt(bits=8), chunk(b"data", b"odd"), LIST), b"odd", b"\0" + LIST)
    assert_split(wav(fmt(bits=8), chunk(b"data", b"odd", pad=False), LIST), b"odd", LIST)
    assert_split(wav(fmt(), chunk(b"data", SIX + b"7"), LIST), SIX, b"7\0" + LIST)


def test_header_and_trailer_have_up_to_64_kib() -> None:
    opening = wav(fmt())
    junk = chunk(b"JUNK", bytes(MAX_HEADER_BYTES - len(opening) - 16))
    assert_split(opening + junk + chunk(b"data", SIX) + bytes(MAX_TRAILER_BYTES), SIX, bytes(MAX_TRAILER_BYTES))
    assert parsed(opening + junk + chunk(b"JUNK", b"") + chunk(b"data", SIX)) is None, "a longer header was accepted"


def test_truncated_data_extends_to_the_end() -> None:
    assert_split(wav(fmt(), chunk(b"data", SIX, stated=1000)), SIX)
    assert_split(wav(fmt(channels=2), chunk(b"data", SIX, stated=1000)), SIX[:4], SIX[4:])
    assert_split(wav(fmt(), chunk(b"data", b"", stated=1000)), b"")
    assert_split(wav(fmt(), chunk(b"data", SIX, stated=UNKNOWN)), SIX)
    assert_split(wav(fmt(), chunk(b"data", SIX, stated=UNKNOWN), LIST, LIST), SIX + LIST + LIST)


def test_a_size_of_zero_is_trusted_only_if_chunks_follow() -> None:
    empty = wav(fmt(), chunk(b"data", b""))
    for after in (b"", LIST, LIST + chunk(b"JUNK", b"") + LIST, chunk(b"LIST", b"odd", pad=False)):
        layout = assert_split(empty + after, b"", after)
        assert layout.n_frames == 0, f"{layout.n_frames} frames before {after!r}"
    for samples in (SIX, bytes(100), LIST[:-2], LIST + b"\x01\0\0\0\0\0\0\0", chunk(b"LI\x80T", b"")):
        assert_split(empty + samples, samples)


@pytest.mark.parametrize("form", [b"RF64", b"BW64"])
def test_ds64_states_the_size(form: bytes) -> None:
    unknown, known = chunk(b"data", SIX, stated=UNKNOWN), chunk(b"data", SIX)
    assert_split(wav(ds64(6), fmt(), unknown, LIST, form=form), SIX, LIST)
    assert_split(wav(ds64(1 << 40), fmt(), unknown, form=form), SIX)
    assert_split(wav(ds64(0), fmt(), unknown, form=form), SIX)
    assert_split(wav(ds64(4), fmt(), known, form=form), SIX)
    assert_split(wav(fmt(), unknown, form=form), SIX)
    assert_split(wav(chunk(b"ds64", b"short"), fmt(), unknown, form=form), SIX)
    assert_split(wav(ds64(4), fmt(), unknown), SIX)


class CountingFile(io.BytesIO):
    """A header followed by zeros, longer than memory; counts the bytes that are read."""

    bytes_read = 0
    position = 0

    def seek(self, offset: int, whence: int = 0) -> int:
        self.position = offset
        return super().seek(offset, whence)

    def read(self, size: int | None = -1) -> bytes:
        assert size is not None, "read without a limit"
        assert size >= 0, "read without a limit"
        self.bytes_read += size
        return super().read(size).ljust(size, b"\0")


@pytest.mark.parametrize("stated", [0, UNKNOWN, 1 << 20])
def test_samples_are_not_read(stated: int) -> None:
    header = wav(ds64(1 << 40), fmt(), chunk(b"data", b"", stated=stated), form=b"RF64")
    file = CountingFile(header)
    layout = parse(file, len(header) + (1 << 40))
    assert file.bytes_read < 1000, f"{file.bytes_read} bytes were read"
    frames = None if stated == 1 << 20 else 1 << 39
    assert (layout and layout.n_frames) == frames, f"the layout is {layout}"


def test_a_file_that_shrinks_is_not_parsed() -> None:
    file = wav(fmt(), chunk(b"data", SIX), LIST)
    assert parse(io.BytesIO(file), len(file) + 5) is None, "a missing trailer was accepted"


chunks_of_any_kind = st.builds(
    chunk,
    st.sampled_from([b"LIST", b"JUNK", b"bext", b"cue ", b"\0\xff\x80 ", b"ds64", b"fmt ", b"data"]),
    st.binary(max_size=40),
    st.one_of(st.none(), st.sampled_from([0, 1, UNKNOWN, 1 << 31]), st.integers(0, 60)),
    st.booleans(),
)
formats_of_any_kind = st.one_of(
    st.builds(fmt, st.integers(0, 5), st.sampled_from([8, 12, 16, 24, 32]), st.sampled_from([1, 1, 1, 3])),
    st.builds(extensible, st.sampled_from([8, 16, 24]), st.integers(0, 24)),
)
wavs_of_any_kind = st.builds(
    lambda form, before, description, between, data, after, garbage: wav(
        *before, description, *between, chunk(b"data", *data), *after, garbage, form=form
    ),
    st.sampled_from([b"RIFF", b"RF64", b"BW64"]),
    st.lists(st.one_of(chunks_of_any_kind, st.builds(ds64, st.integers(0, 100))), max_size=3),
    formats_of_any_kind,
    st.lists(chunks_of_any_kind, max_size=2),
    st.tuples(st.binary(max_size=60), st.sampled_from([None, 0, 7, UNKNOWN])),
    st.lists(chunks_of_any_kind, max_size=2),
    st.binary(max_size=9),
)


@given(wavs_of_any_kind, st.integers(0, 400), st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), max_size=3))
@example(wav(fmt(), chunk(b"data", SIX)), 400, [])
def test_any_bytes_are_split_completely_or_not_parsed(
    file: bytes, length: int, mutations: list[tuple[int, int]]
) -> None:
    mutated = bytearray(file)
    for at, value in mutations:
        mutated[at % len(file)] = value
    for each in (file, file[:length], bytes(mutated), bytes(mutated)[:length]):
        layout = parsed(each)
        if layout is not None:
            assert_complete(each, layout)
            data = each[layout.data_offset : len(each) - len(layout.trailer)]
            samples = samples_from_bytes(data, layout.channels, layout.sample_bytes)
            assert samples.shape == (layout.n_frames, layout.channels), f"samples have shape {samples.shape}"
            assert samples_to_bytes(samples, layout.sample_bytes) == data, "other bytes were restored"


def test_every_truncation_is_split_completely_or_not_parsed() -> None:
    file = wav(LIST, extensible(24, 24), chunk(b"data", bytes(range(30))), LIST)
    for length in range(len(file)):
        layout = parsed(file[:length])
        has_samples = length >= file.index(b"data") + 8
        assert (layout is not None) == has_samples, f"the first {length} bytes: {layout}"
        if layout is not None:
            assert_complete(file[:length], layout)


@pytest.mark.parametrize("form", ["WAV", "WAVEX", "RF64"])
@pytest.mark.parametrize(("subtype", "sample_bytes"), [("PCM_U8", 1), ("PCM_16", 2), ("PCM_24", 3), ("PCM_32", 4)])
@pytest.mark.parametrize("channels", [1, 3])
def test_libsndfile_reads_the_same_samples(form: str, subtype: str, sample_bytes: int, channels: int) -> None:
    soundfile = pytest.importorskip("soundfile")
    file = io.BytesIO()
    values = np.random.default_rng(1).integers(-(2**31), 2**31, (77, channels), np.int32)
    soundfile.write(file, values, 24414, subtype=subtype, format=form)
    layout = parsed(file.getvalue())
    assert layout is not None, f"{form} {subtype} was not parsed"
    assert_complete(file.getvalue(), layout)
    assert (layout.sample_rate, layout.channels, layout.n_frames) == (24414, channels, 77), f"{form}: {layout}"
    data = file.getvalue()[layout.data_offset :][: 77 * layout.frame_bytes]
    samples = samples_from_bytes(data, channels, sample_bytes).astype(np.int64) - (128 if sample_bytes == 1 else 0)
    expected = soundfile.read(io.BytesIO(file.getvalue()), dtype="int32", always_2d=True)[0]
    np.testing.assert_array_equal(samples << 8 * (4 - sample_bytes), expected, f"samples of {form} {subtype}")


@pytest.mark.parametrize("subtype", ["ULAW", "ALAW", "IMA_ADPCM", "MS_ADPCM"])
def test_other_encodings_of_libsndfile_are_not_parsed(subtype: str) -> None:
    soundfile = pytest.importorskip("soundfile")
    file = io.BytesIO()
    soundfile.write(file, np.zeros(1000), 24414, subtype=subtype, format="WAV")
    assert parsed(file.getvalue()) is None, f"{subtype} was parsed as integer PCM"


@pytest.mark.parametrize(("subtype", "dtype"), [("FLOAT", "float32"), ("DOUBLE", "float64")])
def test_libsndfile_reads_the_same_floats(subtype: str, dtype: str) -> None:
    soundfile = pytest.importorskip("soundfile")
    file = io.BytesIO()
    values = np.random.default_rng(1).normal(size=(77, 3)).astype(dtype)
    soundfile.write(file, values, 24414, subtype=subtype, format="WAV")
    layout = parsed(file.getvalue())
    assert layout is not None, f"{subtype} was not parsed"
    data = file.getvalue()[layout.data_offset :][: 77 * layout.frame_bytes]
    np.testing.assert_array_equal(samples_from_bytes(data, 3, layout.sample_type), values, f"samples of {subtype}")
