"""The compiled core refuses calls that do not fit together; most of these once wrote or read beyond an array."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from spikey_cli.core import _core

RANGE, RICE, RANKS = range(3)
NOTHING = np.zeros(0, np.int32)


def first_lanes(lengths):
    return np.arange(len(lengths) + 1, dtype=np.int64)


def coder(kind=RANGE, decodes=False, lengths=(9, 9), n_steps=-1, size=8):
    n = len(lengths)
    return _core.Coder(
        kind,
        decodes,
        first_lanes(lengths),
        np.full(n, size, np.int64),
        np.zeros(n, bool),
        NOTHING,
        np.array(lengths, np.int32),
        n_steps,
    )


def state(lengths=(9, 9), window=0, network=None, passes=(0, 1, 2), size=8, gains=None, log=None, order=8):
    n = len(lengths)
    return _core.State(
        first_lanes(lengths),
        np.array(passes, np.int64),
        np.full((n, 8), -1, np.int64),
        np.full((n, 2), -1, np.int64),
        np.zeros(n, np.int64),
        np.full(n, order),
        np.arange(n),
        np.full(n, size, np.int64),
        np.zeros(n, bool),
        NOTHING,
        np.array(lengths, np.int32),
        np.cumsum([0, *lengths[:-1]], dtype=np.int64),
        np.zeros(n, np.uint8) if gains is None else gains,
        np.zeros(n, np.int32),
        window,
        network,
        2,
        False,
        log,
        None,
        False,
    )


def network(low=-np.inf, high=np.inf, weight=1.0):
    return _core.Network(
        np.array([4, 1], np.int64),
        np.full(4, weight, np.float32),
        np.zeros(4, np.float32),
        np.ones(1, bool),
        np.array([low], np.float32),
        np.array([high], np.float32),
    )


def test_streams_are_finished_once():
    encoder, codes = coder(), np.arange(18, dtype=np.int32) % 8
    state().take(encoder, codes, False, 8)
    streams = encoder.finish()
    for _ in range(1000):
        assert encoder.finish() == streams


def test_encoder_has_room_for_the_lengths_it_was_made_for():
    lengths = [400] + [1] * 7
    encoder = coder(lengths=lengths)
    with pytest.raises(ValueError, match="do not fit"):
        state([400] * 8, passes=[0, 8]).take(encoder, np.zeros(3200, np.int32), False, 399)


@pytest.mark.parametrize("n_steps", [-1, 4])
def test_passes_follow_one_another(n_steps):
    encoder, codes = coder(n_steps=n_steps), np.zeros(18, np.int32)
    running, outputs = state(window=1), np.zeros((3, 2), np.float32)
    running.take(encoder, codes, False, 1)
    with pytest.raises(ValueError, match="do not fit"):
        running.take_passes(encoder, outputs, 1, 2, codes, False)
    running.take_passes(encoder, outputs, 0, 1, codes, False)
    with pytest.raises(ValueError, match="do not fit"):
        running.take_passes(encoder, outputs, 0, 1, codes, False)
    with pytest.raises(ValueError, match="do not fit"):
        running.take_passes(coder(n_steps=4), outputs, 1, 2, codes, False)
    running.take_passes(encoder, outputs, 1, 2, codes, False)
    assert running.step == 3


@pytest.mark.parametrize("order", [-8, 0, 1, 7, 12, 24, 31, 33, 64, 2**40])
def test_other_orders_are_refused(order):
    with pytest.raises(ValueError, match="do not fit"):
        state(order=order)


def test_steps_are_counted_in_64_bits():
    decoder = coder(decodes=True)
    decoder.open(b"", np.zeros(3, np.int64))
    with pytest.raises(ValueError, match="do not fit"):
        state(window=1).take(decoder, np.zeros(18, np.int32), False, 2**63 - 1)


@pytest.mark.parametrize("first", [[1, -(2**63), 0], [-1, 0, 0], [0, 2, 1], [0, 0, 9], [2**63 - 1, 0, 0]])
@pytest.mark.parametrize("kind", [RANGE, RICE])
def test_places_of_streams_are_checked(kind, first):
    with pytest.raises(ValueError, match="do not fit"):
        coder(kind, True).open(bytes(8), np.array(first, np.int64))


def test_encoder_without_memory_takes_no_more_steps():
    encoder = coder(n_steps=2, lengths=(2**31 - 1,) * 2)
    state((2**31 - 1,) * 2).take(encoder, np.zeros((1, 2), np.int32), True, 1)
    with pytest.raises(MemoryError):
        encoder.restart(2**30)
    with pytest.raises(ValueError, match="more steps"):
        state((2**31 - 1,) * 2).take(encoder, np.zeros((1, 2), np.int32), True, 1)
    assert [len(stream) for stream in encoder.finish()] == [0, 0]


@pytest.mark.parametrize("limits", [(2**26, np.inf), (np.inf, np.inf), (-np.inf, -np.inf), (1, 0), (np.nan, 1)])
def test_outputs_beyond_an_int32_are_refused(limits):
    with pytest.raises(ValueError, match="do not fit"):
        network(*limits)


@pytest.mark.parametrize("weight", [np.nan, np.inf, 1e30, 2.0**40, 1e-30])
def test_any_weight_gives_outputs_in_range(weight):
    net, codes = network(weight=weight), np.arange(18, dtype=np.int32) % 8
    encoder = coder()
    state(window=1, network=net).take(encoder, codes, False, 8)
    decoder, back = coder(decodes=True), np.zeros(18, np.int32)
    streams = encoder.finish()
    decoder.open(b"".join(streams), np.cumsum([0, *map(len, streams)], dtype=np.int64))
    other = state(window=1, network=net)
    other.initial_codes(back)
    back[9:10] = codes[9]  # the state above starts from code 0
    other.take(decoder, back, False, 8)
    assert np.array_equal(back[1:9], codes[1:9])


def test_arrays_are_aligned():
    odd = np.frombuffer(bytes(33), np.int32, 8, offset=1)
    with pytest.raises(ValueError, match="not aligned"):
        _core.pack(odd, 3)


def test_values_off_the_grid_leave_no_gap():
    samples = np.full(3, 7, np.int16)
    assert not _core.table_samples(np.array([-1, 1, 2**31 - 1], np.int32), np.array([3, 4], np.int32), samples)
    assert samples.tolist() == [0, 4, 0]


def test_profile_of_any_values():
    args = [np.array([0, 1, 0], np.int32), np.zeros(1, np.int64), np.array([3], np.int32), np.zeros(1, np.int32)]
    values = np.array([-(2**31), 2**31 - 1], np.int32)
    with pytest.raises(ValueError, match="do not fit"):
        _core.lane_gains(*args, np.array([2], np.int64), np.ones(1, bool), values, np.zeros(1, np.uint8))


def test_gains_of_codes_far_outside_the_alphabet():
    args = [np.zeros(1, np.int64), np.array([2], np.int32), np.zeros(1, np.int32), np.array([2], np.int64)]
    for code in (-(2**31), -1, 2, 2**31 - 1):
        with pytest.raises(ValueError, match="not on its grid"):
            _core.lane_gains(np.array([0, code], np.int32), *args, np.zeros(1, bool), NOTHING, np.zeros(1, np.uint8))


class Late:
    """A number whose conversion starts another thread that uses the coder."""

    def __init__(self, begin):
        self.begin = begin

    def __index__(self):
        self.begin()
        return 3


def test_coder_in_use_is_left_alone():
    lengths = [200_000] * 8
    encoder, codes = coder(lengths=lengths, n_steps=200_000), np.zeros(1_600_000, np.int32)
    thread = threading.Thread(target=lambda: state(lengths, passes=[0, 8]).take(encoder, codes, False, 199_999))

    def begin():
        thread.start()
        while thread.is_alive():
            try:
                encoder.ranks(0)
            except RuntimeError:
                return
            except ValueError:
                pass

    with pytest.raises(RuntimeError, match="in use by another thread"):
        encoder.restart(Late(begin))
    thread.join()


def test_network_in_integers_has_the_outputs_of_the_plain_loops():
    weight, bias = np.full(4, 32767, np.float32), np.full(4, 2**27, np.float32)
    limits = np.array([-np.inf], np.float32), np.array([np.inf], np.float32)
    net, outputs = _core.Network(np.array([4, 1]), weight, bias, np.ones(1, bool), *limits), np.zeros(3, np.float32)
    net.run(np.full(1, 1023, np.float32), outputs, None)
    assert outputs.tolist() == [2**25] * 3
