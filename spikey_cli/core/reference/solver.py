"""The regularised normal equations (docs/format.md, *Adaptation*; A. E. Hoerl, R. W. Kennard, Technometrics 12, 1970).

Float64, which Python's floats are, in the order written.
"""

from __future__ import annotations

from collections.abc import Sequence

WEIGHT_LIMIT = 65536
"""Solutions with a weight of this magnitude or above are not taken."""


def solve(sums: Sequence[Sequence[float]], ridge: Sequence[float]) -> list[float] | None:
    """Return the weights, or None; row i of `sums` has entries 0 to i, its last row is that of the target."""
    n = len(ridge)
    a = [list(row) for row in sums[:n]]
    b = list(sums[n])
    for i in range(n):
        a[i][i] += ridge[i]
    inverse = []
    for j in range(n):  # LDL^T: the column below each pivot, and what it takes from the columns behind it
        pivot = max(a[j][j], ridge[j])
        inverse.append(1.0 / pivot)
        column = [a[i][j] for i in range(n) if i > j]
        for i in range(j + 1, n):
            factor = column[i - j - 1] * inverse[j]
            a[i][j] = factor
            for k in range(j + 1, i + 1):
                a[i][k] -= factor * column[k - j - 1]
            b[i] -= factor * b[j]
    for i in range(n):
        b[i] *= inverse[i]
    for k in range(n - 1, 0, -1):
        for i in range(k):
            b[i] -= a[k][i] * b[k]
    return b[:n] if all(abs(weight) < WEIGHT_LIMIT for weight in b[:n]) else None
