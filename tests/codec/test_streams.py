"""Streams of every coder with every predictor."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.random_models import PARTS, random_model
from support.recordings import band_passed, neural
from support.topologies import topology_of_pairs

from spikey_cli.codec.presets import EFFORT
from spikey_cli.codec.streams import MAX_LANE_GROUP, decode_channels, encode_channels, share_channels
from spikey_cli.container.parts import Method, Stream
from spikey_cli.container.quantizer_table import unpack_quantizer
from spikey_cli.core.coders import CODERS
from spikey_cli.core.quantizer import N1, identity
from spikey_cli.model.predictor import Predictor, find_model
from spikey_cli.model.zoo import shipped_models
from spikey_cli.system.workers import Workers
from spikey_cli.topology.references import BlockChannel, ReferenceGraph
from spikey_cli.topology.topology import ORDERS


def _predictors() -> dict[str, Predictor | None]:
    shipped = {name: find_model(name) for name in sorted(shipped_models())}
    profile = next(iter(shipped.values())).profile
    edges = profile.edges.tolist() if profile else []
    made = {name: Predictor(random_model(**parts, edges=edges)) for name, parts in PARTS.items()}
    return {"none": None} | shipped | made


PREDICTORS = _predictors()
QUANTIZERS = [N1, *map(identity, (1, 2, 3)), *(unpack_quantizer(bytes([2, 0, 2, size]), 2)[0] for size in (1, 2, 100))]


class _SerialExecutor:
    """An executor that runs tasks in order, in the caller."""

    def map(self, function, tasks):
        return map(function, tasks)


ONE, THREE = Workers(None, 1), Workers(_SerialExecutor(), 3)  # type: ignore[arg-type]


@pytest.fixture(autouse=True, scope="module")
def few_lanes_a_worker():
    """Share out groups of few lanes too."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("spikey_cli.codec.streams.MIN_LANE_GROUP", 2)
        yield


def graph_of(data, lengths: list[int]) -> ReferenceGraph:
    """Any channels of equal lengths as peers, by the rules of the directory."""
    n = len(lengths)
    pairs = [(a, b, 9) for a in range(n) for b in range(a) if data.draw(st.booleans())][:4]
    passes = data.draw(st.lists(st.integers(0, 3), min_size=n, max_size=n))
    return ReferenceGraph.of(
        topology_of_pairs(pairs, passes), [BlockChannel(i, 0, length) for i, length in enumerate(lengths)]
    )


