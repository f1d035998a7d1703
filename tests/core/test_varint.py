"""Numbers of any length: every value comes back, and damage is noticed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikey_cli.core.varint import MAX_UVARINT, get_uvarint, put_uvarint, unzigzag, zigzag
from spikey_cli.errors import ArchiveError

uvarints = st.integers(0, MAX_UVARINT)


def packed(*numbers: int) -> bytes:
    out = bytearray()
    for n in numbers:
        put_uvarint(out, n)
    return bytes(out)


@given(st.lists(uvarints))
def test_numbers_in_a_row_come_back(numbers: list[int]) -> None:
    buf, pos, got = packed(*numbers), 0, []
    while pos < len(buf):
        n, pos = get_uvarint(buf, pos)
        got.append(n)
    assert got == numbers, f"{numbers} came back as {got}"


@pytest.mark.parametrize(
    ("n", "expected"),
    [(0, b"\x00"), (127, b"\x7f"), (128, b"\x80\x01"), (300, b"\xac\x02"), (MAX_UVARINT, b"\xff" * 8 + b"\x7f")],
)
def test_bytes_are_leb128(n: int, expected: bytes) -> None:
    assert packed(n) == expected, f"{n} is written as {packed(n).hex()}, not {expected.hex()}"


@pytest.mark.parametrize("n", [-1, MAX_UVARINT + 1])
def test_numbers_out_of_range_are_not_written(n: int) -> None:
    with pytest.raises(ValueError, match="is not in"):
        packed(n)


@given(uvarints)
def test_every_truncation_is_noticed(n: int) -> None:
    intact = packed(n)
    for length in range(len(intact)):
        with pytest.raises(ArchiveError, match="cut short"):
            get_uvarint(intact[:length], 0)


@pytest.mark.parametrize(
    ("buf", "reason"),
    [(b"\x80\x00", "shortest"), (b"\xff\x80\x00", "shortest"), (b"\xff" * 9 + b"\x01", "too long")],
)
def test_other_forms_are_refused(buf: bytes, reason: str) -> None:
    with pytest.raises(ArchiveError, match=reason):
        get_uvarint(buf, 0)


@given(st.binary(max_size=12), st.integers(0, 14))
def test_any_bytes_are_the_form_of_a_number_or_refused(buf: bytes, pos: int) -> None:
    try:
        n, end = get_uvarint(buf, pos)
    except ArchiveError:
        return
    assert packed(n) == buf[pos:end], f"{buf[pos:end].hex()} was read as {n}, whose form is {packed(n).hex()}"


@given(st.integers(-(2**62), 2**62 - 1))
def test_zigzag_is_undone(n: int) -> None:
    assert unzigzag(zigzag(n)) == n, f"{n} folds to {zigzag(n)}, which unfolds to {unzigzag(zigzag(n))}"
    assert 0 <= zigzag(n) <= 2 * abs(n), f"{n} folds to {zigzag(n)}, which is not small"
