"""Bits in 64-bit words, most significant first, as the streams of `rice`, `packed` and `lane_headers` use them.

    word 0                     word 1
    |b0 b1 b2 ........... b63| |b64 b65 ...        a cursor counts bits from the start of the array

Writers need zeroed words. Readers read up to 64 bits past their cursor, so a buffer ends with two spare zero words; the
caller compares the cursor with the stream's end and stops there.
"""

from __future__ import annotations

import numpy as np
from numba import njit

SPARE_WORDS = 2


@njit(inline="always")
def put_bits(words, cursor, value, n):
    """Write the low `n` bits (1..64) of uint64 `value`, whose higher bits are zero, at bit `cursor`."""
    word = cursor >> 6
    room = 64 - (cursor & 63)
    if n <= room:
        words[word] |= value << np.uint64(room - n)
    else:
        words[word] |= value >> np.uint64(n - room)
        words[word + 1] |= value << np.uint64(64 + room - n)


@njit(inline="always")
def peek_bits(words, cursor):
    """The 64 bits that start at bit `cursor`, as uint64."""
    word = cursor >> 6
    offset = np.uint64(cursor & 63)
    # two shifts, since a shift by 64 is undefined if offset is 0
    return words[word] << offset | words[word + 1] >> np.uint64(1) >> (np.uint64(63) - offset)


def words_from_streams(streams: list[bytes]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Copy byte streams into one word array; each starts at a word boundary and is followed by spare words.

    Returns
    -------
    words : uint64 array
    first, end : int64 arrays of shape (streams,)
        The first bit of each stream, and the bit after its last.
    """
    first = np.zeros(len(streams), dtype=np.int64)
    end = np.zeros(len(streams), dtype=np.int64)
    word = 0
    for i, stream in enumerate(streams):
        first[i] = word * 64
        end[i] = first[i] + len(stream) * 8
        word += (len(stream) + 7) // 8 + SPARE_WORDS
    buffer = np.zeros(word * 8, dtype=np.uint8)
    for i, stream in enumerate(streams):
        byte = int(first[i]) // 8
        buffer[byte : byte + len(stream)] = np.frombuffer(stream, dtype=np.uint8)
    return buffer.view(">u8").astype(np.uint64), first, end


def stream_from_words(words: np.ndarray, first: int, cursor: int) -> bytes:
    """Return the bytes that hold the bits `first` (a multiple of 64) to `cursor` - 1; zeros fill the last one."""
    used = words[first // 64 : (cursor + 63) // 64]
    return used.astype(">u8").tobytes()[: (cursor - first + 7) // 8]