def channel_of(random: np.random.Generator, kind: str, n: int, size: int) -> np.ndarray:
    """Codes below `size`: easy, hard or extreme."""
    codes = {
        "noise": lambda: random.random(n) * size,
        "walk": lambda: np.clip(np.cumsum(random.normal(size=n)) * size / 300 + size / 2, 0, size - 1),
        "neural": lambda: neural(random, n)[:, 0] % size,
        "extremes": lambda: np.arange(n) % 2 * (size - 1),
        "constant": lambda: np.full(n, size // 2),
    }[kind]()
    return codes.astype(np.int32)


@given(data=st.data())
def test_channels_are_shared_out_in_joint_groups_of_similar_lanes(data):
    steps = data.draw(st.integers(1, 5000))
    joint_groups = sorted(data.draw(st.lists(st.integers(0, 12), min_size=1, max_size=40)))
    length_of = data.draw(st.lists(st.integers(1, 100_000), min_size=13, max_size=13))
    lengths = [length_of[number] for number in joint_groups]
    count, max_lanes = data.draw(st.integers(1, 8)), data.draw(st.integers(1, 100))
    groups = share_channels(count, lengths, steps, joint_groups, max_lanes)
    assert sorted(i for group in groups for i in group) == list(range(len(lengths)))
    assert all(group == sorted(group) for group in groups)
    group_of = {i: k for k, group in enumerate(groups) for i in group}
    assert len({(joint_groups[i], group_of[i]) for i in group_of}) == len(set(joint_groups))
    for group in groups:
        lane_lengths = [-(-lengths[i] // -(-lengths[i] // steps)) for i in group]
        assert max(lane_lengths) <= 2 * min(lane_lengths)
        lanes = dict.fromkeys(joint_groups, 0)
        for i in group:
            lanes[joint_groups[i]] += -(-lengths[i] // steps)
        assert sum(lanes.values()) <= max_lanes + max(lanes.values())


def test_workers_get_equal_numbers_of_lanes():
    assert share_channels(2, [100] * 8, 100, range(8)) == [[0, 1, 2, 3], [4, 5, 6, 7]]
    assert share_channels(3, [100] * 9, 50, range(9)) == [[0, 1, 2], [3, 4, 5], [6, 7, 8]]
    assert share_channels(1, [90, 30, 90, 30], 100, [0, 1, 0, 1]) == [[1, 3], [0, 2]], "lanes of other lengths"
    assert share_channels(8, [100, 100], 100, range(2)) == [[0, 1]], "too few lanes for more workers"


@pytest.mark.parametrize("model", PREDICTORS)
@pytest.mark.parametrize("coder", CODERS)
class TestStreams:
    """From codes to streams and back, by every coder with every predictor."""

    @given(data=st.data())
    @settings(max_examples=5)
    def test_channels_come_back_with_any_number_of_workers(self, coder, model, data):
        quantizers = data.draw(st.lists(st.sampled_from(QUANTIZERS), min_size=1, max_size=5))
        lengths = data.draw(st.lists(st.sampled_from([1, 40, 300]), min_size=len(quantizers), max_size=len(quantizers)))
        reference_graph = graph_of(data, lengths)
        kinds = st.sampled_from(["noise", "walk", "neural", "extremes", "constant"])
        random = np.random.default_rng(data.draw(st.integers(0, 2**32)))
        channels = [
            channel_of(random, data.draw(kinds), n, quantizer.size)
            for n, quantizer in zip(lengths, quantizers, strict=True)
        ]
        steps = data.draw(st.integers(1, 120))
        how = (quantizers, reference_graph, steps, CODERS[coder], PREDICTORS[model])
        results = []
        for workers in (ONE, THREE, ONE):
            streams = encode_channels(channels, *how, workers)
            found = decode_channels(streams, lengths, *how, workers, MAX_LANE_GROUP, EFFORT)
            for i, (channel, codes) in enumerate(zip(channels, found, strict=True)):
                assert codes is not None, f"channel {i} is reported as damaged"
                np.testing.assert_array_equal(codes, channel, err_msg=f"channel {i}")
            results.append(streams)
        assert results[0] == results[1], "the streams depend on the number of workers"
        assert results[0] == results[2], "not the same twice"

    def test_a_stream_depends_only_on_references(self, coder, model, random):
        reference_graph = ReferenceGraph(
            passes=(0, 1, 0, 1, 0),
            references=((), (0,), (), (2,), ()),
            metrics=((), (90,), (), (200,), ()),
            later=((), (), (3,), (), ()),
            lags=(0,) * 5,
            orders=(8, 16, 8, 32, 8),
            joint_groups=(0, 0, 2, 2, 4),
        )
        depends = {(0, 1), (2, 3), (3, 2)}
        channels = [np.ascontiguousarray(codes) for codes in neural(random, 200, 5).T]
        how = ([N1] * 5, reference_graph, 60, CODERS[coder], PREDICTORS[model])
        streams = encode_channels(channels, *how, ONE)
        for changed in range(5):
            others = list(channels)
            others[changed] = np.ascontiguousarray(channels[changed][::-1])
            again = encode_channels(others, *how, ONE)
            for i in set(range(5)) - {changed}:
                if (changed, i) not in depends:
                    assert again[i] == streams[i], f"channel {i} depends on {changed}"
            lost = [Stream(s.method, s.data[:-1]) if i == changed else s for i, s in enumerate(streams)]
            found = decode_channels(lost, [200] * 5, *how, ONE, MAX_LANE_GROUP, EFFORT)
            for i in range(5):
                is_lost = (
                    streams[changed].method == Method.CODED
                    and (changed, i) in depends
                    and streams[i].method == Method.CODED
                )
                if i == changed or is_lost:
                    assert found[i] is None, f"channel {i} of a damaged {changed}"
                else:
                    np.testing.assert_array_equal(found[i], channels[i])

    def test_streams_cut_short_emptied_extended_or_made_up_are_refused(self, coder, model, random):
        quantizers = [N1, identity(2), identity(3), QUANTIZERS[-1]]
        channels = [
            channel_of(random, "neural", n, quantizer.size)
            for n, quantizer in zip((150, 40, 30, 99), quantizers, strict=True)
        ]
        lengths = [codes.size for codes in channels]
        how = (lengths, quantizers, ReferenceGraph.independent(4), 50, CODERS[coder], PREDICTORS[model])
        streams = encode_channels(channels, *how[1:], ONE)
        for change in (lambda d: d[:-1], lambda d: d[:1], lambda d: b"", lambda d: d + b"\0", lambda d: d + d):
            damaged = [Stream(stream.method, change(stream.data)) for stream in streams]
            assert decode_channels(damaged, *how, ONE, MAX_LANE_GROUP, EFFORT) == [None] * 4
        for method in (Method.CODED, Method.PACKED):
            made_up = [Stream(method, random.bytes(int(random.integers(200)))) for _ in channels]
            for codes, n, quantizer in zip(
                decode_channels(made_up, *how, ONE, MAX_LANE_GROUP, EFFORT), lengths, quantizers, strict=True
            ):
                assert codes is None or (codes.size == n and codes.min() >= 0 and codes.max() < quantizer.size)

    def test_noise_is_packed_and_never_explodes(self, coder, model, random):
        for quantizer in map(identity, (1, 2, 3)):
            noise = random.integers(0, quantizer.size, 1000).astype(np.int32)
            how = ([quantizer], ReferenceGraph.independent(1), 400, CODERS[coder], PREDICTORS[model])
            (stream,) = encode_channels([noise], *how, ONE)
            assert len(stream.data) <= -(-noise.size * (quantizer.size - 1).bit_length() // 8)
            assert stream.method in (Method.PACKED, Method.CODED)


def test_every_shipped_model_is_tried_and_all_differ():
    assert shipped_models().keys() < PREDICTORS.keys()
    digests = [predictor.digest for predictor in PREDICTORS.values() if predictor]
    assert all(a != b for a, b in itertools.combinations(digests, 2))


@pytest.mark.parametrize("coder", ["range", "rice"])
def test_a_filtered_trace_is_predicted_about_as_well_as_can_be(random, coder):
    """By least squares of order 32, whose weights would be known; a short prediction does not come near."""
    frames = 60_000
    samples = band_passed(random, frames, 100)
    d, level = np.diff(samples.astype(float)), samples[:-1] - samples.mean()
    terms = np.stack([*(d[40 - lag : d.size - lag] for lag in range(1, 33)), level[40:]], axis=1)
    error = d[40:] - terms @ np.linalg.lstsq(terms, d[40:], rcond=None)[0]
    ideal = np.log2(2 * np.pi * np.e * error.var()) / 2
    bits = {}
    for order in ORDERS:
        graph = replace(ReferenceGraph.independent(1), orders=(order,))
        how = ([identity(2)], graph, frames // 8, CODERS[coder], PREDICTORS["none"])
        (stream,) = encode_channels([samples + np.int32(32768)], *how, ONE)
        bits[order] = 8 * len(stream.data) / frames - ideal
    assert bits[32] < 0.15
    assert bits[32] < bits[16] < bits[8]
    assert bits[8] > 0.4
