"""What stands beside the codes of a channel: all of its samples that the scaling does not compute from them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .escapes import Escapes


class Beside(NamedTuple):
    """What the codes of a channel of a part do not give."""

    escapes: Escapes | None = None
    low_bits: np.ndarray | None = None
    """uint64 of shape (frames,)."""

    def put_into(self, samples: np.ndarray, first: int) -> None:
        """Complete `samples`, a range of the channel's from sample `first` on."""
        if self.low_bits is not None:
            bits = samples.view(f"u{samples.itemsize}")
            bits += self.low_bits[first : first + samples.size].astype(bits.dtype)
        if self.escapes:
            self.escapes.put_into(samples, first)
