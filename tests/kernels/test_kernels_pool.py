import drawn
import loops
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from scratchnet.kernels import pool
from scratchnet.kernels.window import Window

TOLERANCE = {"float32": 1e-5, "float64": 1e-13}
geometries = drawn.raw_windows(max_dilation=1, far=False)
channel_counts = st.sampled_from([1, 2, 7, 16, 33])


@settings(max_examples=60)
@given(drawn.seeds, drawn.dtypes, st.integers(1, 3), geometries, channel_counts)
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


@settings(max_examples=60)
@given(drawn.seeds, drawn.dtypes, st.integers(1, 3), geometries, channel_counts)
def test_average_pool_equals_the_loops(seed, dtype, batch, geometry, channels):
    size, window, out_size = geometry
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((batch, *size, channels)).astype(dtype)
    y = pool.average_pool_forward(x, window, out_size)
    assert y.dtype == dtype
    np.testing.assert_allclose(y, loops.average_pool_forward(x, window, out_size), rtol=0, atol=TOLERANCE[dtype])
    dy = rng.standard_normal(y.shape).astype(dtype)
    dx = pool.average_pool_backward(dy, x.shape, window)
    assert dx.dtype == dtype
    np.testing.assert_allclose(dx, loops.average_pool_backward(dy, x.shape, window), rtol=0, atol=10 * TOLERANCE[dtype])


def test_the_winner_of_a_window_of_more_than_256_taps_is_found():
    x = np.zeros((1, 17, 17, 1), np.float32)
    x[0, 16, 15] = 1
    window = Window(17, 17, 1, 1, 1, 1, 0, 0)
    y, winner = pool.max_pool_forward(x, window, (1, 1))
    dx = pool.max_pool_backward(np.full_like(y, 3), winner, x.shape, window)
    np.testing.assert_array_equal(dx, 3 * x)
