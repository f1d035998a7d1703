"""The network in training: feature extraction, latent projector, MiddleOut, predictor.

A configuration selects the four parts (see `config`). All of them round as the exported graph does (see `layers`). The
outputs are integers; `loss` defines their units.
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
from .layers import ONE, FilterLayer, FoldedLayer, Layer, floor, round_layer, scale_gradient
from .loss import MEAN_UNITS, OUTLIER_UNITS, SCALE_UNITS, normalised_errors


class IntegerNetwork(nn.Module):
    """The network that a configuration describes."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        filters = [
            placed_filters(part.filters, part.width, part.stride, config.window)
            for part in config.features
            if isinstance(part, Cnn)
        ]
        self.filters = [FilterLayer(torch.from_numpy(indices), config.value_scale) for indices in filters]
        features = torch.from_numpy(linear_features(config.features, config.window)).float()
        shape = config.projector.shape
        latent = shape[-1]
        states = [latent if config.is_recurrent and i == len(shape) - 1 else 0 for i in range(len(shape))]
        others = sum(indices.shape[0] for indices in filters)
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
        with torch.no_grad():  # start from the last value, the lane's scale and a small outlier weight
            self.last.weight *= 0.3
            self.last.bias.copy_(torch.tensor([0.0, 0.0, 4.0]))

    def rounded_last(self) -> tuple[Tensor, Tensor]:
        """Rounded weights [3, inputs] and biases [3] of the output layer."""
        units = torch.tensor([MEAN_UNITS, SCALE_UNITS, OUTLIER_UNITS], dtype=torch.float32)
        return round_layer(self.last.weight * units[:, None] / ONE, self.last.bias * units)

    def shift(self) -> Tensor | None:
        """Weights [3, window] that add the window to the outputs, unless the mean is relative to the last value."""
        if self.config.predictor.delta_shift:
            return None
        weight = torch.zeros(OUTPUT_ROWS, self.config.window)
        weight[0] = -MEAN_UNITS / ONE
        return weight

    def predict(self, windows: Tensor) -> Tensor:
        """Outputs [..., 3] for windows [..., window], for a network without state and messages."""
        outputs = self.predict_from(self.project(windows, None))
        shift = self.shift()
        return outputs if shift is None else outputs + nn.functional.linear(windows, shift)

    def project(self, windows: Tensor, state: Tensor | None) -> Tensor:
        """Latents [rows, n] for integer windows [rows, window] and, if recurrent, the latents of the step before."""
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

    def predict_from(self, latents: Tensor) -> Tensor:
        """Outputs [..., 3] for latents [..., n]."""
        for layer in self.hidden:
            latents = layer(latents)
        return floor(nn.functional.linear(latents, *self.rounded_last()))

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
            return self.predict_from(latent)
        outputs = latent.new_zeros(*latent.shape[:2], OUTPUT_ROWS)
        errors = latent.new_zeros(latent.shape[:2])
        for coding_pass in range(int(batch.passes.max()) + 1):
            rows = torch.nonzero(batch.passes == coding_pass)[:, 0]
            messages = torch.nonzero(batch.passes[batch.receiver] == coding_pass)[:, 0]
            joined = self._with_regions(batch, latent, errors, messages)[rows]
            pass_outputs = self.predict_from(joined)
            outputs = outputs.index_copy(0, rows, pass_outputs)
            errors = errors.index_copy(0, rows, normalised_errors(pass_outputs, batch.rows(rows)))
        return outputs

    def _with_regions(self, batch: Batch, latent: Tensor, errors: Tensor, message: Tensor) -> Tensor:
        """All rows' latents, combined with the mean region latents of some messages."""
        part = self.config.middle_out
        assert part is not None
        receiver, sender = batch.receiver[message], batch.sender[message]
        sent = torch.cat([latent[sender], errors[sender][..., None]], dim=-1)
        sent = scale_gradient(sent, part.peer_gradients_factor)
        metric = batch.metric[message][:, None, None].expand(-1, latent.shape[1], 1)
        messages = torch.cat([latent[receiver], sent[..., :-1], metric, sent[..., -1:]], dim=-1)
        region = torch.zeros_like(latent).index_add(0, receiver, self.regions(messages))
        count = torch.bincount(receiver, minlength=latent.shape[0]).clamp(min=1)
        region = floor(region / count[:, None, None])
        return (latent + region if part.residual else region).clamp(-INPUT_LIMIT, INPUT_LIMIT)
