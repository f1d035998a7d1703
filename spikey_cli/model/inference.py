"""Inference: the network's outputs for a group of lanes, step by step, by ONNX Runtime.

A graph without a latent is evaluated once per step, for all lanes. One with a latent first computes the latents of all
lanes, and then the outputs; with MiddleOut these follow coding pass after coding pass, since a message needs the
normalised errors of the pass before.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np

from ..core.lanes import Lanes
from ..core.middle_out import Messages, gather_messages, join_regions
from ..topology.references import ReferenceTable
from .predictor import OUTPUT_ROWS, Predictor


class Inference(Protocol):
    """How a coding state evaluates the network."""

    pass_groups: list[tuple[int, int]]
    """Coding passes (first, stop) that are evaluated together, in order."""

    def set_windows(self, windows: np.ndarray) -> None:
        """Begin a step with its `windows`, float32 of shape (window, lanes)."""
        ...

    def outputs(self, first_pass: int, stop_pass: int, normalised_error: np.ndarray) -> np.ndarray:
        """Evaluate the coding passes `first_pass` to `stop_pass` - 1 of the step.

        Parameters
        ----------
        first_pass, stop_pass : int
            One of `pass_groups`.
        normalised_error : int32 array of shape (lanes,)
            Normalised errors of the step, valid for the lanes of earlier passes.

        Returns
        -------
        float32 array of shape (3, lanes)
            The network's outputs, valid for the lanes of these passes.
        """
        ...


def inference_for(predictor: Predictor, lanes: Lanes, references: ReferenceTable) -> Inference:
    """Return the inference of a predictor for these lanes."""
    return (
        LatentInference(predictor, lanes, references)
        if predictor.latent_rows
        else DirectInference(predictor, references)
    )


class DirectInference:
    """Inference with a graph from windows to outputs."""

    def __init__(self, predictor: Predictor, references: ReferenceTable) -> None:
        self.pass_groups = [(0, references.passes.size - 1)]
        self._predictor = predictor

    def set_windows(self, windows: np.ndarray) -> None:
        """See `Inference`."""
        self._outputs = self._predictor.predict(windows)

    def outputs(self, first_pass: int, stop_pass: int, normalised_error: np.ndarray) -> np.ndarray:
        """See `Inference`."""
        return self._outputs


class LatentInference:
    """Inference with a graph that has latents, and messages if it has MiddleOut."""

    def __init__(self, predictor: Predictor, lanes: Lanes, references: ReferenceTable) -> None:
        n_passes = references.passes.size - 1
        self.pass_groups = [(i, i + 1) for i in range(n_passes)] if predictor.message_peers else [(0, n_passes)]
        self._predictor = predictor
        self._first_lane = lanes.first_of_channels()[references.passes]
        self._messages = Messages.along(lanes, references, predictor.message_peers)
        self._first_message = np.searchsorted(self._messages.receiver, self._first_lane)
        self._latent = np.zeros((predictor.latent_rows, lanes.count), dtype=np.float32)
        self._outputs = np.zeros((OUTPUT_ROWS, lanes.count), dtype=np.float32)

    def set_windows(self, windows: np.ndarray) -> None:
        """See `Inference`."""
        self._latent = self._predictor.project(windows, self._latent)

    def outputs(self, first_pass: int, stop_pass: int, normalised_error: np.ndarray) -> np.ndarray:
        """See `Inference`."""
        first, stop = self._first_lane[first_pass], self._first_lane[stop_pass]
        latents = np.ascontiguousarray(self._latent[:, first:stop])
        if self._predictor.message_peers:
            latents = self._join_regions(latents, first_pass, stop_pass, normalised_error)
        self._outputs[:, first:stop] = self._predictor.conclude(latents)
        return self._outputs

    def _join_regions(
        self, latents: np.ndarray, first_pass: int, stop_pass: int, normalised_error: np.ndarray
    ) -> np.ndarray:
        """Latents of the lanes of these passes, joined with their regions."""
        messages = self._messages
        first, stop = self._first_message[first_pass], self._first_message[stop_pass]
        region = self._predictor.regions(gather_messages(messages, first, stop, self._latent, normalised_error))
        lanes = range(self._first_lane[first_pass], self._first_lane[stop_pass])
        return join_regions(messages, first, stop, lanes, region, self._latent, self._predictor.is_residual)
