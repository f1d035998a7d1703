"""Steps as one kernel, for each coder and direction.

A call from Python costs as much as some fifty lanes do, and the interpreter serves but one worker at a time: so all
steps of a tile are one call, unless ONNX Runtime must be asked between them, or between waves. All kernels are alike
but for the line that codes, where an encoder reads `codes` and a decoder fills them in.
"""

from __future__ import annotations

from collections.abc import Callable

from numba import njit

from . import range as range_coder
from . import residual, residual_log, rice
from .adaptation import centre_on_last, correct, learn, push
from .kernel import kernel
from .network import pass_through

TakeSteps = Callable[..., None]
"""Called as

    take_steps(first_step, naive, first_wave, stop_wave, chain, learnt, state, outputs, values, codes, differences, row)

for as many steps from `first_step` on as there are rows of `codes`, int32. Their differences become the rows of
`differences` from `row` on, which are the network's inputs of later steps; the window of the first stands before them.
`learnt` is an `adapt.Learnt`, `state` that of the coder; `values` are those of the profile's codes. `naive` tells that
windows are not full yet, or that there is no network. Else `outputs` are the network's for all lanes, unless there is a
`chain`, which fills them in.
"""


@njit
def _look(naive, chain, differences, row, outputs):
    """Let the chain, where there is one, see the window that ends before `row`."""
    if not naive and chain.size.shape[0] > 0:
        pass_through(chain, differences, row - chain.size[0, 1], outputs)


@njit
def _before(step, naive, learnt, wave, outputs):
    first_thread, stop_thread = learnt.waves[wave], learnt.waves[wave + 1]
    first, stop = learnt.first_lane[first_thread], learnt.first_lane[stop_thread]
    if naive:
        centre_on_last(learnt, first, stop)
    else:
        correct(learnt, step, first_thread, stop_thread, outputs)
    return first, stop


@njit
def _after(step, naive, learnt, wave, values, codes, row):
    first_thread, stop_thread = learnt.waves[wave], learnt.waves[wave + 1]
    push(learnt, step, learnt.first_lane[first_thread], learnt.first_lane[stop_thread], codes, values, row)
    if not naive:
        learn(learnt, step, first_thread, stop_thread)


@kernel
def _rice_encode(
    first_step, naive, first_wave, stop_wave, chain, learnt, state, outputs, values, codes, differences, row
):
    for i in range(codes.shape[0]):
        step = first_step + i
        _look(naive, chain, differences, row + i, outputs)
        for wave in range(first_wave, stop_wave):
            first, stop = _before(step, naive, learnt, wave, outputs)
            rice.encode_lanes(state, step, first, stop, learnt.centre, learnt.scale, learnt.tail, codes[i])
            _after(step, naive, learnt, wave, values, codes[i], differences[row + i])


@kernel
def _rice_decode(
    first_step, naive, first_wave, stop_wave, chain, learnt, state, outputs, values, codes, differences, row
):
    for i in range(codes.shape[0]):
        step = first_step + i
        _look(naive, chain, differences, row + i, outputs)
        for wave in range(first_wave, stop_wave):
            first, stop = _before(step, naive, learnt, wave, outputs)
            rice.decode_lanes(state, step, first, stop, learnt.centre, learnt.scale, learnt.tail, codes[i])
            _after(step, naive, learnt, wave, values, codes[i], differences[row + i])


@kernel
def _range_encode(
    first_step, naive, first_wave, stop_wave, chain, learnt, state, outputs, values, codes, differences, row
):
    for i in range(codes.shape[0]):
        step = first_step + i
        _look(naive, chain, differences, row + i, outputs)
        for wave in range(first_wave, stop_wave):
            first, stop = _before(step, naive, learnt, wave, outputs)
            range_coder.encode_lanes(state, step, first, stop, learnt.centre, learnt.scale, learnt.tail, codes[i])
            _after(step, naive, learnt, wave, values, codes[i], differences[row + i])


@kernel
def _range_decode(
    first_step, naive, first_wave, stop_wave, chain, learnt, state, outputs, values, codes, differences, row
):
    for i in range(codes.shape[0]):
        step = first_step + i
        _look(naive, chain, differences, row + i, outputs)
        for wave in range(first_wave, stop_wave):
            first, stop = _before(step, naive, learnt, wave, outputs)
            range_coder.decode_lanes(state, step, first, stop, learnt.centre, learnt.scale, learnt.tail, codes[i])
            _after(step, naive, learnt, wave, values, codes[i], differences[row + i])


@kernel
def _residual_encode(
    first_step, naive, first_wave, stop_wave, chain, learnt, state, outputs, values, codes, differences, row
):
    for i in range(codes.shape[0]):
        step = first_step + i
        _look(naive, chain, differences, row + i, outputs)
        for wave in range(first_wave, stop_wave):
            first, stop = _before(step, naive, learnt, wave, outputs)
            residual.encode_lanes(state, step, first, stop, learnt.centre, learnt.scale, learnt.tail, codes[i])
            _after(step, naive, learnt, wave, values, codes[i], differences[row + i])


@kernel
def _residual_decode(
    first_step, naive, first_wave, stop_wave, chain, learnt, state, outputs, values, codes, differences, row
):
    for i in range(codes.shape[0]):
        step = first_step + i
        _look(naive, chain, differences, row + i, outputs)
        for wave in range(first_wave, stop_wave):
            first, stop = _before(step, naive, learnt, wave, outputs)
            residual.decode_lanes(state, step, first, stop, learnt.centre, learnt.scale, learnt.tail, codes[i])
            _after(step, naive, learnt, wave, values, codes[i], differences[row + i])


@kernel
def _note(first_step, naive, first_wave, stop_wave, chain, learnt, state, outputs, values, codes, differences, row):
    for i in range(codes.shape[0]):
        step = first_step + i
        _look(naive, chain, differences, row + i, outputs)
        for wave in range(first_wave, stop_wave):
            first, stop = _before(step, naive, learnt, wave, outputs)
            residual_log.note_lanes(state, step, first, stop, naive, learnt, codes[i])
            _after(step, naive, learnt, wave, values, codes[i], differences[row + i])


_KERNELS: dict[type, TakeSteps] = {
    rice.RiceEncoder: _rice_encode,
    rice.RiceDecoder: _rice_decode,
    range_coder.RangeEncoder: _range_encode,
    range_coder.RangeDecoder: _range_decode,
    residual.ResidualEncoder: _residual_encode,
    residual.ResidualDecoder: _residual_decode,
    residual_log.Ledger: _note,
}


def take_steps_of(coder: object) -> TakeSteps:
    """The kernel of an encoder or decoder."""
    return next(kernel for kind, kernel in _KERNELS.items() if isinstance(coder, kind))
