"""Lattices in a block: a channel on a lattice is coded as two, its lattice points and its residues.

The residues are channels of their own, behind all others and without references. Both streams of a channel stand
together in the archive as one, of the method `SPLIT`:

    1 byte   method of the points' stream           uvarint   its size             the stream
    1 byte   method of the residues' stream         the stream
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..container.parts import Method, Stream
from ..core.channel_quantizers import Lattice
from ..core.quantizer import Quantizer, UniformQuantizer
from ..core.varint import get_uvarint, put_uvarint
from ..errors import DamageError

_DAMAGED = Stream(Method.CODED, b"")  # an empty stream stands for a damaged one


@dataclass(frozen=True)
class Lattices:
    """The channels of a block that are on lattices.

    Parameters
    ----------
    lattices : dict of int to Lattice
        By the channel's position.
    quantizers : sequence of Quantizer
        Those of all channels, with lattice points alone, and then those of the residues.
    """

    lattices: dict[int, Lattice]
    quantizers: Sequence[Quantizer]

    @classmethod
    def of(cls, quantizers: Sequence[Quantizer]) -> Lattices:
        """Return the lattices among the quantizers of a block's channels."""
        lattices = {i: quantizer for i, quantizer in enumerate(quantizers) if isinstance(quantizer, Lattice)}
        if not lattices:
            return cls(lattices, quantizers)
        points = [
            UniformQuantizer("step", 0, 1, lattices[i].points) if i in lattices else quantizer
            for i, quantizer in enumerate(quantizers)
        ]
        residues = [UniformQuantizer("step", 0, 1, lattice.residues) for lattice in lattices.values()]
        return cls(lattices, [*points, *residues])

    @property
    def positions(self) -> list[int]:
        """Positions of the channels on lattices, in the order of their residues."""
        return list(self.lattices)

    def split(self, channels: Sequence[np.ndarray]) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """Return the channels' codes with lattice points alone, and the residues."""
        points, residues = list(channels), []
        for i, lattice in self.lattices.items():
            points[i], own = lattice.split(channels[i])
            residues.append(own)
        return points, residues

    def join(self, channels: Sequence[np.ndarray | None]) -> list[np.ndarray | None]:
        """Return the codes of lattice points and residues together; the inverse of `split`."""
        n = len(channels) - len(self.lattices)
        joined = list(channels[:n])
        for (i, lattice), residues in zip(self.lattices.items(), channels[n:], strict=True):
            points = joined[i]
            joined[i] = None if points is None or residues is None else lattice.join(points, residues)
        return joined

    def join_streams(self, streams: Sequence[Stream]) -> list[Stream]:
        """Return one stream for each channel."""
        n = len(streams) - len(self.lattices)
        joined = list(streams[:n])
        for i, residues in zip(self.lattices, streams[n:], strict=True):
            points = joined[i]
            data = bytearray([points.method])
            put_uvarint(data, len(points.data))
            joined[i] = Stream(Method.SPLIT, bytes(data) + points.data + bytes([residues.method]) + residues.data)
        return joined

    def split_streams(self, streams: Sequence[Stream]) -> list[Stream]:
        """Return the streams of all channels and then of the residues; the inverse of `join_streams`."""
        split, residues = list(streams), []
        for i in self.lattices:
            split[i], own = _split_stream(streams[i])
            residues.append(own)
        return split + residues


def _split_stream(stream: Stream) -> tuple[Stream, Stream]:
    if stream.method != Method.SPLIT:
        return _DAMAGED, _DAMAGED
    try:
        size, at = get_uvarint(stream.data, 1)
        points = Stream(stream.data[0], stream.data[at : at + size])
        residues = Stream(stream.data[at + size], stream.data[at + size + 1 :])
    except (DamageError, IndexError):
        return _DAMAGED, _DAMAGED
    methods = (Method.PACKED, Method.CODED)
    return (points, residues) if points.method in methods and residues.method in methods else (_DAMAGED, _DAMAGED)
