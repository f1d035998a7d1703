"""Coders: from codes and what was predicted of them to bits, and back.

A coder knows integers, never the network. Its encoder and its decoder go through the same walk:

    encoder = Encoder(lanes, bins)                   decoder = Decoder(lanes, bins, streams)
    encode_lanes(encoder.state, step, first, stop,   decode_lanes(decoder.state, step, first, stop,
                 centre, scale, tail, codes)                      centre, scale, tail, codes)
    streams = encoder.finish()                       whole = decoder.finish()

`lanes` is a `lanes.Lanes`, `bins` the `converter.Bins` of its channels. Lanes `first` to `stop` take step `step`; a
coder
skips those that are no longer than that. These are int32 of shape (lanes,): `predicted_mean`, a value in 1/64 codes
between those of the quantizer's first and last codes; `log2_scale`, the log2 of the expected deviation in codes, in
1/16
octaves; `outlier_weight`, 0..31, how likely outliers are (see `density`); and `codes`, which an encoder reads and a
decoder fills. There is one stream a thread. `encode_lanes` and `decode_lanes` are kernels, of the coder's module;
`fills_codes` tells the one from the other. `state` is a named tuple of arrays, which they take apart before their
loops: looking into it each time would cost more than the rest. Decoders are safe on any bytes: they fill in some code
of the grid, and `finish` returns for each thread whether its stream was used up exactly.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .huffman import HuffmanDecoder, HuffmanEncoder
    from .range import RangeDecoder, RangeEncoder
    from .rice import RiceDecoder, RiceEncoder


@dataclass(frozen=True)
class Coder:
    """A way to write residual streams, as the registry knows it; what it consists of is imported when it is used."""

    name: str
    number: int
    """Identifies the coder in an archive; never used again for another."""
    classes: str
    """What the classes of its module are called, before `Encoder` and `Decoder`."""

    @property
    def encoder(self) -> type[RiceEncoder] | type[RangeEncoder] | type[HuffmanEncoder]:
        """Class of its encoder."""
        return self._class("Encoder")

    @property
    def decoder(self) -> type[RiceDecoder] | type[RangeDecoder] | type[HuffmanDecoder]:
        """Class of its decoder."""
        return self._class("Decoder")

    def _class(self, kind: str) -> Any:
        return getattr(importlib.import_module(f".{self.name}", __package__), self.classes + kind)


CODERS = {
    coder.name: coder
    for coder in (
        Coder("rice", 1, "Rice"),
        Coder("range", 2, "Range"),
        Coder("huffman", 3, "Huffman"),
    )
}
DEFAULT_CODER = "rice"


def coder_with_number(number: int) -> Coder | None:
    """The coder that an archive names; None where this release has none of that number."""
    return next((coder for coder in CODERS.values() if coder.number == number), None)
