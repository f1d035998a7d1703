"""Lanes, gains and the walk, against twins that take one sample at a time."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import slow_twins
from support.network_twin import NetworkTwin
from support.random_models import PARTS, random_model
from support.recordings import neural

from spikey_cli.codec.block_plan import (
    BLOCK_SAMPLES,
    LANES_WANTED,
    MIN_STEPS,
    PART_FRAMES,
    WIDE_FRAMES,
    WIDE_SAMPLES,
    plan_blocks,
    steps_for,
)
from spikey_cli.codec.streams import encode_channels
from spikey_cli.container.parts import Method, Part
from spikey_cli.core import gain
from spikey_cli.core.coders import CODERS
from spikey_cli.core.converter import Bins
from spikey_cli.core.lanes import cut, gather, scatter
from spikey_cli.core.quantizer import N1, identity
from spikey_cli.model.graph import read_graph
from spikey_cli.model.predictor import Predictor, default_predictor
from spikey_cli.model.zoo import model_folder
from spikey_cli.system.workers import Workers
from spikey_cli.topology.references import ReferenceGraph


def test_gain_tables_are_their_formulas():
    assert [round(2**30 * 2 ** (i / 8)) for i in range(8)] == list(gain.ROOT)
    for g in range(gain.MAX_GAIN + 1):
        rms = 2 ** (g / 8 - 2)
        assert gain.INPUT_FACTOR[g] == pytest.approx(2**24 * 64 / rms, rel=1e-6, abs=1)
        assert gain.OUTPUT_FACTOR[g] == pytest.approx(2**16 * 64 * rms / 1024, rel=1e-6, abs=1)
        assert gain.LOG_SCALE[g] == pytest.approx(16 * math.log2(rms))
    for g in range(1, gain.MAX_GAIN + 1):
        assert gain.STEP_UP[g - 1] == pytest.approx(2 ** ((g - 0.5) / 4 - 4) * 256, rel=1e-6, abs=1)


@given(st.lists(st.integers(0, 2**24 - 1), min_size=1, max_size=20), st.sampled_from([1, 2**8, 2**16]))
def test_gain_is_the_root_mean_square(values, divisor):
    codes = np.array(values, dtype=np.int32) // divisor
    (found,) = gain.lane_gains(codes, cut([codes.size], codes.size), Bins.of([identity(3)], None))
    assert found == slow_twins.gain_of((64 * codes.astype(np.int64)).tolist())
    rms = math.sqrt(np.mean(np.diff(codes.astype(float)) ** 2)) if codes.size > 1 else 0.0
    if rms > 0.5:
        assert abs(8 * (math.log2(rms) + 2) - found) <= 0.6


@given(st.lists(st.integers(1, 50), min_size=1, max_size=6), st.integers(1, 20))
def test_lanes_cover_threads_evenly(lengths, steps):
    lanes = cut(lengths, steps)
    assert lanes.start.tolist() == (np.cumsum(lanes.length) - lanes.length).tolist()
    for channel, length in enumerate(lengths):
        own = lanes.length[lanes.channel == channel]
        assert own.size == math.ceil(length / steps)
        assert own.sum() == length
        assert own.max() <= steps
        assert own.max() - own.min() <= 1
        assert (np.diff(own) <= 0).all()


@given(st.lists(st.integers(1, 30), min_size=1, max_size=4), st.integers(1, 12), st.integers(1, 9))
def test_tiles_come_back(lengths, steps, tile_steps):
    lanes = cut(lengths, steps)
    codes = np.arange(sum(lengths), dtype=np.int32)
    copied = np.full_like(codes, -1)
    for first in range(0, lanes.steps, tile_steps):
        tile = np.full((tile_steps, lanes.count), -7, dtype=np.int32)
        gather(codes, lanes.start, lanes.length, first, tile)
        for lane in range(lanes.count):
            stop = min(first + tile_steps, lanes.length[lane])
            expected = codes[lanes.start[lane] + first : lanes.start[lane] + max(first, stop)]
            np.testing.assert_array_equal(tile[: expected.size, lane], expected)
        scatter(copied, lanes.start, lanes.length, first, tile)
    np.testing.assert_array_equal(copied, codes)


def _default_model() -> bytes:
    (path,) = [p for p in model_folder().glob("*.onnx") if p.stem.endswith(default_predictor().digest.hex()[:8])]
    return path.read_bytes()


MODELS = {"none": None, "shipped": _default_model()} | {
    name: random_model(**parts, edges=default_predictor().profile.edges.tolist()) for name, parts in PARTS.items()
}
COMPANY = ReferenceGraph(
    references=((), (0,), (), (), (1, 0)),
    metrics=((), (90,), (), (), (255, 7)),
    passes=(0, 1, 0, 1, 2),
    dependency_groups=(range(5),),
)


@pytest.mark.parametrize("coder", ["rice", "range"])
@pytest.mark.parametrize("model", MODELS)
def test_streams_equal_their_twin(random, model, coder):
    """Entries, naive deltas, network, converter's profile and coder, bit for bit, from the description alone."""
    codes = neural(random, 150, 2)
    channels = [np.ascontiguousarray(codes[:, 0]), np.ascontiguousarray(codes[:, 1]), codes[:3, 0].copy()]
    channels.append(random.integers(0, 2**16, 90).astype(np.int32))
    channels.append(codes[:, 1] + codes[::-1, 0] + 30_000)
    model = MODELS[model]
    quantizers = [N1, identity(2), N1, identity(2), identity(2)]
    predictor = Predictor(model) if model else None
    streams = encode_channels(channels, quantizers, COMPANY, 50, CODERS[coder], predictor, Workers(None, 1))
    profile = predictor.profile if predictor else None
    twins = slow_twins.expected_streams(
        [t.tolist() for t in channels],
        [
            slow_twins.Converter(profile.edges.tolist())
            if quantizer is N1 and profile is not None
            else slow_twins.Converter.equal(quantizer.size)
            for quantizer in quantizers
        ],
        50,
        NetworkTwin(read_graph(model)) if model else None,
        coder,
        [list(references) for references in COMPANY.references],
        [list(metrics) for metrics in COMPANY.metrics],
        list(COMPANY.passes),
    )
    assert [streams[i].method for i in (0, 1, 4)] == [Method.CODED] * 3
    for i, (stream, expected) in enumerate(zip(streams, twins, strict=True)):
        if stream.method == Method.CODED:
            assert stream.data == expected, f"thread {i} differs from its twin"


