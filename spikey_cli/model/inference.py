"""Forecast: what the network says of a group of lanes, step by step.

A graph without parts is asked once a step, for all lanes. One with parts gives all lanes their latents, and then wave
after wave, since a message needs the innovation of the wave before, what follows from them.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np

from ..core.lanes import Lanes
from ..core.middle_out import EXTRA_ROWS, Messages, gather_messages, join_regions
from ..topology.references import Peers
from .predictor import OUTPUT_ROWS, Predictor


class Forecast(Protocol):
    """How the walk asks the network."""

    turns: list[tuple[int, int]]
    """The waves (first, stop) that are served together, one turn after another."""

    def see(self, windows: np.ndarray) -> None:
        """Take in the `windows` of a step, float32 [window, lanes]."""
        ...

    def outputs(self, first_wave: int, stop_wave: int, innovation: np.ndarray) -> np.ndarray:
        """Outputs for that step, float32 [3, lanes], of which those of the waves' lanes count.

        `innovation`, int32 of shape (lanes,), is that of the step, known for the lanes of all waves before.
        """
        ...


def forecast_of(predictor: Predictor, lanes: Lanes, peers: Peers) -> Forecast:
    """The forecast for these lanes."""
    return ForecastInParts(predictor, lanes, peers) if predictor.latent_rows else ForecastAtOnce(predictor, peers)


class ForecastAtOnce:
    """By a graph that leads from windows to outputs."""

    def __init__(self, predictor: Predictor, peers: Peers) -> None:
        self.turns = [(0, peers.waves.size - 1)]
        self._predictor = predictor

    def see(self, windows: np.ndarray) -> None:
        """See `Forecast`."""
        self._outputs = self._predictor.predict(windows)

    def outputs(self, first_wave: int, stop_wave: int, innovation: np.ndarray) -> np.ndarray:
        """See `Forecast`."""
        return self._outputs


class ForecastInParts:
    """By a graph with latents, and with messages where there is MiddleOut."""

    def __init__(self, predictor: Predictor, lanes: Lanes, peers: Peers) -> None:
        n_waves = peers.waves.size - 1
        self.turns = [(wave, wave + 1) for wave in range(n_waves)] if predictor.message_peers else [(0, n_waves)]
        self._predictor = predictor
        self._first_lane = lanes.first_of_threads()[peers.waves]
        self._messages = Messages.along(lanes, peers, predictor.message_peers)
        self._first_message = np.searchsorted(self._messages.receiver, self._first_lane)
        self._latent = np.zeros((predictor.latent_rows, lanes.count), dtype=np.float32)
        self._outputs = np.zeros((OUTPUT_ROWS, lanes.count), dtype=np.float32)

    def see(self, windows: np.ndarray) -> None:
        """See `Forecast`."""
        self._latent = self._predictor.project(windows, self._latent)

    def outputs(self, first_wave: int, stop_wave: int, innovation: np.ndarray) -> np.ndarray:
        """See `Forecast`."""
        first, stop = self._first_lane[first_wave], self._first_lane[stop_wave]
        latents = np.ascontiguousarray(self._latent[:, first:stop])
        if self._predictor.message_peers:
            latents = self._joined(latents, first_wave, stop_wave, innovation)
        self._outputs[:, first:stop] = self._predictor.conclude(latents)
        return self._outputs

    def _joined(self, latents: np.ndarray, first_wave: int, stop_wave: int, innovation: np.ndarray) -> np.ndarray:
        """The latents of the waves' lanes, with their regions."""
        sent = self._messages
        first, stop = self._first_message[first_wave], self._first_message[stop_wave]
        messages = np.empty((2 * len(latents) + EXTRA_ROWS, stop - first), dtype=np.float32)
        gather_messages(first, sent.receiver, sent.sender, sent.metric, self._latent, innovation, messages)
        region = self._predictor.regions(messages)
        joined = np.empty_like(latents)
        first_lane = self._first_lane[first_wave]
        residual = self._predictor.is_residual
        join_regions(first_lane, first, sent.receiver, sent.share, region, self._latent, residual, joined)
        return joined
