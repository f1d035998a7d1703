"""Kept numbers of records: time stamps, counters and the like, coded as differences.

One raw deflate stream, which inflates to, for each field of kept numbers, in order:

    1 byte, its form: 0, 1, 2     words                     their differences of this order
                      3, 4        gain, offset (float64)    words k: second differences; then words of the remainders
    words are written as planes: byte 0 of each, byte 1 of each, ...

The words of a field are its numbers in all records, in order, modulo 2**bits. Forms 3 and 4 are those of float64
numbers that are k / gain + offset (3) or k * gain + offset (4), with few exceptions: the remainder is the number's bits
minus those of the formula's result.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from ..errors import DamageError
from ..io.records import FLOAT64, KeptNumbers

_DIVIDED, _MULTIPLIED = 3, 4
"""Forms of float64 numbers that count up by a formula."""
_REAL = struct.Struct("<dd")
_TRIED = 4096
"""Numbers in which formulas are tried."""
_MIN_EXACT = 0.5
"""Share of the numbers that a formula must give."""
_MAX_K = 2.0**62


def pack_numbers(data: bytes, kept: KeptNumbers) -> bytes:
    """Code the kept numbers of consecutive records.

    Parameters
    ----------
    data : bytes
        The numbers of each record, one record after another.
    kept : KeptNumbers
    """
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15, 9)
    out = []
    for words, is_float in _words(np.frombuffer(data, np.uint8), kept):
        for piece in _pack_field(words, is_float):
            out.append(deflate.compress(piece))
    return b"".join((*out, deflate.flush()))


def unpack_numbers(packed: bytes, kept: KeptNumbers, n_records: int) -> bytes:
    """Return what `pack_numbers` coded. Raises DamageError if the bytes are not what it writes."""
    plain = n_records * kept.bytes
    most = len(kept.fields) * (1 + _REAL.size) + 2 * plain
    inflate = zlib.decompressobj(-15)
    try:
        reader = _Reader(inflate.decompress(packed, most + 1))
    except zlib.error as error:
        raise DamageError(f"kept numbers cannot be inflated: {error}") from error
    data = np.empty(plain, np.uint8)
    for words, is_float in _words(data, kept):
        words[...] = _unpack_field(reader, words, is_float)
    if not inflate.eof or inflate.unused_data or reader.left:
        raise DamageError("kept numbers do not end where their stream does")
    return data.tobytes()


def _words(data: np.ndarray, kept: KeptNumbers) -> Iterator[tuple[np.ndarray, bool]]:
    """Yield the numbers of each field as a view of `data`, of shape (records, count)."""
    rows = data.reshape(-1, kept.bytes)
    at = 0
    for kept_type, count in kept.fields:
        width = min(kept_type, 8)
        dtype = np.dtype(f"<u{width}")
        field = np.ndarray((len(rows), count), dtype, rows, at, (kept.bytes, width))
        yield field, kept_type == FLOAT64
        at += count * width


def _pack_field(words: np.ndarray, is_float: bool) -> Iterator[bytes]:
    numbers = np.ascontiguousarray(words).reshape(-1)
    formula = _find_formula(numbers.view("<f8")) if is_float else None
    if formula is not None:
        k = formula.numbers_of(numbers.view("<f8"))
        yield bytes([formula.form]) + _REAL.pack(formula.gain, formula.offset)
        yield _planes(_differences(k.view("<u8"), 2))
        yield _planes(numbers - formula.bits(k))
        return
    each = [_differences(numbers, order) for order in range(3)]
    order = min(range(3), key=lambda order: np.count_nonzero(each[order].view(np.uint8)))
    yield bytes([order])
    yield _planes(each[order])


def _unpack_field(reader: _Reader, words: np.ndarray, is_float: bool) -> np.ndarray:
    form = reader.take(1)[0]
    if form < _DIVIDED:
        return _sums(_from_planes(reader.take(words.nbytes), words.dtype), form).reshape(words.shape)
    if form > _MULTIPLIED or not is_float:
        raise DamageError(f"kept numbers have the form {form}")
    gain, offset = _REAL.unpack(reader.take(_REAL.size))
    if not (np.isfinite(gain) and np.isfinite(offset) and gain):
        raise DamageError(f"kept numbers have a gain of {gain} and an offset of {offset}")
    k = _sums(_from_planes(reader.take(words.nbytes), words.dtype), 2).view("<i8")
    remainders = _from_planes(reader.take(words.nbytes), words.dtype)
    return (remainders + _Formula(form, gain, offset).bits(k)).reshape(words.shape)


class _Formula(NamedTuple):
    form: int
    gain: float
    offset: float

    def bits(self, k: np.ndarray) -> np.ndarray:
        """The bits of the results for integers k."""
        with np.errstate(over="ignore", invalid="ignore"):
            product = k.astype("<f8") / self.gain if self.form == _DIVIDED else k.astype("<f8") * self.gain
            return (product + self.offset).view("<u8")

    def numbers_of(self, times: np.ndarray) -> np.ndarray:
        """The integers k of times; anything for times that the formula does not give."""
        with np.errstate(over="ignore", invalid="ignore"):
            scaled = times - self.offset
            k = np.rint(scaled * self.gain if self.form == _DIVIDED else scaled / self.gain)
        return np.where(np.abs(k) < _MAX_K, k, 0).astype("<i8")


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    @property
    def left(self) -> int:
        return len(self._data) - self._at

    def take(self, count: int) -> bytes:
        if count > self.left:
            raise DamageError("kept numbers end too early")
        self._at += count
        return self._data[self._at - count : self._at]


def _differences(numbers: np.ndarray, order: int) -> np.ndarray:
    for _ in range(order):
        numbers = np.diff(numbers, prepend=numbers.dtype.type(0))
    return numbers


def _sums(differences: np.ndarray, order: int) -> np.ndarray:
    for _ in range(order):
        differences = np.cumsum(differences, dtype=differences.dtype)
    return differences


def _planes(words: np.ndarray) -> bytes:
    return np.ascontiguousarray(words).view(np.uint8).reshape(-1, words.itemsize).T.tobytes()


def _from_planes(data: bytes, dtype: np.dtype) -> np.ndarray:
    planes = np.frombuffer(data, np.uint8).reshape(dtype.itemsize, -1)
    return np.ascontiguousarray(planes.T).view(dtype).reshape(-1)


def _find_formula(times: np.ndarray) -> _Formula | None:
    """Find a formula for times that count up."""
    tried = times[:_TRIED]
    if tried.size < 3 or not np.isfinite(tried).all():
        return None
    step = float(np.median(np.diff(tried)))
    if not 1e-9 < step < 1e9:
        return None
    # a clock's rate is written in few digits, or known by the step as it was rounded
    rates = [1 / step, (tried.size - 1) / float(tried[-1] - tried[0])] if tried[-1] > tried[0] else [1 / step]
    rates = [*dict.fromkeys([round(rate, digits) for digits in range(7) for rate in rates] + rates)]
    gains = [(_DIVIDED, rate) for rate in rates] + [(_MULTIPLIED, 1 / rate) for rate in rates if rate]
    best, exact = None, int(_MIN_EXACT * tried.size)
    for form, gain in gains:
        for offset in dict.fromkeys([0.0, float(tried[0])]):
            if gain > 0:
                formula = _Formula(form, gain, offset)
                count = int(np.count_nonzero(formula.bits(formula.numbers_of(tried)) == tried.view("<u8")))
                if count > exact:
                    best, exact = formula, count
    return best
