"""Range coding of codes under the predicted density, close to the ideal length.

A channel's stream is the big-endian 32-bit words of its range coder.

    small alphabet    quantizers of up to 4096 codes: a symbol is a code
    large alphabet    a symbol is the position of the code, without its `low_bits`, among 4096 around the predicted
                      mean; the low bits follow. Symbol 0: the code is further off, and follows in `width` bits

See `c/density.h` and `c/range.h`.

References
----------
G. N. N. Martin, "Range encoding: an algorithm for removing redundancy from a digitised message", 1979.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .converter import Bins
from .lanes import Lanes
from .stream_coder import RANGE, coder_of, intact_streams, open_streams


class RangeEncoder:
    """Writes the codes of a group of lanes; see `spikey_cli.core.coders` for the contract.

    Parameters
    ----------
    lanes : Lanes
    bins : Bins
    n_steps : int, optional
        Steps to make room for, if the lanes are endless; by default all steps of the lanes.
    """

    fills_codes = False

    def __init__(self, lanes: Lanes, bins: Bins, n_steps: int | None = None) -> None:
        self.core = coder_of(RANGE, lanes, bins, n_steps=n_steps)

    def restart(self, n_steps: int) -> None:
        """Begin new streams for `n_steps` more steps of each lane."""
        self.core.restart(n_steps)

    def finish(self) -> list[bytes]:
        """Return the stream of each channel."""
        return self.core.finish()


class RangeDecoder:
    """Reads what `RangeEncoder` wrote; see `spikey_cli.core.coders` for the contract.

    Parameters
    ----------
    lanes : Lanes
    bins : Bins
    streams : sequence of bytes
        One for each channel.
    is_endless : bool
        Whether the lanes are endless, and each `restart` continues them.
    """

    fills_codes = True

    def __init__(self, lanes: Lanes, bins: Bins, streams: Sequence[bytes], *, is_endless: bool = False) -> None:
        self.core = coder_of(RANGE, lanes, bins, decodes=True, n_steps=0 if is_endless else None)
        self.n_streams = lanes.n_channels
        self.restart(streams)

    def restart(self, streams: Sequence[bytes]) -> None:
        """Begin with new streams, one for each channel."""
        open_streams(self.core, streams)

    def finish(self) -> np.ndarray:
        """Return for each channel whether its stream was used up exactly, as bool of shape (channels,)."""
        return intact_streams(self.core, self.n_streams)
