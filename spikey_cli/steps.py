"""A step of some waves as one kernel, for each coder and direction.

A call from Python costs as much as some fifty lanes do, and the interpreter serves but one worker at a time: so a step
is one call, unless the network must be asked between waves. All kernels are alike but for the line that codes, where an
encoder reads `codes` and a decoder fills them in.
"""

from __future__ import annotations

from collections.abc import Callable

from numba import njit

from .adapt import centre_on_last, correct, learn, push
from .coders import ledger, residual, rice
from .coders import range as range_coder
from .kernel import kernel

TakeStep = Callable[..., None]
"""Called as `take_step(step, naive, first_wave, stop_wave, learnt, state, outputs, values, codes, row)`: `learnt` is an
`adapt.Learnt`, `state` that of the coder, `outputs` the network's for all lanes; `naive` tells that there are none yet.
`values` are those of the profile's codes; `codes` int32, one a lane; `row`, float32, becomes the network's next inputs.
"""


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
    push(learnt, learnt.first_lane[first_thread], learnt.first_lane[stop_thread], codes, values, row)
    if not naive:
        learn(learnt, step, first_thread, stop_thread)


@kernel
def _rice_encode(step, naive, first_wave, stop_wave, learnt, state, outputs, values, codes, row):
    for wave in range(first_wave, stop_wave):
        first, stop = _before(step, naive, learnt, wave, outputs)
        rice.encode_lanes(state, step, first, stop, learnt.centre, learnt.scale, learnt.tail, codes)
        _after(step, naive, learnt, wave, values, codes, row)


@kernel
def _rice_decode(step, naive, first_wave, stop_wave, learnt, state, outputs, values, codes, row):
    for wave in range(first_wave, stop_wave):
        first, stop = _before(step, naive, learnt, wave, outputs)
        rice.decode_lanes(state, step, first, stop, learnt.centre, learnt.scale, learnt.tail, codes)
        _after(step, naive, learnt, wave, values, codes, row)


@kernel
def _range_encode(step, naive, first_wave, stop_wave, learnt, state, outputs, values, codes, row):
    for wave in range(first_wave, stop_wave):
        first, stop = _before(step, naive, learnt, wave, outputs)
        range_coder.encode_lanes(state, step, first, stop, learnt.centre, learnt.scale, learnt.tail, codes)
        _after(step, naive, learnt, wave, values, codes, row)


@kernel
def _range_decode(step, naive, first_wave, stop_wave, learnt, state, outputs, values, codes, row):
    for wave in range(first_wave, stop_wave):
        first, stop = _before(step, naive, learnt, wave, outputs)
        range_coder.decode_lanes(state, step, first, stop, learnt.centre, learnt.scale, learnt.tail, codes)
        _after(step, naive, learnt, wave, values, codes, row)


@kernel
def _residual_encode(step, naive, first_wave, stop_wave, learnt, state, outputs, values, codes, row):
    for wave in range(first_wave, stop_wave):
        first, stop = _before(step, naive, learnt, wave, outputs)
        residual.encode_lanes(state, step, first, stop, learnt.centre, learnt.scale, learnt.tail, codes)
        _after(step, naive, learnt, wave, values, codes, row)


@kernel
def _residual_decode(step, naive, first_wave, stop_wave, learnt, state, outputs, values, codes, row):
    for wave in range(first_wave, stop_wave):
        first, stop = _before(step, naive, learnt, wave, outputs)
        residual.decode_lanes(state, step, first, stop, learnt.centre, learnt.scale, learnt.tail, codes)
        _after(step, naive, learnt, wave, values, codes, row)


@kernel
def _note(step, naive, first_wave, stop_wave, learnt, state, outputs, values, codes, row):
    for wave in range(first_wave, stop_wave):
        first, stop = _before(step, naive, learnt, wave, outputs)
        ledger.note_lanes(state, step, first, stop, naive, learnt, codes)
        _after(step, naive, learnt, wave, values, codes, row)


_KERNELS: dict[type, TakeStep] = {
    rice.RiceEncoder: _rice_encode,
    rice.RiceDecoder: _rice_decode,
    range_coder.RangeEncoder: _range_encode,
    range_coder.RangeDecoder: _range_decode,
    residual.ResidualEncoder: _residual_encode,
    residual.ResidualDecoder: _residual_decode,
    ledger.Ledger: _note,
}


def take_step_of(coder: object) -> TakeStep:
    """The kernel of an encoder or decoder."""
    return next(kernel for kind, kernel in _KERNELS.items() if isinstance(coder, kind))
