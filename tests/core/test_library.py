"""libspikey, of the package or compiled by one command, decodes and encodes chunks without Python."""

from __future__ import annotations

import ctypes
import re
import subprocess
import sys

import numpy as np
import pytest
from support.chunks import chunks
from support.paths import GOLDEN, ROOT

import spikey_cli
from spikey_cli.api.chunk import decode_chunk, encode_chunk

sys.path.insert(0, str(ROOT / "build_backend"))
import make_models
from spikey_build import installed_compiler

C = ROOT / "spikey_cli" / "core" / "c"


class Array(ctypes.Structure):
    """spikey_array."""

    _fields_ = (
        ("type", ctypes.c_char * 32),
        ("type_length", ctypes.c_int64),
        ("is_fortran", ctypes.c_int32),
        ("n_dimensions", ctypes.c_int32),
        ("shape", ctypes.c_int64 * 64),
        ("bytes", ctypes.c_int64),
    )


@pytest.fixture(scope="session", params=["installed", pytest.param("compiled", marks=pytest.mark.slow)])
def library(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    """The library."""
    if request.param == "installed":
        return ctypes.CDLL(spikey_cli.get_library())
    compiler = installed_compiler()
    if compiler is None:
        pytest.skip("there is no C compiler")
    target = tmp_path_factory.mktemp("library") / "libspikey.so"
    sources = [str(path) for path in C.glob("*.c") if not path.name.startswith(("vector_", "module"))]
    command = [
        *compiler,
        "-O2",
        "-ffp-contract=off",
        "-w",
        "-shared",
        "-fPIC",
        *sources,
        "-lm",
        "-ldl",
        "-o",
        str(target),
    ]
    subprocess.run(command, check=True)
    return ctypes.CDLL(str(target))


def decoded(library: ctypes.CDLL, data: bytes) -> tuple[Array, bytes]:
    """What the library says of a chunk, and what it decodes."""
    array, reason, n = Array(), ctypes.c_char_p(), ctypes.c_size_t(len(data))
    error = library.spikey_describe(data, n, None, ctypes.byref(array), ctypes.byref(reason))
    assert (error, reason.value) == (0, None)
    memory = ctypes.create_string_buffer(max(array.bytes, 1))
    error = library.spikey_decode(data, n, None, memory, ctypes.c_size_t(array.bytes), ctypes.byref(reason))
    assert (error, reason.value) == (0, None)
    return array, memory.raw[: array.bytes]


@pytest.mark.slow
def test_the_library_decodes_each_kind_of_chunk(library: ctypes.CDLL) -> None:
    golden = {path.stem: path.read_bytes() for path in GOLDEN.glob("chunk-*.spk")}
    assert golden
    made = chunks() | {name: (decode_chunk(data), data) for name, data in golden.items()}
    for name, (expected, data) in made.items():
        array, memory = decoded(library, data)
        assert tuple(array.shape[: array.n_dimensions]) == expected.shape, name
        assert memory == expected.tobytes("A"), name
        assert bool(array.is_fortran) == (not expected.flags.c_contiguous), name
        kind = ctypes.create_string_buffer(array.type_length + 1)
        assert library.spikey_type(data, ctypes.c_size_t(len(data)), None, kind, ctypes.c_size_t(len(kind))) == 0
        assert kind.value.startswith(array.type)
        described = expected.dtype.descr if expected.dtype.names else expected.dtype.str
        assert kind.value.decode() == str(described), name


def test_the_library_says_what_is_wrong(library: ctypes.CDLL) -> None:
    data = bytearray(encode_chunk(np.arange(300, dtype="<i2") % 7))
    reason, array = ctypes.c_char_p(), Array()
    data[50] ^= 1
    cases = ((bytes(data), -11, b"differs from the first"), (b"no chunk", -10, b"not a Spikey chunk"))
    for chunk, error, text in cases:
        n = ctypes.c_size_t(len(chunk))
        assert library.spikey_describe(chunk, n, None, ctypes.byref(array), ctypes.byref(reason)) == error
        assert text in (reason.value or b"")
    library.spikey_error_text.restype = ctypes.c_char_p
    errors = [int(number) for number in re.findall(r"SPIKEY_\w+ = (-?\d+)", (C / "spikey.h").read_text())]
    assert len({library.spikey_error_text(number) for number in errors if number <= 0}) == 10


class Encoding(ctypes.Structure):
    """spikey_encoding."""

    _fields_ = (("coder", ctypes.c_char_p), ("preset", ctypes.c_char_p))


def encoded(
    library: ctypes.CDLL, samples: np.ndarray, encoding: Encoding | None, room: int | None = None
) -> tuple[int, bytes | None, bytes]:
    """The error, its reason and the chunk of an array in C order."""
    array = Array(type=samples.dtype.str.encode(), n_dimensions=samples.ndim, bytes=samples.nbytes)
    array.shape[: samples.ndim] = samples.shape
    library.spikey_bound.restype = ctypes.c_size_t
    bound = library.spikey_bound(ctypes.byref(array))
    chunk, n, reason = ctypes.create_string_buffer(max(bound, 1)), ctypes.c_size_t(), ctypes.c_char_p()
    error = library.spikey_encode(
        samples.tobytes(),
        ctypes.byref(array),
        ctypes.byref(encoding) if encoding else None,
        chunk,
        ctypes.c_size_t(bound if room is None else room),
        ctypes.byref(n),
        ctypes.byref(reason),
    )
    return error, reason.value, chunk.raw[: n.value]


@pytest.mark.slow
def test_the_library_encodes(library: ctypes.CDLL) -> None:
    random = np.random.default_rng(1)
    samples = [
        random.integers(-32768, 32768, (300, 4)).astype("<i2"),
        np.cumsum(random.integers(-9, 10, (5000, 3)), axis=0).astype("<i2"),
        random.integers(0, 256, 77).astype("|u1"),
        random.integers(-128, 128, (2, 2000)).astype("|i1"),
        random.integers(0, 1 << 24, (500, 2)).astype(">u4"),
        np.zeros((0, 2), "<u8"),
        random.integers(0, 90, (20, 3, 50)).astype("<u2"),
        random.integers(0, 90, (20, 50, 3)).astype(">i4"),
    ]
    for array in samples:
        for encoding in (None, Encoding(), Encoding(b"rice", b"fast"), Encoding(b"range", b"best")):
            error, reason, chunk = encoded(library, array, encoding)
            assert (error, reason) == (0, None)
            assert decoded(library, chunk)[1] == array.tobytes()
            assert decode_chunk(chunk).tobytes() == array.tobytes()
        error, reason, short = encoded(library, array, None, room=len(encoded(library, array, None)[2]) - 1)
        assert (error, bool(reason), short.strip(b"\0")) == (-16, True, b"")
    for other in (np.zeros(3), np.zeros((3, 0), "<i2"), np.zeros((1, 0, 3), "<i2")):
        error, reason, chunk = encoded(library, other, None)
        assert (error, bool(reason), chunk) == (-12, True, b"")


def test_the_models_are_those_of_the_package() -> None:
    assert make_models.source() == (C / "models.c").read_text()
