"""Lattices in a block: two sequences of codes, one stream."""

from __future__ import annotations

import numpy as np
import pytest

from spikey_cli.codec.lattices import Lattices
from spikey_cli.container.parts import Method, Stream
from spikey_cli.core.channel_quantizers import Lattice
from spikey_cli.core.quantizer import identity

FIRST, SECOND = Lattice(5, 2, 0, 40), Lattice(29, 4, 3, 7)
LATTICES = Lattices.of([identity(2), FIRST, identity(1), SECOND])


def test_residues_are_channels_behind_all_others():
    assert LATTICES.positions == [1, 3]
    assert [quantizer.size for quantizer in LATTICES.quantizers] == [65536, 40, 256, 7, 3, 8]
    assert Lattices.of([identity(2)]).positions == []


def test_codes_are_split_and_joined(random):
    channels = [random.integers(0, size, 50).astype(np.int32) for size in (65536, FIRST.size, 256, SECOND.size)]
    points, residues = LATTICES.split(channels)
    for channel, quantizer in zip([*points, *residues], LATTICES.quantizers, strict=True):
        assert 0 <= channel.min() <= channel.max() < quantizer.size
    for joined, channel in zip(LATTICES.join([*points, *residues]), channels, strict=True):
        np.testing.assert_array_equal(joined, channel)


@pytest.mark.parametrize("lost", [1, 4])
def test_a_channel_is_lost_with_either_of_its_sequences(lost):
    channels = [np.zeros(3, np.int32)] * 6
    joined = LATTICES.join([None if i == lost else channel for i, channel in enumerate(channels)])
    assert [channel is None for channel in joined] == [False, True, False, False]


@pytest.mark.parametrize("methods", [(Method.CODED, Method.PACKED), (Method.PACKED, Method.CODED)])
def test_streams_are_joined_and_split(methods):
    own, other = methods
    streams = [Stream(own, b"a" * i) for i in range(4)] + [Stream(other, b"first"), Stream(own, b"")]
    joined = LATTICES.join_streams(streams)
    assert [stream.method for stream in joined] == [own, Method.SPLIT, own, Method.SPLIT]
    assert joined[1].data == bytes([own, 1]) + b"a" + bytes([other]) + b"first"
    assert LATTICES.split_streams(joined) == streams


@pytest.mark.parametrize(
    "stream",
    [
        Stream(Method.CODED, b"\1\1a\1b"),
        Stream(Method.PACKED, b""),
        Stream(Method.SPLIT, b""),
        Stream(Method.SPLIT, b"\1"),
        Stream(Method.SPLIT, b"\1\5abc"),
        Stream(Method.SPLIT, b"\1\1a"),
        Stream(Method.SPLIT, b"\2\1a\1b"),
        Stream(Method.SPLIT, b"\1\1a\6b"),
        Stream(Method.SPLIT, b"\1" + b"\xff" * 12),
    ],
)
def test_damaged_streams_are_empty_ones(stream):
    channel = Lattices.of([FIRST])
    assert channel.split_streams([stream]) == [Stream(Method.CODED, b"")] * 2
