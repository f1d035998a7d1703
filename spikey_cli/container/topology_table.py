"""The topology as it stands in an archive.

Columns, channel after channel:

    ((((references to earlier passes * 3 + later references) * 3 + index of the order) * 2
      + 1 if there is a long lag) * 2 + 1 if there are metrics) * 16 + coding pass
    references to earlier passes, those of a channel the nearest first:  zigzag of their number - the channel's
    metrics of these references, 1 byte each (no column), of channels that have metrics
    later references, those of a channel the nearest first:  see below
    long lag - MIN_LAG, of channels that have one

A later reference is mostly to a channel that references this one, so it is stored as its position among those, in the
order of channels; one to another channel as their number plus the zigzag of the distance.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np

from ..core.varint import zigzag
from ..errors import DamageError
from ..topology.topology import MAX_EARLIER, MAX_LAG, MAX_LATER, MAX_PASSES, MIN_LAG, ORDERS, Reference, Topology
from .packing import MAX_EXCESS, unpack
from .table_reader import TableReader
from .table_writer import TableWriter

_MAX_HEAD = (MAX_EARLIER + 1) * (MAX_LATER + 1) * len(ORDERS) * 4 * MAX_PASSES - 1
_MAX_OFFSET = 1 << 32
_MAX_CHANNEL_BYTES = 64


def put_topology(table: TableWriter, topology: Topology) -> None:
    """Append a topology."""
    has_metrics = [any(reference.metric for reference in earlier) for earlier in topology.earlier]
    flags = zip(map(ORDERS.index, topology.orders), topology.lags, has_metrics, strict=True)
    forms = (order * 4 + (lag > 0) * 2 + metrics for order, lag, metrics in flags)
    columns = zip(topology.passes, topology.earlier, topology.later, forms, strict=True)
    table.column(
        ((len(earlier) * (MAX_LATER + 1) + len(later)) * 4 * len(ORDERS) + form) * MAX_PASSES + coding_pass
        for coding_pass, earlier, later, form in columns
    )
    table.wide_column(
        zigzag(one.channel - channel) for channel, earlier in enumerate(topology.earlier) for one in earlier
    )
    table.data(bytes(one.metric for earlier in itertools.compress(topology.earlier, has_metrics) for one in earlier))
    referrers: dict[int, list[int]] = {}
    for channel, earlier in enumerate(topology.earlier):
        for one in earlier:
            referrers.setdefault(one.channel, []).append(channel)
    table.wide_column(
        own.index(other) if other in own else len(own) + zigzag(other - channel)
        for channel, later in enumerate(topology.later)
        for own in [referrers.get(channel, [])]
        for other in later
    )
    table.column(lag - MIN_LAG for lag in topology.lags if lag)


def read_topology(table: TableReader, n_channels: int, max_references: int | None = None) -> Topology:
    """Read a topology.

    Parameters
    ----------
    table : TableReader
    n_channels : int
        Number of channels that it must describe.
    max_references : int, optional
        Maximum number of references.

    Raises
    ------
    DamageError
        A reference, the number of references, a coding pass or a lag is out of range.
    """
    heads = table.column(n_channels, _MAX_HEAD, "the head of a channel's references")
    rest, passes = np.divmod(heads, MAX_PASSES)
    rest, has_metrics = np.divmod(rest, 2)
    rest, has_lag = np.divmod(rest, 2)
    counts, orders = np.divmod(rest, len(ORDERS))
    n_earlier, n_later = np.divmod(counts, MAX_LATER + 1)
    if max_references is not None and int(n_earlier.sum() + n_later.sum()) > max_references:
        raise DamageError(f"the topology has more than {max_references} references, too many for an archive this small")
    channels = np.arange(n_channels)
    owners = np.repeat(channels, n_earlier)
    others = owners + _unzigzag(table.wide_column(owners.size, _MAX_OFFSET, "the distance of a reference"))
    metrics = np.zeros(owners.size, np.int64)
    is_given = has_metrics[owners] == 1
    metrics[is_given] = np.frombuffer(table.take(int(is_given.sum()), "a metric"), np.uint8)
    _check_range(owners, others, n_channels)
    is_without = (has_metrics == 1) & (np.bincount(owners, metrics, n_channels) == 0)
    if is_without.any():
        raise DamageError(f"channel {is_without.argmax()} has metrics, but none above 0")
    later_owners = np.repeat(channels, n_later)
    later = _read_later(table, later_owners, owners, others, n_channels)
    _check_range(later_owners, later, n_channels)
    _check(passes, np.append(owners, later_owners), np.append(others, later), owners.size)
    lags = np.zeros(n_channels, np.int64)
    lags[has_lag == 1] = MIN_LAG + table.column(int(has_lag.sum()), MAX_LAG - MIN_LAG, "a long lag")
    references = map(Reference, others.tolist(), metrics.tolist())
    return Topology(
        tuple(passes.tolist()),
        _grouped(references, n_earlier),
        _grouped(iter(later.tolist()), n_later),
        tuple(lags.tolist()),
        tuple(np.array(ORDERS)[orders].tolist()),
    )


def pack_topology(topology: Topology) -> bytes:
    """Serialise a topology on its own."""
    table = TableWriter()
    put_topology(table, topology)
    return table.packed()


def unpack_topology(packed: bytes | memoryview, n_channels: int) -> Topology:
    """Parse a topology that fills `packed`; see `read_topology`."""
    data, tail = unpack(bytes(packed), MAX_EXCESS + _MAX_CHANNEL_BYTES * n_channels, "the topology")
    if data is None:
        raise DamageError("the topology is longer than any can be")
    table = TableReader(data, tail)
    topology = read_topology(table, n_channels)
    table.end("the topology")
    if table.tail:
        raise DamageError(f"the topology has {len(table.tail)} extra bytes")
    return topology


def _unzigzag(numbers: np.ndarray) -> np.ndarray:
    return numbers >> 1 ^ -(numbers & 1)


def _read_later(
    table: TableReader, later_owners: np.ndarray, owners: np.ndarray, others: np.ndarray, n_channels: int
) -> np.ndarray:
    stored = table.wide_column(later_owners.size, _MAX_OFFSET, "the distance of a reference")
    counts = np.bincount(others, minlength=n_channels)
    first = (np.cumsum(counts) - counts)[later_owners]
    beyond = stored - counts[later_owners]
    # the channels that reference a channel, channel after channel; -1 is for those that nobody references
    referrers = np.append(owners[np.argsort(others, kind="stable")], -1)
    position = np.where(beyond < 0, first + stored, referrers.size - 1)
    return np.where(beyond < 0, referrers[position], later_owners + _unzigzag(np.maximum(beyond, 0)))


def _grouped(items: Iterator, counts: np.ndarray) -> tuple:  # type: ignore[type-arg]
    """Return so many of the items in turn for each channel, as tuples."""
    groups: list[tuple] = [()] * counts.size  # type: ignore[type-arg]
    for channel in np.flatnonzero(counts).tolist():
        groups[channel] = tuple(itertools.islice(items, int(counts[channel])))
    return tuple(groups)


def _check_range(owners: np.ndarray, others: np.ndarray, n_channels: int) -> None:
    is_outside = (others < 0) | (others >= n_channels)
    if is_outside.any():
        i = is_outside.argmax()
        raise DamageError(f"channel {owners[i]} references channel {others[i]}, but there are {n_channels} channels")


def _check(passes: np.ndarray, owners: np.ndarray, others: np.ndarray, n_earlier: int) -> None:
    """Raise DamageError if a reference is to the channel itself, to a wrong pass, or there twice; the first `n_earlier`
    are to earlier passes.
    """
    if (owners == others).any() or np.unique(owners * passes.size + others).size < owners.size:
        raise DamageError("a channel references itself, or a channel twice")
    is_earlier = passes[others] < passes[owners]
    if not is_earlier[:n_earlier].all():
        raise DamageError(f"channel {owners[is_earlier.argmin()]} references a channel that is not in an earlier pass")
    if is_earlier[n_earlier:].any():
        channel = owners[n_earlier + is_earlier[n_earlier:].argmax()]
        raise DamageError(f"channel {channel} has a later reference to a channel of an earlier pass")
