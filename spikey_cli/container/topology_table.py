"""The topology as it stands in an archive, channel after channel.

uvarint   (((references to earlier passes * 3 + later references) * 2 + 1 if there is a long lag) * 2
          + 1 if there are metrics) * 16 + coding pass
for each reference to an earlier pass, the nearest first:
  zigzag uvarint   its index - the channel's
  1 byte           metric, if there are metrics
for each later reference, the nearest first:
  zigzag uvarint   its index - the channel's
uvarint   long lag - MIN_LAG, if there is one
"""

from __future__ import annotations

from ..core.varint import put_uvarint, unzigzag, zigzag
from ..errors import DamageError
from ..topology.topology import MAX_EARLIER, MAX_LAG, MAX_LATER, MAX_PASSES, MIN_LAG, Reference, Topology
from .table_reader import TableReader

_MAX_HEAD = ((MAX_EARLIER * (MAX_LATER + 1) + MAX_LATER) * 4 + 3) * MAX_PASSES + MAX_PASSES - 1
_MAX_OFFSET = 1 << 32


def pack_topology(topology: Topology) -> bytes:
    """Serialise a topology."""
    out = bytearray()
    columns = zip(topology.passes, topology.earlier, topology.later, topology.lags, strict=True)
    for channel, (coding_pass, earlier, later, lag) in enumerate(columns):
        has_metrics = any(reference.metric for reference in earlier)
        counts = len(earlier) * (MAX_LATER + 1) + len(later)
        put_uvarint(out, ((counts * 2 + (lag > 0)) * 2 + has_metrics) * MAX_PASSES + coding_pass)
        for reference in earlier:
            put_uvarint(out, zigzag(reference.channel - channel))
            if has_metrics:
                out.append(reference.metric)
        for other in later:
            put_uvarint(out, zigzag(other - channel))
        if lag:
            put_uvarint(out, lag - MIN_LAG)
    return bytes(out)


def unpack_topology(
    buf: bytes | bytearray | memoryview, n_channels: int, max_references: int | None = None
) -> Topology:
    """Parse a topology that fills `buf`.

    Parameters
    ----------
    buf : bytes-like
    n_channels : int
        Number of channels that it must describe.
    max_references : int, optional
        Maximum number of references.

    Raises
    ------
    DamageError
        A reference, the number of references, a coding pass or a lag is out of range, or `buf` is too short or too
        long.
    """
    if len(buf) < n_channels:
        raise DamageError(f"the topology of {n_channels} channels is cut short")
    table = TableReader(bytes(buf))
    passes: list[int] = []
    earlier: list[tuple[Reference, ...]] = []
    later: list[tuple[int, ...]] = []
    lags: list[int] = []
    n_references = 0

    def index() -> int:
        other = channel + unzigzag(table.number(_MAX_OFFSET, "the distance of a reference"))
        if not 0 <= other < n_channels:
            raise DamageError(f"channel {channel} references channel {other}, but there are {n_channels} channels")
        return other

    for channel in range(n_channels):
        head, coding_pass = divmod(table.number(_MAX_HEAD, "the head of a channel's references"), MAX_PASSES)
        head, has_metrics = divmod(head, 2)
        counts, has_lag = divmod(head, 2)
        n_earlier, n_later = divmod(counts, MAX_LATER + 1)
        n_references += n_earlier + n_later
        if max_references is not None and n_references > max_references:
            raise DamageError(
                f"the topology has more than {max_references} references, too many for an archive this small"
            )
        passes.append(coding_pass)
        earlier.append(
            tuple(Reference(index(), table.take(1, "a metric")[0] if has_metrics else 0) for _ in range(n_earlier))
        )
        later.append(tuple(index() for _ in range(n_later)))
        lags.append(MIN_LAG + table.number(MAX_LAG - MIN_LAG, "a long lag") if has_lag else 0)
        if has_metrics and not any(reference.metric for reference in earlier[-1]):
            raise DamageError(f"channel {channel} has metrics, but none above 0")
    table.end("the topology")
    _check(passes, earlier, later)
    return Topology(tuple(passes), tuple(earlier), tuple(later), tuple(lags))


def _check(passes: list[int], earlier: list[tuple[Reference, ...]], later: list[tuple[int, ...]]) -> None:
    """Raise DamageError if a reference is to the channel itself, to a wrong pass, or there twice."""
    for channel, (references, others) in enumerate(zip(earlier, later, strict=True)):
        before = [reference.channel for reference in references]
        if len({channel, *before, *others}) != 1 + len(before) + len(others):
            raise DamageError(f"channel {channel} references itself, or a channel twice")
        if any(passes[other] >= passes[channel] for other in before):
            raise DamageError(f"channel {channel} references a channel that is not in an earlier pass")
        if any(passes[other] < passes[channel] for other in others):
            raise DamageError(f"channel {channel} has a later reference to a channel of an earlier pass")
