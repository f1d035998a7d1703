"""Coding step: predict, code and adapt, for all lanes and several steps, as one kernel.

A call from Python costs as much time as about fifty lanes and holds the interpreter's lock. `take_steps` therefore runs
all steps of a tile in one call, unless ONNX Runtime has to evaluate the network between steps or coding passes.

The encoder and decoder of each coder share this one body. The kernel that codes lanes, `encode_lanes` or
`decode_lanes` of the coder's module, follows from the type of the coder's state: Numba compiles one version of
`take_steps` for each.
"""

from __future__ import annotations

from collections.abc import Callable

from numba import njit
from numba.extending import overload

from . import huffman, rice
from . import range as range_coder
from .adaptation import advance, predict, predict_naive, update
from .kernel import kernel
from .network import pass_through
from .residual_log import record_lanes

_CODE_LANES: dict[type, Callable[..., None]] = {
    rice.RiceEncoderState: rice.encode_lanes,
    rice.RiceDecoderState: rice.decode_lanes,
    range_coder.RangeEncoderState: range_coder.encode_lanes,
    range_coder.RangeDecoderState: range_coder.decode_lanes,
    huffman.HuffmanEncoderState: huffman.encode_lanes,
    huffman.HuffmanDecoderState: huffman.decode_lanes,
}


def code_lanes(state, step, first, stop, predicted_mean, log2_scale, outlier_weight, codes):
    """Encode or decode step `step` of the lanes `first` to `stop` - 1; see `coders`."""
    _CODE_LANES[type(state)](state, step, first, stop, predicted_mean, log2_scale, outlier_weight, codes)


@overload(code_lanes)
def _compiled_code_lanes(state, step, first, stop, predicted_mean, log2_scale, outlier_weight, codes):
    # Numba wants the signatures of both functions to be equal, so neither has annotations
    lanes_kernel = _CODE_LANES[state.instance_class]

    def implementation(state, step, first, stop, predicted_mean, log2_scale, outlier_weight, codes):
        lanes_kernel(state, step, first, stop, predicted_mean, log2_scale, outlier_weight, codes)

    return implementation


@njit
def _code_pass(step, naive, coding_pass, adaptive, state, log, outputs, values, codes, differences):
    first_channel, stop_channel = adaptive.passes[coding_pass], adaptive.passes[coding_pass + 1]
    first, stop = adaptive.first_lane[first_channel], adaptive.first_lane[stop_channel]
    if naive:
        predict_naive(adaptive, first, stop)
    else:
        predict(adaptive, step, first_channel, stop_channel, outputs)
    code_lanes(state, step, first, stop, adaptive.predicted_mean, adaptive.log2_scale, adaptive.outlier_weight, codes)
    if log.mass.size > 0:
        record_lanes(log, step, first, stop, naive, adaptive, codes)
    advance(adaptive, step, first, stop, codes, values, differences)
    if not naive:
        update(adaptive, step, first_channel, stop_channel)


@kernel
def take_steps(
    first_step, naive, first_pass, stop_pass, chain, adaptive, state, log, outputs, values, codes, differences, row
):
    """Take as many steps as `codes` has rows.

    Parameters
    ----------
    first_step : int
        The first step to take, at least 1.
    naive : bool
        Predict naive deltas: there is no network, or its window is not full yet.
    first_pass, stop_pass : int
        Take the coding passes `first_pass` to `stop_pass` - 1. If both are equal, nothing is coded, but a `chain` still
        fills in `outputs`.
    chain : network.Chain
        The network, or `network.NO_CHAIN` if `outputs` holds what ONNX Runtime gave for this step.
    adaptive : adaptation.AdaptiveState
        State of the adaptation; updated.
    state : NamedTuple
        State of the encoder or decoder; updated. Its type selects the coder.
    log : residual_log.ResidualLogState
        Filled with what was predicted of each sample, unless it is `residual_log.NO_LOG`.
    outputs : float32 array of shape (3, lanes)
        The network's outputs.
    values : int32 array
        Values of the codes of the converter's profile (see `converter`).
    codes : int32 array of shape (steps, lanes)
        Read by an encoder, filled in by a decoder.
    differences : float32 array of shape (rows, lanes)
        The network's inputs: the window of the first step ends before `row`. The differences of the steps are written
        to the rows from `row` on.
    row : int
    """
    for i in range(codes.shape[0]):
        if not naive and chain.size.shape[0] > 0:
            pass_through(chain, differences, row + i - chain.size[0, 1], outputs)
        for coding_pass in range(first_pass, stop_pass):
            _code_pass(
                first_step + i,
                naive,
                coding_pass,
                adaptive,
                state,
                log,
                outputs,
                values,
                codes[i],
                differences[row + i],
            )
