import drawn
import gradients
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import check_equal, draw, tf, tf_depthwise_conv2d

from scratchnet import ops


@settings(max_examples=60)
@given(
    drawn.seeds, drawn.dtypes, st.integers(1, 3), drawn.slidings(), st.integers(1, 5), st.integers(1, 3), st.booleans()
)
def test_values_and_gradients_equal_tensorflow(seed, dtype, batch, sliding, channels, multiplier, with_bias):
    size, kernel, strides, dilation, padding = sliding
    shapes = [(batch, *size, channels), (*kernel, channels, multiplier), (channels * multiplier,)]
    arrays = draw(seed, dtype, *shapes[: 2 + with_bias])
    check_equal(
        lambda x, k, b=None: ops.depthwise_conv2d(x, k, b, strides, padding, dilation),
        lambda x, k, b=None: tf_depthwise_conv2d(x, k, b, strides=strides, padding=padding, dilation=dilation),
        arrays,
        seed,
    )


@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("channels", [1, 16, 17])
def test_the_oracle_itself_is_tensorflows_depthwise_convolution(padding, stride, channels):
    x, kernel = draw(1, "float64", (2, 7, 8, channels), (3, 2, channels, 2))
    theirs = tf.nn.depthwise_conv2d(x, kernel, (1, stride, stride, 1), padding.upper()).numpy()
    oracle = tf_depthwise_conv2d(x, kernel, strides=(stride, stride), padding=padding).numpy()
    np.testing.assert_allclose(oracle, theirs, rtol=0, atol=1e-12)
    np.testing.assert_allclose(ops.depthwise_conv2d(x, kernel, None, stride, padding).data, theirs, rtol=0, atol=1e-12)


def test_gradients_equal_finite_differences():
    arrays = draw(2, "float64", (2, 5, 4, 2), (3, 2, 2, 2), (4,))
    gradients.check_gradients(lambda x, k, b: ops.depthwise_conv2d(x, k, b, (2, 1), "same", (1, 2)), arrays)


def test_the_filters_of_one_channel_lie_side_by_side():
    x = np.array([1.0, 10]).reshape(1, 1, 1, 2)
    kernel = np.array([[1.0, 2, 3], [4, 5, 6]]).reshape(1, 1, 2, 3)
    np.testing.assert_array_equal(ops.depthwise_conv2d(x, kernel).data.ravel(), [1, 2, 3, 40, 50, 60])


X, KERNEL = np.ones((1, 5, 5, 4)), np.ones((3, 3, 4, 2))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"strides": (2, 0)}, r"strides must be a positive int or a pair of them, got \(2, 0\)"),
        ({"dilation_rate": 0}, r"dilation_rate must be .* got 0"),
        ({"padding": "causal"}, r"padding must be 'valid' or 'same', got 'causal'"),
        (
            {"kernel": np.ones((3, 3, 3, 2))},
            r"kernel must have shape \(height, width, 4, depth_multiplier\).*\(3, 3, 3, 2\)",
        ),
        ({"kernel": np.ones((3, 0, 4, 2))}, r"kernel must have shape .* none of them 0, got \(3, 0, 4, 2\)"),
        ({"bias": np.ones(4)}, r"bias must have shape \(8,\), got \(4,\)"),
        ({"x": np.ones((5, 4))}, r"depthwise_conv2d needs images .* got \(5, 4\)"),
        ({"x": np.ones((1, 5, 2, 4))}, r"a window of \(3, 3\) .* does not fit into an image of \(5, 2\)"),
    ],
)
def test_errors_name_the_argument_the_rule_and_the_value(arguments, message):
    with pytest.raises(ValueError, match=message):
        ops.depthwise_conv2d(**{"x": X, "kernel": KERNEL, **arguments})
