import math

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from scratchnet.kernels import pointwise

SIZES = [0, 1, 7, 16, 1000, pointwise.BLOCK, pointwise.SERIAL, pointwise.SERIAL + 1, 3 * pointwise.BLOCK - 5]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("size", SIZES)
def test_relu_and_its_gradient_equal_numpy(dtype, size):
    rng = np.random.default_rng(size)
    x, dy = rng.standard_normal((2, size)).astype(dtype)
    y = pointwise.relu(x)
    assert y.dtype == dtype
    np.testing.assert_array_equal(y, np.maximum(x, 0))
    np.testing.assert_array_equal(pointwise.relu_gradient(dy, y), np.where(x > 0, dy, 0))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_erf_equals_the_standard_library(dtype):
    x = np.linspace(-6, 6, 1001).astype(dtype)
    expected = [math.erf(value) for value in x]
    np.testing.assert_allclose(pointwise.erf(x), expected, rtol=0, atol=2 * np.finfo(dtype).eps)


def splitmix64(number):
    """Steele et al., 2014, https://doi.org/10.1145/2714064.2660195, in whole numbers of any size."""
    z = number % 2**64
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB % 2**64
    return z ^ (z >> 31)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("size", SIZES)
def test_dropout_drops_what_the_seed_and_the_position_say(size, dtype):
    seed, rate = 2**63 + 5, 0.3
    x = np.random.default_rng(size).standard_normal(size).astype(dtype)
    kept = [splitmix64(seed + i * 0x9E3779B97F4A7C15) >> 32 >= round(rate * 2**32) for i in range(size)]
    expected = np.where(kept, x * dtype(1 / (1 - rate)), dtype(0))
    np.testing.assert_array_equal(pointwise.dropout(x, rate, seed), expected)


def test_dropout_drops_the_share_asked_for_without_a_pattern():
    rate, shape = 0.37, (1000, 1000)
    kept = pointwise.dropout(np.ones(shape, np.float32), rate, 42) > 0
    deviation = math.sqrt(rate * (1 - rate))
    assert abs((~kept).mean() - rate) < 5 * deviation / 1000
    dropped = (~kept) - rate
    for axis in (0, 1):  # neighbours, rows and columns are independent
        first, second = (np.take(dropped, range(n, 999 + n), axis) for n in (0, 1))
        assert abs((first * second).mean()) < 5 * deviation**2 / 1000
        assert np.abs(dropped.mean(axis=axis)).max() < 5 * deviation / math.sqrt(1000)


def test_consecutive_seeds_drop_independently():
    x = np.ones(100_000, np.float32)
    masks = [pointwise.dropout(x, 0.5, seed) > 0 for seed in range(4)]
    for i in range(4):
        for j in range(i):
            assert abs((masks[i] == masks[j]).mean() - 0.5) < 0.01


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@given(rows=st.integers(0, 3000), columns=st.integers(1, 70))
@example(rows=5, columns=3 * pointwise.SUM_WIDTH)
@example(rows=70_000, columns=1)
@example(rows=70_001, columns=7)
@example(rows=1, columns=pointwise.SERIAL + 1)
@example(rows=700, columns=0)
def test_column_sums_are_sums_over_the_rows(rows, columns, dtype):
    x = np.random.default_rng(rows * 71 + columns).standard_normal((rows, columns)).astype(dtype)
    sums = pointwise.column_sums(x)
    assert sums.dtype == dtype
    magnitude = np.abs(x, dtype=np.float64).sum(axis=0)
    assert (np.abs(sums - x.sum(axis=0, dtype=np.float64)) <= 4 * np.finfo(dtype).eps * magnitude).all()


@pytest.mark.parametrize("rows", [3, 5000])
def test_column_sums_keep_nan_and_infinity_in_their_columns(rows):
    x = np.ones((rows, 40), np.float32)
    x[rows // 2, 3], x[rows - 1, 5], x[0, 7] = np.nan, np.inf, -np.inf
    expected = np.full(40, rows, np.float32)
    expected[[3, 5, 7]] = np.nan, np.inf, -np.inf
    np.testing.assert_array_equal(pointwise.column_sums(x), expected)


def test_the_error_of_column_sums_does_not_grow_with_the_rows():
    x = np.full((1_000_000, 3), 0.1, np.float32)
    np.testing.assert_allclose(pointwise.column_sums(x), 1_000_000 * float(np.float32(0.1)), rtol=1e-6)
