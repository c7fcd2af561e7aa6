"""After a layer was set otherwise, inference and training compute what the layer computes then."""

from collections.abc import Callable
from typing import Any

import by_hand
import numpy as np
import pytest
from by_hand import assert_close, noise

import scratchnet as sn
from scratchnet import layers, ops
from scratchnet.layers.base import Layer
from scratchnet.parameter import Parameter
from scratchnet.tensor import no_grad, reading

X, Y = noise(4, 12, 12, 3), np.arange(4) % 3


def one_chain() -> sn.Sequential:
    return sn.Sequential(
        [
            layers.Input((12, 12, 3)),
            layers.Conv2D(8, 3, padding="same", name="conv"),
            layers.ReLU(name="relu"),
            layers.BatchNormalization(name="norm"),
            layers.MaxPooling2D(2, name="pool"),
            layers.Conv2D(8, 3, activation="relu", name="activated"),
            layers.Activation("linear", name="function"),
            layers.Dropout(0.5, seed=0, name="dropout"),
            layers.Flatten(),
            layers.Dense(8, activation="relu", name="dense"),
            layers.Dense(3, activation="softmax", name="head"),
        ]
    )


def any_size() -> sn.Model:
    """Takes whatever height and width its layers leave."""
    x = layers.Input((None, None, 3))
    y = layers.Conv2D(8, 3, padding="same", name="conv")(x)
    y = layers.MaxPooling2D(2, name="pool")(layers.ReLU(name="relu")(y))
    y = layers.BatchNormalization(name="norm")(layers.DepthwiseConv2D(2, name="depthwise")(y))
    y = layers.MaxPooling2D(2, name="behind_norm")(layers.ReLU(name="second_relu")(y))
    return sn.Model(x, layers.Dense(3, name="head")(layers.GlobalAveragePooling2D(name="mean")(y)))


OF_THE_CHAIN = [
    *[("conv", "activation", value) for value in ("tanh", ops.sigmoid)],
    *[(name, "activation", value) for name in ("activated", "dense") for value in (None, "tanh", ops.sigmoid)],
    *[("function", "activation", value) for value in ("tanh", ops.sigmoid)],
    *[("head", "activation", value) for value in (None, "relu", "tanh", ops.sigmoid)],
    ("dense", "dtype", np.float64), ("head", "dtype", "float64"), ("norm", "dtype", "float64"),
    ("activated", "kernel", Parameter(noise(3, 3, 8, 8, dtype="float64"), "kernel")),
    ("norm", "beta", Parameter(noise(8, seed=5, dtype="float64"), "beta")),
    ("relu", "max_value", 0.25), ("relu", "negative_slope", 0.5), ("relu", "threshold", 0.25), ("norm", "epsilon", 2.0),
    ("conv", "bias", None), ("dense", "bias", None), ("norm", "gamma", None), ("norm", "beta", None),
    ("conv", "kernel", Parameter(noise(3, 3, 3, 8, seed=3), "kernel")),
    ("head", "kernel", Parameter(noise(8, 3, seed=3), "kernel")),
]  # fmt: skip
OF_THE_SIZE = [
    ("conv", "strides", 2), ("conv", "strides", [2, 1]), ("conv", "padding", "VALID"), ("conv", "dilation_rate", 2),
    ("pool", "strides", 1), ("pool", "strides", [3, 1]), ("pool", "pool_size", 3),
    ("behind_norm", "strides", (1, 2)), ("behind_norm", "pool_size", 1), ("behind_norm", "padding", "same"),
    ("depthwise", "strides", 2), ("depthwise", "padding", "same"), ("second_relu", "max_value", 0.1),
    ("mean", "keepdims", True),
]  # fmt: skip


def check_all(model: sn.Model) -> np.ndarray:
    """That inference and the forward pass of training give what the layers give; returns the inference's result."""
    with no_grad(), reading():
        expected, trained = by_hand.run(model, X).data, by_hand.run(model, X, training=True).data
    predicted: np.ndarray = model.predict(X)
    assert_close(predicted, expected)
    assert_close(model.predict(X[:1]), expected[:1])
    with no_grad():
        assert_close(model(X).data, expected)
    reset(model)
    assert_close(model(X, training=True).data, trained)
    return predicted


def reset(model: sn.Model) -> None:
    """Dropout draws again what it has drawn."""
    for layer in model.layers:
        if isinstance(layer, layers.Dropout):
            layer._calls = 0


def build(make: Callable[[], sn.Model]) -> sn.Model:
    model = by_hand.disturb(make())
    model.get_layer("norm").momentum = 1.0  # running the layers must not change them
    return model


