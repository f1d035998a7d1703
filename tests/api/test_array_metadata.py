"""Arrays are converted to samples, and rebuilt from them."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from spikey_cli.api.array_metadata import ArrayMetadata, to_samples

DTYPES = ["i1", "u1", "<i2", ">i2", "<u2", ">u2", "<i4", ">u4", "<i8", ">i8", "<u8"]
FLOATS = ["<f4", ">f4", "<f8", ">f8"]


def assert_rebuilt(array: np.ndarray, samples: np.ndarray, metadata: ArrayMetadata | None) -> None:
    assert samples.dtype in (np.int16, np.uint8, array.dtype.newbyteorder("<"))
    assert samples.flags.c_contiguous
    rebuilt = samples if metadata is None else ArrayMetadata.unpack(metadata.pack()).rebuild(samples)
    assert rebuilt.dtype == array.dtype
    assert rebuilt.shape == array.shape
    assert rebuilt.tobytes("A") == array.tobytes("A")


@st.composite
def arrays(draw) -> np.ndarray:
    """Arrays of any integer dtype whose values span about 65,536, with and without padding."""
    dtype = np.dtype(draw(st.sampled_from(DTYPES)))
    bits = np.iinfo(dtype)
    low = draw(st.integers(bits.min, bits.max))
    high = min(low + draw(st.sampled_from([0, 5, 300, 65_535, 65_536])), bits.max)
    shape = draw(hnp.array_shapes(min_dims=1, max_dims=2, max_side=9))
    array = np.empty((shape[0] + draw(st.integers(0, 99)), *(n + draw(st.integers(0, 5)) for n in shape[1:])), dtype)
    array[...] = draw(st.integers(bits.min, bits.max))
    array[tuple(map(slice, shape))] = draw(hnp.arrays(dtype, shape, elements=st.integers(low, high)))
    return np.asarray(array, order=draw(st.sampled_from("CF")))


@given(arrays())
def test_arrays_are_rebuilt(array: np.ndarray) -> None:
    converted = to_samples(array)
    if converted is None:
        assert int(array.max()) - int(array.min()) >= 65_536, "its values fit 16 bits"
        assert array.dtype == np.uint64, "its dtype is one of samples"
    else:
        assert_rebuilt(array, *converted)


@given(
    st.sampled_from(FLOATS).flatmap(lambda dtype: hnp.arrays(dtype, hnp.array_shapes(min_dims=1, max_dims=2))),
    st.sampled_from("CF"),
    st.sampled_from([0, 99]),
    st.sampled_from([0.0, -0.0, np.nan, 1.5]),
)
def test_floats_are_rebuilt(array: np.ndarray, order: str, padding: int, fill: float) -> None:
    widths = [(0, padding)] + [(0, 0)] * (array.ndim - 1)
    array = np.asarray(np.pad(array, widths, constant_values=fill), dtype=array.dtype, order=order)
    samples, metadata = to_samples(array)
    assert len(samples) <= len(array) - padding or not padding
    assert_rebuilt(array, samples, metadata)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize(("frames", "channels"), [(100, 8), (300, 5), (100, 5), (300, 8)])
def test_padding_is_not_coded(dtype: str, order: str, frames: int, channels: int, random: np.random.Generator) -> None:
    bits = np.iinfo(dtype)
    array = np.full((300, 8), bits.min, dtype, order)
    middle = (bits.min + bits.max) // 2
    array[:frames, :channels] = [[middle + int(n) for n in row] for row in random.integers(0, 9, (frames, channels))]
    samples, metadata = to_samples(array)
    assert samples.shape == (frames, channels)
    assert_rebuilt(array, samples, metadata)


@pytest.mark.parametrize("dtype", [*DTYPES, *FLOATS])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("padding", [(0, 0), (3, 0), (0, 100), (2, 500)])
def test_time_may_be_the_second_axis(dtype: str, order: str, padding: tuple[int, int], random) -> None:
    rows = random.integers(1, 90, (5, 400)).astype(dtype)
    array = np.asarray(np.pad(rows, [(0, n) for n in padding]), order=order)
    samples, metadata = to_samples(array)
    assert samples.shape == (400, 5)
    assert_rebuilt(array, samples, metadata)


@pytest.mark.parametrize("dtype", [*DTYPES, *FLOATS])
@pytest.mark.parametrize(
    ("shape", "samples_shape", "transposed"),
    [
        ((300, 4, 5), (300, 20), False),
        ((30, 50, 4), (1500, 4), False),
        ((30, 4, 200), (6000, 4), True),
        ((2, 5, 3, 100), (1000, 3), True),
    ],
)
def test_more_dimensions(dtype, shape, samples_shape, transposed, random) -> None:
    array = random.integers(1, 90, shape).astype(dtype)
    array[-1] = 1  # no padding
    samples, metadata = to_samples(array)
    assert samples.shape == samples_shape
    assert metadata.transposed is transposed
    assert_rebuilt(array, samples, metadata)
    assert_rebuilt(array[..., ::-1], *to_samples(array[..., ::-1]))


def test_samples_of_one_dimension_have_no_transpose() -> None:
    with pytest.raises(ValueError, match="does not hold"):
        ArrayMetadata(np.dtype("<i2"), "C", 0, transposed=True).rebuild(np.zeros(4, "<i2"))


def test_few_equal_frames_are_coded(random: np.random.Generator) -> None:
    array = random.integers(1, 9, (300, 2)).astype("i2")
    array[-63:] = 0
    samples, metadata = to_samples(array)
    assert samples is array
    assert metadata is None
    array[-64:] = 0
    samples, metadata = to_samples(array)
    assert samples.shape == (236, 2)
    assert metadata == ArrayMetadata(array.dtype, "C", 0, shape=(300, 2), fill=0)


@pytest.mark.parametrize(
    "array", [np.zeros((0, 4), "i2"), np.zeros(5, "f2"), np.zeros((2, 2, 2), "i2", "F"), np.array(5, "i2")]
)
def test_other_arrays_have_no_samples(array: np.ndarray) -> None:
    assert to_samples(array) is None


@pytest.mark.parametrize(
    "change",
    [
        {"dtype": "<f4"},
        {"dtype": "object"},
        {"dtype": "<i2,<i2"},
        {"dtype": 5},
        {"order": "A"},
        {"order": ["C"]},
        {"offset": 1.5},
        {"offset": True},
        {"offset": "1"},
        {"offset": 40_000},
        {"offset": -40_000},
        {"fill": 40_000},
        {"fill": None},
        {"shape": [3, 2]},
        {"shape": [4]},
        {"shape": [4, 2, 2]},
        {"shape": [8, 1, 1], "order": "F"},
        {"shape": [2, 4, 1], "transposed": True},
        {"shape": [0, 4, 2]},
        {"shape": [-1, -4, 2]},
        {"shape": [-4, -2]},
        {"shape": "42"},
        {"shape": 8},
        {"shape": None},
        {"transposed": False},
        {"transposed": 1},
        {"transposed": None},
        {"transposed": True, "shape": [1, 5]},
        {"more": 1},
    ],
    ids=json.dumps,
)
def test_malformed_metadata_is_refused(change: dict[str, object]) -> None:
    fields = {"dtype": "<i2", "order": "C", "offset": 0, "shape": [5, 2], "fill": 0}
    samples = np.zeros((4, 2), np.int16)
    assert ArrayMetadata.unpack(json.dumps(fields).encode()).rebuild(samples).shape == (5, 2)
    with pytest.raises(ValueError, match=r"malformed array metadata|does not hold|samples are int16"):
        ArrayMetadata.unpack(json.dumps(fields | change).encode()).rebuild(samples)


@pytest.mark.parametrize("packed", [b"", b"[]", b"{}", b"\xff", b"null", b"[" * 100_000, b'{"dtype": "<i2"}'])
def test_other_json_is_refused(packed: bytes) -> None:
    with pytest.raises(ValueError, match="malformed array metadata"):
        ArrayMetadata.unpack(packed)
