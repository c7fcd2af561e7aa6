import drawn
import loops
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from scratchnet.kernels import average_pool, norm, pool
from scratchnet.kernels.window import Window

TOLERANCE = {"float32": 1e-5, "float64": 1e-13}
geometries = drawn.raw_windows(max_dilation=1, far=False)
channel_counts = st.sampled_from([1, 2, 7, 16, 33])


@st.composite
def tilings(draw):
    """Windows that do not overlap, the usual ones among them, over images that they need not divide."""
    taps = draw(st.sampled_from([(2, 2), (2, 2), (2, 2), (1, 2), (3, 3), (2, 3)]))
    strides = tuple(n + draw(st.integers(0, 1)) for n in taps)
    out_size = draw(st.integers(1, 4)), draw(st.integers(1, 4))
    size = tuple((o - 1) * s + n + draw(st.integers(0, 2)) for o, s, n in zip(out_size, strides, taps, strict=True))
    return size, Window(*taps, *strides, 1, 1, 0, 0), out_size


@settings(max_examples=60)
@given(drawn.seeds, drawn.dtypes, st.integers(1, 3), st.one_of(geometries, tilings()), channel_counts)
def test_max_pool_equals_the_loops_with_ties(seed, dtype, batch, geometry, channels):
    size, window, out_size = geometry
    rng = np.random.default_rng(seed)
    x = rng.integers(-2, 2, (batch, *size, channels)).astype(dtype)  # four values: many ties
    y, winner = pool.max_pool_forward(x, window, out_size)
    expected, expected_winner = loops.max_pool_forward(x, window, out_size)
    np.testing.assert_array_equal(y, expected)
    np.testing.assert_array_equal(winner, expected_winner)
    dy = rng.standard_normal(y.shape).astype(dtype)
    dx = pool.max_pool_backward(dy, winner, x.shape, window)
    assert dx.dtype == dtype
    np.testing.assert_allclose(
        dx, loops.max_pool_backward(dy, winner, x.shape, window), rtol=0, atol=10 * TOLERANCE[dtype]
    )


@settings(max_examples=100)
@given(
    drawn.seeds,
    drawn.dtypes,
    st.one_of(geometries, tilings()),
    st.sampled_from([1, 2, 7, 16, 17, 33, 40]),
    st.booleans(),
    st.booleans(),
    st.booleans(),
)
def test_a_mapped_max_pool_equals_the_loops(seed, dtype, geometry, channels, pre_relu, post_relu, of_statistics):
    size, window, out_size = geometry
    rng = np.random.default_rng(seed)
    # small integers throughout: exact whatever the order of operations, and full of ties
    x = rng.integers(-3, 4, (2, *size, channels)).astype(dtype)
    scale, shift = rng.integers(-2, 3, (2, channels)).astype(dtype)
    mapping = norm.ChannelMap(scale, shift, pre_relu, post_relu)
    y, winner, winning_x = pool.mapped_max_pool_forward(x, mapping, window, out_size, keep_x=True)
    mapped = loops.map_channels(x, scale, shift, pre_relu, False)
    best, expected_winner = loops.max_pool_forward(mapped, window, out_size)
    np.testing.assert_array_equal(y, np.maximum(best, 0) if post_relu else best)
    passes = best > 0 if post_relu else np.ones(best.shape, bool)
    np.testing.assert_array_equal(winner, np.where(passes, expected_winner, window.height * window.width))
    np.testing.assert_array_equal(winning_x * scale + shift, best)

    dy = rng.integers(-3, 4, y.shape).astype(dtype)
    by_dy, mean, by_x, constant = rng.integers(-2, 3, (4, channels)).astype(dtype)
    gradient = norm.InputGradient(by_dy, mean, by_x, constant, of_statistics)
    dx = pool.mapped_max_pool_backward(dy, winner, x.shape, window, gradient, x, pre_relu)
    expected = loops.max_pool_backward(np.where(passes, dy, 0), expected_winner, x.shape, window) * by_dy
    if of_statistics:
        expected += ((np.maximum(x, 0) if pre_relu else x) - mean) * by_x + constant
    np.testing.assert_array_equal(dx, np.where((x > 0) | (not pre_relu), expected, 0))
    assert y.dtype == winning_x.dtype == dx.dtype == dtype


@settings(max_examples=60)
@given(drawn.seeds, drawn.dtypes, st.integers(1, 3), st.one_of(geometries, tilings()), channel_counts)
def test_average_pool_equals_the_loops(seed, dtype, batch, geometry, channels):
    size, window, out_size = geometry
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((batch, *size, channels)).astype(dtype)
    y = average_pool.average_pool_forward(x, window, out_size)
    assert y.dtype == dtype
    np.testing.assert_allclose(y, loops.average_pool_forward(x, window, out_size), rtol=0, atol=TOLERANCE[dtype])
    dy = rng.standard_normal(y.shape).astype(dtype)
    dx = average_pool.average_pool_backward(dy, x.shape, window)
    assert dx.dtype == dtype
    np.testing.assert_allclose(dx, loops.average_pool_backward(dy, x.shape, window), rtol=0, atol=10 * TOLERANCE[dtype])


def test_the_winner_of_a_window_of_more_than_256_taps_is_found():
    x = np.zeros((1, 17, 17, 1), np.float32)
    x[0, 16, 15] = 1
    window = Window(17, 17, 1, 1, 1, 1, 0, 0)
    y, winner = pool.max_pool_forward(x, window, (1, 1))
    dx = pool.max_pool_backward(np.full_like(y, 3), winner, x.shape, window)
    np.testing.assert_array_equal(dx, 3 * x)
