import drawn
import gradients
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import assert_close, check_equal, draw, tf

from scratchnet import ops
from scratchnet.tensor import Tensor

BROADCASTS = [
    ((3, 4), (3, 4)), ((3, 4), (4,)), ((2, 3, 4), (3, 1)), ((2, 1, 4), (3, 1)), ((), (2, 3)), ((1,), (2, 3)),
    ((5, 1), (1, 5)), ((1, 1), (1,)), ((2, 3), (1, 1, 1, 3)),
]  # fmt: skip

BINARY = {
    "add": tf.add,
    "subtract": tf.subtract,
    "multiply": tf.multiply,
    "divide": tf.divide,
    "maximum": tf.maximum,
    "minimum": tf.minimum,
}


@pytest.mark.parametrize("name", BINARY)
@pytest.mark.parametrize("shapes", BROADCASTS, ids=str)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_arithmetic_with_broadcasting_equals_tensorflow(name, shapes, dtype):
    for first, second in (shapes, shapes[::-1]):
        a, b = draw(1, dtype, first, second)
        if name == "divide":
            b = (np.sign(b) * (np.abs(b) + 0.5)).astype(dtype)
        check_equal(getattr(ops, name), BINARY[name], [a, b])


@settings(max_examples=60)
@given(drawn.seeds, st.sampled_from(sorted(BINARY)), st.lists(st.integers(1, 4), max_size=4), st.data())
def test_any_broadcast_equals_tensorflow(seed, name, shape, data):
    other = [data.draw(st.sampled_from([1, n])) for n in shape][data.draw(st.integers(0, len(shape))) :]
    a, b = draw(seed, "float64", tuple(shape), tuple(other))
    b = np.sign(b) * (np.abs(b) + 0.5)
    check_equal(getattr(ops, name), BINARY[name], [a, b], seed)
    check_equal(getattr(ops, name), BINARY[name], [b, a + 3 * np.sign(a)], seed)


UNARY = {
    "negative": (ops.negative, tf.negative, "any"),
    "exp": (ops.exp, tf.exp, "any"),
    "log": (ops.log, tf.math.log, "positive"),
    "sqrt": (ops.sqrt, tf.sqrt, "positive"),
    "square": (ops.square, tf.square, "any"),
    "abs": (ops.abs, tf.abs, "any"),
    "power 2": (lambda x: ops.power(x, 2), lambda x: x**2, "any"),
    "power 3": (lambda x: ops.power(x, 3), lambda x: x**3, "any"),
    "power -1": (lambda x: ops.power(x, -1), lambda x: x**-1, "positive"),
    "power 0.5": (lambda x: ops.power(x, 0.5), lambda x: x**0.5, "positive"),
    "power 2.5": (lambda x: ops.power(x, 2.5), lambda x: x**2.5, "positive"),
    "power 1": (lambda x: ops.power(x, 1), lambda x: x**1, "any"),
    "clip": (lambda x: ops.clip(x, -0.5, 0.8), lambda x: tf.clip_by_value(x, -0.5, 0.8), "any"),
}


@pytest.mark.parametrize("name", UNARY)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", [(), (1,), (7, 5), (2, 3, 4, 5)], ids=str)
def test_functions_of_one_argument_equal_tensorflow(name, dtype, shape):
    ours, theirs, domain = UNARY[name]
    (x,) = draw(2, dtype, shape)
    check_equal(ours, theirs, [(np.abs(x) + x.dtype.type(0.1)) if domain == "positive" else x])


def test_ties_and_limits_give_the_gradient_to_the_same_side_as_tensorflow():
    x = np.array([-1.0, 0.0, 0.5, 0.5, 1.0])
    check_equal(ops.maximum, tf.maximum, [x, np.full(5, 0.5)])
    check_equal(ops.minimum, tf.minimum, [x, np.full(5, 0.5)])
    check_equal(lambda t: ops.clip(t, -1, 0.5), lambda t: tf.clip_by_value(t, -1, 0.5), [x])
    check_equal(ops.abs, tf.abs, [x])


def test_the_same_tensor_on_both_sides_takes_both_gradients():
    (x,) = draw(3, "float64", (3, 4))
    check_equal(lambda t: ops.multiply(t, t), lambda t: t * t, [x])
    check_equal(lambda t: ops.divide(t, ops.exp(t)), lambda t: t / tf.exp(t), [x])


@pytest.mark.parametrize("name", BINARY)
def test_gradients_equal_finite_differences(name):
    a, b = draw(4, "float64", (2, 3, 4), (3, 1))
    gradients.check_gradients(getattr(ops, name), [a, b + 3 * np.sign(b)])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_python_number_takes_the_dtype_of_the_tensor(dtype):
    x = Tensor(np.ones(3, dtype))
    for y in (x + 0.1, 0.1 + x, x * 2, 2 - x, x / 3, 1 / x, x**2, ops.maximum(x, 0.5), ops.minimum(0.5, x)):
        assert y.dtype == dtype
    assert_close((x + 0.1).data, np.ones(3, dtype) + dtype(0.1))


def test_each_argument_of_mixed_precision_gets_a_gradient_of_its_own_dtype():
    a, b = Tensor(np.ones((2, 3), np.float32), True), Tensor(np.ones(3), True)
    y = a * b
    assert y.dtype == np.float64
    y.backward(np.arange(6.0).reshape(2, 3))
    assert a.grad.dtype == np.float32
    assert b.grad.dtype == np.float64
    np.testing.assert_array_equal(b.grad, [3, 5, 7])


@pytest.mark.parametrize("name", BINARY)
def test_shapes_that_do_not_broadcast_are_named(name):
    with pytest.raises(ValueError, match=r"shapes \(2, 3\) and \(4,\) cannot be broadcast together"):
        getattr(ops, name)(np.ones((2, 3)), np.ones(4))


@pytest.mark.parametrize("exponent", [np.ones(3), Tensor([1.0]), "2", None])
def test_an_exponent_must_be_a_number(exponent):
    with pytest.raises(TypeError, match=f"exponent must be a number, got {type(exponent).__name__}"):
        ops.power(Tensor([1.0]), exponent)


def test_nan_comes_through():
    x = Tensor([np.nan, 1.0])
    for y in (ops.maximum(x, 0.0), ops.minimum(0.0, x), ops.clip(x, 0, 1), ops.abs(x), ops.square(x), x + 1):
        assert np.isnan(y.data[0])
        assert np.isfinite(y.data[1])
