import numpy as np
import pytest
from layer_oracle import check_equal_layers, twins
from oracle import draw

from scratchnet import activations, layers

RELUS = [
    {},
    {"max_value": 0.5},
    {"max_value": 6},
    {"negative_slope": 0.1},
    {"threshold": 0.3},
    {"max_value": 0.8, "negative_slope": 0.2},
    {"negative_slope": 0.2, "threshold": 0.3},
    {"max_value": 0.9, "threshold": 0.3},
    {"max_value": 0.9, "negative_slope": 0.2, "threshold": 0.3},
]


@pytest.mark.parametrize("config", RELUS, ids=str)
@pytest.mark.parametrize("scale", [1, 8])
def test_every_kind_of_relu_equals_keras(config, scale):
    (x,) = draw(1, "float32", (4, 5, 6))
    check_equal_layers(*twins("ReLU", **config), x * scale)


def test_relu_in_float64_equals_keras():
    # limits that float32 can hold: Keras rounds them to that
    check_equal_layers(*twins("ReLU", "float64", max_value=0.75, threshold=0.25), *draw(1, "float64", (4, 5)))


@pytest.mark.parametrize("config", [{}, {"negative_slope": 0.05}], ids=str)
def test_leaky_relu_equals_keras(config):
    check_equal_layers(*twins("LeakyReLU", **config), *draw(1, "float32", (4, 5, 6)))


@pytest.mark.parametrize("axis", [-1, 1, 2, 3])
def test_softmax_equals_keras(axis):
    check_equal_layers(*twins("Softmax", axis=axis), *draw(1, "float32", (2, 3, 4, 5)))


@pytest.mark.parametrize("name", sorted(activations._BY_NAME))
def test_activations_by_name_equal_keras(name):
    check_equal_layers(*twins("Activation", activation=name), *draw(1, "float32", (4, 5, 6)))


def test_an_activation_may_be_a_function():
    layer = layers.Activation(lambda x: x * 2)
    np.testing.assert_array_equal(layer(np.ones((1, 2))).data, [[2, 2]])
    with pytest.raises(ValueError, match="has no name, so it cannot be saved"):
        layer.get_config()


@pytest.mark.parametrize("argument", ["max_value", "negative_slope", "threshold"])
@pytest.mark.parametrize("value", [-1, float("nan")])
def test_limits_of_relu_must_not_be_negative(argument, value):
    with pytest.raises(ValueError, match=f"{argument} must not be negative, got {value}"):
        layers.ReLU(**{argument: value})


@pytest.mark.parametrize("argument", ["negative_slope", "threshold"])
def test_only_the_upper_limit_may_be_none(argument):
    with pytest.raises(ValueError, match=f"{argument} must be a number, got None"):
        layers.ReLU(**{argument: None})
    layers.ReLU(max_value=None)


@pytest.mark.parametrize("config", RELUS, ids=str)
def test_nan_comes_through_every_kind_of_relu(config):
    assert np.isnan(layers.ReLU(**config)(np.array([[np.nan]])).data).all()
