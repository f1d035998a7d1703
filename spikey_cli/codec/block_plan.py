"""Blocks: what is coded together, and how it is spread over lanes.

Files of one session share a block, cut at the same times, so that a thread can look at its peers; sessions that are
short fill a block together. What a block holds bounds the memory of both directions.

    block 0                        block 1               block 2
    session A   files a, b         session B   file c    session B   file c
                frames 0..n                    0..k                  k..n
    session D   file d
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from ..container.parts import Part

BLOCK_SAMPLES = 1 << 22
"""Samples of a block, at most, unless its threads are many; what a worker holds at a time."""

WIDE_FRAMES, WIDE_SAMPLES = 1 << 16, 1 << 24
"""A session of many threads has blocks of up to so many frames and samples: what is learnt of peers begins anew with
each. A file of more channels has one frame a block.
"""

PART_FRAMES = 1 << 18
"""Frames of one part, at most: what is decoded at least to read a sample."""

LANES_WANTED = 1024
"""Lanes a block, where it has samples enough: they keep a kernel busy, and fit into a processor's cache."""

MIN_STEPS = 1536
"""Shortest block, in steps: below it the entries and naive deltas of the lanes cost more than the calls they save."""


def plan_blocks(sessions: Sequence[Sequence[int]], frames: Sequence[int], channels: Sequence[int]) -> list[list[Part]]:
    """Spread files over blocks.

    `sessions` lists the files recorded together; `frames` and `channels` are those of each file. Files of a session
    have equal numbers of frames. Returns the parts of each block; a file's parts come in the order of time.
    """
    stretches: list[list[Part]] = []
    for session in sessions:
        total = frames[session[0]]
        width = sum(channels[file] for file in session)
        wide = min(WIDE_FRAMES, WIDE_SAMPLES // width)
        at_once = max(1, min(PART_FRAMES, max(wide, BLOCK_SAMPLES // width)))
        n_stretches = max(1, -(-total // at_once))
        edges = [total * i // n_stretches for i in range(n_stretches + 1)]
        stretches += [[Part(f, a, b - a) for f in session] for a, b in itertools.pairwise(edges) if b > a]

    def samples(parts: Sequence[Part]) -> int:
        return sum(part.n_frames * channels[part.file] for part in parts)

    total = sum(samples(stretch) for stretch in stretches)
    fair_share = -(-total // max(1, -(-total // BLOCK_SAMPLES)))
    blocks: list[list[Part]] = []
    filled = 0
    for stretch in stretches:
        size = samples(stretch)
        # full blocks of about equal size: a small last one would leave its lanes too few
        if not blocks or filled + size > BLOCK_SAMPLES or filled >= fair_share:
            blocks.append([])
            filled = 0
        blocks[-1] += stretch
        filled += size
    return blocks


def steps_for(channel_lengths: Sequence[int]) -> int:
    """Steps of a block whose threads have the given lengths: its longest lane, such that lanes are about equal."""
    total = sum(channel_lengths)
    wanted = max(MIN_STEPS, -(-total // LANES_WANTED))
    return max(-(-n // max(1, round(n / wanted))) for n in channel_lengths)
