"""Quantizers by channel: what is found in samples, and what comes back of it."""

from __future__ import annotations

from math import floor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikey_cli.container.quantizer_table import pack_quantizer, unpack_quantizer
from spikey_cli.core import _core
from spikey_cli.core.channel_quantizers import ByChannel, ChannelSearch, Copy, Lattice
from spikey_cli.core.quantizer import Quantizer, QuantizerSearch, UniformQuantizer, identity
from spikey_cli.errors import DamageError, InputError

FRAMES = 4000


def noise(random: np.random.Generator, frames: int = FRAMES) -> np.ndarray:
    """Samples that leave few values out."""
    return random.integers(-1500, 1500, frames)


def lattice(random: np.random.Generator, step: float, offset: float = 0.0) -> np.ndarray:
    """A walk over multiples of a step, rounded."""
    return np.floor(np.cumsum(random.normal(0, 3, FRAMES)).round() * step + offset + 0.5).astype(np.int64)


def found(*channels: np.ndarray, pieces: int = 3, sample_bytes: int = 2) -> Quantizer:
    """The quantizer of a file of these channels, searched piece by piece."""
    samples = np.stack(channels, axis=1).astype(np.int16 if sample_bytes == 2 else np.int32)
    search = QuantizerSearch(sample_bytes)
    by_channel = ChannelSearch(sample_bytes, search)
    for piece in np.array_split(samples, pieces):
        search.add(piece)
        by_channel.add(piece)
    return by_channel.quantizer(search.quantizer(), len(channels))


def kinds(quantizer: Quantizer, n_channels: int) -> list[str]:
    return [quantizer.of_channel(i).kind for i in range(n_channels)]


def assert_restored(quantizer: Quantizer, *channels: np.ndarray) -> None:
    """Codes give back every sample; those of a copy are the codes of its source."""
    samples = np.stack(channels).astype(np.int32)
    codes = quantizer.to_codes(samples)
    for i, own in enumerate(samples):
        each = quantizer.of_channel(i)
        source = each.source if isinstance(each, Copy) else i
        np.testing.assert_array_equal(each.to_samples(codes[source], np.int32), own, err_msg=f"channel {i}")
        assert 0 <= codes[i].min() <= codes[i].max() < each.size


