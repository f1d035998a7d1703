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

MIN_STEPS = 8192
"""About the least length of a lane."""


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

    sizes = [sum(part.n_frames * channels[part.file] for part in segment) for segment in segments]
    widths = [sum(channels[part.file] for part in segment) for segment in segments]
    blocks: list[list[Part]] = []
    first, left = 0, sum(sizes)
    while first < len(segments):
        stop = _stop_of_block(first, left, sizes, widths)
        blocks.append([part for segment in segments[first:stop] for part in segment])
        left -= sum(sizes[first:stop])
        first = stop
    return blocks


def _stop_of_block(first: int, left: int, sizes: Sequence[int], widths: Sequence[int]) -> int:
    """Return the segment behind those of the block that begins with segment `first`.

    Blocks are of about equal size, since a small last one would have too few lanes, and of a multiple of eight channels
    where there is one nearby: the core takes eight at a time.

    Parameters
    ----------
    first, left : int
        A segment, and the samples from it on.
    sizes, widths : sequence of int
        Samples and channels of each segment.
    """
    if left <= BLOCK_SAMPLES:
        return len(sizes)
    fair_share = left / -(-left // BLOCK_SAMPLES)
    filled = width = 0
    choices: list[tuple[bool, float, int]] = []
    for stop in range(first + 1, len(sizes) + 1):
        filled += sizes[stop - 1]
        width += widths[stop - 1]
        if choices and filled > BLOCK_SAMPLES:
            break
        away = abs(filled - fair_share)
        choices.append((width % 8 > 0 or away > fair_share / 4, away, stop))
    return min(choices)[2]


def steps_for(channel_lengths: Sequence[int], lanes: int) -> int:
    """Return the length of the longest lane of a block with channels of these lengths, of at most `lanes` each."""
    target = max(MIN_STEPS, -(-max(channel_lengths) // lanes))
    return max(-(-n // max(1, round(n / target))) for n in channel_lengths)
