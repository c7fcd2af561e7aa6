import drawn
import gradients
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import assert_close, check_equal, draw, keras, tf

from scratchnet import ops
from scratchnet.tensor import Tensor

shapes = st.sampled_from([(2, 3), (5, 1), (4, 3, 2, 5), (1, 2, 2, 3), (3, 4, 17), (40, 9)])


def tf_training(x, beta, gamma, epsilon=1e-3):
    mean, variance = tf.nn.moments(x, list(range(x.ndim - 1)))
    return tf.nn.batch_normalization(x, mean, variance, beta, gamma, epsilon)


def gradients_of(function, arrays, cotangent):
    """The gradients of a TensorFlow function, in float64 whatever they were computed in."""
    variables = [tf.constant(array) for array in arrays]
    with tf.GradientTape() as tape:
        for variable in variables:
            tape.watch(variable)
        y = function(*variables)
    return [g.numpy().astype(np.float64) for g in tape.gradient(y, variables, tf.constant(cotangent))]


@settings(max_examples=40)
@given(drawn.seeds, shapes)
def test_training_in_float32_is_as_near_to_the_truth_as_tensorflow(seed, shape):
    # Gradients by a small batch nearly cancel, so two float32 results may differ by more than the rounding of one step:
    # both are measured against float64.
    x, beta, gamma = draw(seed, "float32", shape, shape[-1:], shape[-1:])
    arrays = [3 * x + np.float32(1), beta, gamma]
    cotangent = np.random.default_rng(seed).standard_normal(shape).astype(np.float32)
    truth = gradients_of(tf_training, [a.astype(np.float64) for a in arrays], cotangent.astype(np.float64))
    theirs = gradients_of(tf_training, arrays, cotangent)
    tensors = [Tensor(array, requires_grad=True) for array in arrays]
    y = ops.batch_normalization_training(*tensors)[0]
    assert_close(y.data, tf_training(*map(tf.constant, arrays)).numpy(), "value")
    y.backward(cotangent)
    for tensor, exact, other in zip(tensors, truth, theirs, strict=True):
        scale = max(1.0, np.abs(exact).max())
        assert tensor.grad.dtype == np.float32
        assert np.abs(tensor.grad - exact).max() <= max(1e-5 * scale, 3 * np.abs(other - exact).max())


@settings(max_examples=40)
@given(drawn.seeds, drawn.dtypes, shapes)
def test_training_equals_tensorflow(seed, dtype, shape):
    x, beta, gamma = draw(seed, dtype, shape, shape[-1:], shape[-1:])
    x = 3 * x + x.dtype.type(1)
    if dtype == "float64":
        check_equal(lambda *a: ops.batch_normalization_training(*a)[0], tf_training, [x, beta, gamma], seed)
    _, mean, variance = ops.batch_normalization_training(x, beta, gamma)
    expected_mean, expected_variance = tf.nn.moments(x, list(range(x.ndim - 1)))
    assert_close(mean, expected_mean.numpy())
    assert_close(variance, expected_variance.numpy())


@settings(max_examples=40)
@given(drawn.seeds, drawn.dtypes, shapes)
def test_given_statistics_equal_tensorflow_with_gradients_by_all_five_arguments(seed, dtype, shape):
    x, mean, variance, beta, gamma = draw(seed, dtype, shape, *[shape[-1:]] * 4)
    variance = np.abs(variance) + x.dtype.type(0.1)
    check_equal(
        lambda x, m, v, b, g: ops.batch_normalization(x, m, v, -1, b, g, 1e-3),
        lambda x, m, v, b, g: tf.nn.batch_normalization(x, m, v, b, g, 1e-3),
        [x, mean, variance, beta, gamma],
        seed,
    )


def test_arguments_are_those_of_keras():
    x, mean, beta, gamma = draw(1, "float32", (3, 4), (4,), (4,), (4,))
    variance = np.full(4, 2, np.float32)
    expected = keras.ops.batch_normalization(x, mean, variance, axis=-1, offset=beta, scale=gamma, epsilon=1e-3)
    ours = ops.batch_normalization(x, mean, variance, axis=-1, offset=beta, scale=gamma)
    assert_close(ours.data, expected.numpy())
    without = keras.ops.batch_normalization(x, mean, variance, axis=-1)
    assert_close(ops.batch_normalization(x, mean, variance, axis=1).data, without.numpy())


def test_gradients_equal_finite_differences():
    arrays = draw(2, "float64", (3, 2, 4), (4,), (4,))
    gradients.check_gradients(lambda *a: ops.batch_normalization_training(*a)[0], arrays)
    mean, variance = np.random.default_rng(0).random((2, 4)) + 0.5
    gradients.check_gradients(
        lambda x, m, v, b, g: ops.batch_normalization(x, m, v, -1, b, g), [arrays[0], mean, variance, *arrays[1:]]
    )


def test_a_batch_of_one_value_per_channel_becomes_the_offset():
    x = Tensor(np.array([[5.0, -3.0]]), requires_grad=True)
    y, mean, variance = ops.batch_normalization_training(x, np.array([1.0, 2.0]), np.array([7.0, 7.0]))
    np.testing.assert_allclose(y.data, [[1, 2]])
    np.testing.assert_array_equal(mean, [5, -3])
    np.testing.assert_array_equal(variance, [0, 0])
    y.backward(np.ones((1, 2)))
    np.testing.assert_allclose(x.grad, 0, atol=1e-12)


def test_errors_name_the_argument_the_rule_and_the_value():
    x = np.ones((2, 4, 3))
    with pytest.raises(ValueError, match=r"axis must be the last one of \(batch, \.\.\., channels\), got axis 1"):
        ops.batch_normalization(x, np.ones(3), np.ones(3), axis=1)
    with pytest.raises(ValueError, match=r"axis must be the last one .* for shape \(3,\)"):
        ops.batch_normalization_training(np.ones(3))
    for name in ("mean", "variance", "offset", "scale"):
        with pytest.raises(ValueError, match=rf"{name} must have shape \(3,\), got \(4,\)"):
            ops.batch_normalization(x, **{"mean": np.ones(3), "variance": np.ones(3), name: np.ones(4)})
    with pytest.raises(ValueError, match=r"scale must have shape \(3,\), got \(1,\)"):
        ops.batch_normalization_training(x, scale=np.ones(1))
