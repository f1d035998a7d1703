"""Steps as one kernel, for each coder and direction.

A call from Python costs as much as some fifty lanes do, and the interpreter serves but one worker at a time: so all
steps of a tile are one call, unless ONNX Runtime must be asked between them, or between waves. All kernels are alike
but for the line that codes, where an encoder reads `codes` and a decoder fills them in.
"""

from __future__ import annotations

from collections.abc import Callable

from numba import njit

from . import huffman, residual_log, rice
from . import range as range_coder
from .adaptation import advance, predict, predict_naive, update
from .kernel import kernel
from .network import pass_through

TakeSteps = Callable[..., None]
"""Called as

    take_steps(first_step, naive, first_wave, stop_wave, chain, learnt, state, outputs, values, codes, differences, row)

for as many steps from `first_step` on as there are rows of `codes`, int32. Their differences become the rows of
`differences` from `row` on, which are the network's inputs of later steps; the window of the first stands before them.
`adaptive` is an `AdaptiveState`, `state` that of the coder; `values` are those of the profile's codes. `naive` tells
that
windows are not full yet, or that there is no network. Else `outputs` are the network's for all lanes, unless there is a
`chain`, which fills them in.
"""


@njit
def _look(naive, chain, differences, row, outputs):
    """Let the chain, where there is one, see the window that ends before `row`."""
    if not naive and chain.size.shape[0] > 0:
        pass_through(chain, differences, row - chain.size[0, 1], outputs)


@njit
def _before(step, naive, adaptive, coding_pass, outputs):
    first_channel, stop_channel = adaptive.passes[coding_pass], adaptive.passes[coding_pass + 1]
    first, stop = adaptive.first_lane[first_channel], adaptive.first_lane[stop_channel]
    if naive:
        predict_naive(adaptive, first, stop)
    else:
        predict(adaptive, step, first_channel, stop_channel, outputs)
    return first, stop


@njit
def _after(step, naive, adaptive, coding_pass, values, codes, row):
    first_channel, stop_channel = adaptive.passes[coding_pass], adaptive.passes[coding_pass + 1]
    advance(adaptive, step, adaptive.first_lane[first_channel], adaptive.first_lane[stop_channel], codes, values, row)
    if not naive:
        update(adaptive, step, first_channel, stop_channel)


@kernel
def _rice_encode(
    first_step, naive, first_pass, stop_pass, chain, adaptive, state, outputs, values, codes, differences, row
):
    for i in range(codes.shape[0]):
        step = first_step + i
        _look(naive, chain, differences, row + i, outputs)
        for coding_pass in range(first_pass, stop_pass):
            first, stop = _before(step, naive, adaptive, coding_pass, outputs)
            rice.encode_lanes(
                state,
                step,
                first,
                stop,
                adaptive.predicted_mean,
                adaptive.log2_scale,
                adaptive.outlier_weight,
                codes[i],
            )
            _after(step, naive, adaptive, coding_pass, values, codes[i], differences[row + i])


@kernel
def _rice_decode(
    first_step, naive, first_pass, stop_pass, chain, adaptive, state, outputs, values, codes, differences, row
):
    for i in range(codes.shape[0]):
        step = first_step + i
        _look(naive, chain, differences, row + i, outputs)
        for coding_pass in range(first_pass, stop_pass):
            first, stop = _before(step, naive, adaptive, coding_pass, outputs)
            rice.decode_lanes(
                state,
                step,
                first,
                stop,
                adaptive.predicted_mean,
                adaptive.log2_scale,
                adaptive.outlier_weight,
                codes[i],
            )
            _after(step, naive, adaptive, coding_pass, values, codes[i], differences[row + i])


@kernel
def _range_encode(
    first_step, naive, first_pass, stop_pass, chain, adaptive, state, outputs, values, codes, differences, row
):
    for i in range(codes.shape[0]):
        step = first_step + i
        _look(naive, chain, differences, row + i, outputs)
        for coding_pass in range(first_pass, stop_pass):
            first, stop = _before(step, naive, adaptive, coding_pass, outputs)
            range_coder.encode_lanes(
                state,
                step,
                first,
                stop,
                adaptive.predicted_mean,
                adaptive.log2_scale,
                adaptive.outlier_weight,
                codes[i],
            )
            _after(step, naive, adaptive, coding_pass, values, codes[i], differences[row + i])


@kernel
def _range_decode(
    first_step, naive, first_pass, stop_pass, chain, adaptive, state, outputs, values, codes, differences, row
):
    for i in range(codes.shape[0]):
        step = first_step + i
        _look(naive, chain, differences, row + i, outputs)
        for coding_pass in range(first_pass, stop_pass):
            first, stop = _before(step, naive, adaptive, coding_pass, outputs)
            range_coder.decode_lanes(
                state,
                step,
                first,
                stop,
                adaptive.predicted_mean,
                adaptive.log2_scale,
                adaptive.outlier_weight,
                codes[i],
            )
            _after(step, naive, adaptive, coding_pass, values, codes[i], differences[row + i])


@kernel
def _huffman_encode(
    first_step, naive, first_pass, stop_pass, chain, adaptive, state, outputs, values, codes, differences, row
):
    for i in range(codes.shape[0]):
        step = first_step + i
        _look(naive, chain, differences, row + i, outputs)
        for coding_pass in range(first_pass, stop_pass):
            first, stop = _before(step, naive, adaptive, coding_pass, outputs)
            huffman.encode_lanes(
                state,
                step,
                first,
                stop,
                adaptive.predicted_mean,
                adaptive.log2_scale,
                adaptive.outlier_weight,
                codes[i],
            )
            _after(step, naive, adaptive, coding_pass, values, codes[i], differences[row + i])


@kernel
def _huffman_decode(
    first_step, naive, first_pass, stop_pass, chain, adaptive, state, outputs, values, codes, differences, row
):
    for i in range(codes.shape[0]):
        step = first_step + i
        _look(naive, chain, differences, row + i, outputs)
        for coding_pass in range(first_pass, stop_pass):
            first, stop = _before(step, naive, adaptive, coding_pass, outputs)
            huffman.decode_lanes(
                state,
                step,
                first,
                stop,
                adaptive.predicted_mean,
                adaptive.log2_scale,
                adaptive.outlier_weight,
                codes[i],
            )
            _after(step, naive, adaptive, coding_pass, values, codes[i], differences[row + i])


@kernel
def _note(first_step, naive, first_pass, stop_pass, chain, adaptive, state, outputs, values, codes, differences, row):
    for i in range(codes.shape[0]):
        step = first_step + i
        _look(naive, chain, differences, row + i, outputs)
        for coding_pass in range(first_pass, stop_pass):
            first, stop = _before(step, naive, adaptive, coding_pass, outputs)
            residual_log.record_lanes(state, step, first, stop, naive, adaptive, codes[i])
            _after(step, naive, adaptive, coding_pass, values, codes[i], differences[row + i])


_KERNELS: dict[type, TakeSteps] = {
    rice.RiceEncoder: _rice_encode,
    rice.RiceDecoder: _rice_decode,
    range_coder.RangeEncoder: _range_encode,
    range_coder.RangeDecoder: _range_decode,
    huffman.HuffmanEncoder: _huffman_encode,
    huffman.HuffmanDecoder: _huffman_decode,
    residual_log.ResidualLog: _note,
}


def take_steps_of(coder: object) -> TakeSteps:
    """The kernel of an encoder or decoder."""
    return next(kernel for kind, kernel in _KERNELS.items() if isinstance(coder, kind))
