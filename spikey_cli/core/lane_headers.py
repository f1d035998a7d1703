"""Lane headers: gain and initial code of each lane, at the start of the channel's stream.

    first lane     gain in 8 bits; initial code in `width` bits
    later lanes    zigzag of the gain minus the gain of the lane before, as a Rice code with k = 1; rank of the initial
                   code around that of the lane before, as a Rice code with k for the lane's gain plus one octave

Zeros fill the last byte.
"""

from __future__ import annotations

import numpy as np

from . import _core
from .lanes import Lanes


def encode_lane_headers(lanes: Lanes, sizes: np.ndarray, gains: np.ndarray, initial_codes: np.ndarray) -> list[bytes]:
    """Encode the lane headers.

    Parameters
    ----------
    lanes : Lanes
    sizes : int64 array of shape (channels,)
        Number of codes of each channel's quantizer.
    gains : uint8 array of shape (lanes,)
    initial_codes : int32 array of shape (lanes,)

    Returns
    -------
    list of bytes
        The headers of each channel's lanes.
    """
    return [
        _core.encode_lane_headers(gains[a:b], initial_codes[a:b], size)
        for a, b, size in zip(*_bounds(lanes), sizes.tolist(), strict=True)
    ]


def decode_lane_headers(
    lanes: Lanes, sizes: np.ndarray, streams: list[bytes]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Decode the lane headers at the start of each channel's stream.

    Returns
    -------
    gains : uint8 array of shape (lanes,)
    initial_codes : int32 array of shape (lanes,)
    used : int64 array of shape (channels,)
        Bytes of the headers; more than the stream has if they are damaged.
    """
    gains = np.zeros(lanes.count, dtype=np.uint8)
    initial_codes = np.zeros(lanes.count, dtype=np.int32)
    used = [
        _core.decode_lane_headers(stream, size, gains[a:b], initial_codes[a:b])
        for a, b, size, stream in zip(*_bounds(lanes), sizes.tolist(), streams, strict=True)
    ]
    return gains, initial_codes, np.array(used, dtype=np.int64)


def _bounds(lanes: Lanes) -> tuple[list[int], list[int]]:
    """First lane of each channel, and the one after its last."""
    first = lanes.first_of_channels().tolist()
    return first[:-1], first[1:]
