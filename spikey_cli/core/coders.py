"""Registry of the entropy coders: from codes and their predictions to streams, and back.

A coder knows integers, never the network. Its encoder and its decoder take the same steps with a coding state of the
core (see `coding_step`):

    encoder = Encoder(lanes, bins)          decoder = Decoder(lanes, bins, streams)
    state.take(encoder.core, codes, ...)    state.take(decoder.core, codes, ...)
    streams = encoder.finish()              intact = decoder.finish()

`lanes` is a `lanes.Lanes`, `bins` the `converter.Bins` of their channels. There is one stream for each channel. The
coder takes of each sample

    predicted_mean    in 1/64 codes, between the values of the quantizer's first and last code
    log2_scale        log2 of the expected deviation in codes, in 1/16 octaves
    outlier_weight    0..31, how likely outliers are (see `density`)

Decoders are safe on any bytes: they fill in some code of the quantizer, and `finish` returns for each channel whether
its stream was used up exactly.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from .huffman import HuffmanDecoder, HuffmanEncoder
    from .range import RangeDecoder, RangeEncoder
    from .rice import RiceDecoder, RiceEncoder


class Coder(NamedTuple):
    """An entropy coder; its module, `core.<name>`, is imported at first use."""

    name: str
    number: int
    """Identifies the coder in an archive; never reused for another."""

    @property
    def encoder(self) -> type[RiceEncoder] | type[RangeEncoder] | type[HuffmanEncoder]:
        """Class of its encoder."""
        return self._class("Encoder")

    @property
    def decoder(self) -> type[RiceDecoder] | type[RangeDecoder] | type[HuffmanDecoder]:
        """Class of its decoder."""
        return self._class("Decoder")

    def _class(self, kind: str) -> Any:
        return getattr(importlib.import_module(f".{self.name}", __package__), self.name.capitalize() + kind)


CODERS = {coder.name: coder for coder in (Coder("rice", 1), Coder("range", 2), Coder("huffman", 3))}
"""All coders by name."""


CORE_CODERS = ("range", "rice")
"""Those with which the core encodes chunks."""


def find_coder(name: str) -> Coder:
    """Return the coder of this name. Raises ValueError if there is none."""
    if name not in CODERS:
        raise ValueError(f"there is no coder {name!r}; choose one of {', '.join(CODERS)}")
    return CODERS[name]


def coder_with_number(number: int) -> Coder | None:
    """Return the coder with the number that an archive names, or None if this release has none."""
    return next((coder for coder in CODERS.values() if coder.number == number), None)
