"""Block plan: which samples are coded together, and in how many lanes.

Files of one session share blocks and are cut at the same times, so that a channel can reference its peers. Short
sessions share a block. The size of a block bounds the memory that encoding and decoding take.

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
"""Largest number of samples of a block, unless it has many channels; a worker holds one block at a time."""

WIDE_FRAMES, WIDE_SAMPLES = 1 << 16, 1 << 24
"""Largest numbers of frames and samples of a block of many channels: more than of others, since the adaptation starts
again with each block. A file of more than WIDE_SAMPLES channels has one frame in a block.
"""

PART_FRAMES = 1 << 18
"""Largest number of frames of a part, which is the least that is decoded to read a sample."""

MIN_STEPS = 4096
"""Least length of a lane."""


def plan_blocks(
    sessions: Sequence[Sequence[int]],
    frames: Sequence[int],
    channels: Sequence[int],
    units: Sequence[int] | None = None,
) -> list[list[Part]]:
    """Divide files into blocks.

    Parameters
    ----------
    sessions : sequence of sequence of int
        Files that were recorded together. Files of a session have equal numbers of frames, or of records.
    frames, channels : sequence of int
        Frames and channels of each file.
    units : sequence of int, optional
        Frames of each file that stand in a record, of which a part holds a whole number; by default 1.

    Returns
    -------
    list of list of Part
        The parts of each block; the parts of a file are in order of time.
    """
    unit = units or [1] * len(frames)
    segments: list[list[Part]] = []
    for session in sessions:
        total = frames[session[0]] // unit[session[0]]
        widest = max(unit[file] for file in session)
        width = -(-sum(channels[file] * unit[file] for file in session) // widest)
        wide_frames = min(WIDE_FRAMES, WIDE_SAMPLES // width)
        max_frames = max(1, min(PART_FRAMES, max(wide_frames, BLOCK_SAMPLES // width)) // widest)
        n_segments = max(1, -(-total // max_frames))
        edges = [total * i // n_segments for i in range(n_segments + 1)]
        segments += [
            [Part(f, a * unit[f], (b - a) * unit[f]) for f in session] for a, b in itertools.pairwise(edges) if b > a
        ]

    def samples(parts: Sequence[Part]) -> int:
        return sum(part.n_frames * channels[part.file] for part in parts)

    total = sum(samples(segment) for segment in segments)
    fair_share = -(-total // max(1, -(-total // BLOCK_SAMPLES)))
    blocks: list[list[Part]] = []
    filled = 0
    for segment in segments:
        size = samples(segment)
        # blocks of about equal size: a small last one would have too few lanes
        if not blocks or filled + size > BLOCK_SAMPLES or filled >= fair_share:
            blocks.append([])
            filled = 0
        blocks[-1] += segment
        filled += size
    return blocks


def steps_for(channel_lengths: Sequence[int], lanes: int) -> int:
    """Return the length of the longest lane of a block with channels of these lengths, in about so many lanes."""
    total = sum(channel_lengths)
    target = max(MIN_STEPS, -(-total // lanes))
    return max(-(-n // max(1, round(n / target))) for n in channel_lengths)
