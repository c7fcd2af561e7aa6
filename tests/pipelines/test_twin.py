"""The Keras twin computes what our model computes, and is trained the same way."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from oracle import keras, tf
from random_models import models

import scratchnet as sn
from pipelines.errors import UserError
from pipelines.twin import from_keras, to_keras
from scratchnet import layers
from scratchnet.formats.keras_description import every_layer


def plain() -> sn.Model:
    return sn.Sequential(
        [
            layers.Input((12, 12, 4)),
            layers.Rescaling(0.5, offset=-1),
            layers.ZeroPadding2D(((1, 0), (0, 2))),
            layers.Conv2D(8, (3, 2), strides=2, padding="same", activation="relu", groups=2),
            layers.BatchNormalization(momentum=0.8, epsilon=1e-2),
            layers.LeakyReLU(0.1),
            layers.DepthwiseConv2D(3, padding="same", depth_multiplier=2),
            layers.SeparableConv2D(5, 3, padding="same", use_bias=False),
            layers.AveragePooling2D(2, padding="same"),
            layers.ReLU(max_value=4.0, negative_slope=0.1, threshold=0.2),
            layers.Conv2D(6, 2, dilation_rate=2, activation="gelu"),
            layers.Flatten(),
            layers.Reshape((3, -1)),
            layers.Activation("tanh"),
            layers.Flatten(),
            layers.Dropout(0.4),
            layers.Dense(7),
            layers.Softmax(),
        ]
    )


def branching() -> sn.Model:
    x = layers.Input((12, 12, 4), name="image")
    shared = layers.Conv2D(4, 3, padding="same", activation="silu")
    y = layers.Add()([shared(shared(x)), x])
    parts = [layers.GlobalAveragePooling2D()(y), layers.GlobalMaxPooling2D()(x)]
    parts.append(layers.Flatten()(layers.MaxPooling2D(3, strides=4)(y)))
    return sn.Model(x, layers.Dense(7, activation="softmax")(layers.Concatenate()(parts)))


def nested() -> sn.Model:
    inner = sn.Sequential([layers.Input((12, 12, 4)), layers.Conv2D(4, 1), layers.BatchNormalization()], name="inner")
    x = layers.Input((12, 12, 4))
    return sn.Model(x, layers.Dense(7)(layers.Flatten()(inner(inner(x)))), name="outer")


@pytest.mark.parametrize("build", [plain, branching, nested])
def test_the_twin_computes_the_same(build: Callable[[], sn.Model]) -> None:
    sn.set_random_seed(0)
    model = build()
    rng = np.random.default_rng(0)
    model.set_weights([np.abs(w + 0.1 * rng.standard_normal(w.shape)) + 0.01 for w in model.get_weights()])
    twin = to_keras(model)
    x = rng.standard_normal((5, 12, 12, 4)).astype(np.float32)
    ours, theirs = model.predict(x), np.asarray(twin(x, training=False))
    np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5 * np.abs(theirs).max())
    assert twin.count_params() == model.count_params()
    assert {layer.name for layer in model.layers} <= {layer.name for layer in twin.layers}


def test_several_inputs_and_outputs_keep_their_order() -> None:
    a, b = layers.Input((2,), name="a"), layers.Input((3,), name="b")
    joined = layers.Concatenate()([b, a])
    model = sn.Model([a, b], [layers.Dense(4)(joined), joined])
    x = [np.random.default_rng(0).standard_normal((5, n)).astype(np.float32) for n in (2, 3)]
    theirs = to_keras(model)(x)
    for mine, other in zip(model.predict(x), theirs, strict=True):
        np.testing.assert_allclose(mine, np.asarray(other), rtol=1e-5, atol=1e-6)


def test_float64_stays_float64() -> None:
    x = layers.Input((4,), dtype="float64")
    model = sn.Model(x, layers.Dense(3, dtype="float64")(x))
    values = np.random.default_rng(0).standard_normal((5, 4))
    theirs = np.asarray(to_keras(model)(values))
    assert theirs.dtype == np.float64
    np.testing.assert_allclose(model.predict(values), theirs, rtol=1e-12)


def test_the_twin_is_compiled_alike_and_takes_the_same_step() -> None:
    sn.set_random_seed(0)
    model = branching()
    model.layers[0].trainable = False
    model.compile(
        sn.optimizers.SGD(sn.schedules.ExponentialDecay(0.05, 10, 0.5), momentum=0.9, nesterov=True),
        sn.losses.CategoricalCrossentropy(label_smoothing=0.1),
        metrics=["accuracy", sn.metrics.TopKCategoricalAccuracy(k=2, name="top")],
    )
    twin = to_keras(model)
    assert twin.optimizer.momentum == 0.9
    assert twin.optimizer.nesterov
    assert twin.loss.label_smoothing == 0.1
    rng = np.random.default_rng(0)
    for _ in range(3):
        x = rng.standard_normal((8, 12, 12, 4)).astype(np.float32)
        y = np.eye(7, dtype=np.float32)[rng.integers(0, 7, 8)]
        ours, theirs = model.train_on_batch(x, y, return_dict=True), twin.train_on_batch(x, y, return_dict=True)
        assert ours == pytest.approx({name: float(value) for name, value in theirs.items()}, rel=1e-4)
    for layer in model.layers:
        for mine, other in zip(layer.get_weights(), twin.get_layer(layer.name).get_weights(), strict=True):
            np.testing.assert_allclose(mine, other, atol=1e-5)


def test_regularisers_go_along() -> None:
    x = layers.Input((4,))
    model = sn.Model(x, layers.Dense(3, kernel_regularizer=sn.regularizers.L1L2(0.1, 0.2), bias_regularizer="l2")(x))
    model.compile("sgd", "mse")
    values, targets = np.ones((2, 4), np.float32), np.zeros((2, 3), np.float32)
    twin = to_keras(model)
    assert model.evaluate(values, targets, verbose=0) == pytest.approx(twin.evaluate(values, targets, verbose=0))


def test_a_model_that_is_not_compiled_has_an_uncompiled_twin() -> None:
    assert not to_keras(nested()).compiled


class Mine(layers.Layer):
    """A layer that Keras does not have."""

    def call(self, inputs: sn.Tensor, training: bool = False) -> sn.Tensor:
        return inputs


def test_what_keras_does_not_have_is_named() -> None:
    model = sn.Sequential([layers.Input((3,)), Mine(name="special")])
    with pytest.raises(ValueError, match="special is a Mine, which Keras does not have"):
        to_keras(model)


def test_without_tensorflow_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "tensorflow", None)
    with pytest.raises(UserError, match=r'not installed: pip install -e "\.\[keras\]"'):
        to_keras(nested())


@pytest.mark.parametrize("build", [plain, branching, nested])
def test_the_way_to_keras_and_back_changes_nothing(build: Callable[[], sn.Model]) -> None:
    model = build()
    back = from_keras(to_keras(model))
    assert back.get_config() == model.get_config()
    for mine, other in zip(model.get_weights(), back.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, other)


def keras_models() -> list[Any]:
    k = keras.layers
    image = keras.Input((8, 8, 2), name="image")
    inner = keras.Sequential([keras.Input((8, 8, 2)), k.Conv2D(2, 3, padding="same"), k.BatchNormalization()])
    value = k.Subtract()([k.Multiply()([inner(inner(image)), image]), image])
    value = k.Maximum()([k.LeakyReLU(negative_slope=0.1)(value), k.ELU(alpha=0.5)(value)])
    other = keras.Input((3,), name="other")
    joined = k.Concatenate()([k.Flatten()(k.Average()([value, image])), other])
    graph = keras.Model([image, other], [k.Dense(3, activation="mish")(joined), joined])
    stack = keras.Sequential(
        [
            keras.Input((8, 8, 2)),
            k.Normalization(mean=0.5, variance=2.0),
            k.SeparableConv2D(4, 3, strides=2, padding="same", activation="swish"),
            k.MaxPooling2D(2, padding="same"),
            k.GlobalAveragePooling2D(),
            k.Dense(2, kernel_regularizer="l2", trainable=False),
        ]
    )
    return [graph, stack]


@pytest.mark.parametrize("number", [0, 1], ids=["graph", "stack"])
def test_a_model_born_in_keras_computes_the_same_here(number: int) -> None:
    theirs = keras_models()[number]
    rng = np.random.default_rng(0)
    theirs.set_weights([rng.uniform(0.3, 1.0, weight.shape) for weight in theirs.weights])
    ours = from_keras(theirs)
    x = [rng.standard_normal((3, *tensor.shape[1:])).astype(np.float32) for tensor in theirs.inputs]
    mine, other = ours.predict(x if len(x) > 1 else x[0]), theirs(x if len(x) > 1 else x[0])
    for one, two in zip(*(value if isinstance(value, list) else [value] for value in (mine, other)), strict=True):
        np.testing.assert_allclose(one, two, rtol=0, atol=1e-5 * max(1.0, np.abs(one).max()))
    assert [w.trainable for w in ours.weights] == [w.trainable for w in theirs.weights]
    placed = [layer.name for layer in theirs.layers if layer.name not in {"image", "other"}]
    assert [layer.name for layer in ours.layers] == placed


def test_training_begun_in_keras_goes_on_here() -> None:
    theirs = keras_models()[1]
    theirs.compile(keras.optimizers.Adam(2**-9, amsgrad=True, epsilon=1e-4), "mse", metrics=["mae"])
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((6, 8, 8, 2)).astype(np.float32), rng.standard_normal((6, 2)).astype(np.float32)
    theirs.train_on_batch(x, y)
    ours = from_keras(theirs)
    assert ours.optimizer.iterations == 1
    for _ in range(3):
        mine, other = (model.train_on_batch(x, y, return_dict=True) for model in (ours, theirs))
        assert mine == pytest.approx({name: float(value) for name, value in other.items()}, rel=1e-4)


def test_all_layers_that_scratchnet_lacks_are_named_at_once() -> None:
    k = keras.layers
    stack = [keras.Input((5, 3)), k.LSTM(4, name="memory"), k.LayerNormalization(name="norm")]
    with pytest.raises(
        sn.ModelFileError, match=r"layer 'memory' \(LSTM\).*layer 'norm' \(LayerNormalization\)"
    ) as caught:
        from_keras(keras.Sequential(stack, name="shop"))
    assert str(caught.value).startswith("the Keras model shop: its model uses what scratchnet does not have")


def gradients_of(model: sn.Model, twin: Any, x: list[np.ndarray]) -> tuple[list[Any], list[Any]]:
    """By every weight in training, of a random sum of the output."""
    given_x = x if len(x) > 1 else x[0]
    y = model(given_x, training=True)
    cotangent = np.random.default_rng(5).standard_normal(y.shape).astype(np.float32)
    for weight in model.weights:
        weight.grad = None
    y.backward(cotangent)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(twin(given_x, training=True) * cotangent)
    found = tape.gradient(loss, [variable.value for variable in twin.trainable_variables])
    return [weight.grad for weight in model.trainable_weights], found


@given(models(smooth=True))
@settings(max_examples=8)
def test_random_models_agree_in_values_gradients_and_weights(model: sn.Model) -> None:
    for layer in every_layer(model):
        if isinstance(layer, layers.Dropout):
            layer.rate = 0.0
    twin = to_keras(model)
    back = from_keras(twin)
    rng = np.random.default_rng(0)
    x = [rng.standard_normal((3, *tensor.shape[1:])).astype(np.float32) for tensor in model.inputs]
    given_x = x if len(x) > 1 else x[0]
    expected = np.asarray(twin(given_x, training=False))
    tolerance = 1e-4 * max(1.0, np.abs(expected).max())
    np.testing.assert_allclose(model.predict(given_x), expected, rtol=0, atol=tolerance)
    np.testing.assert_array_equal(back.predict(given_x), model.predict(given_x))
    assert back.get_config() == model.get_config()
    ours, theirs = gradients_of(model, twin, x)
    most = max(float(np.abs(gradient).max()) for gradient in theirs if gradient is not None)
    for mine, other in zip(ours, theirs, strict=True):
        if other is None:
            assert mine is None or not mine.any()
        else:
            np.testing.assert_allclose(mine, np.asarray(other), rtol=0, atol=5e-4 * most)
    # the statistics that the gradients have moved
    for mine, other in zip(model.weights, twin.weights, strict=True):
        np.testing.assert_allclose(mine.data, np.asarray(other), rtol=0, atol=1e-4 * max(1.0, np.abs(mine.data).max()))


def test_the_oracle_is_a_keras_of_the_third_generation() -> None:
    assert keras.__version__.startswith("3.")
