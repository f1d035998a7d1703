"""The decoder of an archive: fetches the streams of its blocks within the limits, and has them decoded."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from functools import partial
from typing import NamedTuple, TypeVar

from ..container.archive import NO_MODEL, ArchiveReader
from ..container.block_table import BlockTable
from ..container.parts import Method, Part, Stream
from ..core.coders import CODERS, Coder, coder_with_number
from ..errors import ArchiveError, LimitError, ModelError, SelfTestError
from ..model.predictor import Predictor, predictor_with_digest
from ..system.workers import Workers
from ..topology.references import ReferenceGraph
from .blocks import FetchedBlock, source_position
from .cost import EFFORTS, FIELD_TIME, BlockCost, CostBudget, block_cost

Decoded = TypeVar("Decoded")

_UNCODED = (Method.PACKED, Method.ESCAPED_PACKED, Method.STORED, Method.XZ, Method.NUMBERS, Method.FRAMES)
_SPLIT = (Method.SPLIT, Method.ESCAPED_SPLIT)


def _coded_channels(
    table: BlockTable, places: Sequence[tuple[Part, int]], graph: ReferenceGraph
) -> tuple[list[int], ReferenceGraph]:
    """Return the samples of the coded channels of a block, 0 for others, and their graph, with residues."""
    entries = list(zip(places, table.methods.tolist(), strict=True))
    lengths = [0 if method in _UNCODED else part.n_frames for (part, _), method in entries]
    residues = [part.n_frames for (part, _), method in entries if method in _SPLIT]
    return lengths + residues, graph.extended(len(residues))


class Decoder(NamedTuple):
    """Decodes the blocks of one archive."""

    reader: ArchiveReader
    coder: Coder
    predictor: Predictor | None
    effort: int
    budget: CostBudget

    @classmethod
    def of(cls, reader: ArchiveReader, predictor: Predictor | None = None) -> Decoder:
        """Return the decoder of an archive.

        Parameters
        ----------
        reader : ArchiveReader
        predictor : Predictor, optional
            Used if the archive names it; otherwise an embedded or shipped model is.

        Raises
        ------
        ArchiveError
            If this release does not have the coder that the archive names.
        ModelError
            If the model that the archive names is not available.
        """
        coder = coder_with_number(reader.coder)
        if coder is None:
            raise ArchiveError(
                f"{reader.path}: its coder, number {reader.coder}, is newer than this release; "
                "install a newer spikey-cli"
            )
        try:
            if reader.model == NO_MODEL:
                predictor = None
            elif predictor is None or not predictor.digest.startswith(reader.model):
                predictor = predictor_with_digest(reader.model, reader.directory.model)
        except ModelError as error:
            raise error.within(reader.path) from error
        if reader.effort not in EFFORTS:
            raise ArchiveError(
                f"{reader.path}: its effort, number {reader.effort}, is newer than this release; "
                "install a newer spikey-cli"
            )
        return cls(reader, coder, predictor, reader.effort, CostBudget())

    @classmethod
    def without_samples(cls, reader: ArchiveReader) -> Decoder:
        """Return a decoder of the files of an archive that have no samples, for which no model is needed."""
        return cls(reader, next(iter(CODERS.values())), None, reader.effort, CostBudget())

    def fetch_block(
        self, i: int, wanted: Collection[int] | dict[int, Sequence[int]], first: int = 0, stop: int = 1 << 63
    ) -> FetchedBlock:
        """Read the streams of a block that are needed to decode some of its channels.

        Parameters
        ----------
        i : int
            Number of the block.
        wanted : collection of int, or dict of int to sequence of int
            The requested files, with their groups; or the requested channels of each file or group.
        first, stop : int
            Parts without any of the frames `first` to `stop` - 1 are left out.

        Returns
        -------
        FetchedBlock

        Raises
        ------
        ArchiveError
            If the block's table is damaged.
        LimitError
            If decoding it would exceed the limits.
        """
        files = self.reader.directory.files
        table = self.reader.read_table(i)
        places = [(part, channel) for part in table.parts for channel in range(files[part.file].channels)]
        channels = {file: set(wanted[file]) for file in wanted} if isinstance(wanted, dict) else None
        members = self.reader.directory.members
        requested = channels or {member for file in wanted for member in members[file]}

        def is_wanted(part: Part, channel: int) -> bool:
            if part.file not in requested or not part.overlaps(first, stop):
                return False
            return channels is None or channel in channels[part.file]

        chosen = [position for position, place in enumerate(places) if is_wanted(*place)]
        reference_graph = self.reader.directory.reference_graph(table.parts)
        max_lanes = self._check_work(i, table, places, reference_graph)
        formats = {part.file: own for part in table.parts if (own := files[part.file].format or files[part.file].kept)}
        records = {
            i: (members[i].start, whole)
            for part in table.parts
            for i in members[part.file]
            if (whole := files[i].records)
        }
        sources = [source_position(places, formats, position) for position in chosen]
        needed = reference_graph.needed(sorted({*chosen, *(source for source in sources if source is not None)}))
        stream_of = {
            position: position - places[position][1] if method == Method.FRAMES else position
            for position, method in zip(needed, table.methods[needed].tolist(), strict=True)
        }
        read = self.reader.read_streams(i, table, set(stream_of.values()))
        # an empty stream stands for a damaged one
        data_of = {position: Stream(entry.method, data or b"") for position, entry, data in read}
        streams = [data_of[stream_of[position]] for position in needed]
        graph = reference_graph.subset(needed)
        return FetchedBlock(table.steps, places, chosen, needed, streams, formats, records, graph, max_lanes)

    def _check_work(
        self, i: int, table: BlockTable, places: Sequence[tuple[Part, int]], reference_graph: ReferenceGraph
    ) -> int:
        """Raise LimitError if block `i` needs too much memory, or too much time together with the blocks before.

        Return about how many of its lanes may be decoded together.
        """
        limits = self.reader.limits
        cost = BlockCost(0, 0, 0.0)
        if table.steps:
            lengths, graph = _coded_channels(table, places, reference_graph)
            cost = block_cost(lengths, table.steps, graph, self.effort, self.predictor, limits)
        if cost.group_bytes > limits.group_bytes:
            raise LimitError(
                f"{self.reader.path}: block {i} has lanes that depend on each other and take {cost.group_bytes >> 20} "
                "MiB, more than the memory limit allows; if you trust it, raise the limit",
                parameter="memory",
            )
        self.budget.add(i, cost.time + FIELD_TIME * self._joined_fields(table.parts))
        if self.budget.time > limits.decoding_time(self.reader.length):
            raise LimitError(
                f"{self.reader.path}: its {self.reader.length} bytes take longer to decode than is usual; "
                "if you trust it, raise the limit",
                parameter="expansion",
            )
        return cost.max_lanes

    def _joined_fields(self, parts: Sequence[Part]) -> int:
        """Number of fields that are joined to records, each for all consecutive records of its file."""
        files, members = self.reader.directory.files, self.reader.directory.members
        of_records = {
            (members[part.file].start, part.first_frame // file.unit): len(file.records.fields)
            for part in parts
            if (file := files[part.file]).records
        }
        return sum(of_records.values())

    def decode_blocks(
        self,
        decode: Callable[..., list[Decoded]],
        blocks: Iterable[FetchedBlock],
        across: Workers,
        within: Workers,
    ) -> Iterator[list[Decoded]]:
        """Decode blocks, several at a time.

        Parameters
        ----------
        decode : callable
            `decode_block` or `restore_block`.
        blocks : iterable of FetchedBlock
        across : Workers
            Workers that decode different blocks.
        within : Workers
            Workers that decode the channels of one block.

        Yields
        ------
        list of DecodedPart or RestoredPart
            The parts of each block, in order.

        Raises
        ------
        SelfTestError
            If the predictor fails its self-test; it names the archive.
        """
        decode = partial(decode, coder=self.coder, predictor=self.predictor, workers=within, effort=self.effort)
        try:
            yield from across.in_turn(decode, blocks)
        except SelfTestError as error:
            raise SelfTestError(f"{self.reader.path}: {error}") from error
