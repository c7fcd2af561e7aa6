import drawn
import gradients
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from oracle import check_equal, draw, tf

from scratchnet import ops
from scratchnet.tensor import Tensor

POOLS = {
    "max": (ops.max_pool2d, tf.nn.max_pool2d),
    "average": (ops.average_pool2d, tf.nn.avg_pool2d),
}


@pytest.mark.parametrize("kind", POOLS)
@settings(max_examples=50)
@given(drawn.seeds, drawn.dtypes, st.integers(1, 3), drawn.slidings(max_dilation=1), st.sampled_from([1, 3, 16, 17]))
def test_values_and_gradients_equal_tensorflow(kind, seed, dtype, batch, sliding, channels):
    size, window, strides, _, padding = sliding
    # where the window is wider than the image, TensorFlow's float64 gradient of the average is not that of its value;
    # float32 is compared here all the same, and float64 with finite differences below
    assume(kind == "max" or dtype == "float32" or (window[0] <= size[0] and window[1] <= size[1]))
    ours, theirs = POOLS[kind]
    check_equal(
        lambda x: ours(x, window, strides, padding),
        lambda x: theirs(x, window, strides, padding.upper()),
        draw(seed, dtype, (batch, *size, channels)),
        seed,
    )


@settings(max_examples=30)
@given(drawn.seeds, drawn.slidings(max_dilation=1))
def test_the_first_of_several_maxima_takes_the_gradient_as_in_tensorflow(seed, sliding):
    size, window, strides, _, padding = sliding
    x = np.random.default_rng(seed).integers(0, 3, (2, *size, 2)).astype(np.float64)
    check_equal(
        lambda t: ops.max_pool2d(t, window, strides, padding),
        lambda t: tf.nn.max_pool2d(t, window, strides, padding.upper()),
        [x],
        seed,
    )


@pytest.mark.parametrize("keepdims", [False, True])
@settings(max_examples=15)
@given(drawn.seeds, drawn.dtypes, st.tuples(*[st.integers(1, 5)] * 4))
def test_global_pools_equal_tensorflow(keepdims, seed, dtype, shape):
    arrays = draw(seed, dtype, shape)
    for ours, theirs in ((ops.global_average_pool2d, tf.reduce_mean), (ops.global_max_pool2d, tf.reduce_max)):
        check_equal(lambda x, f=ours: f(x, keepdims), lambda x, f=theirs: f(x, (1, 2), keepdims), arrays, seed)


@pytest.mark.parametrize("window", [(3, 2), (1, 5), (7, 9)])
@pytest.mark.parametrize("kind", POOLS)
def test_gradients_equal_finite_differences(kind, window):
    arrays = draw(1, "float64", (2, 5, 4, 2))
    gradients.check_gradients(lambda x: POOLS[kind][0](x, window, (2, 1), "same"), arrays)


def test_the_first_of_tied_maxima_takes_the_gradient():
    x = Tensor(np.array([[1.0, 3], [3, 3]]).reshape(1, 2, 2, 1), requires_grad=True)
    ops.max_pool2d(x).backward(np.full((1, 1, 1, 1), 5.0))
    np.testing.assert_array_equal(x.grad[0, :, :, 0], [[0, 5], [0, 0]])


def test_tied_maxima_of_a_whole_image_share_the_gradient():
    x = Tensor(np.array([[1.0, 3], [3, 3]]).reshape(1, 2, 2, 1), requires_grad=True)
    ops.global_max_pool2d(x).backward(np.full((1, 1), 6.0))
    np.testing.assert_array_equal(x.grad[0, :, :, 0], [[0, 2], [2, 2]])


def test_average_pooling_leaves_padding_out():
    x = np.array([[1.0, 2, 3], [4, 5, 6], [7, 8, 9]]).reshape(1, 3, 3, 1)
    y = ops.average_pool2d(x, 2, padding="same")
    np.testing.assert_array_equal(y.data[0, :, :, 0], [[3, 4.5], [7.5, 9]])


def test_padding_is_never_the_maximum():
    y = ops.max_pool2d(np.full((1, 3, 3, 1), -7.0), 2, padding="same")
    np.testing.assert_array_equal(y.data, np.full((1, 2, 2, 1), -7))


def test_strides_are_the_window_by_default():
    (x,) = draw(2, "float32", (1, 7, 9, 2))
    np.testing.assert_array_equal(ops.max_pool2d(x, (2, 3)).data, ops.max_pool2d(x, (2, 3), (2, 3)).data)
    assert ops.average_pool2d(x).shape == (1, 3, 4, 2)


@pytest.mark.parametrize("kind", POOLS)
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"pool_size": 0}, r"pool_size must be a positive int or a pair of them, got 0"),
        ({"pool_size": (2,)}, r"pool_size must be .* got \(2,\)"),
        ({"strides": (1, 0)}, r"strides must be .* got \(1, 0\)"),
        ({"padding": "none"}, r"padding must be 'valid' or 'same', got 'none'"),
        ({"x": np.ones((3, 4, 4))}, r"_pool2d needs images .* got \(3, 4, 4\)"),
        ({"pool_size": 6}, r"a window of \(6, 6\) .* does not fit into an image of \(4, 5\)"),
    ],
)
def test_errors_name_the_argument_the_rule_and_the_value(kind, arguments, message):
    with pytest.raises(ValueError, match=message):
        POOLS[kind][0](**{"x": np.ones((1, 4, 5, 2)), **arguments})


@pytest.mark.parametrize("function", [ops.global_max_pool2d, ops.global_average_pool2d])
def test_global_pools_need_images(function):
    with pytest.raises(ValueError, match=r"needs images .* got \(4, 5\)"):
        function(np.ones((4, 5)))
