"""Grad-CAM and saliency equal TensorFlow's, by hand where it can be seen by eye, and for random graphs."""

from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from judge import enlarge, judge, raw_class_map
from oracle import tf
from random_models import models

import scratchnet as sn
from pipelines.compare.differences import ours_in_float64
from scratchnet import layers
from scratchnet.explain import convolution_layers, feature_maps, grad_cam, grad_cam_layer, saliency, spatial_layers
from scratchnet.explain.enlarging import enlarged

TOLERANCE = {"float32": 2e-5, "float64": 1e-10}


def face_net(end: str | None = "softmax", units: int = 3, dtype: str = "float64") -> sn.Model:
    """Two blocks of convolution, normalisation, ReLU and pool, with drawn weights and statistics."""
    sn.set_random_seed(1)
    stack: list[Any] = [layers.Input((12, 10, 2), dtype=dtype)]
    for block in (1, 2):
        stack += [
            layers.Conv2D(3 + block, 3, padding="same", name=f"conv{block}", dtype=dtype),
            layers.BatchNormalization(name=f"norm{block}", dtype=dtype),
            layers.ReLU(name=f"relu{block}", dtype=dtype),
            layers.MaxPooling2D(name=f"pool{block}", dtype=dtype),
        ]
    stack += [layers.Flatten(dtype=dtype), layers.Dropout(0.5, dtype=dtype)]
    model = sn.Sequential([*stack, layers.Dense(units, activation=end, name="scores", dtype=dtype)])
    rng = np.random.default_rng(4)  # with which the model does not give all images one class
    for weight in model.weights:
        weight.assign(rng.uniform(0.5, 1.5, weight.shape) if "var" in weight.name else rng.normal(0, 0.5, weight.shape))
    return model


def some_images(count: int = 5, dtype: str = "float64") -> np.ndarray:
    return np.random.default_rng(3).standard_normal((count, 12, 10, 2)).astype(dtype)


def by_hand() -> sn.Model:
    """Maps `x` and `-x` of a 2x2 image; the scores weigh their four pixels."""
    kernel = layers.Conv2D(2, 1, use_bias=False, name="maps")
    model = sn.Sequential(
        [layers.Input((2, 2, 1)), kernel, layers.Flatten(), layers.Dense(2, use_bias=False, activation="softmax")]
    )
    # pixel by pixel: a weight for x, then one for -x
    against, speaking = [1, 2, 0, 2, 0, 2, 3, 2], [2, 1, 2, 1, 2, 1, 2, 1]
    model.set_weights([np.array([1.0, -1.0]).reshape(1, 1, 1, 2), np.array([against, speaking]).T])
    return model


def test_maps_that_can_be_computed_by_hand() -> None:
    model, x = by_hand(), np.array([[1.0, 2.0], [3.0, 4.0]]).reshape(1, 2, 2, 1)
    # mean weights of class 0: (1 + 0 + 0 + 3) / 4 = 1 for x, 2 for -x: x - 2x is negative, which speaks for nothing
    np.testing.assert_array_equal(grad_cam(model, x, 0), np.zeros((1, 2, 2)))
    # of class 1: 2 for x, 1 for -x: 2x - x = x
    np.testing.assert_array_equal(grad_cam(model, x, 1), [[[0.25, 0.5], [0.75, 1.0]]])
    np.testing.assert_array_equal(saliency(model, x, 0), [[[1, 2], [2, 1]]])
    np.testing.assert_array_equal(saliency(model, x, 1), np.ones((1, 2, 2)))
    np.testing.assert_array_equal(feature_maps(model, x, "maps")[0, :, :, 1], -x[0, :, :, 0])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("end", ["softmax", "sigmoid", None])
@pytest.mark.parametrize("layer", ["conv1", "norm2", "relu2", "pool2"])
def test_they_equal_tensorflows_tape(end: str | None, dtype: str, layer: str) -> None:
    model, x, classes = face_net(end, dtype=dtype), some_images(dtype=dtype), [0, 1, 2, 1, 0]
    judged = judge(model, x, classes, layer)
    raw = raw_class_map(judged, (12, 10))
    most = raw.max(axis=(1, 2), keepdims=True)
    expected = np.divide(raw, most, out=np.zeros_like(raw), where=most > 0)
    assert (most > 0).any()
    ours = grad_cam(model, x, classes, layer, batch_size=2)
    assert ours.dtype == dtype
    np.testing.assert_allclose(ours, expected, rtol=0, atol=TOLERANCE[dtype])
    np.testing.assert_allclose(
        saliency(model, x, classes, batch_size=3), np.abs(judged.by_images).max(axis=3), rtol=0, atol=TOLERANCE[dtype]
    )
    np.testing.assert_allclose(feature_maps(model, x, layer, batch_size=2), judged.maps, rtol=0, atol=TOLERANCE[dtype])


