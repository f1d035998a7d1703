"""Coding gives the same bits whatever the thread's floating-point arithmetic is set to, and leaves it as it is."""

from __future__ import annotations

import ctypes
import ctypes.util
import platform
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest
from support.c_core import state_of
from support.topologies import topology_of_pairs

from spikey_cli.codec.presets import EFFORT
from spikey_cli.core import _core
from spikey_cli.core.coders import CODERS
from spikey_cli.core.converter import Bins
from spikey_cli.core.gain import lane_gains
from spikey_cli.core.lanes import cut
from spikey_cli.core.quantizer import identity
from spikey_cli.model.predictor import find_model
from spikey_cli.streaming.packets import LiveFormat
from spikey_cli.streaming.stream_state import StreamState
from spikey_cli.topology.references import BlockChannel, ReferenceGraph, ReferenceTable

REGISTERS = {"x86_64": (7, {"upward": 0x4000, "flush": 0x8040}), "aarch64": (0, {"upward": 0x400000, "flush": 1 << 24})}
"""Of each machine: which word of fenv_t it is, the bits that round upward, and those that flush subnormals to zero."""
MODES = ["upward", "flush"]
STAR = topology_of_pairs([(0, c, 99) for c in range(1, 9)], [0] + [1] * 8)

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or platform.machine() not in REGISTERS, reason="fenv_t is not known here"
)


@contextmanager
def arithmetic(mode: str) -> Iterator[None]:
    """Set this thread's arithmetic; checks that it is still set so in the end."""
    libm = ctypes.CDLL(ctypes.util.find_library("m") or "libm.so.6")
    word, bits = REGISTERS[platform.machine()]
    before, wanted = (ctypes.c_uint32 * 16)(), (ctypes.c_uint32 * 16)()
    for environment in (before, wanted):
        libm.fegetenv(environment)
    wanted[word] |= bits[mode]
    libm.fesetenv(wanted)
    try:
        assert _is(mode)
        yield
        assert _is(mode)
    finally:
        libm.fesetenv(before)
    assert not _is(mode)


def _is(mode: str) -> bool:
    one, two = float(len("1")), float(len("12"))  # computed here, not by Python's compiler
    return one + 1e-20 > one if mode == "upward" else sys.float_info.min / two == 0


def walk(n: int, channels: int) -> np.ndarray:
    """Codes of 16 bits of correlated random walks."""
    random = np.random.default_rng(4)
    steps = random.integers(-40, 41, (n, 1)) + random.integers(-9, 10, (n, channels))
    return (32_000 + np.cumsum(steps, axis=0)).astype(np.int32)


@pytest.mark.parametrize("how", [*({"simd": name} for name in _core.simd()), {"plain": True}], ids=str)
@pytest.mark.parametrize("mode", MODES)
def test_groups(mode, how):
    codes = np.ascontiguousarray(walk(900, 9).T).ravel()
    lanes, predictor = cut([900] * 9, 100), find_model("n1")
    bins = Bins.of([identity(2)] * 9, predictor.profile)
    graph = ReferenceGraph.of(STAR, [BlockChannel(c, 0, 900) for c in range(9)])
    table = ReferenceTable.of(graph, range(9))
    headers = lane_gains(codes, lanes, bins), codes[lanes.start]

    def streams() -> list[bytes]:
        encoder = CODERS["range"].encoder(lanes, bins)
        state_of(lanes, bins, *headers, predictor, table, **how).run(encoder, codes)
        return encoder.finish()

    expected = streams()
    back = np.zeros_like(codes)
    with arithmetic(mode):
        assert streams() == expected
        decoder = CODERS["range"].decoder(lanes, bins, expected)
        state_of(lanes, bins, *headers, predictor, table, **how).run(decoder, back)
    assert np.array_equal(back, codes)


@pytest.mark.parametrize("model", ["n1", "n1-peers"])
@pytest.mark.parametrize("mode", MODES)
def test_live_streams(mode, model):
    rows, predictor = walk(300, 9), find_model(model)

    def new() -> StreamState:
        return StreamState(LiveFormat(2, 0, 9, b"", STAR, EFFORT), identity(2), predictor)

    expected = new().encode(rows)
    with arithmetic(mode):
        assert new().encode(rows) == expected
        back = new().decode(expected, 300)
    assert np.array_equal(back, rows)
