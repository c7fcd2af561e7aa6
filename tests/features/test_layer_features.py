"""Features of any layer of a trained network."""

from typing import Any

import numpy as np
import pytest
from oracle import keras

import scratchnet as sn
from pipelines.twin import to_keras
from scratchnet import layers
from scratchnet.features import layer_features


def network() -> sn.Model:
    return sn.Sequential(
        [
            layers.Input((8, 8, 2)),
            layers.Conv2D(5, 3, activation="relu", name="maps"),
            layers.BatchNormalization(name="norm"),
            layers.Flatten(name="flat"),
            layers.Dense(6, activation="relu", name="dense_1"),
            layers.Dense(3, activation="softmax", name="classes"),
        ]
    )


IMAGES = np.random.default_rng(0).random((7, 8, 8, 2), np.float32)


@pytest.mark.parametrize("layer", ["maps", "norm", "flat", "dense_1", "classes"])
def test_every_layer_of_ours_gives_what_keras_gives_there(layer: str) -> None:
    model = network()
    twin = to_keras(model)
    expected = np.asarray(keras.Model(twin.inputs[0], twin.get_layer(layer).output)(IMAGES))
    expected = expected.mean(axis=(1, 2)) if expected.ndim == 4 else expected
    for asked in (model, twin):
        features = layer_features(asked, IMAGES, layer, batch_size=3)
        assert features.dtype == np.float32
        np.testing.assert_allclose(features, expected, rtol=1e-4, atol=1e-5)


def test_the_first_dense_layer_after_the_first_is_asked_by_default() -> None:
    model = network()
    np.testing.assert_array_equal(layer_features(model, IMAGES), layer_features(model, IMAGES, "dense_1"))


def test_a_layer_within_a_model_is_named_with_it() -> None:
    inner = network()
    x = layers.Input((8, 8, 2))
    outer = sn.Model(x, layers.Dense(2)(inner(x)))
    features = layer_features(outer, IMAGES, f"{inner.name}/dense_1")
    np.testing.assert_allclose(features, layer_features(inner, IMAGES, "dense_1"), rtol=1e-5, atol=1e-6)


def test_vectors_get_length_one_on_request() -> None:
    lengths = np.linalg.norm(layer_features(network(), IMAGES, "maps", normalize=True), axis=1)
    np.testing.assert_allclose(lengths, 1, rtol=1e-5)


def test_keras_itself_is_asked_where_scratchnet_lacks_a_layer() -> None:
    model = keras.Sequential(
        [
            keras.Input((8, 8, 2)), keras.layers.LayerNormalization(), keras.layers.Flatten(),
            keras.layers.Dense(4, name="dense_1"),
        ]
    )  # fmt: skip
    np.testing.assert_allclose(layer_features(model, IMAGES), np.asarray(model(IMAGES)), rtol=1e-5, atol=1e-6)
    with pytest.raises(ValueError, match="has no layer 'dense_2'; it has layer_normalization"):
        layer_features(model, IMAGES, "dense_2")


@pytest.mark.parametrize(
    ("images", "layer", "message"),
    [
        (IMAGES, "dense_9", "has no layer 'dense_9'; it has maps, norm, flat, dense_1, classes"),
        (IMAGES[:, :4], "maps", r"shape \(n, 8, 8, 2\), got \(7, 4, 8, 2\)"),
        (IMAGES[:0], "maps", "there are no images"),
    ],
    ids=["layer", "shape", "none"],
)
def test_what_does_not_fit_is_named(images: Any, layer: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        layer_features(network(), images, layer)


def test_something_else_than_a_model_is_refused() -> None:
    with pytest.raises(TypeError, match="a scratchnet or a Keras model, got str"):
        layer_features("model", IMAGES)
