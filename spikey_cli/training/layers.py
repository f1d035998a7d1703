"""Layers with float weights that round as the exported integer graph does.

Units are those of the exported graph (see `model.predictor`): inputs are integers, 64 to one; activations are integers
from 0 to ACTIVATION_LIMIT, 64 to one. Weights and biases are rounded to multiples of 2**-f, with the largest f for each
row that the exactness bound permits. Gradients pass through rounding unchanged (the straight-through estimator).

References
----------
Y. Bengio, N. Leonard, A. Courville, "Estimating or propagating gradients through stochastic neurons for conditional
computation", 2013.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..core.gain import INPUT_LIMIT
from ..model.certify import EXACT_LIMIT

ONE = 64
ACTIVATION_LIMIT = INPUT_LIMIT
MAX_FRACTION_BITS = 14


class _StraightThrough(torch.autograd.Function):
    @staticmethod
    def forward(_, exact: Tensor, rounded: Tensor) -> Tensor:
        return rounded

    @staticmethod
    def backward(_, gradient: Tensor) -> tuple[Tensor, None]:
        return gradient, None


def floor(x: Tensor) -> Tensor:
    """`x` rounded down, with the gradient of `x`."""
    return _StraightThrough.apply(x, torch.floor(x))


def activate(x: Tensor) -> Tensor:
    """The activation function: rounded down, rectified, clipped."""
    return floor(x).clamp(0, ACTIVATION_LIMIT)


class _ScaledGradient(torch.autograd.Function):
    @staticmethod
    def forward(context, x: Tensor, factor: float) -> Tensor:
        context.factor = factor
        return x.view_as(x)

    @staticmethod
    def backward(context, gradient: Tensor) -> tuple[Tensor, None]:
        return gradient * context.factor, None


def scale_gradient(x: Tensor, factor: float) -> Tensor:
    """`x`, with its gradient multiplied by `factor`."""
    return _ScaledGradient.apply(x, factor)


def round_layer(weight: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
    """Weights [rows, inputs] and biases [rows], each row rounded as finely as exactness permits."""
    with torch.no_grad():
        terms = weight.abs().sum(1) * INPUT_LIMIT + bias.abs()
        # rounding may enlarge the terms: leave 1/64
        bits = torch.floor(torch.log2(EXACT_LIMIT * (63 / 64) / terms.clamp(min=1.0)))
        unit = 2.0 ** -bits.clamp(0, MAX_FRACTION_BITS)
        rounded_weight = torch.round(weight / unit[:, None]) * unit[:, None]
        rounded_bias = torch.round(bias / unit) * unit
    return _StraightThrough.apply(weight, rounded_weight), _StraightThrough.apply(bias, rounded_bias)


class Layer(nn.Module):
    """A fully connected layer."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.linear = nn.Linear(inputs, outputs)

    def rounded(self) -> tuple[Tensor, Tensor]:
        """Rounded weights [outputs, inputs] and biases [outputs], in the units of the exported graph."""
        # inputs and activations have equal units, so weights need no factor
        return round_layer(self.linear.weight, self.linear.bias * ONE)

    def forward(self, x: Tensor) -> Tensor:
        """Activations [..., outputs] for integers [..., inputs]."""
        return activate(nn.functional.linear(x, *self.rounded()))


class FoldedLayer(Layer):
    """A layer whose first inputs are linear features of the window; it takes the window in their place."""

    features: Tensor

    def __init__(self, features: Tensor, others: int, outputs: int, scale: float) -> None:
        super().__init__(features.shape[0] + others, outputs)
        self.register_buffer("features", features * scale, persistent=False)

    def rounded(self) -> tuple[Tensor, Tensor]:
        """Rounded weights [outputs, window + others] and biases [outputs]."""
        n = self.features.shape[0]
        weight = self.linear.weight
        folded = torch.cat([weight[:, :n] @ self.features, weight[:, n:]], dim=1)
        return round_layer(folded, self.linear.bias * ONE)


class FilterLayer(nn.Module):
    """Learnt filters at positions along the window, as one matrix.

    Parameters
    ----------
    indices : Tensor of int64, shape (filters * positions, window)
        Result of `features.placed_filters`.
    scale : float
        Factor of the window's values.
    """

    indices: Tensor

    def __init__(self, indices: Tensor, scale: float) -> None:
        super().__init__()
        n = int(indices.max()) + 1
        width = int((indices[0] >= 0).sum())
        self.register_buffer("indices", indices, persistent=False)
        bound = width**-0.5
        self.filters = nn.Parameter(torch.empty(n).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.zeros(n // width))
        self.scale = scale

    def rounded(self) -> tuple[Tensor, Tensor]:
        """Rounded weights [filters * positions, window] and biases [filters * positions]."""
        placed = self.filters[self.indices.clamp(min=0)]
        weight = torch.where(self.indices >= 0, placed, torch.zeros_like(placed)) * self.scale
        bias = self.bias.repeat_interleave(self.indices.shape[0] // self.bias.numel())
        return round_layer(weight, bias * ONE)

    def forward(self, x: Tensor) -> Tensor:
        """Activations [..., filters * positions] for windows [..., window]."""
        return activate(nn.functional.linear(x, *self.rounded()))
