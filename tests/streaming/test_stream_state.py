"""Coding state of live streams: gains that follow the signal, steps without end."""

from __future__ import annotations

import math

import numpy as np
from support.recordings import neural

from spikey_cli.codec.presets import EFFORT
from spikey_cli.core.quantizer import N1, identity
from spikey_cli.core.reference.gain import mean_square
from spikey_cli.model.predictor import default_predictor
from spikey_cli.streaming.packets import LiveFormat
from spikey_cli.streaming.stream_state import INITIAL_GAIN, StreamState, streams_per_pass
from spikey_cli.topology.topology import Topology

_MAX_STEP = 1 << 30


def _stream(channels: int) -> LiveFormat:
    return LiveFormat(2, 30_000, channels, b"", Topology.independent(channels), EFFORT)


def _gains(state: StreamState, channels: int) -> list[int]:
    gains = np.zeros(channels, np.uint8)
    state._state.core.gains(gains)
    return gains.tolist()


def test_gains_follow_the_differences(random):
    """Compared with floating point, one channel at a time."""
    codes = neural(random, 300, 4, amplitude=20.0)
    codes[150:] = 500 + (codes[150:] - 500) // 8
    state = StreamState(_stream(4), identity(2), default_predictor())
    state.encode(codes + 32768 - 512)
    assert state._state is not None
    for channel, gain in enumerate(_gains(state, 4)):
        power = float(mean_square(INITIAL_GAIN))
        power_at_update = power
        for step, difference in enumerate(np.diff(codes[:, channel].astype(float) * 64), start=1):
            power += (difference**2 - power) / min(step + 3, 1024)
            if step <= 64 or step % 64 == 0:
                power_at_update = power
        assert abs(gain - 8 * (math.log2(power_at_update**0.5 / 64) + 2)) < 0.6


def test_steps_have_no_end(random):
    """After 2**30 steps the counter is set back, without effect on the codes."""
    codes = neural(random, 400, 3)

    def payloads(skipped_steps: int) -> list[bytes]:
        encoder, decoder = (StreamState(_stream(3), N1, default_predictor()) for _ in range(2))
        out = []
        for first in range(0, 400, 50):
            payload = encoder.encode(codes[first : first + 50])
            np.testing.assert_array_equal(decoder.decode(payload, 50), codes[first : first + 50])
            out.append(payload)
            if first == 100:
                for state in (encoder, decoder):
                    assert state._state is not None
                    state._state.core.step += skipped_steps
        return out

    # both skip multiples of every period, and end the transient of the gain
    assert payloads(_MAX_STEP - 256) == payloads(_MAX_STEP - 256 - 2**20)


def test_streams_per_pass_depend_on_the_packet_alone():
    assert [streams_per_pass(n) for n in (0, 1, 8191, 8192, 16384, 65536, 10**6)] == [1, 1, 1, 1, 2, 8, 8]
