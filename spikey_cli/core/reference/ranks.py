"""Ranks: codes in the order of their distance from a mean (docs/format.md, *Ranks*)."""

from __future__ import annotations

from .arithmetic import Damage
from .bins import Bins


def outwards(nearest: int, upwards: bool, size: int) -> list[int]:
    """Return all codes in the order of their ranks: the definition."""
    codes = [nearest]
    for distance in range(1, size):
        codes += [nearest + distance, nearest - distance] if upwards else [nearest - distance, nearest + distance]
    return [code for code in codes if 0 <= code < size]


def rank_of(code: int, nearest: int, upwards: bool, size: int) -> int:
    """Return the position of `code` in `outwards`, without the list: the number of codes before it."""
    distance, other = abs(code - nearest), 2 * nearest - code
    if distance == 0:
        return 0
    closer = min(nearest, distance - 1) + 1 + min(size - 1 - nearest, distance - 1)
    return closer + ((code > nearest) != upwards and 0 <= other < size)


def code_of(rank: int, nearest: int, upwards: bool, size: int) -> int:
    """Return the element of `outwards` at `rank`, without the list. Raises Damage if there is none."""
    if rank >= size:
        raise Damage("a rank is not below the number of codes")
    both_sides = min(nearest, size - 1 - nearest)
    if rank > 2 * both_sides:
        return nearest + (rank - both_sides) * (1 if nearest == both_sides else -1)
    return nearest + (rank + 1) // 2 * (1 if (rank % 2 == 1) == upwards else -1)


def around(mean: int, bins: Bins) -> tuple[int, bool, int]:
    """Return what ranks around `mean` depend on: the nearest code, whether codes above come first, the size."""
    nearest = bins.nearest(mean)
    return nearest, mean >= bins.value(nearest), bins.size
