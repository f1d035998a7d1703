"""libspikey, of the package and compiled by one command of the plain C compiler, decodes chunks without Python."""

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
    assert len({library.spikey_error_text(number) for number in errors if number <= 0}) == 9


def test_the_models_are_those_of_the_package() -> None:
    assert make_models.source() == (C / "models.c").read_text()
