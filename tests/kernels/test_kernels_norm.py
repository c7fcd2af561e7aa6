import drawn
import loops
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scratchnet.kernels import norm

TOLERANCE = {"float32": 2e-5, "float64": 1e-11}
row_counts = st.sampled_from([1, 2, 5, 31, 32, 33, 257, 600])
channel_counts = st.sampled_from([1, 2, 3, 8, 16, 17, 33, 40, 64, 65])
relus = st.booleans()


def draw_map(rng, dtype, channels, pre_relu, post_relu):
    scale, shift = rng.standard_normal((2, channels)).astype(dtype)
    return norm.ChannelMap(scale, shift, pre_relu, post_relu)


@settings(max_examples=30)
@given(drawn.seeds, drawn.dtypes, row_counts, channel_counts, relus)
def test_moments_equal_the_loops(seed, dtype, rows, channels, relu):
    x = (np.random.default_rng(seed).standard_normal((rows, channels)) * 3 + 1).astype(dtype)
    mean, variance = norm.moments(x, relu)
    expected_mean, expected_variance = loops.moments(np.maximum(x, 0) if relu else x)
    np.testing.assert_allclose(mean, expected_mean, rtol=0, atol=TOLERANCE[dtype])
    np.testing.assert_allclose(variance, expected_variance, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype])
    assert mean.dtype == variance.dtype == dtype


@pytest.mark.parametrize("channels", [1, 3, 64, 100, 513, 3000])
def test_moments_of_many_chunks_equal_numpy(channels):
    x = np.random.default_rng(1).standard_normal((300_000 // channels + 3, channels)).astype(np.float32)
    mean, variance = norm.moments(x)
    np.testing.assert_allclose(mean, x.astype(np.float64).mean(axis=0), rtol=0, atol=3e-7)
    np.testing.assert_allclose(variance, x.astype(np.float64).var(axis=0), rtol=1e-6)


def test_the_variance_of_values_far_from_zero_does_not_cancel():
    x = (np.random.default_rng(0).standard_normal((4096, 3)) + 4096).astype(np.float32)
    _, variance = norm.moments(x)
    np.testing.assert_allclose(variance, x.astype(np.float64).var(axis=0), rtol=1e-6)


@pytest.mark.parametrize("every", [2, 32, 64, 512])
def test_rows_unlike_the_others_do_not_make_the_variance_cancel(every):
    x = (np.random.default_rng(0).standard_normal((8192, 64)) + 4096).astype(np.float32)
    x[::every] = 0  # some of these, or all, are what the centre of a chunk is guessed from
    mean, variance = norm.moments(x)
    np.testing.assert_allclose(mean, x.astype(np.float64).mean(axis=0), rtol=1e-6)
    np.testing.assert_allclose(variance, x.astype(np.float64).var(axis=0), rtol=3e-5)


def test_a_constant_column_has_no_variance():
    mean, variance = norm.moments(np.full((77, 2), 0.1, np.float32))
    np.testing.assert_array_equal(mean, np.float32(0.1))
    np.testing.assert_allclose(variance, 0, atol=1e-14)


@settings(max_examples=40)
@given(drawn.seeds, drawn.dtypes, row_counts, channel_counts, relus, relus)
def test_mapping_equals_the_loops(seed, dtype, rows, channels, pre_relu, post_relu):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((rows, channels)).astype(dtype)
    mapping = draw_map(rng, dtype, channels, pre_relu, post_relu)
    y = norm.map_channels(x, mapping)
    assert y.dtype == dtype
    np.testing.assert_allclose(y, loops.map_channels(x, *mapping), rtol=0, atol=TOLERANCE[dtype])


@settings(max_examples=40)
@given(drawn.seeds, row_counts, channel_counts, relus, relus)
def test_sums_of_gradients_equal_the_loops(seed, rows, channels, pre_relu, post_relu):
    rng = np.random.default_rng(seed)
    x, dy = rng.standard_normal((2, rows, channels))
    mean = rng.standard_normal(channels)
    mapping = draw_map(rng, "float64", channels, pre_relu, post_relu)
    of_dz, of_products = norm.gradient_sums(x, dy, mapping, mean)
    dz = loops.map_channels_gradient(x, dy, *mapping)
    value = np.maximum(x, 0) if pre_relu else x
    np.testing.assert_allclose(of_dz, dz.sum(axis=0), rtol=0, atol=1e-11)
    np.testing.assert_allclose(of_products, (dz * (value - mean)).sum(axis=0), rtol=0, atol=1e-11)


@settings(max_examples=40)
@given(drawn.seeds, drawn.dtypes, row_counts, channel_counts, relus, relus, st.booleans())
def test_the_input_gradient_equals_its_formula(seed, dtype, rows, channels, pre_relu, post_relu, of_statistics):
    rng = np.random.default_rng(seed)
    x, dy = rng.standard_normal((2, rows, channels)).astype(dtype)
    mapping = draw_map(rng, dtype, channels, pre_relu, post_relu)
    by_dy, mean, by_x, constant = rng.standard_normal((4, channels)).astype(dtype)
    dx = norm.input_gradient(x, dy, mapping, norm.InputGradient(by_dy, mean, by_x, constant, of_statistics))
    assert dx.dtype == dtype
    expected = loops.map_channels_gradient(x, dy, *mapping) * by_dy
    if of_statistics:
        expected += ((np.maximum(x, 0) if pre_relu else x) - mean) * by_x + constant
    if pre_relu:
        expected[x <= 0] = 0
    np.testing.assert_allclose(dx, expected, rtol=0, atol=TOLERANCE[dtype])
