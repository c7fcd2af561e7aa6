"""Batch normalisation in one pass with ReLUs and a max pool equals one operation after the other."""

from typing import NamedTuple

import drawn
import gradients
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import assert_close, check_equal, draw, tf

from scratchnet import ops
from scratchnet.tensor import Tensor, no_grad

RELUS = [(False, False), (False, True), (True, False), (True, True)]
channel_counts = st.sampled_from([1, 2, 3, 8, 15, 16, 17, 33, 40])


class Neighbours(NamedTuple):
    pre_relu: bool
    post_relu: bool
    pool: dict


@st.composite
def cases(draw):
    """A shape and what stands around the normalisation; half of the pools are two by two."""
    pre_relu, post_relu, kind = draw(st.booleans()), draw(st.booleans()), draw(st.integers(0, 3))
    channels, batch = draw(channel_counts), draw(st.integers(1, 3))
    if kind == 0:
        shape = draw(st.sampled_from([(7, channels), (2, 5, channels), (2, 3, 4, channels)]))
        return shape, Neighbours(pre_relu, post_relu, {})
    if kind == 1:
        size, window, strides, _, padding = draw(drawn.slidings(max_dilation=1))
        pool = {"pool_size": window, "strides": strides, "padding": padding}
        return (batch, *size, channels), Neighbours(pre_relu, post_relu, pool)
    size = draw(st.integers(2, 7)), draw(st.integers(2, 7))
    pool = {"pool_size": 2, "padding": draw(st.sampled_from(["valid", "same"]))}
    return (batch, *size, channels), Neighbours(pre_relu, post_relu, pool)


def around(normalise, x, neighbours, relu, pool):
    """One operation after the other, in any framework."""
    y = normalise(relu(x) if neighbours.pre_relu else x)
    y = relu(y) if neighbours.post_relu else y
    return pool(y, **neighbours.pool) if neighbours.pool else y


def options(neighbours):
    return {"pre_relu": neighbours.pre_relu, "post_relu": neighbours.post_relu, **neighbours.pool}


def training(*arrays, neighbours):
    return ops.batch_normalization_training(*arrays, **options(neighbours))[0]


def training_in_steps(x, beta, gamma, neighbours):
    def normalise(t):
        return ops.batch_normalization_training(t, beta, gamma)[0]

    return around(normalise, x, neighbours, ops.relu, ops.max_pool2d)


def fixed(x, mean, variance, beta, gamma, neighbours):
    return ops.batch_normalization(x, mean, variance, -1, beta, gamma, **options(neighbours))


def fixed_in_steps(x, mean, variance, beta, gamma, neighbours):
    def normalise(t):
        return ops.batch_normalization(t, mean, variance, -1, beta, gamma)

    return around(normalise, x, neighbours, ops.relu, ops.max_pool2d)


def arguments(function, seed, dtype, shape):
    x, mean, variance, beta, gamma = draw(seed, dtype, shape, *[shape[-1:]] * 4)
    return [x, beta, gamma] if function is training else [x, mean, np.abs(variance) + x.dtype.type(0.1), beta, gamma]


def value_and_gradients(function, arrays, neighbours, seed):
    tensors = [Tensor(array.copy(), requires_grad=True) for array in arrays]
    y = function(*tensors, neighbours=neighbours)
    y.backward(np.random.default_rng(seed).standard_normal(y.shape).astype(y.dtype))
    return [y.data, *(tensor.grad for tensor in tensors)]


@pytest.mark.parametrize(("together", "in_steps"), [(training, training_in_steps), (fixed, fixed_in_steps)])
@settings(max_examples=60)
@given(drawn.seeds, drawn.dtypes, cases())
def test_values_and_gradients_equal_those_in_steps(together, in_steps, seed, dtype, case):
    shape, neighbours = case
    arrays = arguments(together, seed, dtype, shape)
    results = value_and_gradients(together, arrays, neighbours, seed)
    expected = value_and_gradients(in_steps, arrays, neighbours, seed)
    for ours, other in zip(results, expected, strict=True):
        # gradients by a small batch nearly cancel, in float32 even the same formula would differ by its rounding
        scale = 1 if dtype == "float64" else 30
        assert ours.dtype == dtype
        assert_close(ours / ours.dtype.type(scale), other / other.dtype.type(scale))


def tf_pool(y, pool_size, strides=None, padding="valid"):
    return tf.nn.max_pool2d(y, pool_size, pool_size if strides is None else strides, padding.upper())


def tf_training(x, beta, gamma, neighbours):
    def normalise(t):
        mean, variance = tf.nn.moments(t, list(range(t.ndim - 1)))
        return tf.nn.batch_normalization(t, mean, variance, beta, gamma, 1e-3)

    return around(normalise, x, neighbours, tf.nn.relu, tf_pool)


def tf_fixed(x, mean, variance, beta, gamma, neighbours):
    def normalise(t):
        return tf.nn.batch_normalization(t, mean, variance, beta, gamma, 1e-3)

    return around(normalise, x, neighbours, tf.nn.relu, tf_pool)


@pytest.mark.parametrize(("ours", "theirs"), [(training, tf_training), (fixed, tf_fixed)])
@settings(max_examples=40)
@given(drawn.seeds, cases())
def test_values_and_gradients_equal_tensorflow(ours, theirs, seed, case):
    shape, neighbours = case
    arrays = arguments(ours, seed, "float64", shape)
    check_equal(lambda *a: ours(*a, neighbours=neighbours), lambda *a: theirs(*a, neighbours=neighbours), arrays, seed)


