import drawn
import gradients
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import check_equal, draw, tf

from scratchnet import ops

REDUCTIONS = {"sum": tf.reduce_sum, "mean": tf.reduce_mean, "max": tf.reduce_max}


@pytest.mark.parametrize("name", REDUCTIONS)
@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("axis", [None, 0, 1, 2, -1, (0,), (0, 2), (1, -1), (0, 1, 2)], ids=str)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_values_and_gradients_equal_tensorflow(name, keepdims, axis, dtype):
    theirs = REDUCTIONS[name]
    check_equal(
        lambda x: getattr(ops, name)(x, axis, keepdims), lambda x: theirs(x, axis, keepdims), draw(1, dtype, (3, 4, 5))
    )


@settings(max_examples=30)
@given(
    drawn.seeds, st.sampled_from(sorted(REDUCTIONS)), st.lists(st.integers(1, 5), max_size=4), st.booleans(), st.data()
)
def test_any_shape_equals_tensorflow(seed, name, shape, keepdims, data):
    axis = data.draw(st.none() | st.sets(st.integers(0, len(shape) - 1)).map(tuple)) if shape else None
    theirs = REDUCTIONS[name]
    check_equal(
        lambda x: getattr(ops, name)(x, axis, keepdims),
        lambda x: theirs(x, axis if axis is None else list(axis), keepdims),
        draw(seed, "float64", tuple(shape)),
        seed,
    )


def test_tied_maxima_share_the_gradient_as_in_tensorflow():
    x = np.random.default_rng(0).integers(0, 2, (4, 6)).astype(np.float64)
    for axis in (None, 0, 1):
        check_equal(lambda t, a=axis: ops.max(t, a), lambda t, a=axis: tf.reduce_max(t, a), [x])


@pytest.mark.parametrize("name", REDUCTIONS)
def test_gradients_equal_finite_differences(name):
    gradients.check_gradients(lambda x: getattr(ops, name)(x, (0, 2)), draw(2, "float64", (2, 3, 4)))


@pytest.mark.parametrize("name", REDUCTIONS)
def test_nan_is_seen(name):
    assert np.isnan(getattr(ops, name)(np.array([1.0, np.nan, 3.0])).item())


@pytest.mark.parametrize("name", REDUCTIONS)
def test_an_axis_that_is_not_there_is_refused(name):
    with pytest.raises(ValueError, match="axis 2 is out of bounds"):
        getattr(ops, name)(np.ones((2, 3)), 2)
