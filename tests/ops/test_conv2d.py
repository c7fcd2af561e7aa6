import drawn
import gradients
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import check_equal, draw, tf, tf_conv2d

from scratchnet import ops
from scratchnet.tensor import Tensor


@settings(max_examples=60)
@given(
    drawn.seeds, drawn.dtypes, st.integers(1, 3), drawn.slidings(), st.integers(1, 3), st.integers(1, 4),
    st.integers(1, 6), st.booleans(),
)  # fmt: skip
def test_values_and_gradients_equal_tensorflow(
    seed, dtype, batch, sliding, groups, group_channels, group_filters, with_bias
):
    size, kernel, strides, dilation, padding = sliding
    channels, filters = groups * group_channels, groups * group_filters
    shapes = [(batch, *size, channels), (*kernel, group_channels, filters), (filters,)]
    arrays = draw(seed, dtype, *shapes[: 2 + with_bias])
    check_equal(
        lambda x, k, b=None: ops.conv2d(x, k, b, strides, padding, dilation, groups),
        lambda x, k, b=None: tf_conv2d(x, k, b, strides, padding, dilation, groups),
        arrays,
        seed,
    )


@settings(max_examples=10)
@given(drawn.seeds, drawn.dtypes, drawn.filter_counts, st.sampled_from([1, 3, 16, 40]))
def test_any_number_of_filters_equals_tensorflow(seed, dtype, filters, channels):
    arrays = draw(seed, dtype, (2, 6, 5, channels), (3, 3, channels, filters), (filters,))
    check_equal(
        lambda x, k, b: ops.conv2d(x, k, b, padding="same"),
        lambda x, k, b: tf_conv2d(x, k, b, padding="same"),
        arrays,
        seed,
    )