@pytest.mark.parametrize("pool", [{}, {"pool_size": 2}, {"pool_size": 3, "strides": 2, "padding": "same"}])
@pytest.mark.parametrize(("pre_relu", "post_relu"), RELUS)
@pytest.mark.parametrize("function", [training, fixed])
def test_gradients_equal_finite_differences(function, pre_relu, post_relu, pool):
    arrays = arguments(function, 3, "float64", (2, 5, 4, 2))
    neighbours = Neighbours(pre_relu, post_relu, pool)
    gradients.check_gradients(lambda *a: function(*a, neighbours=neighbours), arrays)


def test_the_statistics_are_those_of_the_relu_before():
    (x,) = draw(0, "float64", (3, 4, 5, 6))
    _, mean, variance = ops.batch_normalization_training(x, pre_relu=True, pool_size=2)
    np.testing.assert_allclose(mean, np.maximum(x, 0).mean(axis=(0, 1, 2)), rtol=1e-12)
    np.testing.assert_allclose(variance, np.maximum(x, 0).var(axis=(0, 1, 2)), rtol=1e-12)


@pytest.mark.parametrize("channels", [3, 16])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize(("pre_relu", "post_relu"), RELUS)
@pytest.mark.parametrize("pool", [{}, {"pool_size": 2}, {"pool_size": 3, "strides": 1}])
def test_nan_and_infinity_go_where_they_go_in_steps(pool, pre_relu, post_relu, value, channels):
    arrays = arguments(fixed, 0, "float64", (2, 4, 5, channels))
    arrays[0][1, 2, 3, 1] = value
    neighbours = Neighbours(pre_relu, post_relu, pool)
    results = value_and_gradients(fixed, arrays, neighbours, 0)
    expected = value_and_gradients(fixed_in_steps, arrays, neighbours, 0)
    # an infinity that is not a maximum takes no part in sums over maxima; in steps it is multiplied by 0, which is NaN
    compared = 2 if pool and np.isinf(value) else len(results)
    for ours, other in zip(results[:compared], expected[:compared], strict=True):
        np.testing.assert_allclose(ours, other, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("channels", [2, 16])
def test_nan_in_a_batch_spoils_its_channel_alone(channels):
    x, beta, gamma = arguments(training, 0, "float32", (2, 4, 4, channels))
    x[1, 2, 3, 1] = np.nan
    results = value_and_gradients(training, [x, beta, gamma], Neighbours(False, True, {"pool_size": 2}), 0)
    y = results[0]
    assert np.isnan(y[..., 1]).all()
    for result in results:
        assert np.isfinite(np.delete(result, 1, axis=-1)).all()


@pytest.mark.parametrize("channels", [1, 20])
def test_no_gradient_passes_where_the_relu_lets_nothing_through(channels):
    x = Tensor(-np.ones((1, 4, 4, channels)), requires_grad=True)
    y = ops.batch_normalization(x, np.zeros(channels), np.ones(channels), post_relu=True, pool_size=2)
    np.testing.assert_array_equal(y.data, 0)
    y.backward(np.ones(y.shape))
    np.testing.assert_array_equal(x.grad, 0)


@pytest.mark.parametrize("channels", [1, 20])
def test_the_first_of_tied_maxima_takes_the_gradient(channels):
    x = Tensor(np.ones((1, 2, 2, channels)), requires_grad=True)
    y = ops.batch_normalization(x, np.zeros(channels), np.ones(channels), epsilon=3.0, post_relu=True, pool_size=2)
    y.backward(np.full(y.shape, 4.0))
    np.testing.assert_array_equal(x.grad[0, :, :, 0], [[2, 0], [0, 0]])
    np.testing.assert_array_equal(x.grad.sum(axis=(0, 1, 2)), 2)


def test_without_gradients_the_values_are_the_same():
    arrays = arguments(training, 5, "float32", (2, 6, 6, 18))
    neighbours = Neighbours(True, True, {"pool_size": 2})
    recorded = training(*[Tensor(a, requires_grad=True) for a in arrays], neighbours=neighbours)
    with no_grad():
        unrecorded = training(*[Tensor(a, requires_grad=True) for a in arrays], neighbours=neighbours)
    assert unrecorded.creator is None
    np.testing.assert_array_equal(unrecorded.data, recorded.data)


@pytest.mark.parametrize("pool", [{}, {"pool_size": 2}])
def test_a_frozen_normalisation_passes_the_gradient_by_its_input_alone(pool):
    neighbours = Neighbours(True, True, pool)
    arrays = arguments(fixed, 6, "float64", (2, 4, 6, 3))
    x = Tensor(arrays[0], requires_grad=True)
    y = fixed(x, *map(Tensor, arrays[1:]), neighbours=neighbours)
    y.backward(np.random.default_rng(9).standard_normal(y.shape))
    np.testing.assert_allclose(x.grad, value_and_gradients(fixed_in_steps, arrays, neighbours, 9)[1], atol=1e-12)


@pytest.mark.parametrize("function", [training, fixed])
@pytest.mark.parametrize(
    ("shape", "pool", "message"),
    [
        ((4, 3), {"pool_size": 2}, r"needs images .* got \(4, 3\)"),
        ((1, 2, 2, 3), {"pool_size": 3}, r"a window of \(3, 3\) .* does not fit into an image of \(2, 2\)"),
        ((1, 2, 2, 3), {"pool_size": 0}, r"pool_size must be a positive int .* got 0"),
        ((1, 2, 2, 3), {"pool_size": 2, "padding": "none"}, r"padding must be 'valid' or 'same', got 'none'"),
    ],
)
def test_errors_name_the_argument_the_rule_and_the_value(function, shape, pool, message):
    with pytest.raises(ValueError, match=message):
        function(*arguments(function, 0, "float32", shape), neighbours=Neighbours(False, False, pool))
