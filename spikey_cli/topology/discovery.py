"""Discovery: which channels each channel is predicted from, in which order they are coded, long lags and orders.

Channels of one session share what all their electrodes pick up: their residuals (see `core.residual`) correlate at lag
zero, by 0.02 to 0.99 on real recordings. Channels of different sessions correlate by chance, about 1/sqrt(N) for N
samples.

Decision       Fisher's z transform of the correlation [1]_ is normal with variance 1/(N - 3). The threshold is set so
               that a run has FALSE_PAIRS expected false pairs, however many pairs it tests (Bonferroni correction
               [2]_). What pairs beyond it connect, directly or through others, is a session.
Passes         Within a time step, a channel sees the current samples of channels in earlier coding passes, but not of
               those in its own. The channels of a session are put in Prim's order [3]_: the one nearest to those before
               comes next. Each takes the pass whose channels correlate least with it; no pass gets more than its share.
References     Of earlier passes: forward selection [4]_. The first is the channel with the largest correlation; each
               further one has the largest partial correlation, given those before. Of the same and of later passes: the
               largest correlations. The edge of Prim's tree is always among them, so that a session does not fall
               apart.
Long lag       The largest autocorrelation of the residual at long lags, such as the period of mains hum.
Order          That which saves most bits, of which each further term costs some: it takes time, and must be learnt. A
               band-pass filter leaves a channel much that only 16 or 32 of its own differences tell; most others gain
               nothing. References tell some of it, too.

Residuals are integers, so the order of summation does not change a correlation.

References
----------
.. [1] R. A. Fisher, "On the 'probable error' of a coefficient of correlation deduced from a small sample", Metron 1,
   pp. 3-32, 1921.
.. [2] O. J. Dunn, "Multiple comparisons among means", Journal of the American Statistical Association 56, pp. 52-64,
   1961.
.. [3] R. C. Prim, "Shortest connection networks and some generalizations", Bell System Technical Journal 36,
   pp. 1389-1401, 1957.
.. [4] M. A. Efroymson, "Multiple regression analysis", in Mathematical Methods for Digital Computers, Wiley, 1960; with
   the pivoted Cholesky decomposition, G. W. Stewart, "Matrix Algorithms", vol. 1, SIAM, 1998.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from .topology import MAX_EARLIER, MAX_LATER, MAX_PASSES, MIN_LAG, MIN_ORDER, ORDERS, Reference, Topology

FALSE_PAIRS = 1e-4
"""Expected number of unrelated pairs of channels that a run links."""

USUAL_EARLIER = 4
"""References to earlier passes that are worth their time."""

USUAL_ORDER_COST = 0.0006
"""Bits a sample that make a further one of its own differences worth its time to a channel."""

_MIN_SAMPLES = 200  # with fewer, the tails of Fisher's z are not normal
_MAX_COMPARED = 1 << 12  # channels that are compared with each other at once
_EXACT_SAMPLES = 1024  # 1024 * 127**2 < 2**24: float32 sums that many products without rounding
_BLOCK_CELLS = 1 << 22  # numbers in memory at a time
_LEAST_VARIANCE = 1e-4  # of a channel, given those chosen before; it adds nothing

_LAG_SAMPLES, _LAGS = 1 << 12, 1 << 11
_SAMPLES_PER_LAG = 8  # longer lags are of no use in a short recording
_LAG_CHANNELS = 32
_LAG_CORRELATION, _LAG_DEVIATIONS = 0.15, 8.0  # weaker ones cost as much as they save

_LEARNING = 4.0  # bits that a weight costs until it is known
_BESIDE_REFERENCES = 0.25  # of what a higher order saves


class Residual(NamedTuple):
    """What a channel does not say of itself beforehand, and what more of its past would tell."""

    samples: np.ndarray
    """The error of a prediction of order 8, int8."""
    saved: tuple[float, ...]
    """Bits a sample that each of the other ORDERS saves."""


def find_topology(
    residuals: Sequence[Residual],
    keys: Sequence[Hashable],
    max_earlier: int = USUAL_EARLIER,
    order_cost: float = USUAL_ORDER_COST,
) -> Topology:
    """Find references among channels, and assign coding passes and orders.

    Parameters
    ----------
    residuals : sequence of Residual
        Of each channel (see `core.residual`).
    keys : sequence of hashable
        One for each channel, such as (frames, sample rate). Only channels with equal keys are compared.
    max_earlier : int, optional
        Maximum references of a channel to channels of earlier passes. With 0, all channels are independent.
    order_cost : float, optional
        Bits a sample that a further one of its own differences has to save a channel.

    Returns
    -------
    Topology

    Raises
    ------
    ValueError
        Channels with equal keys have residuals of different lengths, or the numbers of keys and residuals differ.

    Examples
    --------
    >>> from spikey_cli.core.residual import residuals
    >>> random = np.random.default_rng(1)
    >>> common = random.normal(size=(20_000, 1))
    >>> samples = np.rint(30 * (common + random.normal(size=(20_000, 3)))).astype(np.int16)
    >>> find_topology(residuals(samples), ["probe"] * 3).sessions()
    [[0, 1, 2]]
    """
    passes = [0] * len(residuals)
    earlier: list[tuple[Reference, ...]] = [()] * len(residuals)
    later: list[tuple[int, ...]] = [()] * len(residuals)
    samples = [residual.samples for residual in residuals]
    groups = list(_comparable(samples, keys)) if max_earlier else []
    tested = sum(len(group) * (len(group) - 1) // 2 for group in groups)
    limit = 0.0
    if tested:
        from statistics import NormalDist  # a single channel has no pairs

        limit = -NormalDist().inv_cdf(FALSE_PAIRS / 2 / tested)
    for group in groups:
        correlation, n = _correlation(np.stack([samples[channel] for channel in group])), samples[group[0]].size
        least = np.tanh(limit / np.sqrt(n - 3))
        for session in _connected(np.abs(correlation) >= least):
            own = _Session(correlation[np.ix_(session, session)], float(least))
            channels = [group[i] for i in session]
            references = own.earlier(min(max_earlier, MAX_EARLIER))
            for i, channel in enumerate(channels):
                passes[channel] = int(own.passes[i])
                earlier[channel] = tuple(Reference(channels[j], own.metric(i, j)) for j in references[i])
                later[channel] = tuple(channels[j] for j in own.later(i))
    referring = [bool(before or behind) for before, behind in zip(earlier, later, strict=True)]
    orders = tuple(_order(own, order_cost, refers) for own, refers in zip(residuals, referring, strict=True))
    return Topology(tuple(passes), tuple(earlier), tuple(later), _long_lags(samples), orders)


def _comparable(residuals: Sequence[np.ndarray], keys: Sequence[Hashable]) -> Iterator[list[int]]:
    """Yield groups of channels that may be compared."""
    groups: dict[Hashable, list[int]] = defaultdict(list)
    for channel, (residual, key) in enumerate(zip(residuals, keys, strict=True)):
        if residual.size >= _MIN_SAMPLES and residual.any():
            groups[key].append(channel)
    for group in groups.values():
        for first in range(0, len(group), _MAX_COMPARED):
            if len(group) - first > 1:
                yield group[first : first + _MAX_COMPARED]


def _correlation(rows: np.ndarray) -> np.ndarray:
    """Correlation of each row of int8 with each other one; 0 with itself."""
    n, count = rows.shape
    product = np.zeros((n, n))
    piece = max(1, _BLOCK_CELLS // n // _EXACT_SAMPLES) * _EXACT_SAMPLES
    for at in range(0, count, piece):
        part = np.zeros((n, min(piece, -(-count // _EXACT_SAMPLES) * _EXACT_SAMPLES)), dtype=np.float32)
        samples = rows[:, at : at + piece]
        part[:, : samples.shape[1]] = samples
        runs = part.reshape(n, -1, _EXACT_SAMPLES).transpose(1, 0, 2)
        product += (runs @ runs.transpose(0, 2, 1)).sum(axis=0, dtype=np.float64)
    inverse = product.diagonal() ** -0.5
    product *= inverse
    product *= inverse[:, None]
    np.fill_diagonal(product, 0)
    return product


def _connected(linked: np.ndarray) -> Iterator[list[int]]:
    """Yield the sorted sets of several rows that a symmetric matrix connects."""
    left = linked.any(axis=1)
    while left.any():
        found = np.zeros_like(left)
        front = np.array([int(np.argmax(left))])
        while front.size:
            found[front] = True
            front = np.flatnonzero(linked[front].any(axis=0) & ~found)
        left &= ~found
        yield np.flatnonzero(found).tolist()


class _Session:
    """Passes and references of channels that are connected.

    Parameters
    ----------
    correlation : float64 array of shape (n, n)
        0 of each channel with itself.
    least : float
        Smallest absolute correlation that is not taken for chance.
    """

    def __init__(self, correlation: np.ndarray, least: float) -> None:
        self._correlation, self._least = correlation, least
        self._size = np.abs(correlation)
        self._order()
        self._assign_passes()

    def _order(self) -> None:
        """Prim's order of the channels, and the channel before each of them in the tree."""
        n = len(self._size)
        nearest, self._before = self._size[0].copy(), np.zeros(n, dtype=np.int64)
        nearest[0] = -1
        self._in_order = [0]
        for _ in range(n - 1):
            channel = int(np.argmax(nearest))
            self._in_order.append(channel)
            nearest[channel] = -1
            nearer = (self._size[channel] > nearest) & (nearest >= 0)
            nearest[nearer] = self._size[channel, nearer]
            self._before[nearer] = channel

    def _assign_passes(self) -> None:
        n = len(self._size)
        room = -(-n // MAX_PASSES)
        # what a pair loses in one pass, in nats: the information that the two samples share
        lost = -np.log(1 - np.minimum(self._size, 0.999) ** 2)
        shared, count = np.zeros((n, MAX_PASSES)), np.zeros(MAX_PASSES, dtype=np.int64)
        self.passes = np.zeros(n, dtype=np.int64)
        for channel in self._in_order:
            chosen = int(np.argmin(np.where(count < room, shared[channel], np.inf)))
            self.passes[channel] = chosen
            count[chosen] += 1
            shared[:, chosen] += lost[:, channel]

    def metric(self, i: int, j: int) -> int:
        """|correlation| * 255 of two channels, at least 1."""
        return max(1, round(255 * min(1.0, self._size[i, j])))

    def earlier(self, count: int) -> list[list[int]]:
        """At most `count` references of each channel to channels of earlier passes, the most useful ones first."""
        n = len(self._size)
        step = max(1, _BLOCK_CELLS // n)
        found: list[list[int]] = []
        for first in range(0, n, step):
            found += self._earlier(np.arange(first, min(first + step, n)), count)
        for channel, references in enumerate(found):
            before = int(self._before[channel])
            if self.passes[before] < self.passes[channel] and before not in references:
                references[count - 1 :] = [before]
        return found

    def _earlier(self, channels: np.ndarray, count: int) -> list[list[int]]:
        """Forward selection: a pivoted Cholesky decomposition for each of `channels`, side by side."""
        rows = np.arange(channels.size)
        possible = self.passes < self.passes[channels, None]
        covariance = self._correlation[channels]  # of the channel with each other one, given the chosen ones
        variance = np.ones_like(covariance)  # of each other one, given the chosen ones
        own = np.ones(channels.size)
        columns: list[np.ndarray] = []
        found: list[list[int]] = [[] for _ in channels]
        for _ in range(count):
            gain = np.where(possible & (variance > _LEAST_VARIANCE), covariance**2 / np.maximum(variance, 1e-9), 0)
            best = gain.argmax(axis=1)
            useful = gain[rows, best] >= self._least**2 * own
            if not useful.any():
                break
            for row in np.flatnonzero(useful).tolist():
                found[row].append(int(best[row]))
            column = self._correlation[best].copy()
            column[rows, best] = 1
            for previous in columns:
                column -= previous * previous[rows, best, None]
            column /= np.sqrt(np.maximum(variance[rows, best], 1e-9))[:, None]
            column[~useful] = 0
            with_own = covariance[rows, best] / np.sqrt(np.maximum(variance[rows, best], 1e-9)) * useful
            covariance = covariance - with_own[:, None] * column
            variance = variance - column**2
            own = np.maximum(own - with_own**2, 1e-6)
            columns.append(column)
            possible[rows, best] = False
        return found

    def later(self, channel: int) -> list[int]:
        """References of a channel to channels of its own and of later passes, the nearest first."""
        others = np.flatnonzero((self.passes >= self.passes[channel]) & (self._size[channel] >= self._least))
        found = others[np.argsort(-self._size[channel, others], kind="stable")][:MAX_LATER].tolist()
        before = int(self._before[channel])
        if before != channel and self.passes[before] >= self.passes[channel] and before not in found:
            found[MAX_LATER - 1 :] = [before]
        return found


def _long_lags(residuals: Sequence[np.ndarray]) -> tuple[int, ...]:
    """Long lag of each channel, or 0."""
    lags = [0] * len(residuals)
    by_length: dict[tuple[int, int], list[int]] = defaultdict(list)
    for channel, residual in enumerate(residuals):
        longest = min(_LAGS, residual.size // _SAMPLES_PER_LAG)
        if longest >= MIN_LAG:
            by_length[min(residual.size, _LAG_SAMPLES), longest].append(channel)
    for (n, longest), channels in by_length.items():
        size = -(-(n + longest) // _EXACT_SAMPLES) * _EXACT_SAMPLES
        overlap = n / (n - np.arange(MIN_LAG, longest + 1))
        least = max(_LAG_CORRELATION, _LAG_DEVIATIONS / np.sqrt(n))
        for first in range(0, len(channels), _LAG_CHANNELS):
            batch = channels[first : first + _LAG_CHANNELS]
            spectrum = np.fft.rfft(np.stack([residuals[channel][:n] for channel in batch]).astype(np.float32), size)
            power = spectrum.real**2 + spectrum.imag**2
            products = np.fft.irfft(power, size)[:, : longest + 1]
            correlations = np.abs(products[:, MIN_LAG:]) * overlap / np.maximum(products[:, :1], 1)
            for channel, sizes in zip(batch, correlations, strict=True):
                lag = int(np.argmax(sizes))
                if sizes[lag] >= least:
                    lags[channel] = MIN_LAG + lag
    return tuple(lags)


def _order(residual: Residual, cost: float, has_references: bool) -> int:
    """The order of a channel that saves most."""
    cost += _LEARNING / max(residual.samples.size, 1)
    share = _BESIDE_REFERENCES if has_references else 1.0
    saved = [share * bits - cost * (order - MIN_ORDER) for order, bits in zip(ORDERS[1:], residual.saved, strict=True)]
    best = max(0.0, *saved)
    return ORDERS[1 + saved.index(best)] if best else MIN_ORDER
