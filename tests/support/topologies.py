"""Topologies of pairs of channels."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from spikey_cli.topology.topology import MAX_EARLIER, MAX_LATER, MIN_ORDER, Reference, Topology


def topology_of_pairs(
    pairs: Iterable[tuple[int, int, int]],
    passes: Sequence[int],
    lags: Sequence[int] | None = None,
    orders: Sequence[int] | None = None,
) -> Topology:
    """The topology in which the channels of each pair reference each other.

    Parameters
    ----------
    pairs : iterable of (int, int, int)
        Two channels and their metric; each pair once. A channel references those with the largest metrics.
    passes : sequence of int
        Coding pass of each channel.
    lags : sequence of int, optional
        Long lag of each channel.
    orders : sequence of int, optional
        Order of each channel.
    """
    earlier: list[list[Reference]] = [[] for _ in passes]
    later: list[list[int]] = [[] for _ in passes]
    for a, b, metric in sorted(pairs, key=lambda pair: (-pair[2], pair[:2])):
        for channel, other in ((a, b), (b, a)):
            if passes[other] >= passes[channel]:
                later[channel].append(other)
            else:
                earlier[channel].append(Reference(other, metric))
    return Topology(
        tuple(passes),
        tuple(tuple(references[:MAX_EARLIER]) for references in earlier),
        tuple(tuple(others[:MAX_LATER]) for others in later),
        tuple(lags) if lags is not None else (0,) * len(passes),
        tuple(orders) if orders is not None else (MIN_ORDER,) * len(passes),
    )
