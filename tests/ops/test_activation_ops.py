import math

import drawn
import gradients
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import check_equal, draw, keras, tf

from scratchnet import activations, ops
from scratchnet.tensor import Tensor


# TensorFlow's own versions of these round their constants to float32 even for float64.
def tf_leaky_relu(x, slope):
    return tf.where(x > 0, x, tf.constant(slope, x.dtype) * x)


def tf_gelu(x):
    return 0.5 * x * (1 + tf.tanh(math.sqrt(2 / math.pi) * (x + tf.constant(0.044715, x.dtype) * x**3)))


def tf_exact_gelu(x):
    return 0.5 * x * tf.math.erfc(-x * tf.constant(math.sqrt(0.5), x.dtype))


FUNCTIONS = {
    "relu": (ops.relu, tf.nn.relu),
    "relu6": (ops.relu6, tf.nn.relu6),
    "leaky_relu": (ops.leaky_relu, lambda x: tf_leaky_relu(x, 0.2)),
    "leaky_relu .05": (lambda x: ops.leaky_relu(x, 0.05), lambda x: tf_leaky_relu(x, 0.05)),
    "elu": (ops.elu, tf.nn.elu),
    "elu 1.7": (lambda x: ops.elu(x, 1.7), lambda x: keras.ops.elu(x, 1.7)),
    "gelu": (ops.gelu, tf_gelu),
    "exact gelu": (lambda x: ops.gelu(x, approximate=False), tf_exact_gelu),
    "hard_sigmoid": (ops.hard_sigmoid, lambda x: tf.clip_by_value(x / 6 + 0.5, 0, 1)),
    "hard_silu": (ops.hard_silu, lambda x: x * tf.clip_by_value(x / 6 + 0.5, 0, 1)),
    "mish": (ops.mish, lambda x: x * tf.tanh(tf.nn.softplus(x))),
    "selu": (ops.selu, tf.nn.selu),
    "silu": (ops.silu, tf.nn.silu),
    "softsign": (ops.softsign, tf.nn.softsign),
    "sigmoid": (ops.sigmoid, tf.nn.sigmoid),
    "softplus": (ops.softplus, tf.nn.softplus),
    "tanh": (ops.tanh, tf.nn.tanh),
    "softmax": (ops.softmax, tf.nn.softmax),
    "log_softmax": (ops.log_softmax, tf.nn.log_softmax),
}


@pytest.mark.parametrize("name", FUNCTIONS)
@settings(max_examples=8)
@given(drawn.seeds, drawn.dtypes, st.lists(st.integers(1, 9), min_size=1, max_size=4), st.sampled_from([0.1, 3, 20]))
def test_values_and_gradients_equal_tensorflow(name, seed, dtype, shape, scale):
    ours, theirs = FUNCTIONS[name]
    (x,) = draw(seed, dtype, tuple(shape))
    check_equal(ours, theirs, [x * x.dtype.type(scale)], seed)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_gradients_equal_finite_differences(name):
    (x,) = draw(0, "float64", (3, 5))
    gradients.check_gradients(FUNCTIONS[name][0], [2 * x])


@pytest.mark.parametrize("axis", [0, 1, 2, -1, -2, -3])
@pytest.mark.parametrize("function", ["softmax", "log_softmax"])
def test_softmax_along_any_axis_equals_tensorflow(axis, function):
    (x,) = draw(1, "float64", (3, 4, 5))
    theirs = getattr(tf.nn, function)
    check_equal(lambda t: getattr(ops, function)(t, axis), lambda t: theirs(t, axis), [x])


@pytest.mark.parametrize("name", sorted(activations._BY_NAME))
def test_activations_by_name_are_those_of_keras(name):
    (x,) = draw(2, "float32", (4, 7))
    check_equal(activations.get(name), keras.activations.get(name), [2 * x])
    assert activations.get(activations.name_of(activations.get(name))) is activations.get(name)


def test_gelu_is_approximate_unless_told_otherwise_as_in_keras():
    (x,) = draw(3, "float32", (50,))
    check_equal(ops.gelu, keras.ops.gelu, [2 * x])
    check_equal(lambda t: ops.gelu(t, False), lambda t: keras.ops.gelu(t, False), [2 * x])


