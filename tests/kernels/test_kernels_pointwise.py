import math

import numpy as np
import pytest

from scratchnet.kernels import pointwise

SIZES = [1, 7, 16, 1000, pointwise.BLOCK, pointwise.BLOCK + 1, 3 * pointwise.BLOCK - 5]


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


@pytest.mark.parametrize("size", SIZES)
def test_dropout_keeps_exactly_what_it_says_it_keeps(size):
    x = np.random.default_rng(size).standard_normal(size).astype(np.float32)
    y, kept = pointwise.dropout(x, 0.3, 2**63 + 5)
    np.testing.assert_array_equal(y, np.where(kept, x * np.float32(1 / 0.7), 0))


def test_dropout_drops_the_share_asked_for_without_a_pattern():
    rate, shape = 0.37, (1000, 1000)
    _, kept = pointwise.dropout(np.ones(shape, np.float32), rate, 42)
    deviation = math.sqrt(rate * (1 - rate))
    assert abs((~kept).mean() - rate) < 5 * deviation / 1000
    dropped = (~kept) - rate
    for axis in (0, 1):  # neighbours, rows and columns are independent
        first, second = (np.take(dropped, range(n, 999 + n), axis) for n in (0, 1))
        assert abs((first * second).mean()) < 5 * deviation**2 / 1000
        assert np.abs(dropped.mean(axis=axis)).max() < 5 * deviation / math.sqrt(1000)


def test_consecutive_seeds_drop_independently():
    x = np.ones(100_000, np.float32)
    masks = [pointwise.dropout(x, 0.5, seed)[1] for seed in range(4)]
    for i in range(4):
        for j in range(i):
            assert abs((masks[i] == masks[j]).mean() - 0.5) < 0.01
