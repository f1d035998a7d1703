"""The entries of a thread's lanes: what a lane starts from, at the head of the thread's stream.

first lane     gain, 8 bits; first code, `width` bits
later lanes    zigzag of the gain less the gain before, Rice with k = 1; rank of the first code around the first code of
               the lane before, Rice with the k of the lane's gain and one octave more
zeros up to the next byte
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
def _encode(channel, size, width, gains, initial_codes, words, cursor):
    before = -1
    for lane in range(channel.size):
        of = channel[lane]
        if of != before:
            put_bits(words, cursor[of], np.uint64(gains[lane]), 8)
            put_bits(words, cursor[of] + 8, np.uint64(initial_codes[lane]), width[of])
            cursor[of] += 8 + width[of]
        else:
            change = np.int64(gains[lane]) - gains[lane - 1]
            cursor[of] = put_rank(words, cursor[of], 2 * abs(change) - np.int64(change < 0), _GAIN_K, _GAIN_WIDTH)
            rank = rank_from_code(np.int64(initial_codes[lane]), np.int64(initial_codes[lane - 1]), True, size[of])
            k = rice_parameter(LOG_SCALE[gains[lane]] + OCTAVE)
            cursor[of] = put_rank(words, cursor[of], rank, k, width[of])
        before = of


@kernel
def _decode(channel, size, width, gains, initial_codes, words, cursor, end):
    before = -1
    for lane in range(channel.size):
        of = channel[lane]
        gain = np.int64(0)
        first = np.int64(0)
        if cursor[of] < end[of]:
            if of != before:
                window = peek_bits(words, cursor[of])
                gain = np.int64(window >> np.uint64(56))
                first = np.int64(window << np.uint64(8) >> np.uint64(64 - width[of]))
                cursor[of] += 8 + width[of]
            else:
                change, cursor[of] = get_rank(words, cursor[of], _GAIN_K, _GAIN_WIDTH)
                change = -((change + 1) >> 1) if change & 1 else change >> 1
                gain = np.int64(gains[lane - 1]) + change
                if 0 <= gain <= MAX_GAIN and cursor[of] < end[of]:
                    k = rice_parameter(LOG_SCALE[gain] + OCTAVE)
                    rank, cursor[of] = get_rank(words, cursor[of], k, width[of])
                    if rank < size[of]:
                        first = code_from_rank(rank, np.int64(initial_codes[lane - 1]), True, size[of])
                    else:
                        first = size[of]
                else:
                    gain = np.int64(MAX_GAIN + 1)
        else:
            gain = np.int64(MAX_GAIN + 1)
        if gain < 0 or gain > MAX_GAIN or first >= size[of]:
            # damage: stop this thread's cursor behind its end, and go on with harmless values
            cursor[of] = end[of] + 1
            gain = np.int64(0)
            first = np.int64(0)
        gains[lane] = gain
        initial_codes[lane] = first
        before = of


def encode_lane_headers(lanes: Lanes, sizes: np.ndarray, gains: np.ndarray, initial_codes: np.ndarray) -> list[bytes]:
    """One byte string a thread from `gains` (uint8) and `initial_codes` (int32), both of shape (lanes,)."""
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
    """Read the entries at the head of each thread's stream.

    Returns (gains uint8, firsts int32, both of shape (lanes,), bytes used int64 of shape (threads,)). A thread whose
    entries are damaged has used more bytes than its stream has.
    """
    words, first_bit, end = words_from_streams(streams)
    cursor = first_bit.copy()
    gains = np.zeros(lanes.count, dtype=np.uint8)
    initial_codes = np.zeros(lanes.count, dtype=np.int32)
    _decode(lanes.channel, sizes, code_widths(sizes), gains, initial_codes, words, cursor, end)
    return gains, initial_codes, (cursor - first_bit + 7) // 8
