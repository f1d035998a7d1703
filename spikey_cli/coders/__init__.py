"""Coders: from codes and what was predicted of them to bits, and back.

A coder knows integers, never the network. Its encoder and its decoder go through the same walk:

    encoder = Encoder(lanes, sizes)            decoder = Decoder(lanes, sizes, streams)
    encoder.step(step, centre, scale, codes)   decoder.step(step, centre, scale, codes)     reads codes / fills them
    streams = encoder.finish()                 whole = decoder.finish()

`lanes` is a `spikey_cli.lanes.Lanes`, `sizes` int64 of shape (threads,) the sizes of the threads' grids; `centre` int32
in 1/64 codes within the grid, `scale` int32 the log2 of the expected deviation in codes, in 1/16 octaves, and `codes`
int32, all of shape (lanes,). A coder passes over lanes that are no longer than `step`. There is one stream a thread.
Decoders are safe on any bytes: they fill in some code of the grid, and `finish` returns for each thread whether its
stream was used up exactly.
"""

from __future__ import annotations

from dataclasses import dataclass

from .rice import RiceDecoder, RiceEncoder


@dataclass(frozen=True)
class Coder:
    """A way to write residual streams, as the registry knows it."""

    name: str
    number: int
    """Identifies the coder in an archive; never used again for another."""
    encoder: type[RiceEncoder] | None
    decoder: type[RiceDecoder] | None
    """None, both: nothing is predicted, codes are packed as they are."""


CODERS = {
    coder.name: coder
    for coder in (
        Coder("raw", 0, None, None),
        Coder("rice", 1, RiceEncoder, RiceDecoder),
    )
}
DEFAULT_CODER = "rice"


def coder_with_number(number: int) -> Coder | None:
    """The coder that an archive names; None where this release has none of that number."""
    return next((coder for coder in CODERS.values() if coder.number == number), None)
