"""Explaining a model changes nothing in it, whatever else goes on; and what cannot be explained is said."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from test_grad_cam_and_saliency import face_net, some_images

import scratchnet as sn
from scratchnet import layers
from scratchnet.explain import feature_maps, grad_cam, saliency
from scratchnet.random import get_random_state
from scratchnet.tensor import Tensor


def test_weights_gradients_statistics_and_random_numbers_stay() -> None:
    model, x = face_net(), some_images()
    model.compile("adam", "sparse_categorical_crossentropy")
    gradients = [np.full(weight.shape, 3.0) for weight in model.weights]
    for weight, gradient in zip(model.weights, gradients, strict=True):
        weight.grad = gradient
    before = [weight.copy() for weight in model.get_weights()]
    random, counters, predicted = get_random_state(), model.counters(), model.predict(x)
    versions = [weight.version for weight in model.weights]
    grad_cam(model, x)
    saliency(model, x, smooth=2)
    feature_maps(model, x, "conv1")
    assert [weight.version for weight in model.weights] == versions, "the plan of predict must stay valid"
    assert get_random_state() == random
    assert model.counters() == counters
    for weight, gradient, value in zip(model.weights, gradients, before, strict=True):
        assert weight.grad is gradient
        np.testing.assert_array_equal(gradient, 3.0)
        np.testing.assert_array_equal(weight.data, value)
    assert [weight.trainable for weight in model.weights] == [weight.learned for weight in model.weights]
    np.testing.assert_array_equal(model.predict(x), predicted)
    model.fit(x, np.array([0, 1, 2, 1, 0]), epochs=1, verbose=0)
    assert any(not np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))


def test_frozen_models_and_no_grad_change_nothing() -> None:
    model, x = face_net(), some_images()
    free = grad_cam(model, x), saliency(model, x)
    model.trainable = False
    with sn.no_grad():
        frozen = grad_cam(model, x), saliency(model, x)
    np.testing.assert_array_equal(free, frozen)


def test_many_threads_may_explain_one_model_while_another_differentiates_it() -> None:
    model, x = face_net(), some_images()

    def explain(class_index: int) -> np.ndarray:
        return np.stack([grad_cam(model, x, class_index), saliency(model, x, class_index)])

    def train_step(_: int) -> np.ndarray:
        kernel = model.get_layer("scores").weights[0]
        result = model(x, training=False)
        assert result.requires_grad
        result.sum().backward()
        assert kernel.grad is not None
        return np.zeros(0)

    expected = [explain(number % 3) for number in range(3)]
    with ThreadPoolExecutor(4) as pool:
        other = [pool.submit(train_step, 0)]
        found = list(pool.map(explain, [number % 3 for number in range(12)]))
        for future in other:
            future.result()
    for number, result in enumerate(found):
        np.testing.assert_array_equal(result, expected[number % 3])


class Own(sn.Model):
    """A model with a function of its own."""

    def call(self, inputs: Any, training: bool = False) -> Any:
        return super().call(inputs, training)


def vector_net() -> sn.Model:
    return sn.Sequential([layers.Input((4,)), layers.Dense(2, activation="softmax")])


def two_inputs() -> sn.Model:
    a, b = layers.Input((8, 8, 1)), layers.Input((8, 8, 1))
    return sn.Model([a, b], layers.Dense(2)(layers.Flatten()(layers.Add()([a, b]))))


def two_outputs() -> sn.Model:
    a = layers.Input((12, 10, 2))
    return sn.Model(a, [layers.Dense(2)(layers.Flatten()(a)), layers.Dense(3)(layers.Flatten()(a))])


def maps_out() -> sn.Model:
    return sn.Sequential([layers.Input((12, 10, 2)), layers.Conv2D(2, 3, activation="softmax")])


def own() -> sn.Model:
    image = layers.Input((12, 10, 2))
    return Own(image, layers.Dense(2)(layers.Flatten()(layers.Conv2D(2, 3, name="conv1")(image))))


IMAGES = some_images(2)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: grad_cam(face_net(), IMAGES, layer="conv9"), "no layer 'conv9'; layers with maps.*conv1, norm1"),
        (lambda: grad_cam(face_net(), IMAGES, layer="scores"), r"'scores'.*results of shape \(None, 3\)"),
        (lambda: feature_maps(face_net(), IMAGES, "scores"), r"'scores'.*results of shape \(None, 3\)"),
        (lambda: feature_maps(face_net(), IMAGES, "nothing"), "no layer 'nothing'"),
        (lambda: grad_cam(face_net(), IMAGES, 3), "class_index must be a class from 0 to 2.*got 3"),
        (lambda: saliency(face_net(), IMAGES, -1), "class_index.*got -1"),
        (lambda: saliency(face_net(units=1), IMAGES, 2), "a class from 0 to 1.*got 2"),
        (lambda: grad_cam(face_net(), IMAGES, [0]), "one for each of 2 images"),
        (lambda: grad_cam(face_net(), IMAGES, 1.0), "class_index"),  # type: ignore[arg-type]
        (lambda: grad_cam(face_net(), IMAGES[:, :8]), r"\(batch, 12, 10, 2\).*got \(2, 8, 10, 2\)"),
        (lambda: saliency(face_net(), IMAGES[0]), r"got \(12, 10, 2\)"),
        (lambda: saliency(face_net(), IMAGES[:0]), r"at least one.*got \(0, 12, 10, 2\)"),
        (lambda: saliency(face_net(), IMAGES, smooth=-1), "smooth.*-1"),
        (lambda: saliency(face_net(), IMAGES, smooth=1, noise=-0.1), "noise.*-0.1"),
        (lambda: saliency(face_net(), IMAGES, smooth=1, seed=-1), "seed.*-1"),
        (lambda: saliency(face_net(), IMAGES, batch_size=0), "batch_size.*0"),
        (lambda: saliency(vector_net(), np.zeros((1, 4))), "four axes"),
        (lambda: grad_cam(two_inputs(), IMAGES), "2 inputs"),
        (lambda: grad_cam(two_outputs(), IMAGES), "only one result"),
        (lambda: grad_cam(maps_out(), IMAGES), "only one result"),
        (lambda: grad_cam(own(), IMAGES), "a call of its own"),
        (lambda: feature_maps(own(), IMAGES, "conv1"), "a call of its own"),
        (lambda: grad_cam(sn.Sequential([layers.Dense(2)]), IMAGES), "no weights yet"),
    ],
)
def test_what_cannot_be_explained_is_said(call: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        call()


def test_numbers_are_asked_for() -> None:
    with pytest.raises(TypeError, match="array of numbers"):
        saliency(face_net(), np.full((1, 12, 10, 2), "x"))


def test_a_model_without_convolutions_is_told_so_and_can_name_a_layer() -> None:
    model = sn.Sequential(
        [layers.Input((4, 4, 1)), layers.MaxPooling2D(2, name="pool"), layers.Flatten(), layers.Dense(2)]
    )
    x = np.random.default_rng(0).random((1, 4, 4, 1))
    with pytest.raises(ValueError, match="no convolution"):
        grad_cam(model, x)
    assert grad_cam(model, x, layer="pool").shape == (1, 4, 4)


def test_a_layer_that_the_scores_do_not_depend_on_is_named() -> None:
    class Cut(layers.Layer):
        def call(self, inputs: Tensor, training: bool = False) -> Tensor:
            return Tensor(inputs.data)

    model = sn.Sequential(
        [layers.Input((8, 8, 1)), layers.Conv2D(2, 3, name="conv"), Cut(), layers.Flatten(), layers.Dense(2)]
    )
    x = np.zeros((1, 8, 8, 1))
    with pytest.raises(ValueError, match="do not depend on layer 'conv'"):
        grad_cam(model, x)
    np.testing.assert_array_equal(saliency(model, x), np.zeros((1, 8, 8)))


def test_models_of_float32_take_numbers_of_any_type() -> None:
    model = face_net(dtype="float32")
    whole = np.random.default_rng(0).integers(0, 255, (2, 12, 10, 2), np.uint8)
    np.testing.assert_array_equal(saliency(model, whole), saliency(model, whole.astype(np.float64)))
    assert saliency(model, whole).dtype == np.float32


def test_what_is_no_number_is_not_hidden() -> None:
    model, x = face_net(), some_images(2)
    x[1, 3, 3] = np.nan
    class_maps = grad_cam(model, x, 1)
    assert np.isfinite(class_maps[0]).all()
    assert np.isnan(class_maps[1]).all()


def test_a_message_does_not_list_hundreds_of_layers() -> None:
    stack = [layers.ReLU(name=f"relu{number}") for number in range(50)]
    model = sn.Sequential([layers.Input((4, 4, 1)), *stack, layers.Flatten(), layers.Dense(2)])
    with pytest.raises(ValueError, match=r"relu19 and 30 more$"):
        feature_maps(model, np.zeros((1, 4, 4, 1)), "nothing")