def test_blocks_hold_every_frame_once_and_sessions_together():
    frames = [100, BLOCK_SAMPLES * 2 + 5, 100, 7, BLOCK_SAMPLES // 2, 0, BLOCK_SAMPLES * 2 + 5]
    channels = [1, 1, 1, 3, 4, 1, 1]
    blocks = plan_blocks([[0, 2], [1, 6], [3], [4], [5]], frames, channels)
    reached = [0] * len(frames)
    for block in blocks:
        assert 0 < sum(p.n_frames * channels[p.file] for p in block) <= BLOCK_SAMPLES
        for a, b in ((0, 2), (1, 6)):
            cuts = [[(p.first_frame, p.n_frames) for p in block if p.file == file] for file in (a, b)]
            assert cuts[0] == cuts[1], f"files {a} and {b} are cut apart"
        for p in block:
            assert p.first_frame == reached[p.file]
            reached[p.file] += p.n_frames
    assert reached == frames
    assert plan_blocks([], [], []) == []
    assert all(p.n_frames <= PART_FRAMES for block in blocks for p in block)
    assert plan_blocks([[0]], [5], [WIDE_SAMPLES + 1]) == [[Part(0, i, 1)] for i in range(5)]


def test_blocks_of_many_threads_are_longer():
    """What is learnt of peers begins anew with each block."""
    (first, *_), *_ = plan_blocks([[0]], [10**6], [384])
    assert first.n_frames * 384 > BLOCK_SAMPLES
    assert first.n_frames * 384 <= WIDE_SAMPLES
    (first, *_), *_ = plan_blocks([[0]], [10**6], [100])
    assert WIDE_FRAMES / 2 < first.n_frames <= WIDE_FRAMES


@given(st.lists(st.integers(1, 10**6), min_size=1, max_size=50))
def test_steps_are_long_enough_and_leave_little_unused(lengths):
    steps = steps_for(lengths)
    assert steps >= min(MIN_STEPS // 2, max(lengths))
    assert steps <= 2 * max(MIN_STEPS, -(-sum(lengths) // LANES_WANTED))


def test_wide_noise_costs_what_its_deviation_says(random):
    """24-bit samples: the high part by the density, low bits as they are."""
    codes = np.rint(random.normal(2**23, 2**15, 40_000)).astype(np.int32)
    (stream,) = encode_channels(
        [codes],
        [identity(3)],
        ReferenceGraph.independent(1),
        40_000,
        CODERS["range"],
        default_predictor(),
        Workers(None, 1),
    )
    ideal = 15 + math.log2(math.sqrt(2 * math.pi * math.e))
    assert ideal < 8 * len(stream.data) / codes.size < ideal + 0.2
