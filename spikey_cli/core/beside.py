"""What stands beside the codes of a channel: all of its samples that the scaling does not compute from them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .escapes import Escapes
from .low_bits import LowBits


class Beside(NamedTuple):
    """What the codes of a channel of a part do not give."""

    escapes: Escapes | None = None
    low_bits: LowBits | None = None

    def put_into(self, samples: np.ndarray, first: int, integers: np.ndarray) -> None:
        """Complete `samples`, which `integers` gave, a range of the channel's from sample `first` on."""
        if self.low_bits:
            self.low_bits.add_to(samples, first, integers)
        if self.escapes:
            self.escapes.put_into(samples, first)