class TestSearch:
    """Each kind is found, and only where it holds of all samples."""

    def test_channels_alike_have_the_quantizer_of_the_file(self, random):
        assert found(noise(random), noise(random)).kind == "identity"
        assert found(3 * noise(random), 3 * noise(random) + 9).kind == "step"

    def test_a_step_of_one_channel(self, random):
        channels = noise(random), 12 * random.integers(-100, 100, FRAMES) + 5
        quantizer = found(*channels)
        assert kinds(quantizer, 2) == ["identity", "step"]
        assert quantizer.of_channel(1).step == 12
        assert_restored(quantizer, *channels)

    def test_a_palette_of_one_channel(self, random):
        palette = random.choice([-900, -899, 3, 700, 703], FRAMES)
        quantizer = found(noise(random), palette)
        assert kinds(quantizer, 2) == ["identity", "palette"]
        assert_restored(quantizer, noise(random), palette)

    def test_a_palette_needs_64_frames_for_each_value(self, random):
        values = random.choice(np.arange(-1400, 1400), 70, replace=False)
        assert found(noise(random), random.choice(values, FRAMES)).kind == "identity"
        assert kinds(found(noise(random), random.choice(values[:60], FRAMES)), 2) == ["identity", "palette"]

    def test_a_constant_channel(self, random):
        channels = noise(random), np.full(FRAMES, -7)
        quantizer = found(*channels)
        constant = quantizer.of_channel(1)
        assert isinstance(constant, UniformQuantizer)
        assert (constant.offset, constant.size) == (-7, 1)
        assert_restored(quantizer, *channels)

    def test_a_silent_file_keeps_its_quantizer(self):
        assert found(np.full(FRAMES, 3), np.full(FRAMES, 3)).kind == "identity"
        assert found(np.full(FRAMES, 3), np.zeros(FRAMES)).kind == "step"

    @pytest.mark.parametrize("step", [2.5, 5.125, 19.53])
    @pytest.mark.parametrize("offset", [0, 0.3, -1000.7])
    def test_a_lattice(self, random, step, offset):
        channels = noise(random), lattice(random, step, offset)
        quantizer = found(*channels)
        assert kinds(quantizer, 2) == ["identity", "lattice"]
        own = quantizer.of_channel(1)
        assert own.numerator / own.denominator == pytest.approx(step, abs=0.01)
        points, residues = own.split(own.to_codes(channels[1]))
        assert (residues == 0).mean() > 0.95
        assert points.min() == 0
        assert points.max() == own.points - 1
        assert_restored(quantizer, *channels)

    @pytest.mark.parametrize("step", [(237, 100), (19, 8), (3125, 16), (14007, 10), (125, 64), (7, 5)])
    def test_the_step_is_exact_beyond_the_frames_that_show_it(self, random, step):
        codes = np.concatenate([random.normal(0, 40, 1 << 15).round(), np.cumsum(random.normal(0, 40, 3000)).round()])
        own = np.floor(codes * step[0] / step[1] + 0.5).astype(np.int64)
        quantizer = quantizer_of(own[:, None].astype(np.int32), 3).of_channel(0)
        assert (quantizer.numerator, quantizer.denominator) == step
        assert not quantizer.split(quantizer.to_codes(own))[1].any()

    def test_ties_may_be_rounded_to_even(self, random):
        codes = np.cumsum(random.normal(0, 3, FRAMES)).round()
        own = np.rint(codes * 2.375).astype(np.int64)
        quantizer = found(noise(random), own).of_channel(1)
        points, residues = quantizer.split(quantizer.to_codes(own))
        np.testing.assert_array_equal(np.diff(points), np.diff(codes))
        assert residues.max() <= 1

    @pytest.mark.parametrize("frames", [100, 250, 499])
    def test_few_frames_show_a_lattice(self, random, frames):
        numerator, denominator, _ = _core.find_step(lattice(random, 12.04)[:frames].astype(np.int32), False)
        assert numerator / denominator == pytest.approx(12.04, abs=0.05)

    def test_lattices_of_most_channels_outdo_a_palette_of_all(self, random):
        channels = [np.floor(random.normal(0, 40, FRAMES).round() * step + 0.5) for step in (132.127, 53.4, 61.19)]
        channels.append(random.choice(np.unique(channels[0]), FRAMES))
        quantizer = found(*channels)
        assert kinds(quantizer, 3) == ["lattice"] * 3
        assert_restored(quantizer, *channels)

    def test_exceptions_of_a_lattice_are_residues(self, random):
        own = lattice(random, 6.5)
        own[::100] += random.integers(1, 6, own[::100].size)
        quantizer = found(noise(random), own)
        assert kinds(quantizer, 2) == ["identity", "lattice"]
        assert_restored(quantizer, noise(random), own)

    def test_the_offset_of_a_lattice_may_drift(self, random):
        own = lattice(random, 8) + np.repeat([0, 1, 3, 4], FRAMES // 4)
        quantizer = found(noise(random), own, pieces=1)
        assert kinds(quantizer, 2) == ["identity", "lattice"]
        residues = quantizer.of_channel(1).split(quantizer.of_channel(1).to_codes(own))[1]
        assert np.count_nonzero(np.diff(residues)) == 3, "residues follow the offset, and else stay"
        assert_restored(quantizer, noise(random), own)

    @pytest.mark.parametrize("frames", [100, 250, FRAMES])
    @pytest.mark.parametrize("deviation", [1, 10, 300, 5000])
    def test_noise_is_no_lattice(self, random, frames, deviation):
        for _ in range(20):
            own = np.round(random.normal(0, deviation, frames)).astype(np.int32)
            assert _core.find_step(own, False) is None
            assert _core.find_step(own.cumsum(dtype=np.int32), False) is None

    def test_copies(self, random):
        first, second = noise(random), noise(random)
        channels = first, first, first + 100, -first, second, 30 - first, second - 5
        quantizer = found(*channels)
        copies = {i: quantizer.of_channel(i) for i in (1, 2, 3, 5, 6)}
        assert {i: (copy.source, copy.offset, copy.is_negated) for i, copy in copies.items()} == {
            1: (0, 0, False),
            2: (0, 100, False),
            3: (0, 0, True),
            5: (0, 30, True),
            6: (4, -5, False),
        }
        assert_restored(quantizer, *channels)

    def test_a_copy_that_ends_is_none(self, random):
        first = noise(random)
        almost = first.copy()
        almost[-1] += 1
        assert found(first, almost).kind == "identity"

    def test_what_the_first_piece_shows_must_hold_of_all(self, random):
        late = np.concatenate([np.full(FRAMES - 200, 4), noise(random, 200)])
        stepped = 10 * random.integers(-100, 100, FRAMES)
        stepped[-1] += 5
        quantizer = found(noise(random), late, stepped)
        assert [quantizer.of_channel(i).kind for i in (0, 1)] == ["identity", "identity"]
        assert quantizer.of_channel(2).step == 5
        assert_restored(quantizer, noise(random), late, stepped)

    @pytest.mark.parametrize("pieces", [1, 2, 6])
    def test_pieces_do_not_matter(self, random, pieces):
        first = noise(random)
        steps = 4 * random.integers(-300, 300, FRAMES)
        channels = first, steps, lattice(random, 9.75), first + 3, np.full(FRAMES, 8)
        quantizer = found(*channels, pieces=pieces, sample_bytes=3)
        assert kinds(quantizer, 5) == ["identity", "step", "lattice", "copy", "step"]
        assert_restored(quantizer, *channels)


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("noise"), st.integers(1, 3000)),
            st.tuples(st.just("step"), st.integers(2, 30)),
            st.tuples(st.just("lattice"), st.integers(11, 400)),
            st.tuples(st.just("constant"), st.integers(-99, 99)),
            st.tuples(st.just("copy"), st.integers(-99, 99)),
        ),
        min_size=1,
        max_size=6,
    ),
    st.integers(0, 2**32),
)
def test_any_channels_come_back(how, seed):
    random = np.random.default_rng(seed)
    channels: list[np.ndarray] = []
    for kind, number in how:
        walk = np.cumsum(random.integers(-3, 4, 600))
        channels.append(
            {
                "noise": random.integers(-abs(number), abs(number) + 1, 600),
                "step": number * walk,
                "lattice": np.floor(number / 10 * walk + 0.5),
                "constant": np.full(600, number),
                "copy": number - channels[number % len(channels)] if channels else walk,
            }[kind]
        )
    assert_restored(found(*channels, sample_bytes=3), *channels)


