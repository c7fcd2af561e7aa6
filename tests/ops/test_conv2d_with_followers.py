"""A convolution in one pass with ReLU and max pool equals TensorFlow's three operations."""

import drawn
import gradients
import numpy as np
import pytest
import tapwise
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import assert_close, check_equal, draw, tf, tf_conv2d

from scratchnet import ops
from scratchnet.tensor import Tensor, no_grad

pools = st.one_of(st.none(), st.tuples(st.integers(1, 3), st.integers(1, 3)))


def tf_followed(x, kernel, bias, relu, pool, **options):
    y = tf_conv2d(x, kernel, bias, **options)
    y = tf.nn.relu(y) if relu else y
    return y if pool is None else tf.nn.max_pool2d(y, pool, pool, "VALID")


def check(arrays, relu, pool, seed=0, **options):
    names = {"dilation": "dilation_rate"}
    ours = {names.get(name, name): value for name, value in options.items()}
    check_equal(
        lambda *a: ops.conv2d(*a, **ours, relu=relu, pool_size=pool),
        lambda x, k, b=None: tf_followed(x, k, b, relu, pool, **options),
        arrays,
        seed,
    )


@settings(max_examples=60)
@given(
    drawn.seeds, st.integers(1, 3), drawn.slidings(), st.integers(1, 2), st.integers(1, 3), st.integers(1, 5),
    st.booleans(), st.booleans(), pools, st.booleans(),
)  # fmt: skip
def test_values_and_gradients_equal_tensorflow(
    seed, batch, sliding, groups, group_channels, group_filters, with_bias, relu, pool, whole
):
    size, kernel, strides, dilation, padding = sliding
    shapes = [
        (batch, *size, groups * group_channels), (*kernel, group_channels, groups * group_filters),
        (groups * group_filters,),
    ]  # fmt: skip
    arrays = draw(seed, "float64", *shapes[: 2 + with_bias])
    if whole:  # then many sums are equal, and many 0
        arrays = [np.rint(array) for array in arrays]
    out = ops.conv2d(*arrays[:2], None, strides, padding, dilation, groups).shape[1:3]
    pool = None if pool is None else (min(pool[0], out[0]), min(pool[1], out[1]))
    check(arrays, relu, pool, seed, strides=strides, padding=padding, dilation=dilation, groups=groups)


@pytest.mark.parametrize("pool", [None, (2, 2), (4, 1), (3, 3)])
@pytest.mark.parametrize("relu", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_many_channels_equal_tensorflow(dtype, relu, pool):
    x, kernel, bias = draw(1, dtype, (6, 13, 11, 16), (3, 3, 16, 48), (48,))
    with tapwise.algorithm(winograd=dtype == "float32" and pool != (3, 3)):
        y = ops.conv2d(x, kernel, bias, padding="same", relu=relu, pool_size=pool)
        assert_close(y.data, tf_followed(x, kernel, bias, relu, pool, padding="same").numpy())
        # Gradients jump where two sums, or a sum and 0, are closer than rounding. Whole numbers are not, and with
        # halves among the channels' biases no sum is 0.
        arrays = [np.rint(x), np.rint(kernel), np.rint(bias) + x.dtype.type(0.5)]
        if dtype == "float64" or pool is None:
            check(arrays, relu, pool, padding="same")


@pytest.mark.parametrize("pool", [(2, 2), (1, 3)])
@pytest.mark.parametrize("relu", [False, True])
def test_gradients_equal_finite_differences(relu, pool):
    arrays = draw(5, "float64", (2, 5, 6, 2), (3, 2, 2, 4), (4,))
    gradients.check_gradients(lambda *a: ops.conv2d(*a, padding="same", relu=relu, pool_size=pool), arrays)


def test_without_recording_the_values_are_the_same():
    arrays = draw(2, "float32", (2, 9, 9, 3), (3, 3, 3, 20), (20,))
    recorded = ops.conv2d(Tensor(arrays[0], requires_grad=True), *arrays[1:], relu=True, pool_size=2)
    with no_grad():
        bare = ops.conv2d(*arrays, relu=True, pool_size=2)
    assert recorded.requires_grad
    assert not bare.requires_grad
    assert recorded.data.tobytes() == bare.data.tobytes()


def test_the_largest_pool_counts_its_taps_right():
    x, kernel = draw(3, "float64", (1, 16, 32, 1), (1, 1, 1, 3))
    check([x, kernel], False, (16, 16))


@pytest.mark.parametrize("pool", [(17, 16), (6, 1), (1, 7), 0, (2, -1), "22"])
def test_a_pool_that_does_not_fit_is_refused(pool):
    size = (32, 32) if pool == (17, 16) else (5, 6)
    with pytest.raises(ValueError, match="pool_size must"):
        ops.conv2d(np.ones((1, *size, 1)), np.ones((1, 1, 1, 1)), pool_size=pool)
