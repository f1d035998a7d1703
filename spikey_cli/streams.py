"""From the codes of a block's threads to one stream a thread, and back.

    coded stream     entries of the thread's lanes (see `coders.entries`), then what the coder wrote on its walk
    packed stream    the codes as they are (see `coders.raw`), where that is no longer

Threads are shared out among workers; a thread's stream depends on its own codes alone, so their number shows nowhere.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from .adc import Bins
from .coders import Coder
from .coders.entries import decode_entries, encode_entries
from .coders.raw import pack_codes, packed_bytes, unpack_codes
from .gain import lane_gains
from .grid import Grid
from .lanes import cut
from .predictor import Predictor
from .walk import walk

Task = TypeVar("Task")
Result = TypeVar("Result")

PACKED, CODED = 0, 1
MIN_LANE_GROUP = 256
"""Fewer lanes are not worth another worker: a network call costs about as much as it serves of them."""


@dataclass(frozen=True)
class Stream:
    """The bytes of one thread in one block, and how they were written (PACKED or CODED)."""

    method: int
    data: bytes


@dataclass(frozen=True)
class Workers:
    """Where the threads of a block are coded: `count` workers of a pool, which may be None for one."""

    pool: Executor | None
    count: int

    def share(self, lengths: Sequence[int], steps: int) -> list[range]:
        """Cut threads of these lengths into consecutive groups with about as many lanes each."""
        ends = np.cumsum([-(-n // steps) for n in lengths])
        groups = max(1, min(self.count, int(ends[-1]) // MIN_LANE_GROUP)) if len(ends) else 0
        edges = [0, *(int(np.searchsorted(ends, ends[-1] * i / groups)) + 1 for i in range(1, groups)), len(ends)]
        return [range(a, b) for a, b in itertools.pairwise(edges) if a < b]

    def map(self, function: Callable[[Task], Result], tasks: Sequence[Task]) -> list[Result]:
        """Results of `function` for each of `tasks`, in order."""
        if self.pool is None or len(tasks) < 2:
            return [function(task) for task in tasks]
        return list(self.pool.map(function, tasks))


def encode_threads(
    threads: Sequence[np.ndarray],
    grids: Sequence[Grid],
    steps: int,
    coder: Coder,
    predictor: Predictor | None,
    workers: Workers,
) -> list[Stream]:
    """Streams of the threads of one block: int32 codes each, on the given grids, in lanes of `steps`."""

    def encode_group(group: range) -> list[Stream]:
        own = slice(group.start, group.stop)
        return _encode_group(threads[own], grids[own], steps, coder, predictor)

    groups = workers.share([codes.size for codes in threads], steps)
    return [stream for group in workers.map(encode_group, groups) for stream in group]


def decode_threads(
    streams: Sequence[Stream],
    lengths: Sequence[int],
    grids: Sequence[Grid],
    steps: int,
    coder: Coder,
    predictor: Predictor | None,
    workers: Workers,
) -> list[np.ndarray | None]:
    """The reverse of `encode_threads`: int32 codes a thread, or None for a thread whose stream is damaged."""

    def decode_group(group: range) -> list[np.ndarray | None]:
        own = slice(group.start, group.stop)
        return _decode_group(streams[own], lengths[own], grids[own], steps, coder, predictor)

    groups = workers.share(lengths, steps)
    return [codes for group in workers.map(decode_group, groups) for codes in group]


def _encode_group(
    threads: Sequence[np.ndarray], grids: Sequence[Grid], steps: int, coder: Coder, predictor: Predictor | None
) -> list[Stream]:
    if coder.encoder is None:
        return [Stream(PACKED, pack_codes(codes, grid.size)) for codes, grid in zip(threads, grids, strict=True)]
    lanes = cut([codes.size for codes in threads], steps)
    bins = Bins.of(grids, predictor.profile if predictor else None)
    codes = np.concatenate(threads)
    gains = lane_gains(codes, lanes, bins)
    firsts = codes[lanes.start]
    entries = encode_entries(lanes, bins.size, gains, firsts)
    encoder = coder.encoder(lanes, bins)
    walk(lanes, bins, gains, firsts, codes, predictor, encoder)
    streams = []
    for thread, grid, entry, residuals in zip(threads, grids, entries, encoder.finish(), strict=True):
        coded = entry + residuals
        if len(coded) < packed_bytes(thread.size, grid.size):
            streams.append(Stream(CODED, coded))
        else:
            streams.append(Stream(PACKED, pack_codes(thread, grid.size)))
    return streams


def _decode_group(
    streams: Sequence[Stream],
    lengths: Sequence[int],
    grids: Sequence[Grid],
    steps: int,
    coder: Coder,
    predictor: Predictor | None,
) -> list[np.ndarray | None]:
    threads: list[np.ndarray | None] = [
        unpack_codes(stream.data, n, grid.size) if stream.method == PACKED else None
        for stream, n, grid in zip(streams, lengths, grids, strict=True)
    ]
    # a few bytes may hold any number of samples that were sure; what a block can claim is bounded by the format
    coded = [i for i, stream in enumerate(streams) if stream.method == CODED and stream.data]
    if not coded or coder.decoder is None:
        return threads
    lanes = cut([lengths[i] for i in coded], steps)
    bins = Bins.of([grids[i] for i in coded], predictor.profile if predictor else None)
    gains, firsts, used = decode_entries(lanes, bins.size, [streams[i].data for i in coded])
    decoder = coder.decoder(lanes, bins, [streams[i].data[n:] for i, n in zip(coded, used, strict=True)])
    codes = np.zeros(int(lanes.length.sum(dtype=np.int64)), dtype=np.int32)
    walk(lanes, bins, gains, firsts, codes, predictor, decoder)
    ends = np.cumsum([lengths[i] for i in coded])
    whole = decoder.finish()
    for k, i in enumerate(coded):
        if whole[k] and used[k] <= len(streams[i].data):
            threads[i] = codes[ends[k] - lengths[i] : ends[k]]
    return threads
