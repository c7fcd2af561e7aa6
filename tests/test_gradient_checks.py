"""The gradient checks themselves: each must catch a gradient that is wrong."""

import gradients
import numpy as np
import pytest
from oracle import check_equal, draw, tf

from scratchnet import ops
from scratchnet.kernels import conv
from scratchnet.tensor import as_tensor, record


def cube(x, gradient):
    x = as_tensor(x)
    return record(x.data**3, "cube", (x,), lambda dy: (gradient(x.data, dy),))


WRONG = {
    "a wrong factor": lambda x, dy: 3.001 * dy * x**2,
    "a wrong sign": lambda x, dy: -3 * dy * x**2,
    "a cotangent left out": lambda x, dy: 3 * x**2,
    "a sum instead of elements": lambda x, dy: np.full_like(x, (3 * dy * x**2).mean()),
    "one wrong element": lambda x, dy: 3 * dy * x**2 + np.eye(*x.shape) * 1e-3,
    "no gradient": lambda x, dy: None,
}


def test_a_right_gradient_passes():
    def right(x):
        return cube(x, lambda x, dy: 3 * dy * x**2)

    gradients.check_gradients(right, draw(0, "float64", (3, 4)))
    check_equal(right, lambda x: x**3, draw(0, "float64", (3, 4)))


@pytest.mark.parametrize("mistake", WRONG.values(), ids=WRONG)
def test_finite_differences_catch(mistake):
    with pytest.raises(AssertionError):
        gradients.check_gradients(lambda x: cube(x, mistake), draw(0, "float64", (3, 4)))


@pytest.mark.parametrize("mistake", WRONG.values(), ids=WRONG)
def test_the_comparison_with_tensorflow_catches(mistake):
    for dtype in ("float32", "float64"):
        with pytest.raises(AssertionError):
            check_equal(lambda x: cube(x, mistake), lambda x: x**3, draw(0, dtype, (3, 4)))


def test_the_comparison_with_tensorflow_catches_a_wrong_value_shape_and_dtype():
    arrays = draw(0, "float32", (3, 4))
    for wrong in (lambda x: x * 1.0001, lambda x: x.reshape(4, 3), lambda x: x + np.zeros(4, np.float64)):
        with pytest.raises(AssertionError):
            check_equal(wrong, tf.identity, arrays)


def test_a_wrong_gradient_by_the_second_argument_is_caught():
    def wrong(a, b):
        return record(a.data * b.data, "wrong", (a, b), lambda dy: (dy * b.data, dy * b.data))

    arrays = draw(1, "float64", (2, 3), (2, 3))
    with pytest.raises(AssertionError, match="argument 1"):
        gradients.check_gradients(wrong, arrays)
    with pytest.raises(AssertionError, match="gradient by argument 1"):
        check_equal(wrong, tf.multiply, arrays)


def test_a_convolution_whose_kernel_gradient_is_mirrored_is_caught(monkeypatch):
    right = conv.conv2d_kernel_gradient
    monkeypatch.setattr(conv, "conv2d_kernel_gradient", lambda *a: np.ascontiguousarray(right(*a)[::-1]))
    arrays = draw(2, "float64", (1, 5, 5, 2), (3, 3, 2, 2))
    with pytest.raises(AssertionError, match="argument 1"):
        gradients.check_gradients(ops.conv2d, arrays)
    with pytest.raises(AssertionError, match="gradient by argument 1"):
        check_equal(ops.conv2d, lambda x, k: tf.nn.conv2d(x, k, 1, "VALID"), arrays)
