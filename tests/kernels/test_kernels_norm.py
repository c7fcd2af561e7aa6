import drawn
import loops
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from scratchnet.kernels import norm

TOLERANCE = {"float32": 2e-5, "float64": 1e-11}
row_counts = st.sampled_from([1, 2, 5, 31, 32, 33, 257, 600])
channel_counts = st.sampled_from([1, 2, 3, 8, 16, 17])


@settings(max_examples=30)
@given(drawn.seeds, drawn.dtypes, row_counts, channel_counts)
def test_moments_and_scaling_equal_the_loops(seed, dtype, rows, channels):
    rng = np.random.default_rng(seed)
    x = (rng.standard_normal((rows, channels)) * 3 + 1).astype(dtype)
    gamma, beta = rng.standard_normal((2, channels)).astype(dtype)
    mean, variance = norm.moments(x)
    expected_mean, expected_variance = loops.moments(x)
    np.testing.assert_allclose(mean, expected_mean, rtol=0, atol=TOLERANCE[dtype])
    np.testing.assert_allclose(variance, expected_variance, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype])
    assert mean.dtype == variance.dtype == dtype
    factor = (gamma / np.sqrt(variance + 1e-3)).astype(dtype)
    y = norm.scale_and_shift(x, factor, (beta - mean * factor).astype(dtype))
    expected = loops.normalize(x, gamma, beta, 1e-3)
    np.testing.assert_allclose(y, expected, rtol=0, atol=TOLERANCE[dtype] * max(1, np.abs(factor).max()) * 10)


def test_the_variance_of_values_far_from_zero_does_not_cancel():
    x = (np.random.default_rng(0).standard_normal((4096, 3)) + 4096).astype(np.float32)
    _, variance = norm.moments(x)
    np.testing.assert_allclose(variance, x.astype(np.float64).var(axis=0), rtol=1e-4)


def test_a_constant_column_has_no_variance():
    mean, variance = norm.moments(np.full((77, 2), 0.1, np.float32))
    np.testing.assert_array_equal(mean, np.float32(0.1))
    np.testing.assert_allclose(variance, 0, atol=1e-14)


@settings(max_examples=20)
@given(drawn.seeds, row_counts, channel_counts)
def test_sums_of_gradients_equal_numpy(seed, rows, channels):
    rng = np.random.default_rng(seed)
    x, dy = rng.standard_normal((2, rows, channels))
    mean = rng.standard_normal(channels)
    of_dy, of_products = norm.gradient_sums(x, dy, mean)
    np.testing.assert_allclose(of_dy, dy.sum(axis=0), rtol=0, atol=1e-11)
    np.testing.assert_allclose(of_products, (dy * (x - mean)).sum(axis=0), rtol=0, atol=1e-11)
