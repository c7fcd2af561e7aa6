import drawn
import gradients
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import check_equal, draw, tf

from scratchnet import ops
from scratchnet.tensor import Tensor

sizes = st.sampled_from([1, 2, 3, 4, 5, 7, 16, 33, 65])


@settings(max_examples=50)
@given(drawn.seeds, drawn.dtypes, sizes, sizes, sizes)
def test_products_of_matrices_equal_tensorflow(seed, dtype, rows, depth, columns):
    check_equal(ops.matmul, tf.matmul, draw(seed, dtype, (rows, depth), (depth, columns)), seed)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("first", "second"),
    [((2,), (2,)), ((2, 3), ()), ((), (4,)), ((2, 1), (3,)), ((3, 1), (1, 2)), ((1,), (5,))],
    ids=str,
)
def test_leading_axes_are_broadcast_as_in_tensorflow(dtype, first, second):
    check_equal(ops.matmul, tf.matmul, draw(1, dtype, (*first, 3, 5), (*second, 5, 4)))


def test_gradients_equal_finite_differences():
    gradients.check_gradients(ops.matmul, draw(2, "float64", (2, 1, 3, 4), (3, 4, 2)))


@pytest.mark.parametrize(
    ("a", "b"), [((0, 3), (3, 4)), ((2, 0), (0, 4)), ((2, 0, 3), (2, 3, 4)), ((0, 2, 3), (3, 4))], ids=str
)
def test_empty_axes_are_taken_as_in_numpy(a, b):
    first, second = Tensor(np.ones(a), True), Tensor(np.ones(b), True)
    y = first @ second
    np.testing.assert_array_equal(y.data, np.ones(a) @ np.ones(b))
    y.backward(np.ones(y.shape))
    assert first.grad.shape == a
    assert second.grad.shape == b


def test_transposed_operands_are_taken():
    check_equal(
        lambda a, b: a.T @ b.T, lambda a, b: tf.transpose(a) @ tf.transpose(b), draw(3, "float64", (5, 3), (7, 5))
    )


def test_mixed_precision_gives_each_side_a_gradient_of_its_dtype():
    a, b = Tensor(np.ones((2, 3), np.float32), True), Tensor(np.ones((3, 2)), True)
    y = a @ b
    assert y.dtype == np.float64
    y.backward(np.ones((2, 2)))
    assert a.grad.dtype == np.float32
    assert b.grad.dtype == np.float64


@pytest.mark.parametrize(("a", "b"), [((2, 3), (2, 3)), ((3,), (3, 2)), ((2, 3), (3,)), ((), (1, 1))], ids=str)
def test_shapes_that_do_not_fit_are_named(a, b):
    with pytest.raises(ValueError, match=r"matmul needs shapes \(\.\.\., m, k\) and \(\.\.\., k, n\), got "):
        ops.matmul(np.ones(a), np.ones(b))


def test_leading_axes_that_do_not_fit_are_named():
    with pytest.raises(ValueError, match=r"the leading axes of \(2, 3, 4\) and \(3, 4, 5\) cannot be broadcast"):
        ops.matmul(np.ones((2, 3, 4)), np.ones((3, 4, 5)))
