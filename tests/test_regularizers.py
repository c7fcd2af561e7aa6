import os
import warnings

import numpy as np
import pytest

from scratchnet import regularizers
from scratchnet.regularizers import L1, L1L2, L2

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # TensorFlow's own imports warn
    keras = pytest.importorskip("keras")

CASES = [
    ("L1", {}),
    ("L1", {"l1": 0.3}),
    ("L2", {}),
    ("L2", {"l2": 0.2}),
    ("L1L2", {"l1": 0.1, "l2": 0.4}),
    ("L1L2", {}),
]


@pytest.mark.parametrize(("name", "arguments"), CASES)
def test_penalty_is_that_of_keras(name, arguments):
    weights = np.random.default_rng(0).normal(size=(3, 3, 4, 5)).astype("float32")
    ours = getattr(regularizers, name)(**arguments)
    theirs = getattr(keras.regularizers, name)(**arguments)
    assert ours.penalty(weights) == pytest.approx(float(theirs(weights)), rel=1e-6)


@pytest.mark.parametrize(("name", "arguments"), CASES)
def test_gradient_is_the_penaltys_slope(name, arguments):
    regularizer = getattr(regularizers, name)(**arguments)
    weights = np.random.default_rng(1).normal(size=(4, 5))
    gradient = regularizer.gradient(weights)
    for index in np.ndindex(weights.shape):
        step = np.zeros_like(weights)
        step[index] = 1e-6
        slope = (regularizer.penalty(weights + step) - regularizer.penalty(weights - step)) / 2e-6
        assert gradient[index] == pytest.approx(slope, abs=1e-7)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_gradient_keeps_shape_and_dtype_and_is_zero_at_zero(dtype):
    gradient = L1L2(0.1, 0.2).gradient(np.array([[0, 2, -3]], dtype))
    assert gradient.dtype == dtype
    np.testing.assert_allclose(gradient, [[0, 0.9, -1.3]], rtol=1e-6)


def test_names_and_configs():
    assert regularizers.get("l2").get_config() == {"l2": 0.01}
    assert regularizers.get("L1").get_config() == {"l1": 0.01}
    assert regularizers.get("l1_l2").get_config() == {"l1": 0.01, "l2": 0.01}
    assert regularizers.get(None) is None
    for regularizer in (L1(0.1), L2(0.2), L1L2(0.3, 0.4)):
        copy = regularizers.get(regularizers.serialize(regularizer))
        assert type(copy) is type(regularizer)
        assert copy.get_config() == regularizer.get_config()
    assert regularizers.get(keras.regularizers.serialize(keras.regularizers.L2(0.5))).l2 == 0.5


@pytest.mark.parametrize("value", [-0.1, float("nan"), float("inf"), "much", True])
def test_bad_factors_are_refused(value):
    with pytest.raises(ValueError, match="l2 must be a finite number that is not negative"):
        L2(value)


def test_unknown_names_are_refused_with_the_valid_ones():
    with pytest.raises(ValueError, match="regularizer must be one of l1, l1_l2, l2, got 'l3'"):
        regularizers.get("l3")
