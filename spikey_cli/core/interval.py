"""Interval of a range coder: from parts of 2**bits to 32-bit words, and back.

A symbol that takes the part first..first + size of 2**bits narrows the interval low..low + width of 64 bits:

    low += (width >> bits) * first      width = (width >> bits) * size
    if width < 2**32                    the top 32 bits of low are written, and both are shifted left by 32 bits

A carry out of low is added to the words written before. At the end, one more word selects a number in the interval. The
decoder keeps the offset of that number from low, and shifts a word in wherever the encoder wrote one.

A part is at least 2**-25 of the interval, so one word is enough for each symbol. Whether a word is written depends on
the data, and processors predict that branch badly; both directions therefore always access a word, and shift by 32 bits
or by none.

References
----------
G. N. N. Martin, "Range encoding: an algorithm for removing redundancy from a digitised message", 1979.
"""

from __future__ import annotations

import numpy as np
from numba import njit

FULL = 2**64 - 1
"""Initial width of an interval; its low end is 0."""

SPARE_WORDS = 4
"""Words that a stream's buffer has in addition to those that its symbols can take."""

_WORD = np.uint64(32)
_LEAST = np.uint64(1 << 32)
_LOW_HALF = np.uint64(0xFFFFFFFF)
_NOTHING, _ONE, _FIVE = np.uint64(0), np.uint64(1), np.uint64(5)


@njit(inline="always")
def _carry(words, at):
    """Add one to the number that ends in word `at`. The carry stays within the stream, since low was below 2**64."""
    while words[at] == np.uint32(0xFFFFFFFF):
        words[at] = np.uint32(0)
        at -= 1
    words[at] += np.uint32(1)


@njit(inline="always")
def narrow(words, low, width, at, first, size, bits):
    """Narrow an encoder's interval to first..first + size of 2**bits; return (low, width, next word)."""
    step = width >> np.uint64(bits)
    moved = low + step * np.uint64(first)
    if moved < low:
        _carry(words, np.int64(at) - 1)
    width = step * np.uint64(size)
    words[at] = np.uint32(moved >> _WORD)
    is_full = np.uint64(width < _LEAST)
    shift = is_full << _FIVE
    return moved << shift, width << shift, at + is_full


@njit(inline="always")
def close(words, low, at):
    """Write a number in an encoder's interval, and return the word after it.

    A width is at least 2**32, so the interval holds low itself or the next multiple of 2**32.
    """
    if low & _LOW_HALF:
        number = low + _LOW_HALF
        if number < low:
            _carry(words, np.int64(at) - 1)
        low = number
    words[at] = np.uint32(low >> _WORD)
    return at + _ONE


@njit(inline="always")
def target(offset, width, bits):
    """Position of a decoder's number in its interval, of 2**bits."""
    return min(np.int64(offset // (width >> np.uint64(bits))), (1 << bits) - 1)


@njit(inline="always")
def follow(words, end, offset, width, at, first, size, bits):
    """Narrow a decoder's interval as the encoder did; return (offset, width, next word).

    `words` holds at least one word more than the streams. Words from `end` on read as 0.
    """
    step = width >> np.uint64(bits)
    offset -= step * np.uint64(first)
    width = step * np.uint64(size)
    word = np.uint64(words[min(at, np.uint64(words.size - 1))])
    word = word if at < np.uint64(end) else _NOTHING
    is_full = np.uint64(width < _LEAST)
    shift = is_full << _FIVE
    return offset << shift | word & (_NOTHING - is_full), width << shift, at + is_full
