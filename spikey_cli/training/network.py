"""The predictor in training: feature extraction, latent projector, MiddleOut, predictor.

A configuration picks the four parts (see `config`); all of them round as the frozen graph will (see `layers`), so that
what is trained is what will run. Outputs are integers: 1024 to the RMS, 16 to the octave of scale, 4 to the octave of
the tail's weight.
"""

from __future__ import annotations

import itertools

import torch
from torch import Tensor, nn

from ..core.gain import INPUT_LIMIT
from ..core.middle_out import EXTRA_ROWS
from ..model.predictor import OUTPUT_ROWS
from .batches import Batch
from .config import Cnn, Config
from .features import linear_features, placed_filters
from .layers import ONE, FilterLayer, FoldedLayer, Layer, floor, frozen_layer, scale_gradient
from .loss import CENTRE_UNITS, SCALE_UNITS, TAIL_UNITS, innovations


class IntegerNetwork(nn.Module):
    """A network as a configuration describes it."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        cnn = [part for part in config.features if isinstance(part, Cnn)]
        places = [placed_filters(part.filters, part.width, part.stride, config.window) for part in cnn]
        self.filters: list[FilterLayer] = [FilterLayer(torch.from_numpy(place), config.value_scale) for place in places]
        features = torch.from_numpy(linear_features(config.features, config.window)).float()
        shape = config.projector.shape
        latent = shape[-1]
        states = [latent if config.is_recurrent and i == len(shape) - 1 else 0 for i in range(len(shape))]
        others = sum(place.shape[0] for place in places)
        first = FoldedLayer(features, others + states[0], shape[0], config.value_scale)
        rest = [Layer(a + state, b) for (a, b), state in zip(itertools.pairwise(shape), states[1:], strict=True)]
        self.projector: list[Layer] = [first, *rest]
        self.messages: list[Layer] = []
        if config.middle_out:
            sizes = [2 * latent + EXTRA_ROWS, *config.middle_out.shape, latent]
            self.messages = [Layer(a, b) for a, b in itertools.pairwise(sizes)]
        self.hidden = [Layer(a, b) for a, b in itertools.pairwise([latent, *config.predictor.shape])]
        for part in ("filters", "projector", "messages", "hidden"):
            for i, layer in enumerate(getattr(self, part)):
                self.add_module(f"{part}{i}", layer)
        self.last = nn.Linear(config.predictor.shape[-1] if config.predictor.shape else latent, OUTPUT_ROWS)
        with torch.no_grad():  # begin with the last value, the lane's own spread, and a thin tail
            self.last.weight *= 0.3
            self.last.bias.copy_(torch.tensor([0.0, 0.0, 4.0]))

    def frozen_last(self) -> tuple[Tensor, Tensor]:
        """Rounded weights [3, inputs] and biases [3] of the layer that gives the outputs."""
        units = torch.tensor([CENTRE_UNITS, SCALE_UNITS, TAIL_UNITS], dtype=torch.float32)
        return frozen_layer(self.last.weight * units[:, None] / ONE, self.last.bias * units)

    def shift(self) -> Tensor | None:
        """Weights [3, window] of the window in the outputs, where the centre is not relative to the last value."""
        if self.config.predictor.delta_shift:
            return None
        weight = torch.zeros(OUTPUT_ROWS, self.config.window)
        weight[0] = -CENTRE_UNITS / ONE
        return weight

    def predict(self, windows: Tensor) -> Tensor:
        """Outputs [..., 3] for windows [..., window], all at once: of a network without state and messages."""
        outputs = self.conclude(self.project(windows, None))
        shift = self.shift()
        return outputs if shift is None else outputs + nn.functional.linear(windows, shift)

    def project(self, windows: Tensor, state: Tensor | None) -> Tensor:
        """Latents [rows, n] for integer windows [rows, window], and for the latents of the step before."""
        x = torch.cat([windows, *(layer(windows) for layer in self.filters)], dim=-1)
        for layer in self.projector[:-1]:
            x = layer(x)
        if state is not None:
            x = torch.cat([x, state], dim=-1)
        return self.projector[-1](x)

    def regions(self, messages: Tensor) -> Tensor:
        """Region latents [messages, n] for messages [messages, 2 n + 2]."""
        for layer in self.messages:
            messages = layer(messages)
        return messages

    def conclude(self, latents: Tensor) -> Tensor:
        """Outputs [..., 3] for latents [..., n]."""
        for layer in self.hidden:
            latents = layer(latents)
        return floor(nn.functional.linear(latents, *self.frozen_last()))

    def latents(self, windows: Tensor) -> Tensor:
        """Latents [rows, steps, n] for windows [rows, steps, window] of successive steps."""
        if not self.config.is_recurrent:
            return self.project(windows, None)
        latent = windows.new_zeros(windows.shape[0], self.config.projector.shape[-1])
        steps = []
        for step in range(windows.shape[1]):
            latent = self.project(windows[:, step], latent)
            steps.append(latent)
        return torch.stack(steps, dim=1)

    def forward(self, batch: Batch) -> Tensor:
        """Outputs [rows, steps, 3]."""
        if not self.config.in_parts:
            return self.predict(batch.windows)
        latent = self.latents(batch.windows)
        if self.config.middle_out is None:
            return self.conclude(latent)
        outputs = latent.new_zeros(*latent.shape[:2], OUTPUT_ROWS)
        normalised_error = latent.new_zeros(latent.shape[:2])
        for coding_pass in range(int(batch.passes.max()) + 1):
            here = torch.nonzero(batch.passes == coding_pass)[:, 0]
            to_here = torch.nonzero(batch.passes[batch.receiver] == coding_pass)[:, 0]
            joined = self._joined(batch, latent, normalised_error, to_here)[here]
            own = self.conclude(joined)
            outputs = outputs.index_copy(0, here, own)
            normalised_error = normalised_error.index_copy(0, here, innovations(own, batch.part(here)))
        return outputs

    def _joined(self, batch: Batch, latent: Tensor, normalised_error: Tensor, to_here: Tensor) -> Tensor:
        """All rows' latents with the regions that the messages `to_here` come to."""
        part = self.config.middle_out
        assert part is not None
        receiver, sender = batch.receiver[to_here], batch.sender[to_here]
        theirs = torch.cat([latent[sender], normalised_error[sender][..., None]], dim=-1)
        theirs = scale_gradient(theirs, part.peer_gradients_factor)
        metric = batch.metric[to_here][:, None, None].expand(-1, latent.shape[1], 1)
        messages = torch.cat([latent[receiver], theirs[..., :-1], metric, theirs[..., -1:]], dim=-1)
        region = torch.zeros_like(latent).index_add(0, receiver, self.regions(messages))
        share = torch.bincount(receiver, minlength=latent.shape[0]).clamp(min=1)
        region = floor(region / share[:, None, None])
        return (latent + region if part.residual else region).clamp(-INPUT_LIMIT, INPUT_LIMIT)
