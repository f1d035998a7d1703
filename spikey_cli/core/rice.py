"""Rice codes of ranks, with a parameter k that follows from the predicted scale: nothing is sent for it.

    rank r, q = r >> k < 24      q zeros, a one, the low k bits of r
    rank r, q >= 24              24 zeros, then r in `width` bits; 2**width is the first power >= the quantizer's size

A code therefore takes at most 48 bits. A channel's stream holds its codes step by step and, within a step, lane by
lane, with nothing between them; zeros fill the last byte.

On the converter's profile a wide bin two codes off may be likelier than a narrow one next to the mean. There, the first
64 ranks are sorted by the mass of their bins, likeliest first, under the density around the middle of the predicted
mean's cell, half a code wide, for a scale rounded to half an octave; ties keep the order of distance.

References
----------
R. F. Rice, "Some practical universal noiseless coding techniques", JPL 79-22, 1979.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .converter import Bins
from .lanes import Lanes
from .stream_coder import RICE, coder_of, intact_streams, open_streams


class RiceEncoder:
    """Writes the codes of a group of lanes; see `spikey_cli.core.coders` for the contract."""

    fills_codes = False

    def __init__(self, lanes: Lanes, bins: Bins) -> None:
        self.core = coder_of(RICE, lanes, bins)

    def finish(self) -> list[bytes]:
        """Return the stream of each channel."""
        return self.core.finish()


class RiceDecoder:
    """Reads what `RiceEncoder` wrote; see `spikey_cli.core.coders` for the contract."""

    fills_codes = True

    def __init__(self, lanes: Lanes, bins: Bins, streams: Sequence[bytes]) -> None:
        self.core = coder_of(RICE, lanes, bins, decodes=True)
        self._n_streams = lanes.n_channels
        open_streams(self.core, streams)

    def finish(self) -> np.ndarray:
        """Return for each channel whether its stream was used up exactly, as bool of shape (channels,)."""
        return intact_streams(self.core, self._n_streams)