@pytest.mark.parametrize("end", ["sigmoid", None])
def test_a_single_unit_speaks_for_class_1_and_its_negative_for_class_0(end: str | None) -> None:
    model, x = face_net(end, units=1), some_images()
    for classes in ([1] * 5, [0] * 5, [0, 1, 0, 1, 1]):
        raw = raw_class_map(judge(model, x, classes, "relu2"), (12, 10))
        most = np.maximum(raw.max(axis=(1, 2), keepdims=True), 1e-300)
        np.testing.assert_allclose(grad_cam(model, x, classes), raw / most, rtol=0, atol=1e-10)
    given_class = (judge(model, x, [1] * 5, "relu2").scores[:, 0] > 0).astype(int)
    assert len(set(given_class)) == 2
    np.testing.assert_array_equal(grad_cam(model, x), grad_cam(model, x, given_class))


@settings(max_examples=25)
@given(models(smooth=True, inputs=1), st.data())
def test_they_equal_tensorflows_tape_for_random_graphs(model: sn.Model, data: Any) -> None:
    model = ours_in_float64(model)
    shape = (3, *model.input_shape[1:])
    x = np.random.default_rng(data.draw(st.integers(0, 99))).standard_normal(shape)
    classes = data.draw(st.lists(st.integers(0, 2), min_size=3, max_size=3))
    maps = spatial_layers(model)
    assume(maps)
    layer = data.draw(st.sampled_from(maps))
    judged = judge(model, x, classes, layer)
    scale = max(1.0, np.abs(judged.by_images).max())
    np.testing.assert_allclose(
        saliency(model, x, classes), np.abs(judged.by_images).max(axis=3), rtol=0, atol=1e-9 * scale
    )
    raw = raw_class_map(judged, shape[1:3])
    size = (np.abs(judged.maps).max() or 1.0) * (np.abs(judged.by_maps).max() or 1.0)
    ours = grad_cam(model, x, classes, layer)
    assert ours.min() >= 0
    assert ours.max() <= 1
    for mine, other in zip(ours, raw, strict=True):
        if other.max() > 1e-5 * size:  # else the map is nothing but rounding
            np.testing.assert_allclose(mine, other / other.max(), rtol=0, atol=1e-6)


def test_the_class_is_the_one_that_the_model_gives_unless_told_otherwise() -> None:
    model, x = face_net(), some_images()
    given_class = model.predict(x).argmax(axis=1)
    assert len(set(given_class)) > 1
    np.testing.assert_array_equal(grad_cam(model, x), grad_cam(model, x, given_class))
    np.testing.assert_array_equal(saliency(model, x), saliency(model, x, given_class))


def test_smoothgrad_is_the_mean_over_noisy_copies_of_each_image() -> None:
    model, x, classes = face_net(), some_images(3), [2, 0, 1]
    gradients = []
    generators = [np.random.default_rng((7, number)) for number in range(3)]
    deviations = [0.3 * (image.max() - image.min()) for image in x]
    for _ in range(4):
        noise = [
            deviation * generator.standard_normal(x.shape[1:])
            for deviation, generator in zip(deviations, generators, strict=True)
        ]
        gradients.append(judge(model, x + np.stack(noise), classes, "relu2").by_images)
    expected = np.abs(np.mean(gradients, axis=0)).max(axis=3)
    for batch in (1, 2, 16):
        ours = saliency(model, x, classes, smooth=4, noise=0.3, seed=7, batch_size=batch)
        np.testing.assert_allclose(ours, expected, rtol=0, atol=1e-10)
    # without a class, that of the image without noise
    given_class = model.predict(x).argmax(axis=1)
    np.testing.assert_array_equal(
        saliency(model, x, smooth=2, noise=5.0), saliency(model, x, given_class, smooth=2, noise=5.0)
    )
    assert not np.array_equal(saliency(model, x, 0, smooth=2), saliency(model, x, 0, smooth=2, seed=1))


