"""Coders: from codes and what was predicted of them to bits, and back.

A coder knows integers, never the network. Its encoder and its decoder go through the same walk:

    encoder = Encoder(lanes, bins)                   decoder = Decoder(lanes, bins, streams)
    encode_lanes(encoder.state, step, first, stop,   decode_lanes(decoder.state, step, first, stop,
                 centre, scale, tail, codes)                      centre, scale, tail, codes)
    streams = encoder.finish()                       whole = decoder.finish()

`lanes` is a `spikey_cli.lanes.Lanes`, `bins` the `spikey_cli.adc.Bins` of its threads. Lanes `first` to `stop` take
step `step`; a coder passes over those that are no longer than that. There are, int32 and of shape (lanes,): `centre`, a
value in 1/64 codes between those of the grid's first and last codes; `scale`, the log2 of the expected deviation in
codes, in 1/16 octaves; `tail`, 0..31, how likely outliers are (see `density`); and `codes`, which an encoder reads and
a decoder fills. There is one stream a thread. `encode_lanes` and `decode_lanes` are kernels, of the coder's module;
`state` is a named tuple of arrays, which they take apart before their loops: looking into it each time would cost more
than the rest. Decoders are safe on any bytes: they fill in some code of the grid, and `finish` returns for each thread
whether its stream was used up exactly.
"""

from __future__ import annotations

from dataclasses import dataclass

from .bzip2 import Bzip2Decoder, Bzip2Encoder
from .huffman import HuffmanDecoder, HuffmanEncoder
from .range import RangeDecoder, RangeEncoder
from .residual import ResidualDecoder, ResidualEncoder
from .rice import RiceDecoder, RiceEncoder


@dataclass(frozen=True)
class Coder:
    """A way to write residual streams, as the registry knows it."""

    name: str
    number: int
    """Identifies the coder in an archive; never used again for another."""
    encoder: type[RiceEncoder] | type[RangeEncoder] | type[ResidualEncoder] | None
    decoder: type[RiceDecoder] | type[RangeDecoder] | type[ResidualDecoder] | None
    """None, both: nothing is predicted, codes are packed as they are."""


CODERS = {
    coder.name: coder
    for coder in (
        Coder("raw", 0, None, None),
        Coder("rice", 1, RiceEncoder, RiceDecoder),
        Coder("range", 2, RangeEncoder, RangeDecoder),
        Coder("huffman", 3, HuffmanEncoder, HuffmanDecoder),
        Coder("bzip2", 4, Bzip2Encoder, Bzip2Decoder),
    )
}
DEFAULT_CODER = "rice"


def coder_with_number(number: int) -> Coder | None:
    """The coder that an archive names; None where this release has none of that number."""
    return next((coder for coder in CODERS.values() if coder.number == number), None)
