"""Forecast: what the network says of a group of lanes, step by step.

A graph without parts is asked once a step, for all lanes. One with parts gives all lanes their latents, and then wave
after wave, since a message needs the innovation of the wave before, what follows from them.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np

from ..core.lanes import Lanes
from ..core.middle_out import EXTRA_ROWS, Messages, gather_messages, join_regions
from ..topology.references import ReferenceTable
from .predictor import OUTPUT_ROWS, Predictor


class Inference(Protocol):
    """How the walk asks the network."""

    turns: list[tuple[int, int]]
    """The waves (first, stop) that are served together, one turn after another."""

    def see(self, windows: np.ndarray) -> None:
        """Take in the `windows` of a step, float32 [window, lanes]."""
        ...

    def outputs(self, first_pass: int, stop_pass: int, normalised_error: np.ndarray) -> np.ndarray:
        """Outputs for that step, float32 [3, lanes], of which those of the waves' lanes count.

        `normalised_error`, int32 of shape (lanes,), is that of the step, known for the lanes of all waves before.
        """
        ...


def inference_for(predictor: Predictor, lanes: Lanes, peers: ReferenceTable) -> Inference:
    """The forecast for these lanes."""
    return PartedInference(predictor, lanes, peers) if predictor.latent_rows else WholeInference(predictor, peers)


class WholeInference:
    """By a graph that leads from windows to outputs."""

    def __init__(self, predictor: Predictor, peers: ReferenceTable) -> None:
        self.turns = [(0, peers.passes.size - 1)]
        self._predictor = predictor

    def see(self, windows: np.ndarray) -> None:
        """See `Inference`."""
        self._outputs = self._predictor.predict(windows)

    def outputs(self, first_pass: int, stop_pass: int, normalised_error: np.ndarray) -> np.ndarray:
        """See `Inference`."""
        return self._outputs


class PartedInference:
    """By a graph with latents, and with messages where there is MiddleOut."""

    def __init__(self, predictor: Predictor, lanes: Lanes, peers: ReferenceTable) -> None:
        n_passes = peers.passes.size - 1
        self.turns = (
            [(coding_pass, coding_pass + 1) for coding_pass in range(n_passes)]
            if predictor.message_peers
            else [(0, n_passes)]
        )
        self._predictor = predictor
        self._first_lane = lanes.first_of_channels()[peers.passes]
        self._messages = Messages.along(lanes, peers, predictor.message_peers)
        self._first_message = np.searchsorted(self._messages.receiver, self._first_lane)
        self._latent = np.zeros((predictor.latent_rows, lanes.count), dtype=np.float32)
        self._outputs = np.zeros((OUTPUT_ROWS, lanes.count), dtype=np.float32)

    def see(self, windows: np.ndarray) -> None:
        """See `Inference`."""
        self._latent = self._predictor.project(windows, self._latent)

    def outputs(self, first_pass: int, stop_pass: int, normalised_error: np.ndarray) -> np.ndarray:
        """See `Inference`."""
        first, stop = self._first_lane[first_pass], self._first_lane[stop_pass]
        latents = np.ascontiguousarray(self._latent[:, first:stop])
        if self._predictor.message_peers:
            latents = self._joined(latents, first_pass, stop_pass, normalised_error)
        self._outputs[:, first:stop] = self._predictor.conclude(latents)
        return self._outputs

    def _joined(self, latents: np.ndarray, first_pass: int, stop_pass: int, normalised_error: np.ndarray) -> np.ndarray:
        """The latents of the waves' lanes, with their regions."""
        sent = self._messages
        first, stop = self._first_message[first_pass], self._first_message[stop_pass]
        messages = np.empty((2 * len(latents) + EXTRA_ROWS, stop - first), dtype=np.float32)
        gather_messages(first, sent.receiver, sent.sender, sent.metric, self._latent, normalised_error, messages)
        region = self._predictor.regions(messages)
        joined = np.empty_like(latents)
        first_lane = self._first_lane[first_pass]
        residual = self._predictor.is_residual
        join_regions(first_lane, first, sent.receiver, sent.share, region, self._latent, residual, joined)
        return joined