@given(st.integers(1, 7), st.integers(1, 7), st.integers(1, 20), st.integers(1, 20), st.integers(0, 99))
def test_enlarging_is_tensorflows_bilinear_resize(height: int, width: int, rows: int, columns: int, seed: int) -> None:
    maps = np.random.default_rng(seed).standard_normal((2, height, width))
    ours = enlarged(maps, (rows, columns))
    theirs = tf.image.resize(maps[..., None].astype(np.float32), (rows, columns), method="bilinear")[..., 0]
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-5)
    np.testing.assert_allclose(ours, [enlarge(image, (rows, columns)) for image in maps], rtol=0, atol=1e-12)


def test_the_default_layer_ends_with_what_belongs_to_the_last_convolution() -> None:
    assert grad_cam_layer(face_net()) == "relu2"
    image = layers.Input((8, 8, 4))
    inside = layers.Conv2D(4, 3, padding="same")(image)
    added = layers.Add(name="sum")([layers.BatchNormalization()(inside), image])
    result = layers.Dense(2)(layers.GlobalAveragePooling2D()(layers.ReLU(name="after")(added)))
    assert grad_cam_layer(sn.Model(image, result)) == "after"
    # the maps are taken twice, so what follows on one side does not speak for both
    last = layers.Conv2D(4, 3, padding="same", name="last")(image)
    both = layers.Concatenate()([layers.Flatten()(layers.ReLU()(last)), layers.GlobalAveragePooling2D()(last)])
    assert grad_cam_layer(sn.Model(image, layers.Dense(2)(both))) == "last"
    pooled = sn.Sequential(
        [
            layers.Input((8, 8, 1)), layers.Conv2D(3, 3, activation="relu", name="conv"), layers.MaxPooling2D(),
            layers.BatchNormalization(), layers.Flatten(), layers.Dense(2),
        ]
    )  # fmt: skip
    assert grad_cam_layer(pooled) == "conv"
    # behind normalisation, the absence of a feature is no longer zero
    shifted = sn.Sequential(
        [
            layers.Input((8, 8, 1)), layers.Conv2D(3, 3, activation="relu", name="conv"), layers.BatchNormalization(),
            layers.Flatten(), layers.Dense(2),
        ]
    )  # fmt: skip
    assert grad_cam_layer(shifted) == "conv"
    never = sn.Sequential(
        [layers.Input((8, 8, 1)), layers.Conv2D(3, 3), layers.BatchNormalization(name="norm"), layers.Flatten()]
    )
    assert grad_cam_layer(never) == "norm"


def test_convolutions_that_are_joined_have_their_maps_in_one_layer() -> None:
    image = layers.Input((8, 8, 4))
    branches = [
        layers.Conv2D(2, 1, activation="relu")(image),
        layers.Conv2D(2, 3, padding="same", activation="relu")(layers.Conv2D(2, 1, name="reduce")(image)),
    ]
    joined = layers.Concatenate(name="joined")(branches)
    model = sn.Model(image, layers.Dense(2)(layers.Flatten()(layers.MaxPooling2D()(joined))))
    assert convolution_layers(model) == ["joined", "reduce"]
    assert grad_cam_layer(model) == "joined"
    assert convolution_layers(face_net()) == ["relu1", "relu2"]


def test_layers_of_models_within_the_model_and_second_calls_have_names_of_their_own() -> None:
    stem = sn.Sequential(
        [layers.Input((8, 8, 2)), layers.Conv2D(2, 3, padding="same", name="conv"), layers.ReLU(name="relu")],
        name="stem",
    )
    image = layers.Input((8, 8, 2))
    twice = stem(stem(image))
    model = sn.Model(image, layers.Dense(2)(layers.Flatten()(twice)))
    assert spatial_layers(model) == ["stem/conv", "stem/relu", "stem (call 2)/conv", "stem (call 2)/relu"]
    assert grad_cam_layer(model) == "stem (call 2)/relu"
    x = np.random.default_rng(0).standard_normal((2, 8, 8, 2)).astype(np.float32)
    once = feature_maps(model, x, "stem")
    np.testing.assert_array_equal(once, feature_maps(model, x, "stem/relu"))
    np.testing.assert_allclose(once, stem.predict(x), rtol=0, atol=1e-6)
    np.testing.assert_allclose(feature_maps(model, x, "stem (call 2)"), stem.predict(once), rtol=0, atol=1e-6)
