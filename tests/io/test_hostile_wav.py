"""WAV files whose headers claim more than the file holds."""

from __future__ import annotations

import io
import struct
import tracemalloc

import pytest

import spikey_cli
from spikey_cli.io.wav import parse, parse_start


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
def test_claims_take_no_memory_and_the_file_is_restored(data, tmp_path):
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
