"""Grids: each kind is found where it is, and gives every sample back; no bytes harm the reader."""

from __future__ import annotations

import csv
import functools
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from support.paths import ROOT

from spikey_cli.container.quantizer_table import pack_quantizer, unpack_quantizer
from spikey_cli.core.quantizer import IDENTITY, MAX_PALETTE, N1, Quantizer, QuantizerSearch, identity
from spikey_cli.errors import ArchiveError, InputError
from spikey_cli.io.layout import sample_dtype, sample_range

N1_FOLDER = Path(os.environ.get("SPIKEY_N1") or ROOT.parent / "shared" / "n1")


def survey(samples: np.ndarray, sample_bytes: int = 2, chunks: int = 1) -> Quantizer:
    found = QuantizerSearch(sample_bytes)
    for chunk in np.array_split(samples, chunks):
        found.add(chunk)
    return found.quantizer()


def values_of(quantizer: Quantizer, dtype: np.dtype | type = np.int32) -> np.ndarray:
    return quantizer.to_samples(np.arange(quantizer.size, dtype=np.int32), dtype)


def assert_round_trip(quantizer: Quantizer, samples: np.ndarray, sample_bytes: int) -> None:
    codes = quantizer.to_codes(samples)
    assert codes.dtype == np.int32, f"codes are {codes.dtype}"
    assert codes.shape == samples.shape, f"{samples.shape} samples became {codes.shape} codes"
    assert codes.size == 0 or (codes.min() >= 0 and codes.max() < quantizer.size), (
        f"codes exceed the {quantizer.size} values"
    )
    again, taken = unpack_quantizer(pack_quantizer(quantizer) + b"more", sample_bytes)
    assert (again.kind, again.size, taken) == (quantizer.kind, quantizer.size, len(pack_quantizer(quantizer))), (
        "the unpacked quantizer is another"
    )
    for each in (quantizer, again):
        back = each.to_samples(codes, samples.dtype)
        assert back.dtype == samples.dtype, f"{samples.dtype} samples came back as {back.dtype}"
        np.testing.assert_array_equal(back, samples, f"{each.kind}, {each.size} values: samples differ")


