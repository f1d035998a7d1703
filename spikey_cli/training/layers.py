"""Layers in training: float weights that already round as their frozen integer form will.

Units are those of the frozen graph (see `spikey_cli.model.predictor`): inputs are integers, 64 to one; activations are
integers 0..ACTIVATION_LIMIT, 64 to one. Weights and biases are rounded to multiples of 2**-f, with f for each row as
large as the exactness bound allows. Gradients pass through every rounding as if it were not there (the straight-through
estimator: Bengio, Leonard, Courville, "Estimating or propagating gradients through stochastic neurons", 2013).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..core.gain import INPUT_LIMIT
from ..model.graph import EXACT_LIMIT

ONE = 64
ACTIVATION_LIMIT = INPUT_LIMIT
MAX_FRACTION_BITS = 14


class _Straight(torch.autograd.Function):
    @staticmethod
    def forward(_, exact: Tensor, rounded: Tensor) -> Tensor:
        return rounded

    @staticmethod
    def backward(_, gradient: Tensor) -> tuple[Tensor, None]:
        return gradient, None


def floor(x: Tensor) -> Tensor:
    """Rounded down; the gradient passes."""
    return _Straight.apply(x, torch.floor(x))


def activate(x: Tensor) -> Tensor:
    """An activation: rounded down, rectified, clipped."""
    return floor(x).clamp(0, ACTIVATION_LIMIT)


class _Scaled(torch.autograd.Function):
    @staticmethod
    def forward(context, x: Tensor, factor: float) -> Tensor:
        context.factor = factor
        return x.view_as(x)

    @staticmethod
    def backward(context, gradient: Tensor) -> tuple[Tensor, None]:
        return gradient * context.factor, None


def scale_gradient(x: Tensor, factor: float) -> Tensor:
    """`x` itself; its gradient times `factor`."""
    return _Scaled.apply(x, factor)


def frozen_layer(weight: Tensor, bias: Tensor, input_limit: int = INPUT_LIMIT) -> tuple[Tensor, Tensor]:
    """Weights [rows, inputs] and biases [rows] rounded, row by row, as finely as exactness allows."""
    with torch.no_grad():
        terms = weight.abs().sum(1) * input_limit + bias.abs()
        # one part in 64 is left for what rounding the terms may add
        bits = torch.floor(torch.log2(EXACT_LIMIT * (63 / 64) / terms.clamp(min=1.0)))
        unit = 2.0 ** -bits.clamp(0, MAX_FRACTION_BITS)
        rounded_weight = torch.round(weight / unit[:, None]) * unit[:, None]
        rounded_bias = torch.round(bias / unit) * unit
    return _Straight.apply(weight, rounded_weight), _Straight.apply(bias, rounded_bias)


class Layer(nn.Module):
    """A fully connected layer."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.linear = nn.Linear(inputs, outputs)

    def frozen(self) -> tuple[Tensor, Tensor]:
        """Rounded weights [outputs, inputs] and biases [outputs], in the units of the frozen graph."""
        # inputs and activations have equal units, so weights need no factor
        return frozen_layer(self.linear.weight, self.linear.bias * ONE)

    def forward(self, x: Tensor) -> Tensor:
        """Activations [..., outputs] for integers [..., inputs]."""
        return activate(nn.functional.linear(x, *self.frozen()))


class FoldedLayer(Layer):
    """A layer of which the first inputs are linear features of the window: it sees the window itself in their place."""

    features: Tensor

    def __init__(self, features: Tensor, others: int, outputs: int, scale: float) -> None:
        super().__init__(features.shape[0] + others, outputs)
        self.register_buffer("features", features * scale, persistent=False)

    def frozen(self) -> tuple[Tensor, Tensor]:
        """Rounded weights [outputs, window + others] and biases [outputs]."""
        n = self.features.shape[0]
        weight = self.linear.weight
        folded = torch.cat([weight[:, :n] @ self.features, weight[:, n:]], dim=1)
        return frozen_layer(folded, self.linear.bias * ONE)


class FilterLayer(nn.Module):
    """Learnt filters along the window, as one matrix whose rows hold the filters at their places."""

    places: Tensor

    def __init__(self, places: Tensor, scale: float) -> None:
        super().__init__()
        n = int(places.max()) + 1
        width = int((places[0] >= 0).sum())
        self.register_buffer("places", places, persistent=False)
        bound = width**-0.5
        self.filters = nn.Parameter(torch.empty(n).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.zeros(n // width))
        self.scale = scale

    def frozen(self) -> tuple[Tensor, Tensor]:
        """Rounded weights [filters * places, window] and biases [filters * places]."""
        placed = self.filters[self.places.clamp(min=0)]
        weight = torch.where(self.places >= 0, placed, torch.zeros_like(placed)) * self.scale
        bias = self.bias.repeat_interleave(self.places.shape[0] // self.bias.numel())
        return frozen_layer(weight, bias * ONE)

    def forward(self, x: Tensor) -> Tensor:
        """Activations [..., filters * places] for windows [..., window]."""
        return activate(nn.functional.linear(x, *self.frozen()))
