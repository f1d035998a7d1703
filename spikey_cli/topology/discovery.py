"""Discovery: which channels were recorded together, and in which order they are coded.

Channels of one session share what all their electrodes pick up: their spike bands correlate at lag zero, by 0.02 to 0.5
on real recordings. Channels of different sessions correlate by chance, about 1/sqrt(N) for N coefficients. Pairs that
exceed chance become peers.

Spike band     The first EXCERPT_SAMPLES samples of a channel, reduced to the details of levels 1 to 5 of the discrete
               Meyer wavelet [1]_ (PyWavelets' `dmey`). These hold everything above 1/64 of the sample rate (305 Hz at
               19,531 Hz), without mains hum and slow potentials. By Parseval's theorem, the correlation of all details
               over all shifts equals that of the spectra under the gain of the details, so an FFT replaces five filter
               banks of 62 taps in a tenth of the time. The spectrum is whitened in bands of equal power: the remaining
               noise has a known spread, whereas coloured noise has fewer degrees of freedom than coefficients, and one
               loud frequency would correlate unrelated channels. Coefficients are rounded to 8 bits, so that their
               products are integers and the order of summation does not change the result.
Decision       Fisher's z transform of the correlation [2]_ is normal with variance 1/(N - 3) for N coefficients; the
               tapering of the pieces reduces N. The threshold is set so that a run has FALSE_PAIRS expected false
               pairs, however many pairs it tests (Bonferroni correction [3]_).
Peers          At most MAX_PEERS a channel, always mutual. The strongest pairs come first: those that connect two parts
               of a session (Kruskal's spanning forest [4]_), so that it does not fall apart, then all others that fit.
Passes         Within a time step, a channel sees the current samples of the peers in earlier coding passes. Channels of
               the first pass see none, so they should be few. The channels of a session are put in Prim's order [5]_
               (the nearest peer of those before comes next) and take passes 0, 1, 2, ... in turn: along a probe, of
               MAX_PASSES channels all but one or two have references.

References
----------
.. [1] Y. Meyer, "Wavelets and Operators", Cambridge University Press, 1992; P. Abry, "Ondelettes et turbulences",
   Diderot, 1997, for the discrete filters.
.. [2] R. A. Fisher, "On the 'probable error' of a coefficient of correlation deduced from a small sample", Metron 1,
   pp. 3-32, 1921.
.. [3] O. J. Dunn, "Multiple comparisons among means", Journal of the American Statistical Association 56, pp. 52-64,
   1961.
.. [4] J. B. Kruskal, "On the shortest spanning subtree of a graph and the traveling salesman problem", Proceedings of
   the American Mathematical Society 7, pp. 48-50, 1956.
.. [5] R. C. Prim, "Shortest connection networks and some generalizations", Bell System Technical Journal 36,
   pp. 1389-1401, 1957.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Sequence
from functools import lru_cache
from heapq import heappop, heappush

import numpy as np

from .topology import MAX_PASSES, Topology

MAX_PEERS = 4
"""Maximum peers of a channel."""

EXCERPT_SAMPLES = 1 << 16
"""Samples at the start of a channel that are compared."""

FALSE_PAIRS = 1e-4
"""Expected number of unrelated pairs that a run takes for peers."""

_LEVELS = 5
_PIECE = 1 << 13  # samples of one FFT; fits into a processor's cache
_BAND = 16  # frequencies that are whitened together
_MIN_COEFFICIENTS = 200  # with fewer, the tails of Fisher's z are not normal
_MIN_GAIN = 0.1
_TAPER = 32  # 1/32 of a piece is tapered at each end, to keep its edges from leaking into the band
_UNIT = 16  # coefficients of spread 1 are rounded to 1/16, and clipped at 127/16
_FLOOR = 1e-4  # power a sample, in squared units of the samples; below that of rounding noise anywhere in the band
_EXACT_COEFFICIENTS = 1024  # 1024 * 127**2 < 2**24: float32 sums that many products without rounding
_BLOCK_CELLS = 1 << 22  # correlations, or samples, in memory at a time
_CANDIDATES = 4 * MAX_PEERS


def _detail_gain() -> np.ndarray:
    """Gain of the details of levels 1 to _LEVELS together, at equal steps of frequency from 0 to 1/2 of the rate."""
    import pywt  # decoding does not need it

    size = 1 << 14
    low_pass = np.abs(np.fft.fft(pywt.Wavelet("dmey").dec_lo, size))[: size // 2 + 1] ** 2 / 2
    k = np.arange(size // 2 + 1)
    approximation = np.ones(k.size)
    for level in range(_LEVELS):
        folded = (k << level) % size
        approximation *= low_pass[np.minimum(folded, size - folded)]
    # the filters are orthogonal: approximation and details add up to 1
    return np.sqrt(np.clip(1 - approximation, 0, None))


@lru_cache(maxsize=16)
def _weights(n: int) -> tuple[int, np.ndarray, np.ndarray, np.ndarray]:
    """For pieces of `n` samples: first frequency, gains (twice each), edges of bands, and the taper."""
    gain = _detail_gain()
    gain = np.interp(np.arange((n + 1) // 2) / n, np.linspace(0, 0.5, gain.size), gain)
    first = int(np.argmax(gain > _MIN_GAIN))
    count = gain.size - first
    edges = np.arange(0, count - _BAND + 1, _BAND)
    taper = np.ones(n, dtype=np.float32)
    ramp = np.sin(np.arange(n // _TAPER) * (np.pi / 2 * _TAPER / n)) ** 2
    taper[: ramp.size] = ramp
    taper[n - ramp.size :] = ramp[::-1]
    return first, np.repeat(gain[first:], 2).astype(np.float32), 2 * edges, taper


def spike_band(samples: np.ndarray) -> tuple[np.ndarray, ...]:
    """Return the spike band of each channel, as `find_topology` takes it.

    Parameters
    ----------
    samples : ndarray of integers, shape (frames, channels) or (frames,)
        Integers of at most 24 bits, in any dtype that holds them. Frames after EXCERPT_SAMPLES are ignored.

    Returns
    -------
    tuple of ndarray of int8, shape (coefficients,)
        One for each channel, about 31/32 of the frames long; zeros, or empty, if the channel has nothing in the band.
    """
    excerpt = samples[:EXCERPT_SAMPLES]
    if excerpt.ndim == 1:
        excerpt = excerpt[:, None]
    n = min(len(excerpt), _PIECE)
    if n < _MIN_COEFFICIENTS:
        return tuple(np.zeros((excerpt.shape[1], 0), dtype=np.int8))
    excerpt = excerpt[: len(excerpt) // n * n]
    bands: list[np.ndarray] = []
    batch = max(1, _BLOCK_CELLS // 16 // len(excerpt))
    for channel in range(0, excerpt.shape[1], batch):
        channels = excerpt[:, channel : channel + batch].T.astype(np.float32, order="C")
        bands.extend(_white_details(channels.reshape(len(channels), -1, n)))
    return tuple(bands)


def _white_details(x: np.ndarray) -> np.ndarray:
    """Spike bands, int8 (channels, coefficients), of float32 (channels, pieces, n), which is overwritten."""
    n_channels, pieces, n = x.shape
    first, gain, edges, taper = _weights(n)
    # differencing keeps slow potentials, which are much larger, from leaking into the band
    x[:, :, 1:] -= x[:, :, :-1].copy()
    x[:, :, 0] = 0
    x *= taper
    spectrum = np.fft.rfft(x, axis=2)[:, :, first : first + gain.size // 2]
    parts = spectrum.astype(np.complex64, order="C").view(np.float32)
    lengths = np.diff(edges, append=gain.size)
    power = np.add.reduceat(np.einsum("tpc,tpc->tc", parts, parts), edges, axis=1) / (pieces * lengths)
    scale = np.zeros_like(power)
    np.divide(_UNIT, np.sqrt(power), out=scale, where=power > _FLOOR * n)
    parts *= (np.repeat(scale, lengths, axis=1).astype(np.float32) * gain)[:, None, :]
    np.clip(np.rint(parts, out=parts), -127, 127, out=parts)
    return parts.reshape(n_channels, -1).astype(np.int8)


def find_topology(bands: Sequence[np.ndarray | None], keys: Sequence[Hashable]) -> Topology:
    """Find the peers among channels, and assign coding passes.

    Parameters
    ----------
    bands : sequence of ndarray of int8, or None
        Spike band of each channel (see `spike_band`); None for a channel without peers.
    keys : sequence of hashable
        One for each channel, such as (frames, sample rate). Only channels with equal keys are compared.

    Returns
    -------
    Topology

    Raises
    ------
    ValueError
        Channels with equal keys have bands of different lengths, or the numbers of keys and bands differ.

    Examples
    --------
    >>> random = np.random.default_rng(1)
    >>> common = random.normal(size=(20_000, 1))
    >>> samples = np.rint(30 * (common + random.normal(size=(20_000, 3)))).astype(np.int16)
    >>> find_topology(spike_band(samples), ["probe"] * 3).sessions()
    [[0, 1, 2]]
    """
    groups: dict[Hashable, list[int]] = defaultdict(list)
    for channel, (band, key) in enumerate(zip(bands, keys, strict=True)):
        if band is not None and band.size >= _MIN_COEFFICIENTS and band.any():
            groups[key].append(channel)
    tested = sum(len(group) * (len(group) - 1) // 2 for group in groups.values())
    if tested == 0:
        return Topology.independent(len(bands))
    from statistics import NormalDist  # a single channel has no pairs

    limit = -NormalDist().inv_cdf(FALSE_PAIRS / 2 / tested)
    candidates: list[tuple[int, int, int]] = []
    for channels in groups.values():
        if len(channels) > 1:
            # np.stack raises ValueError for different lengths
            rows = np.stack([band for band in (bands[channel] for channel in channels) if band is not None])
            candidates += [(metric, channels[a], channels[b]) for metric, a, b in _correlated(rows, limit)]
    pairs = _choose(len(bands), sorted(candidates, key=lambda c: (-c[0], c[1], c[2])))
    return Topology.from_pairs(pairs, _passes(len(bands), pairs))


def _correlated(bands: np.ndarray, limit: float) -> Iterable[tuple[int, int, int]]:
    """Yield the pairs of rows that correlate beyond `limit` standard deviations: (metric, row, higher row).

    For each row, only the _CANDIDATES strongest pairs with higher rows are included.
    """
    n, count = bands.shape
    inverse = np.array([np.square(row, dtype=np.int32).sum(dtype=np.int64) for row in bands]) ** -0.5
    least = np.tanh(limit / np.sqrt(count * (_TAPER - 1) / _TAPER - 3))
    step = max(1, _BLOCK_CELLS // n)
    for top in range(0, n, step):
        rows = slice(top, min(top + step, n))
        # each row with the rows from `top` on; earlier pairs are done
        product = np.zeros((rows.stop - top, n - top))
        for at in range(0, count, _EXACT_COEFFICIENTS):
            part = bands[top:, at : at + _EXACT_COEFFICIENTS].astype(np.float32)
            product += part[: rows.stop - top] @ part.T
        product *= inverse[rows, None]
        product *= inverse[top:]
        np.abs(product, out=product)
        for row, hits in enumerate(product >= least):
            others = row + 1 + np.flatnonzero(hits[row + 1 :])
            metric = np.rint(255 * product[row, others]).astype(np.int64)
            strongest = np.argsort(-metric, kind="stable")[:_CANDIDATES]
            for other, strength in zip(others[strongest].tolist(), metric[strongest].tolist(), strict=True):
                if strength:
                    yield strength, top + row, top + other


def _choose(n_channels: int, candidates: Sequence[tuple[int, int, int]]) -> list[tuple[int, int, int]]:
    """Choose pairs (a, b, metric) of (metric, a, b), strongest first, with at most MAX_PEERS for each channel."""
    room = [MAX_PEERS] * n_channels
    parent = list(range(n_channels))
    chosen: list[tuple[int, int, int]] = []
    skipped: list[tuple[int, int, int]] = []

    def root(channel: int) -> int:
        while parent[channel] != channel:
            parent[channel] = parent[parent[channel]]
            channel = parent[channel]
        return channel

    for spanning in (True, False):
        for metric, a, b in candidates if spanning else skipped:
            joins = root(a) != root(b)
            if room[a] and room[b] and (joins or not spanning):
                parent[root(a)] = root(b)
                room[a] -= 1
                room[b] -= 1
                chosen.append((a, b, metric))
            elif spanning:
                skipped.append((metric, a, b))
    return chosen


def _passes(n_channels: int, pairs: Iterable[tuple[int, int, int]]) -> tuple[int, ...]:
    """Coding pass of each channel: its rank in its session in Prim's order, modulo MAX_PASSES."""
    peers: list[list[tuple[int, int]]] = [[] for _ in range(n_channels)]
    for a, b, metric in pairs:
        peers[a].append((-metric, b))
        peers[b].append((-metric, a))
    passes = [0] * n_channels
    seen = [False] * n_channels
    for first in range(n_channels):
        rank = 0
        queue = [(0, first)]
        while queue:
            _, channel = heappop(queue)
            if not seen[channel]:
                seen[channel] = True
                passes[channel] = rank % MAX_PASSES
                rank += 1
                for peer in peers[channel]:
                    heappush(queue, peer)
    return tuple(passes)
