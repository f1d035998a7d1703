"""Transposed arrays are those of NumPy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikey_cli.core import _core
from spikey_cli.core.transpose import transposed


@given(st.integers(0, 100), st.integers(1, 100), st.sampled_from(["u1", "i2", "i4", "f4", "f8"]), st.booleans())
def test_any_shape_type_and_order(rows, columns, dtype, is_fortran):
    array = np.arange(rows * columns).astype(dtype).reshape(rows, columns)
    found = transposed(np.asfortranarray(array) if is_fortran else array)
    np.testing.assert_array_equal(found, array.T, strict=True)
    assert found.flags.c_contiguous


def test_what_does_not_fit_is_refused():
    items = np.zeros(6, np.uint16)
    for columns, n_columns in ((items[:4], 3), (items.astype(np.uint32), 3), (items, 4), (items, 0)):
        with pytest.raises((ValueError, TypeError)):
            _core.transpose(items, n_columns, columns.copy())
