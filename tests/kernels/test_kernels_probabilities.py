"""Softmax and the logistic function: few classes by kernels, many by NumPy."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scratchnet.kernels import probabilities

SIZES = [(1, 1), (1, 7), (5, 4), (3, 2, 9), (65, 16), (300, 16), (2, probabilities.FEW + 1)]  # the last goes to NumPy


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", SIZES)
def test_softmax_is_its_definition(shape: tuple[int, ...], dtype: type) -> None:
    x = np.random.default_rng(0).normal(0, 3, shape).astype(dtype)
    exact = np.exp(x.astype(np.float64))
    exact /= exact.sum(axis=-1, keepdims=True)
    y = probabilities.softmax(x)
    assert y.dtype == dtype
    np.testing.assert_allclose(y, exact, rtol=10 * np.finfo(dtype).eps)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [*SIZES, (0,)])
def test_logistic_is_its_definition(shape: tuple[int, ...], dtype: type) -> None:
    x = np.random.default_rng(0).normal(0, 3, shape).astype(dtype)
    y = probabilities.logistic(x)
    assert y.dtype == dtype
    np.testing.assert_allclose(y, 1 / (1 + np.exp(-x.astype(np.float64))), rtol=10 * np.finfo(dtype).eps)


def test_another_axis_is_summed_along_it() -> None:
    x = np.random.default_rng(0).normal(size=(3, 4, 5)).astype(np.float32)
    np.testing.assert_allclose(probabilities.softmax(x, 1).sum(axis=1), 1, rtol=1e-6)


@pytest.mark.parametrize("classes", [3, 2000])
def test_nothing_overflows(classes: int) -> None:
    x = np.full((1, classes), -1e30, np.float32)
    x[0, 1] = 1e30
    np.testing.assert_array_equal(probabilities.softmax(x)[0, :3], [0, 1, 0])
    np.testing.assert_array_equal(probabilities.logistic(x)[0, :3], [0, 1, 0])


@pytest.mark.parametrize("classes", [3, 2000])
@pytest.mark.parametrize("place", [0, 1, -1])
def test_a_nan_makes_its_row_nan(classes: int, place: int) -> None:
    x = np.ones((2, classes), np.float32)
    x[0, place] = np.nan
    y = probabilities.softmax(x)
    assert np.isnan(y[0]).all()
    np.testing.assert_allclose(y[1], 1 / classes, rtol=1e-6)
    np.testing.assert_array_equal(np.isnan(probabilities.logistic(x)), np.isnan(x))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("classes", [1, 7, 33, probabilities.FEW, probabilities.FEW + 1])
def test_a_row_does_not_depend_on_the_rows_beside_it(classes: int, dtype: type) -> None:
    x = np.random.default_rng(classes).normal(0, 3, (5000 // classes, classes)).astype(dtype)
    for function in (probabilities.softmax, probabilities.logistic):
        whole = function(x)
        for first, count in [(0, 1), (1, 2), (len(x) - 3, 3), (2, len(x) // 2)]:
            assert function(x[first : first + count]).tobytes() == whole[first : first + count].tobytes()


@given(st.integers(0, 300), st.integers(1, 40), st.integers(1, 6))
def test_bits_do_not_depend_on_where_the_arrays_lie(offset: int, classes: int, rows: int) -> None:
    x = np.random.default_rng(classes).normal(0, 3, (rows, classes)).astype(np.float32)
    memory = np.empty(4 * x.size + 512, np.float32)
    source = memory[offset : offset + x.size]
    source[:] = x.reshape(-1)
    target = memory[offset + x.size : offset + 2 * x.size]  # right behind
    probabilities._softmax_rows(source, classes, target)
    np.testing.assert_array_equal(target.reshape(x.shape), probabilities.softmax(x))
