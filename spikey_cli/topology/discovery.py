"""Which threads were recorded together, and in which order they are coded.

A thread is one channel of one file. Threads of one session share what every electrode picks up: their spike bands
correlate at lag zero, by 0.02 to 0.5 on real recordings, while threads of different sessions correlate by chance only,
about 1/sqrt(N) on N coefficients. Pairs that exceed chance are peers; threads joined by peers are a session.

Spike band     The first EXCERPT_SAMPLES samples of a thread, as the details of levels 1 to 5 of the discrete Meyer
               wavelet (PyWavelets' `dmey`): everything above 1/64 of the sample rate, 305 Hz at 19,531 Hz, so that
               mains hum and slow potentials are out. Meyer's wavelet is defined by its spectrum, and there it is taken:
               the correlation of all details, over all shifts, is by Parseval's theorem that of the spectra under the
               gain of the details. An FFT of each piece of the excerpt does what five filter banks of 62 taps would, in
               a tenth of the time. The spectrum is first made white, in stretches of equal power: what is left is noise
               of known spread, where a coloured pair would have fewer degrees of freedom than coefficients, and one
               loud frequency would join strangers. Coefficients are rounded to 8 bits, which costs nothing (they are
               near Gaussian) and makes their products whole numbers: no order of summation changes the result.
Decision       Fisher's transform of the correlation is normal with variance 1/(N - 3) for N coefficients, less those
               that fading the pieces in and out takes away. The limit is set so that in a whole run FALSE_PAIRS are
               expected by chance, whatever the number of pairs tested (Bonferroni).
Peers          At most MAX_PEERS a thread, always mutual. Pairs are taken strongest first: those that join two parts of
               a session (Kruskal's spanning forest), so that it does not fall apart, then all others that find room.
Waves          The order inside a time step: a thread sees the present of those peers that are in earlier waves. One of
               the first wave sees none, so these should be few. The threads of a session stand in Prim's order (each
               next one is the nearest peer of those before), and take waves 0, 1, 2, ... in turn: along a probe, of
               MAX_WAVES threads all but one or two lean on somebody.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Sequence
from functools import lru_cache
from heapq import heappop, heappush
from statistics import NormalDist

import numpy as np

from .topology import MAX_PASSES, MAX_PEERS, Topology

EXCERPT_SAMPLES = 1 << 16
"""Samples of a thread by which its peers are found, from its start."""

FALSE_PAIRS = 1e-4
"""Pairs of threads, in a run, that are taken for peers by mere chance."""

_LEVELS = 5
_PIECE = 1 << 13  # samples of one FFT: what a processor's cache holds
_STRETCH = 16  # frequencies that are given equal power together
_MIN_COEFFICIENTS = 200  # with fewer, chance is no longer normal far out
_MIN_GAIN = 0.1
_TAPER = 32  # a piece fades in and out over this part of it, lest its ends leak into the band
_UNIT = 16  # coefficients of spread 1 are rounded to 1/16, and clipped at 127/16
_FLOOR = 1e-4  # power a sample, in steps of the samples squared: below what their rounding leaves anywhere in the band
_EXACT_COEFFICIENTS = 1024  # 1024 * 127**2 < 2**24: float32 sums that many products without rounding
_BLOCK_CELLS = 1 << 22  # correlations, or samples, held at once
_CANDIDATES = 4 * MAX_PEERS


def _detail_gain() -> np.ndarray:
    """Gain of all details of levels 1 to _LEVELS, at frequencies 0 to 1/2 of the sample rate in equal steps."""
    import pywt  # here, since decoding has no use for it

    size = 1 << 14
    low_pass = np.abs(np.fft.fft(pywt.Wavelet("dmey").dec_lo, size))[: size // 2 + 1] ** 2 / 2
    k = np.arange(size // 2 + 1)
    approximation = np.ones(k.size)
    for level in range(_LEVELS):
        folded = (k << level) % size
        approximation *= low_pass[np.minimum(folded, size - folded)]
    # the filters are orthogonal: what the approximation does not take is in the details
    return np.sqrt(np.clip(1 - approximation, 0, None))


@lru_cache(maxsize=16)
def _weights(n: int) -> tuple[int, np.ndarray, np.ndarray, np.ndarray]:
    """For pieces of `n` samples: first frequency of the band; gain (twice each), edges of stretches; and the fade."""
    gain = _detail_gain()
    gain = np.interp(np.arange((n + 1) // 2) / n, np.linspace(0, 0.5, gain.size), gain)
    first = int(np.argmax(gain > _MIN_GAIN))
    count = gain.size - first
    edges = np.arange(0, count - _STRETCH + 1, _STRETCH)
    fade = np.ones(n, dtype=np.float32)
    ramp = np.sin(np.arange(n // _TAPER) * (np.pi / 2 * _TAPER / n)) ** 2
    fade[: ramp.size] = ramp
    fade[n - ramp.size :] = ramp[::-1]
    return first, np.repeat(gain[first:], 2).astype(np.float32), 2 * edges, fade


def spike_band(samples: np.ndarray) -> tuple[np.ndarray, ...]:
    """Spike band of each thread of a recording, as `find_topology` takes it.

    `samples`, whole numbers of at most 24 bits in any dtype that holds them, has shape (frames, channels), or (frames,)
    for one; what lies after EXCERPT_SAMPLES frames is not looked at. Returns for each channel int8 of shape
    (coefficients,), about 31/32 of the frames. All zero, or empty, where there is nothing in the band.
    """
    excerpt = samples[:EXCERPT_SAMPLES]
    if excerpt.ndim == 1:
        excerpt = excerpt[:, None]
    n = min(len(excerpt), _PIECE)
    if n < _MIN_COEFFICIENTS:
        return tuple(np.zeros((excerpt.shape[1], 0), dtype=np.int8))
    excerpt = excerpt[: len(excerpt) // n * n]
    bands: list[np.ndarray] = []
    at_once = max(1, _BLOCK_CELLS // 16 // len(excerpt))
    for channel in range(0, excerpt.shape[1], at_once):
        channels = excerpt[:, channel : channel + at_once].T.astype(np.float32, order="C")
        bands.extend(_white_details(channels.reshape(len(channels), -1, n)))
    return tuple(bands)


def _white_details(x: np.ndarray) -> np.ndarray:
    """Spike bands of float32 (threads, pieces, n), which is overwritten: int8 (threads, coefficients)."""
    n_channels, pieces, n = x.shape
    first, gain, edges, fade = _weights(n)
    # differences: slow potentials, far larger than the rest, would leak into the band
    x[:, :, 1:] -= x[:, :, :-1].copy()
    x[:, :, 0] = 0
    x *= fade
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
    """Find peers among threads.

    `bands` holds the spike band of each thread (see `spike_band`), or None for a thread that has no peers. Threads with
    equal `keys`, such as (frames, sample rate), may have been recorded together. Raises ValueError where threads with
    equal keys have bands of different lengths, or there are not as many keys as bands.
    """
    groups: dict[Hashable, list[int]] = defaultdict(list)
    for channel, (band, key) in enumerate(zip(bands, keys, strict=True)):
        if band is not None and band.size >= _MIN_COEFFICIENTS and band.any():
            groups[key].append(channel)
    tested = sum(len(group) * (len(group) - 1) // 2 for group in groups.values())
    if tested == 0:
        return Topology.independent(len(bands))
    limit = -NormalDist().inv_cdf(FALSE_PAIRS / 2 / tested)
    candidates: list[tuple[int, int, int]] = []
    for channels in groups.values():
        if len(channels) > 1:
            # np.stack refuses different lengths
            rows = np.stack([band for band in (bands[channel] for channel in channels) if band is not None])
            candidates += [(metric, channels[a], channels[b]) for metric, a, b in _correlated(rows, limit)]
    pairs = _choose(len(bands), sorted(candidates, key=lambda c: (-c[0], c[1], c[2])))
    independent = Topology.from_pairs(pairs, (0,) * len(bands))
    return Topology(independent.peers, _passes(independent))


def _correlated(bands: np.ndarray, limit: float) -> Iterable[tuple[int, int, int]]:
    """Pairs of rows that correlate beyond `limit` standard deviations: (metric, row, higher row).

    Of a row's pairs with higher ones only the strongest _CANDIDATES are among them.
    """
    n, count = bands.shape
    inverse = np.array([np.square(row, dtype=np.int32).sum(dtype=np.int64) for row in bands]) ** -0.5
    least = np.tanh(limit / np.sqrt(count * (_TAPER - 1) / _TAPER - 3))
    step = max(1, _BLOCK_CELLS // n)
    for top in range(0, n, step):
        rows = slice(top, min(top + step, n))
        # each row with the rows from `top` on: pairs with earlier ones are known already
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
    """From (metric, a, b), strongest first, choose pairs (a, b, metric) with at most MAX_PEERS a thread."""
    room = [MAX_PEERS] * n_channels
    parent = list(range(n_channels))
    chosen: list[tuple[int, int, int]] = []
    rest: list[tuple[int, int, int]] = []

    def root(channel: int) -> int:
        while parent[channel] != channel:
            parent[channel] = parent[parent[channel]]
            channel = parent[channel]
        return channel

    for spanning in (True, False):
        for metric, a, b in candidates if spanning else rest:
            joins = root(a) != root(b)
            if room[a] and room[b] and (joins or not spanning):
                parent[root(a)] = root(b)
                room[a] -= 1
                room[b] -= 1
                chosen.append((a, b, metric))
            elif spanning:
                rest.append((metric, a, b))
    return chosen


def _passes(topology: Topology) -> tuple[int, ...]:
    """The wave of each thread: its place among those of its session in Prim's order, modulo MAX_WAVES."""
    passes = [0] * len(topology.peers)
    seen = [False] * len(topology.peers)
    for first in range(len(topology.peers)):
        place = 0
        ahead = [(0, first)]
        while ahead:
            _, channel = heappop(ahead)
            if not seen[channel]:
                seen[channel] = True
                passes[channel] = place % MAX_PASSES
                place += 1
                for peer in topology.peers[channel]:
                    heappush(ahead, (-peer.metric, peer.channel))
    return tuple(passes)