def test_samples_that_the_search_has_not_seen_are_refused(random):
    first = noise(random)
    channels = np.stack(
        [first, first + 1, 4 * random.integers(-300, 300, FRAMES), lattice(random, 5.5), np.full(FRAMES, 1)]
    ).astype(np.int32)
    quantizer = found(*channels)
    for channel in (1, 2, 4):
        changed = channels.copy()
        changed[channel, 50] += 1
        with pytest.raises(InputError, match="changed while it was read"):
            quantizer.to_codes(changed)
    changed = channels.copy()
    changed[3, 50] = channels[3].max() + 20
    with pytest.raises(InputError, match="changed while it was read"):
        quantizer.to_codes(changed)


LATTICES = st.builds(
    lambda denominator, more, shift, points: Lattice(denominator + more, denominator, shift, points),
    st.integers(1, 1 << 20),
    st.integers(1, 1 << 22),
    st.integers(-(10**6), 10**6),
    st.integers(1, 300),
)


@given(LATTICES)
def test_points_are_rounded_multiples_of_the_step(own):
    points = own.point(np.arange(own.points)).tolist()
    for k, point in enumerate(points):
        exact = (own.numerator * k + own.shift) * 2 + own.denominator, own.denominator * 2
        assert point == exact[0] // exact[1]
        assert abs(point - (own.numerator * k + own.shift) / own.denominator) <= 0.5 + 1e-9
    assert floor(own.numerator / own.denominator) <= own.residues <= own.numerator / own.denominator + 1


@given(LATTICES)
def test_a_value_has_the_last_point_before_it(own):
    points = own.point(np.arange(own.points))
    values = np.arange(points[0], points[-1] + 1)
    expected = np.searchsorted(points, values, side="right") - 1
    np.testing.assert_array_equal(own.number_of(values), expected)
    codes = own.to_codes(values.astype(np.int32))
    k, r = own.split(codes)
    np.testing.assert_array_equal(k, expected)
    np.testing.assert_array_equal(r, values - points[expected])
    np.testing.assert_array_equal(own.join(k, r), codes)
    np.testing.assert_array_equal(own.to_samples(codes, np.int32), values)
    with pytest.raises(InputError, match="changed"):
        own.to_codes(np.array([points[0] - 1], np.int32))
    with pytest.raises(DamageError, match="not below"):
        own.to_samples(np.array([own.size], np.int32), np.int32)


@pytest.mark.parametrize("step", [4094, 4095, 4096, 4097])
def test_the_step_of_a_lattice_is_below_4096(random, step):
    samples = (lattice(random, step) + random.integers(0, 2, FRAMES))[:, None].astype(np.int32)
    assert_stored(quantizer_of(samples, 3), 3)


@pytest.mark.parametrize("lowest", [0, 1])
def test_no_point_of_a_lattice_is_below_the_samples(lowest):
    samples = np.random.default_rng(0).integers(0, 40, (FRAMES, 1)).astype(np.uint8) * 5 + 6
    samples[7], samples[8] = lowest, 8
    quantizer = quantizer_of(samples, 1)
    assert_stored(quantizer, 1)
    assert (quantizer.of_channel(0).kind == "lattice") == (lowest > 0)


def quantizer_of(samples: np.ndarray, sample_bytes: int) -> Quantizer:
    """That of a file whose samples as a whole have none."""
    whole = QuantizerSearch(sample_bytes)
    search = ChannelSearch(sample_bytes, whole)
    whole.add(samples)
    search.add(samples)
    return search.quantizer(identity(sample_bytes), 1)


def assert_stored(quantizer: Quantizer, sample_bytes: int = 2) -> None:
    packed = pack_quantizer(quantizer)
    assert pack_quantizer(unpack_quantizer(packed, sample_bytes, 1)[0]) == packed


def test_what_is_predicted_are_points_and_no_copies():
    own = Lattice(5, 2, 0, 10)
    quantizer = ByChannel([own, identity(2), Copy(1, identity(2), 4, False)])
    samples = np.array([[0, 7, 11], [6, 8, 12]], np.int16)
    assert quantizer.coded(samples).tolist() == [[0, 7, 0], [2, 8, 0]]