@pytest.mark.parametrize(
    ("make", "layer", "name", "value"),
    [*((one_chain, *change) for change in OF_THE_CHAIN), *((any_size, *change) for change in OF_THE_SIZE)],
)
def test_inference_and_training_follow_a_layer(make: Any, layer: str, name: str, value: Any) -> None:
    model = build(make)
    reset(model)
    before = check_all(model)
    model.predict(X)  # the last before the change, and the first after it
    earlier = getattr(model.get_layer(layer), name)
    setattr(model.get_layer(layer), name, value)
    reset(model)
    after = check_all(model)
    assert name == "dtype" or before.shape != after.shape or np.abs(before - after).max() > 1e-4
    setattr(model.get_layer(layer), name, earlier)
    reset(model)
    np.testing.assert_array_equal(check_all(model), before)


def test_a_model_follows_the_layers_of_a_model_within_it() -> None:
    inner = build(one_chain)
    x = layers.Input((12, 12, 3))
    outer = sn.Model(x, layers.Dense(2, name="last")(inner(x)))
    before = outer.predict(X)
    inner.get_layer("conv").activation = "tanh"
    after = outer.predict(X)
    assert np.abs(after - before).max() > 1e-4
    with no_grad(), reading():
        assert_close(after, by_hand.run(outer, X).data)


def test_weights_that_another_layer_was_given_are_followed() -> None:
    model = build(one_chain)
    twin = build(one_chain)
    model.get_layer("dense").kernel = twin.get_layer("dense").kernel
    before = model.predict(X)
    twin.get_layer("dense").kernel.assign(np.zeros(twin.get_layer("dense").kernel.shape))
    after = model.predict(X)
    assert np.abs(after - before).max() > 1e-4
    with no_grad(), reading():
        assert_close(after, by_hand.run(model, X).data)


def test_no_activation_is_linear_in_a_saved_model_too() -> None:
    model = build(one_chain)
    for name in ("conv", "activated", "head", "function"):
        model.get_layer(name).activation = None
        assert model.get_layer(name).get_config()["activation"] == "linear"
    assert sn.Sequential.from_config(model.get_config()).get_layer("head").activation is sn.activations.linear


@pytest.mark.parametrize(
    ("layer", "name", "value", "message"),
    [
        (layers.Conv2D(1, 1), "strides", 0, "strides must be a positive int or a pair"),
        (layers.Conv2D(1, 1), "padding", "full", "padding must be 'valid' or 'same'"),
        (layers.Conv2D(1, 1), "groups", 0, "groups must be a positive int"),
        (layers.MaxPooling2D(), "pool_size", "2", "pool_size must be a positive int or a pair"),
        (layers.Dense(1), "activation", "rellu", "activation must be one of"),
        (layers.BatchNormalization(), "epsilon", 0, "epsilon must be positive"),
        (layers.ReLU(), "threshold", -1, "threshold must not be negative"),
        (layers.Dense(1), "dtype", "int8", "dtype must be float32 or float64"),
    ],
)
def test_what_a_layer_cannot_be_set_to_is_refused_at_once(layer: Layer, name: str, value: Any, message: str) -> None:
    before = getattr(layer, name)
    with pytest.raises(ValueError, match=message):
        setattr(layer, name, value)
    assert getattr(layer, name) == before


class Noting(layers.Layer):
    """Keeps what it has seen, as layers of users' own do."""

    def call(self, inputs: Any, training: bool = False) -> Any:
        self.seen = inputs
        return inputs


def test_a_layer_that_keeps_what_it_sees_leaves_the_plan_alone() -> None:
    model = build(lambda: sn.Sequential([layers.Input((12, 12, 3)), *one_chain().layers, Noting()]))
    model.predict(X)
    plan = model._inference
    model.predict(X)
    model.predict(-X)
    assert model._inference is plan


def test_the_sizes_asked_for_last_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    from scratchnet.models import inference

    monkeypatch.setattr(inference, "SHAPES_KEPT", 3)
    made: list[tuple[int, ...]] = []
    make = inference._Chain._program

    def counted(self: Any, shape: tuple[int, ...], dtype: Any) -> Any:
        made.append(shape[1:3])
        return make(self, shape, dtype)

    monkeypatch.setattr(inference._Chain, "_program", counted)
    x = layers.Input((None, None, 1))
    model = sn.Model(x, layers.Conv2D(2, 3)(x))
    for size in (4, 5, 6, 4, 7, 4, 6, 7, 5, 4):  # 7 lets 5 go, 5 lets 4 go
        y = model.predict(np.ones((1, size, size, 1)))
        assert y.shape == (1, size - 2, size - 2, 2)
    assert made == [(size, size) for size in (4, 5, 6, 7, 5, 4)]
