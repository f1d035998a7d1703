"""The predictor in training: a float network that already rounds as its frozen integer form will.

Units are those of the frozen graph (see `spikey_cli.predictor`): inputs are integers, 64 to the RMS; hidden
activations are integers 0..ACTIVATION_LIMIT, 64 to one; outputs are integers: 1024 to the RMS, 16 to the octave of
scale, 4 to the octave of the tail's weight.
Weights and biases are rounded to multiples of 2**-f, with f for each row as large as the exactness bound allows.
Gradients pass through every rounding as if it were not there (the straight-through estimator: Bengio, Leonard,
Courville, "Estimating or propagating gradients through stochastic neurons", 2013).
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ..gain import INPUT_LIMIT
from ..graph import EXACT_LIMIT
from ..predictor import OUTPUT_ROWS

ACTIVATION_ONE = 64
ACTIVATION_LIMIT = 1023
CENTRE_UNITS = 1024
SCALE_UNITS = 16
TAIL_UNITS = 4
MAX_FRACTION_BITS = 14


class _Straight(torch.autograd.Function):
    @staticmethod
    def forward(_, exact: Tensor, rounded: Tensor) -> Tensor:
        return rounded

    @staticmethod
    def backward(_, gradient: Tensor) -> tuple[Tensor, None]:
        return gradient, None


def frozen_layer(weight: Tensor, bias: Tensor, input_limit: int) -> tuple[Tensor, Tensor]:
    """Weights [rows, inputs] and biases [rows] rounded, row by row, as finely as exactness allows."""
    with torch.no_grad():
        terms = weight.abs().sum(1) * input_limit + bias.abs()
        # one part in 64 is left for what rounding the terms may add
        bits = torch.floor(torch.log2(EXACT_LIMIT * (63 / 64) / terms.clamp(min=1.0)))
        unit = 2.0 ** -bits.clamp(0, MAX_FRACTION_BITS)
        rounded_weight = torch.round(weight / unit[:, None]) * unit[:, None]
        rounded_bias = torch.round(bias / unit) * unit
    return _Straight.apply(weight, rounded_weight), _Straight.apply(bias, rounded_bias)


class IntegerNetwork(nn.Module):
    """Fully connected: `window` differences, hidden layers of the given sizes, three outputs."""

    def __init__(self, window: int, hidden: Sequence[int]) -> None:
        super().__init__()
        self.window = window
        self.hidden = tuple(hidden)
        widths = [window, *hidden, OUTPUT_ROWS]
        self.layers = [nn.Linear(a, b) for a, b in itertools.pairwise(widths)]
        for i, layer in enumerate(self.layers):
            self.add_module(f"layer{i}", layer)
        with torch.no_grad():  # begin with the last value, the lane's own spread, and a thin tail
            self.layers[-1].weight *= 0.3
            self.layers[-1].bias.copy_(torch.tensor([0.0, 0.0, 4.0]))

    def frozen_layers(self) -> list[tuple[Tensor, Tensor]]:
        """Rounded (weights [rows, inputs], biases [rows]) of every layer, in the units of the frozen graph."""
        frozen = []
        limit = INPUT_LIMIT
        for layer in self.layers[:-1]:
            # inputs and activations both have ACTIVATION_ONE units to one, so weights need no factor
            frozen.append(frozen_layer(layer.weight, layer.bias * ACTIVATION_ONE, limit))
            limit = ACTIVATION_LIMIT
        units = torch.tensor([CENTRE_UNITS, SCALE_UNITS, TAIL_UNITS], dtype=torch.float32)
        last = self.layers[-1]
        frozen.append(frozen_layer(last.weight * units[:, None] / ACTIVATION_ONE, last.bias * units, limit))
        return frozen

    def forward(self, windows: Tensor) -> Tensor:
        """Outputs [batch, 3], integers, for integer windows [batch, window]."""
        *hidden, last = self.frozen_layers()
        x = windows
        for weight, bias in hidden:
            exact = nn.functional.linear(x, weight, bias)
            x = _Straight.apply(exact, torch.floor(exact)).clamp(0, ACTIVATION_LIMIT)
        exact = nn.functional.linear(x, *last)
        return _Straight.apply(exact, torch.floor(exact))
