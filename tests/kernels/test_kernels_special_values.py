"""NaN and infinity come through every kernel: a training that diverges must be seen to diverge."""

import numpy as np
import pytest

from scratchnet.kernels import average_pool, conv, depthwise, gemm, norm, pointwise, pool
from scratchnet.kernels.window import Window

DTYPES = [np.float32, np.float64]
SAME_3X3 = Window(3, 3, 1, 1, 1, 1, 1, 1)
NEIGHBOURS = np.s_[:, 1:4, 1:4]


def image_with(value, dtype):
    x = np.random.default_rng(0).random((1, 6, 6, 2)).astype(dtype) + 0.5
    x[0, 2, 2, 1] = value
    return x


def far_from_centre(y):
    mask = np.ones(y.shape, bool)
    mask[NEIGHBOURS] = False
    return y[mask]


@pytest.mark.parametrize("dtype", DTYPES)
def test_relu_keeps_nan_and_infinity(dtype):
    x = np.array([np.nan, np.inf, -np.inf, -0.0, 2] * 9, dtype)
    np.testing.assert_array_equal(pointwise.relu(x), np.array([np.nan, np.inf, 0, 0, 2] * 9, dtype))


@pytest.mark.parametrize("dtype", DTYPES)
def test_relu_gradient_keeps_nan(dtype):
    dy = np.array([np.nan, np.nan, np.inf, 1] * 9, dtype)
    y = np.array([1, 0, 1, 0] * 9, dtype)
    np.testing.assert_array_equal(pointwise.relu_gradient(dy, y), np.array([np.nan, 0, np.inf, 0] * 9, dtype))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("position", range(4))
def test_max_pool_of_nan_is_nan(dtype, position):
    x = np.array([1, 2, 3, 4], dtype)
    x[position] = np.nan
    window = Window(2, 2, 2, 2, 1, 1, 0, 0)
    y, winner = pool.max_pool_forward(x.reshape(1, 2, 2, 1), window, (1, 1))
    assert np.isnan(y).all()
    assert winner.item() == position


@pytest.mark.parametrize("dtype", DTYPES)
def test_max_pool_of_infinities_is_what_it_says(dtype):
    window = Window(1, 2, 1, 2, 1, 1, 0, 0)
    x = np.array([-np.inf, -np.inf, 1, np.inf], dtype).reshape(1, 1, 4, 1)
    y, winner = pool.max_pool_forward(x, window, (1, 2))
    np.testing.assert_array_equal(y.ravel(), [-np.inf, np.inf])
    np.testing.assert_array_equal(winner.ravel(), [0, 1])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_average_pool_passes_it_to_the_windows_that_cover_it(dtype, value):
    y = average_pool.average_pool_forward(image_with(value, dtype), SAME_3X3, (6, 6))
    np.testing.assert_array_equal(y[NEIGHBOURS][..., 1], np.full((1, 3, 3), value))
    assert np.isfinite(far_from_centre(y)).all()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_convolution_passes_it_to_the_pixels_that_see_it(dtype, value):
    x, kernel = image_with(value, dtype), np.ones((3, 3, 2, 17), dtype)
    y = conv.conv2d_forward(x, kernel, None, SAME_3X3, (6, 6), 1)
    np.testing.assert_array_equal(y[NEIGHBOURS], np.full((1, 3, 3, 17), value))
    assert np.isfinite(far_from_centre(y)).all()


@pytest.mark.parametrize("dtype", DTYPES)
def test_convolution_gradients_pass_nan(dtype):
    x, kernel = image_with(np.nan, dtype), np.ones((3, 3, 2, 5), dtype)
    dy = np.ones((1, 6, 6, 5), dtype)
    by_kernel = conv.conv2d_kernel_gradient(x, dy, kernel.shape, SAME_3X3, 1)
    assert np.isnan(by_kernel[:, :, 1]).all()
    assert np.isfinite(by_kernel[:, :, 0]).all()
    dy[0, 2, 2, 3] = np.nan
    by_x = conv.conv2d_input_gradient(dy, kernel, x.shape, SAME_3X3, 1)
    assert np.isnan(by_x[NEIGHBOURS]).all()
    assert np.isfinite(far_from_centre(by_x)).all()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_depthwise_convolution_passes_it_within_its_channel(dtype, value):
    x, kernel = image_with(value, dtype), np.ones((3, 3, 2, 1), dtype)
    y = depthwise.depthwise_forward(x, kernel, None, SAME_3X3, (6, 6))
    np.testing.assert_array_equal(y[NEIGHBOURS][..., 1], np.full((1, 3, 3), value))
    assert np.isfinite(y[..., 0]).all()
    by_kernel = depthwise.depthwise_kernel_gradient(x, np.ones_like(y), kernel.shape, SAME_3X3)
    np.testing.assert_array_equal(by_kernel[:, :, 1, 0], np.full((3, 3), value))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("rows", [1, 4, 5, 13])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_matrix_product_passes_it_along_its_row(dtype, rows, value):
    a, b = np.ones((rows, 9), dtype), np.ones((9, 21), dtype)
    a[rows - 1, 4] = value
    c = gemm.matmul(a, b)
    np.testing.assert_array_equal(c[rows - 1], np.full(21, value))
    np.testing.assert_array_equal(c[: rows - 1], np.full((rows - 1, 21), 9))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("rows", [1, 13])
def test_zero_times_infinity_is_nan_in_a_matrix_product(dtype, rows):
    a, b = np.zeros((rows, 3), dtype), np.ones((3, 2), dtype)
    b[1, 1] = np.inf
    c = gemm.matmul(a, b)
    assert np.isnan(c[:, 1]).all()
    np.testing.assert_array_equal(c[:, 0], 0)


@pytest.mark.parametrize("dtype", DTYPES)
def test_moments_of_nan_are_nan(dtype):
    x = np.ones((40, 3), dtype)
    x[17, 1] = np.nan
    mean, variance = norm.moments(x)
    np.testing.assert_array_equal(np.isnan(mean), [False, True, False])
    np.testing.assert_array_equal(np.isnan(variance), [False, True, False])


@pytest.mark.parametrize("dtype", DTYPES)
def test_dropout_keeps_nan_and_drops_it_to_zero(dtype):
    y = pointwise.dropout(np.full(1000, np.nan, dtype), 0.5, 1)
    kept = pointwise.dropout(np.ones(1000, dtype), 0.5, 1) > 0
    np.testing.assert_array_equal(y, np.where(kept, np.nan, 0))
