"""Which axis of an array is taken for time."""

from __future__ import annotations

import numpy as np
import pytest

from spikey_cli.io.axes import as_matrices, is_transposed


def decided(array: np.ndarray) -> bool:
    return is_transposed(array.shape, array.__getitem__)


def smooth(random: np.random.Generator, frames: int, channels: int) -> np.ndarray:
    return np.cumsum(random.normal(0, 5, (frames, channels)), axis=0) + random.normal(0, 100, channels)


def unread(part: tuple[slice, slice]) -> np.ndarray:
    raise AssertionError("samples were read")


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((5,), False),
        ((0, 9), False),
        ((9, 9), False),
        ((10, 9), False),
        ((100_000, 9), False),
        ((1, 32), True),
        ((10, 320), True),
        ((10_000, 65_536), True),
    ],
)
def test_a_shape_may_decide_alone(shape: tuple[int, ...], expected: bool) -> None:
    assert is_transposed(shape, unread) is expected


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((9,), (1, 9, 1)),
        ((3, 9), (1, 3, 9)),
        ((12, 3, 4), (1, 12, 12)),
        ((11, 3, 4), (11, 3, 4)),
        ((2, 5, 3, 4), (10, 3, 4)),
    ],
)
def test_matrices_of_an_array(shape: tuple[int, ...], expected: tuple[int, int, int]) -> None:
    assert as_matrices(shape) == expected


def test_between_them_samples_decide(random: np.random.Generator) -> None:
    assert decided(smooth(random, 500, 64).T)
    assert not decided(smooth(random, 60, 500))
    white = random.normal(size=(40, 400))
    assert decided(white)
    assert not decided(np.zeros((40, 400)))


def test_frames_of_few_samples_are_no_time(random: np.random.Generator) -> None:
    """Each of the channels would be learnt anew."""
    assert decided(np.cumsum(random.normal(0, 5, (12, 128)), axis=0))


@pytest.mark.parametrize("bits", [0x7FC00000, 0x7F800001, 0x7F800000], ids=["NaN", "signalling NaN", "infinity"])
def test_samples_that_are_no_numbers_decide_nothing(bits: int, random: np.random.Generator) -> None:
    array = smooth(random, 500, 64).T.astype("<f4")
    array.view("<u4")[32, 250] = bits
    assert not decided(array)


@pytest.mark.parametrize("rows", [1, 2])
def test_differences_may_overflow(rows: int) -> None:
    assert not decided(np.array([[-1e308, 1e308, 1e308]] * rows))


def test_little_is_read(random: np.random.Generator) -> None:
    array = np.broadcast_to(np.int16(0), (3000, 60_000))
    taken = []
    is_transposed(array.shape, lambda part: taken.append(array[part].size) or array[part])
    assert taken == [64 * 1024]