def test_gelu_is_approximate_as_an_operation_and_exact_as_a_layers_activation():
    x = 1.5
    exact = x * (1 + math.erf(x / math.sqrt(2))) / 2
    approximate = x * (1 + math.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))) / 2
    assert abs(exact - approximate) > 1e-5
    assert ops.gelu(np.array(x)).item() == pytest.approx(approximate, abs=1e-12)
    assert activations.get("gelu")(np.array(x)).item() == pytest.approx(exact, abs=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_sigmoid_is_stable_far_from_zero(dtype):
    x = Tensor(np.array([-1000, -100, 0, 100, 1000], dtype), requires_grad=True)
    y = ops.sigmoid(x)
    tolerance = {"rtol": 4 * np.finfo(dtype).eps, "atol": np.finfo(dtype).tiny}  # exp(-100) is denormal in float32
    np.testing.assert_allclose(y.data, [0, math.exp(-100), 0.5, 1, 1], **tolerance)
    y.backward(np.ones(5))
    np.testing.assert_allclose(x.grad, [0, math.exp(-100), 0.25, 0, 0], **tolerance)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_softmax_is_stable_for_huge_logits(dtype):
    x = Tensor(np.array([[1e30, 0, -1e30], [-1e4, -1e4, -1e4], [88, 89, 90]], dtype), requires_grad=True)
    y = ops.softmax(x)
    np.testing.assert_allclose(y.data[:2], [[1, 0, 0], [1 / 3] * 3], rtol=1e-6)
    np.testing.assert_allclose(y.data.sum(axis=1), 1, rtol=1e-6)
    logs = ops.log_softmax(x)
    np.testing.assert_allclose(logs.data[0], np.array([0, -1e30, -2e30], dtype))
    np.testing.assert_allclose(logs.data[1], -math.log(3), rtol=1e-6)
    logs.backward(np.random.default_rng(0).standard_normal((3, 3)))
    assert np.isfinite(x.grad).all()


@pytest.mark.parametrize("name", FUNCTIONS)
def test_large_arguments_stay_finite_and_equal_tensorflow(name):
    ours, theirs = FUNCTIONS[name]
    for dtype in ("float32", "float64"):
        check_equal(ours, theirs, [np.array([[-1e4, -200, -50, 50, 200, 1e4]], dtype)])


@pytest.mark.parametrize("name", FUNCTIONS)
def test_nan_stays_nan(name):
    y = FUNCTIONS[name][0](Tensor([[np.nan, 1.0]])).data
    assert np.isnan(y[0, 0])


def test_kinks_take_the_gradient_that_tensorflow_gives_them():
    for name, x in {"relu": [0.0, -0.0], "leaky_relu": [0.0], "elu": [0.0], "relu6": [0.0, 6.0]}.items():
        check_equal(*FUNCTIONS[name], [np.array(x)])


@pytest.mark.parametrize("name", [name for name in FUNCTIONS if "softmax" not in name])
def test_a_number_stays_a_number(name):
    check_equal(*FUNCTIONS[name], [np.array(0.7)])


def test_non_contiguous_arrays_are_taken():
    (x,) = draw(5, "float32", (6, 5))
    for name in ("relu", "exact gelu"):
        check_equal(lambda t, f=FUNCTIONS[name][0]: f(t.T), lambda t, f=FUNCTIONS[name][1]: f(tf.transpose(t)), [x])


def test_softmax_and_sigmoid_remember_their_logits():
    x = Tensor(np.ones((2, 3)))
    assert ops.softmax(x).logits == ("softmax", x)
    assert ops.softmax(x, axis=1).logits == ("softmax", x)
    assert ops.softmax(x, axis=0).logits is None
    assert ops.sigmoid(x).logits == ("sigmoid", x)


def test_an_unknown_activation_is_named_with_the_known_ones():
    with pytest.raises(ValueError, match=r"activation must be one of elu, .*tanh, got 'glu'"):
        activations.get("glu")


def test_a_function_of_ones_own_has_no_name():
    with pytest.raises(ValueError, match="has no name, so it cannot be saved"):
        activations.name_of(lambda x: x)