@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize(("kernel", "stride"), [(1, 1), (2, 1), (2, 2), (3, 2), (4, 2), (5, 3), (7, 4)])
@pytest.mark.parametrize("size", [7, 8, 9])
def test_strides_and_even_kernels_equal_tensorflow(padding, kernel, stride, size):
    arrays = draw(size, "float64", (1, size, size + 1, 2), (kernel, kernel, 2, 3))
    check_equal(
        lambda x, k: ops.conv2d(x, k, strides=stride, padding=padding),
        lambda x, k: tf.nn.conv2d(x, k, stride, padding.upper()),
        arrays,
    )


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("padding", ["valid", "same"])
def test_gradients_equal_finite_differences(groups, padding):
    arrays = draw(3, "float64", (2, 5, 4, 2), (3, 2, 2 // groups, 4), (4,))
    gradients.check_gradients(lambda x, k, b: ops.conv2d(x, k, b, (2, 1), padding, (1, 2), groups), arrays)


def test_an_even_kernel_with_same_padding_pads_below_and_to_the_right():
    x = np.array([[1.0, 2], [3, 4]]).reshape(1, 2, 2, 1)
    y = ops.conv2d(x, np.ones((2, 2, 1, 1)), padding="same")
    np.testing.assert_array_equal(y.data[0, :, :, 0], [[10, 6], [7, 4]])


def test_stride_2_with_same_padding_starts_at_the_first_pixel_of_an_even_image():
    # TensorFlow pads 4 pixels under a window of 3 by none before and one behind: windows start at 0 and 2
    x = np.array([1.0, 2, 3, 4]).reshape(1, 1, 4, 1)
    y = ops.conv2d(x, np.ones((1, 3, 1, 1)), strides=(1, 2), padding="same")
    np.testing.assert_array_equal(y.data.ravel(), [6, 7])


def test_stride_2_with_same_padding_starts_before_the_first_pixel_of_an_odd_image():
    x = np.array([1.0, 2, 3, 4, 5]).reshape(1, 1, 5, 1)
    y = ops.conv2d(x, np.ones((1, 3, 1, 1)), strides=(1, 2), padding="same")
    np.testing.assert_array_equal(y.data.ravel(), [3, 9, 9])


def test_only_the_arguments_that_require_a_gradient_get_one():
    x, kernel, bias = (Tensor(array) for array in draw(0, "float64", (1, 4, 4, 1), (2, 2, 1, 2), (2,)))
    kernel.requires_grad = True
    ops.conv2d(x, kernel, bias).sum().backward()
    assert kernel.grad is not None
    assert x.grad is None
    assert bias.grad is None


def test_non_contiguous_images_are_taken():
    arrays = draw(4, "float64", (3, 5, 6, 2), (2, 2, 3, 4))
    check_equal(
        lambda x, k: ops.conv2d(x.transpose(3, 1, 2, 0), k),
        lambda x, k: tf_conv2d(tf.transpose(x, (3, 1, 2, 0)), k),
        arrays,
    )


def test_mixed_precision_gives_each_argument_a_gradient_of_its_dtype():
    x, kernel, bias = draw(5, "float64", (1, 4, 4, 1), (2, 2, 1, 2), (2,))
    tensors = [Tensor(x.astype(np.float32), True), Tensor(kernel, True), Tensor(bias.astype(np.float32), True)]
    y = ops.conv2d(*tensors)
    assert y.dtype == np.float64
    y.backward(np.ones(y.shape))
    assert [tensor.grad.dtype.name for tensor in tensors] == ["float32", "float64", "float32"]


X, KERNEL = np.ones((1, 5, 5, 4)), np.ones((3, 3, 4, 6))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"strides": 0}, r"strides must be a positive int or a pair of them, got 0"),
        ({"strides": (0, 1)}, r"strides must be a positive int or a pair of them, got \(0, 1\)"),
        ({"strides": (1, 2, 3)}, r"strides must be .* got \(1, 2, 3\)"),
        ({"strides": 1.5}, r"strides must be .* got 1\.5"),
        ({"strides": True}, r"strides must be .* got True"),
        ({"strides": "12"}, r"strides must be .* got '12'"),
        ({"dilation_rate": (1, -1)}, r"dilation_rate must be a positive int or a pair of them, got \(1, -1\)"),
        ({"padding": "full"}, r"padding must be 'valid' or 'same', got 'full'"),
        ({"padding": 1}, r"padding must be 'valid' or 'same', got 1"),
        ({"groups": 3}, r"groups must divide 4 channels and 6 filters, got 3"),
        ({"groups": 4}, r"groups must divide 4 channels and 6 filters, got 4"),
        ({"groups": 0}, r"groups must divide .* got 0"),
        ({"groups": 2}, r"kernel must have shape \(height, width, 2, filters\) .* groups=2, got \(3, 3, 4, 6\)"),
        ({"kernel": np.ones((3, 3, 5, 6))}, r"kernel must have shape \(height, width, 4, filters\).*\(3, 3, 5, 6\)"),
        ({"kernel": np.ones((3, 4, 6))}, r"kernel must have shape .* got \(3, 4, 6\)"),
        ({"kernel": np.ones((0, 3, 4, 6))}, r"kernel must have shape .* none of them 0, got \(0, 3, 4, 6\)"),
        ({"kernel": np.ones(())}, r"kernel must have shape .* got \(\)"),
        ({"bias": np.ones(5)}, r"bias must have shape \(6,\), got \(5,\)"),
        (
            {"x": np.ones((5, 5, 4))},
            r"conv2d needs images of shape \(batch, height, width, channels\), got \(5, 5, 4\)",
        ),
        ({"x": np.ones((1, 2, 5, 4))}, r"a window of \(3, 3\) with dilation \(1, 1\) does not fit into .* \(2, 5\)"),
        ({"dilation_rate": 3}, r"a window of \(3, 3\) with dilation \(3, 3\) does not fit into an image of \(5, 5\)"),
    ],
)
def test_errors_name_the_argument_the_rule_and_the_value(arguments, message):
    with pytest.raises(ValueError, match=message):
        ops.conv2d(**{"x": X, "kernel": KERNEL, **arguments})


def test_padding_may_be_in_capitals():
    np.testing.assert_array_equal(
        ops.conv2d(X, KERNEL, padding="SAME").data, ops.conv2d(X, KERNEL, padding="same").data
    )


def test_an_empty_batch_has_an_empty_result_and_no_gradient():
    x, kernel = Tensor(np.ones((0, 5, 5, 4)), True), Tensor(KERNEL, True)
    y = ops.conv2d(x, kernel)
    assert y.shape == (0, 3, 3, 6)
    y.backward(np.ones(y.shape))
    assert x.grad.shape == x.shape
    np.testing.assert_array_equal(kernel.grad, 0)
