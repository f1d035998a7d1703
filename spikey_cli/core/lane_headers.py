"""Lane headers: gain and initial code of each lane, at the start of the channel's stream.

    first lane     gain in 8 bits; initial code in `width` bits
    later lanes    zigzag of the gain minus the gain of the lane before, as a Rice code with k = 1; rank of the initial
                   code around that of the lane before, as a Rice code with k for the lane's gain plus one octave

Zeros fill the last byte.
"""

from __future__ import annotations

import numpy as np

from .bits import peek_bits, put_bits, stream_from_words, words_from_streams
from .gain import LOG_SCALE, MAX_GAIN, OCTAVE
from .kernel import kernel
from .lanes import Lanes
from .packed import code_widths
from .ranks import code_from_rank, rank_from_code
from .rice import MAX_CODE_BITS, get_rank, put_rank, rice_parameter

_GAIN_K = 1
_GAIN_WIDTH = 9  # zigzag of -216..216


@kernel
def _encode(channels, size, width, gains, initial_codes, words, cursor):
    previous = -1
    for lane in range(channels.size):
        channel = channels[lane]
        if channel != previous:
            put_bits(words, cursor[channel], np.uint64(gains[lane]), 8)
            put_bits(words, cursor[channel] + 8, np.uint64(initial_codes[lane]), width[channel])
            cursor[channel] += 8 + width[channel]
        else:
            change = np.int64(gains[lane]) - gains[lane - 1]
            cursor[channel] = put_rank(
                words, cursor[channel], 2 * abs(change) - np.int64(change < 0), _GAIN_K, _GAIN_WIDTH
            )
            rank = rank_from_code(np.int64(initial_codes[lane]), np.int64(initial_codes[lane - 1]), True, size[channel])
            k = rice_parameter(LOG_SCALE[gains[lane]] + OCTAVE)
            cursor[channel] = put_rank(words, cursor[channel], rank, k, width[channel])
        previous = channel


@kernel
def _decode(channels, size, width, gains, initial_codes, words, cursor, end):
    previous = -1
    for lane in range(channels.size):
        channel = channels[lane]
        gain = np.int64(0)
        first = np.int64(0)
        if cursor[channel] < end[channel]:
            if channel != previous:
                window = peek_bits(words, cursor[channel])
                gain = np.int64(window >> np.uint64(56))
                first = np.int64(window << np.uint64(8) >> np.uint64(64 - width[channel]))
                cursor[channel] += 8 + width[channel]
            else:
                change, cursor[channel] = get_rank(words, cursor[channel], _GAIN_K, _GAIN_WIDTH)
                change = -((change + 1) >> 1) if change & 1 else change >> 1
                gain = np.int64(gains[lane - 1]) + change
                if 0 <= gain <= MAX_GAIN and cursor[channel] < end[channel]:
                    k = rice_parameter(LOG_SCALE[gain] + OCTAVE)
                    rank, cursor[channel] = get_rank(words, cursor[channel], k, width[channel])
                    if rank < size[channel]:
                        first = code_from_rank(rank, np.int64(initial_codes[lane - 1]), True, size[channel])
                    else:
                        first = size[channel]
                else:
                    gain = np.int64(MAX_GAIN + 1)
        else:
            gain = np.int64(MAX_GAIN + 1)
        if gain < 0 or gain > MAX_GAIN or first >= size[channel]:
            # damage: move the channel's cursor past its end, and go on with valid values
            cursor[channel] = end[channel] + 1
            gain = np.int64(0)
            first = np.int64(0)
        gains[lane] = gain
        initial_codes[lane] = first
        previous = channel


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
    lanes_of_channel = np.bincount(lanes.channel, minlength=lanes.n_channels)
    words = lanes_of_channel * 2 * MAX_CODE_BITS // 64 + 2
    first_bit = (np.cumsum(words) - words) * 64
    cursor = first_bit.copy()
    buffer = np.zeros(int(words.sum()), dtype=np.uint64)
    _encode(lanes.channel, sizes, code_widths(sizes), gains, initial_codes, buffer, cursor)
    return [stream_from_words(buffer, int(a), int(b)) for a, b in zip(first_bit, cursor, strict=True)]


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
    words, first_bit, end = words_from_streams(streams)
    cursor = first_bit.copy()
    gains = np.zeros(lanes.count, dtype=np.uint8)
    initial_codes = np.zeros(lanes.count, dtype=np.int32)
    _decode(lanes.channel, sizes, code_widths(sizes), gains, initial_codes, words, cursor, end)
    return gains, initial_codes, (cursor - first_bit + 7) // 8
