"""Range coding of codes under the predicted density, close to the ideal length.

    small alphabet    quantizers of up to 4096 codes: a symbol is a code
    large alphabet    a symbol is the position of the code, without its `low_bits`, among 4096 around the predicted
                      mean; the low bits follow. Symbol 0: the code is further off, and follows in `width` bits

What a range coder writes are big-endian 32-bit words. A channel's stream, of an archive:

    1 byte     if it has several lanes: 0 if they share what follows, 1 if each has its own
    uvarint    if each has its own, for all lanes but the last: bytes
    words      of all lanes, or of one lane after another

A symbol waits for the one before, but not for those of other lanes: where channels are few, those of their lanes are
decoded side by side. See `c/density.h` and `c/range.h`.

References
----------
G. N. N. Martin, "Range encoding: an algorithm for removing redundancy from a digitised message", 1979.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..errors import DamageError
from .converter import Bins
from .lanes import Lanes
from .stream_coder import RANGE, coder_of, intact_streams, open_streams
from .varint import get_uvarint, put_uvarint


class RangeEncoder:
    """Writes the codes of a group of lanes; see `spikey_cli.core.coders` for the contract.

    Parameters
    ----------
    lanes : Lanes
    bins : Bins
    by_lane : bool, optional
        Whether each lane has words of its own.
    """

    fills_codes = False

    def __init__(self, lanes: Lanes, bins: Bins, *, by_lane: bool = False) -> None:
        self._counts = np.diff(lanes.first_of_channels()).tolist()
        self._by_lane = by_lane
        self.core = coder_of(RANGE, *_words_of(lanes, bins, np.full(lanes.n_channels, by_lane)))

    def finish(self) -> list[bytes]:
        """Return the stream of each channel."""
        words = iter(self.core.finish())
        streams = []
        for n_lanes in self._counts:
            own = [next(words) for _ in range(n_lanes if self._by_lane else 1)]
            start = bytearray([self._by_lane] if n_lanes > 1 else [])
            for each in own[:-1]:
                put_uvarint(start, len(each))
            streams.append(b"".join([start, *own]))
        return streams


class RangeDecoder:
    """Reads what `RangeEncoder` wrote; see `spikey_cli.core.coders` for the contract.

    Parameters
    ----------
    lanes : Lanes
    bins : Bins
    streams : sequence of bytes
        One for each channel.
    """

    fills_codes = True

    def __init__(self, lanes: Lanes, bins: Bins, streams: Sequence[bytes]) -> None:
        counts = np.diff(lanes.first_of_channels()).tolist()
        words = [_split(stream, n_lanes) for stream, n_lanes in zip(streams, counts, strict=True)]
        ends = np.cumsum([0, *map(len, words)])
        self._first, self._n_words = ends[:-1], int(ends[-1])
        by_lane = np.array([len(own) > 1 for own in words])
        self.core = coder_of(RANGE, *_words_of(lanes, bins, by_lane), decodes=True)
        open_streams(self.core, [each for own in words for each in own])

    def finish(self) -> np.ndarray:
        """Return for each channel whether its stream was used up exactly, as bool of shape (channels,)."""
        return np.logical_and.reduceat(intact_streams(self.core, self._n_words), self._first)


def _words_of(lanes: Lanes, bins: Bins, by_lane: np.ndarray) -> tuple[Lanes, Bins]:
    """Return lanes and bins by words instead of channels; `by_lane` has the channels whose lanes have their own."""
    is_first = by_lane[lanes.channel]
    is_first[lanes.first_of_channels()[:-1]] = True
    channel, number = lanes.channel[is_first], np.cumsum(is_first, dtype=np.int32) - 1
    return (
        Lanes(number, lanes.start, lanes.length, channel.size),
        bins._replace(size=bins.size[channel], profiled=bins.profiled[channel]),
    )


def _split(stream: bytes, n_lanes: int) -> list[bytes]:
    """Return the words in a channel's stream: of all its lanes, or of each. Damaged ones are empty."""
    if n_lanes == 1 or stream[:1] == b"\0":
        return [stream[n_lanes > 1 :]]
    ends, position = [0], 1
    try:
        for _ in range(n_lanes - 1):
            size, position = get_uvarint(stream, position)
            ends.append(ends[-1] + size)
    except DamageError:
        return [b""]
    words = stream[position:]
    if stream[:1] != b"\1" or ends[-1] > len(words):
        return [b""]
    return [words[a:b] for a, b in zip(ends, [*ends[1:], len(words)], strict=True)]
