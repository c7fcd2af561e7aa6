import numpy as np
import pytest
from layer_oracle import check_equal_layers, twins
from oracle import draw

from scratchnet import layers


@pytest.mark.parametrize("axis", [-1, 1, 2, [1, 2], [-1, 1, 2]], ids=str)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_values_and_gradients_equal_keras(axis, dtype):
    check_equal_layers(*twins("UnitNormalization", dtype, axis=axis), *draw(1, dtype, (3, 4, 5, 2)))


def test_vectors_get_length_one_and_zeros_stay_zeros():
    y = layers.UnitNormalization()(np.array([[3.0, 4.0], [0.0, 0.0], [-1e-5, 0.0]])).data
    np.testing.assert_allclose(y, [[0.6, 0.8], [0, 0], [-1, 0]], rtol=1e-6)


@pytest.mark.parametrize(
    ("axis", "message"),
    [(3, "one of the 2 of its inputs, got 3"), ([1, -1], "each axis once"), ("a", "axis must be an int or several")],
)
def test_a_wrong_axis_is_named(axis, message):
    with pytest.raises(ValueError, match=message):
        layers.UnitNormalization(axis)(np.ones((2, 3)))
