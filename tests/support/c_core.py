"""States and coders of the core, with a choice of the instruction set."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from spikey_cli.core import _core
from spikey_cli.core.converter import Bins
from spikey_cli.core.lanes import Lanes
from spikey_cli.model.inference import inference_for
from spikey_cli.model.predictor import OUTPUT_ROWS, Predictor
from spikey_cli.topology.references import ReferenceTable

RANGE, RICE, RANKS = range(3)
NAMES = {"range": RANGE, "rice": RICE, "huffman": RANKS}
NOTHING = np.zeros(0, np.int32)


def coder_of(kind: int, decodes: bool, lanes: Lanes, bins: Bins, n_steps: int = -1):
    first_lane = lanes.first_of_channels().astype(np.int64)
    return _core.Coder(kind, decodes, first_lane, bins.size, bins.profiled, bins.edges, lanes.length, n_steps)


def encoder_of(name: str, lanes: Lanes, bins: Bins):
    return coder_of(NAMES[name], False, lanes, bins)


def decoder_of(name: str, lanes: Lanes, bins: Bins, streams: Sequence[bytes]):
    decoder = coder_of(NAMES[name], True, lanes, bins)
    give_streams(decoder, streams)
    return decoder


def give_streams(decoder, streams: Sequence[bytes]) -> None:
    decoder.open(b"".join(streams), np.cumsum([0, *map(len, streams)], dtype=np.int64))


def whole(decoder, n_streams: int) -> np.ndarray:
    found = np.zeros(n_streams, np.bool_)
    decoder.whole(found)
    return found


def network_of(predictor: Predictor | None):
    return predictor.chain.network if predictor and predictor.chain else None


class CoreState:
    """`CodingState` by the core."""

    def __init__(
        self,
        lanes: Lanes,
        bins: Bins,
        gains: np.ndarray,
        initial_codes: np.ndarray,
        predictor: Predictor | None,
        table: ReferenceTable,
        *,
        follow: bool = False,
        log: tuple[np.ndarray, ...] | None = None,
        simd: str | None = None,
        plain: bool = False,
    ) -> None:
        self.state = _core.State(
            lanes.first_of_channels().astype(np.int64),
            table.passes,
            table.references,
            bins.size,
            bins.profiled,
            bins.edges,
            lanes.length,
            lanes.start,
            np.ascontiguousarray(gains),
            np.ascontiguousarray(initial_codes, dtype=np.int32),
            predictor.window if predictor else 0,
            network_of(predictor),
            follow,
            log,
            simd,
            plain,
        )
        self.lanes, self.predictor = lanes, predictor
        self.inference = inference_for(predictor, lanes, table) if predictor and not predictor.chain else None

    def take(self, coder, codes: np.ndarray, by_step: bool, n_steps: int) -> None:
        if self.inference is None:
            self.state.take(coder, codes, by_step, n_steps)
            return
        naive = min(max(self.predictor.window + 1 - self.state.step, 0), n_steps)
        self.state.take(coder, codes[:naive] if by_step else codes, by_step, naive)
        windows = np.zeros((self.predictor.window, self.lanes.count), np.float32)
        errors = np.zeros(self.lanes.count, np.int32)
        for i in range(naive, n_steps):
            self.state.windows(windows)
            self.inference.set_windows(windows)
            for first, stop in self.inference.pass_groups:
                self.state.normalised_errors(errors)
                outputs = np.ascontiguousarray(self.inference.outputs(first, stop, errors), dtype=np.float32)
                assert outputs.shape == (OUTPUT_ROWS, self.lanes.count)
                row = codes[i : i + 1] if by_step else codes
                self.state.take_passes(coder, outputs, first, stop, row, by_step)


def run(
    lanes: Lanes,
    bins: Bins,
    gains: np.ndarray,
    initial_codes: np.ndarray,
    codes: np.ndarray,
    predictor: Predictor | None,
    table: ReferenceTable,
    coder,
    decodes: bool,
    **how,
) -> None:
    """`codec.coding_state.run` by the core."""
    state = CoreState(lanes, bins, gains, initial_codes, predictor, table, **how)
    if decodes:
        state.state.initial_codes(codes)
    state.take(coder, codes, False, lanes.steps - 1)