@st.composite
def files(draw: st.DrawFn) -> tuple[int, np.ndarray]:
    """Samples of any width, of some kind of quantizer or of none."""
    sample_bytes = draw(st.sampled_from([1, 2, 3]))
    low, high = sample_range(sample_bytes)
    step = draw(st.sampled_from([1, 1, 2, 3, 12]))
    pool = draw(st.lists(st.integers(low, high), min_size=1, max_size=20))
    elements = st.sampled_from([v // step * step if v // step * step >= low else v for v in pool])
    if draw(st.booleans()):
        elements = st.integers(low, high)
    shape = draw(st.tuples(st.integers(0, 30), st.integers(1, 4)))
    return sample_bytes, draw(arrays(sample_dtype(sample_bytes), shape, elements=elements))


@given(files(), st.integers(1, 3))
def test_samples_come_back(file: tuple[int, np.ndarray], chunks: int) -> None:
    sample_bytes, samples = file
    assert_round_trip(survey(samples, sample_bytes, chunks), samples, sample_bytes)


@given(st.lists(st.integers(0, 1023), min_size=2))
def test_n1_is_found_and_comes_back(codes: list[int]) -> None:
    samples = values_of(N1, np.int16)[codes]
    quantizer = survey(samples)
    expected = "n1" if len(set(codes)) > 1 else "identity"
    assert quantizer.kind == expected, f"N1 codes {codes} were taken for {quantizer.kind}"
    assert_round_trip(quantizer, samples, 2)


@pytest.mark.recordings
def test_n1_values_are_those_of_the_recordings() -> None:
    table = N1_FOLDER / "grid.csv"
    if not table.exists():
        pytest.skip(f"no {table}: set SPIKEY_N1 to the folder of the recordings")
    with table.open(newline="") as file:
        rows = [(int(row["code"]), int(row["value"])) for row in csv.DictReader(file)]
    ours = list(enumerate(values_of(N1).tolist()))
    assert ours == rows, f"values differ: {[pair for pair in zip(ours, rows, strict=True) if pair[0] != pair[1]][:5]}"


@pytest.mark.parametrize("sample_bytes", [1, 2, 3])
@pytest.mark.parametrize("step", [2, 3, 12])
def test_steps_are_found(sample_bytes: int, step: int) -> None:
    low, high = sample_range(sample_bytes)
    samples = np.arange(low + 1, min(high, low + 60 * step), step).astype(sample_dtype(sample_bytes))[::-1]
    quantizer = survey(samples, sample_bytes, chunks=3)
    assert (quantizer.kind, quantizer.size) == ("step", samples.size), (
        f"a step of {step} was taken for {quantizer.kind} {quantizer.size}"
    )
    assert_round_trip(quantizer, samples, sample_bytes)


@pytest.mark.parametrize("sample_bytes", [2, 3])
def test_a_palette_is_found(sample_bytes: int) -> None:
    _, high = sample_range(sample_bytes)
    samples = np.unique(np.geomspace(1, high, 300).astype(sample_dtype(sample_bytes)))
    quantizer = survey(samples, sample_bytes)
    assert (quantizer.kind, quantizer.size) == ("palette", samples.size), (
        f"uneven values were taken for {quantizer.kind} {quantizer.size}"
    )
    np.testing.assert_array_equal(values_of(quantizer), samples, "the palette has other values")
    assert_round_trip(quantizer, samples, sample_bytes)


def test_a_palette_is_neither_long_nor_dense() -> None:
    uneven = np.cumsum(np.where(np.arange(MAX_PALETTE) % 2, 7, 8))
    at_most = survey(uneven.astype(np.int32), 3)
    assert (at_most.kind, at_most.size) == ("palette", MAX_PALETTE), f"{MAX_PALETTE} values: {at_most.kind}"
    too_many = survey(np.append(uneven, uneven[-1] + 8).astype(np.int32), 3)
    assert too_many.kind == "identity", f"{MAX_PALETTE + 1} values were taken for {too_many.kind}"
    dense = survey(np.cumsum(np.where(np.arange(100) % 2, 2, 3)).astype(np.int16))
    assert dense.kind == "identity", f"values 2 and 3 apart were taken for {dense.kind}"


@pytest.mark.parametrize("sample_bytes", [1, 2, 3])
def test_files_that_say_nothing_have_the_identity(sample_bytes: int) -> None:
    low, high = sample_range(sample_bytes)
    for values in ([], [high], [low] * 5, range(low, low + 200)):
        samples = np.array(list(values), sample_dtype(sample_bytes))
        quantizer = survey(samples, sample_bytes)
        assert (quantizer.kind, quantizer.size) == ("identity", high - low + 1), (
            f"{values} were taken for {quantizer.kind}"
        )
        assert_round_trip(quantizer, samples, sample_bytes)
    assert identity(sample_bytes).to_codes(np.array([low, high], np.int32)).tolist() == [0, high - low]


def test_the_whole_width_of_samples_is_taken() -> None:
    for sample_bytes in (1, 2):
        low, high = sample_range(sample_bytes)
        everything = np.arange(low, high + 1).astype(sample_dtype(sample_bytes))
        assert_round_trip(survey(everything, sample_bytes), everything, sample_bytes)


@pytest.mark.parametrize("step", [3, 5, 7, 12, 241, 4095])
def test_steps_of_three_byte_samples_divide_exactly(step: int) -> None:
    samples = np.arange(-(1 << 23), 1 << 23, step, dtype=np.int32)
    codes = survey(samples, 3).to_codes(samples)
    np.testing.assert_array_equal(codes, np.arange(samples.size), f"codes of a step of {step}")


N_KINDS = 8


@functools.cache
def quantizers_of_each_kind() -> list[Quantizer]:
    """Made when a test runs, not when tests are collected."""
    return [
        identity(1),
        IDENTITY,
        identity(3),
        N1,
        survey(np.array([-32768, -32756, 32752], np.int16)),
        survey(np.array([-8388608, -8384513, 8388607], np.int32), 3),
        survey(np.array([-32768, -32767, 32767], np.int16)),
        survey(np.array([-8388608, -8388607, 8388607], np.int32), 3),
    ]


@given(st.integers(0, N_KINDS - 1), st.integers(-(2**31), 2**31 - 1), st.booleans())
def test_a_sample_off_the_grid_is_noticed(kind: int, sample: int, near: bool) -> None:
    quantizer = quantizers_of_each_kind()[kind]
    values = values_of(quantizer) if quantizer.size <= 65536 else np.array([-8388608, 8388607])
    if near:
        sample = int(values[sample % values.size]) + (sample // 7) % 3 - 1
    samples = np.array([values[0], sample, values[-1]], np.int32)
    on_grid = -8388608 <= sample <= 8388607 if quantizer.size > 65536 else sample in values
    if on_grid:
        back = quantizer.to_samples(quantizer.to_codes(samples), np.int32)
        np.testing.assert_array_equal(back, samples, f"{sample} is a value of {quantizer.kind}")
    else:
        with pytest.raises(InputError, match="changed while it was read"):
            quantizer.to_codes(samples)


@pytest.mark.parametrize("kind", range(N_KINDS))
def test_a_code_off_the_grid_is_noticed(kind: int) -> None:
    quantizer = quantizers_of_each_kind()[kind]
    for code in (-1, quantizer.size, -(2**31), 2**31 - 1):
        with pytest.raises(ArchiveError, match="the number of its values"):
            quantizer.to_samples(np.array([0, code, 0], np.int32), np.int32)


def test_strided_samples_and_codes_are_taken() -> None:
    samples = np.arange(24, dtype=np.int16).reshape(4, 6)[:, ::2]
    codes = IDENTITY.to_codes(samples)
    np.testing.assert_array_equal(codes, samples.astype(np.int32) + 32768, "codes of strided samples")
    np.testing.assert_array_equal(IDENTITY.to_samples(codes.T, np.int16), samples.T, "samples of strided codes")


def test_samples_beyond_their_width_are_refused() -> None:
    with pytest.raises(ValueError, match="are not of 3 bytes"):
        QuantizerSearch(3).add(np.array([0, 1 << 23], np.int32))


def test_arrays_that_are_not_aligned_are_copied() -> None:
    bytes_ = np.zeros(2 * 100 + 1, dtype=np.uint8)
    samples = bytes_[1:].view(np.int16)
    assert not samples.flags.aligned
    samples[:] = N1.to_samples(np.arange(100, dtype=np.int32), np.int16)
    assert N1.to_codes(samples).tolist() == list(range(100))
