import numpy as np
import pytest
from layer_oracle import check_equal_layers, twins
from oracle import draw

from scratchnet import layers

MERGES = ["Average", "Maximum", "Minimum", "Multiply"]


@pytest.mark.parametrize("name", MERGES)
@pytest.mark.parametrize("shapes", [[(2, 3, 4)] * 2, [(2, 3, 4)] * 3, [(2, 1, 1, 4), (2, 3, 5, 4)]], ids=str)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_merges_equal_keras(name, shapes, dtype):
    check_equal_layers(*twins(name, dtype), *draw(1, dtype, *shapes))


@pytest.mark.parametrize("shapes", [[(2, 3, 4)] * 2, [(2, 1, 4), (2, 3, 1)]], ids=str)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_subtract_equals_keras(shapes, dtype):
    check_equal_layers(*twins("Subtract", dtype), *draw(1, dtype, *shapes))


@pytest.mark.parametrize("name", MERGES)
def test_a_merge_names_shapes_that_do_not_fit(name):
    layer = getattr(layers, name)(name="m")
    with pytest.raises(ValueError, match=r"m cannot \w+ shapes \[\(None, 2\), \(None, 3\)\]: they differ"):
        layer([layers.Input((2,)), layers.Input((3,))])
    with pytest.raises(ValueError, match="m needs at least two inputs, got 1"):
        layer([layers.Input((2,))])


def test_subtract_takes_two():
    with pytest.raises(ValueError, match="s needs exactly two inputs, got 3"):
        layers.Subtract(name="s")([np.ones((1, 2))] * 3)
