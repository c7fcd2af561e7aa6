"""A model comes back from its file as it was; a file that cannot be used is named, with the remedy."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from own_models import MODELS, functional, inputs_of, nested, sequential
from pairs import images

import scratchnet as sn
from scratchnet import layers


@pytest.mark.parametrize("kind", MODELS)
def test_a_model_comes_back_as_it_was(kind: str, tmp_path: Path) -> None:
    model = MODELS[kind]()
    model.save(tmp_path / "model.safetensors")
    loaded = sn.load_model(tmp_path / "model.safetensors")
    assert type(loaded) is type(model)
    assert loaded.get_config() == model.get_config()
    assert [weight.dtype for weight in loaded.weights] == [weight.dtype for weight in model.weights]
    assert [weight.trainable for weight in loaded.weights] == [weight.trainable for weight in model.weights]
    np.testing.assert_array_equal(loaded.predict(inputs_of(model)), model.predict(inputs_of(model)))
    assert not loaded.compiled


def test_several_inputs_and_outputs_come_back_in_their_order(tmp_path: Path) -> None:
    a, b = layers.Input((2,), name="a"), layers.Input((3,), name="b")
    joined = layers.Concatenate()([b, a])
    sn.Model([a, b], [layers.Dense(1)(joined), joined]).save(tmp_path / "m.safetensors")
    loaded = sn.load_model(str(tmp_path / "m.safetensors"))
    first, second = loaded.predict([np.zeros((4, 2)), np.ones((4, 3))])
    assert first.shape == (4, 1)
    np.testing.assert_array_equal(second, [[1, 1, 1, 0, 0]] * 4)


def test_classes_and_preprocessing_come_back(tmp_path: Path) -> None:
    model = sequential()
    model.class_names = ("froh", "traurig", "wütend")
    model.preprocessing = {"height": 8, "width": 8, "channels": 2, "scale": 1 / 255}
    model.save(tmp_path / "m.safetensors")
    loaded = sn.load_model(tmp_path / "m.safetensors")
    assert loaded.class_names == model.class_names
    assert loaded.preprocessing == model.preprocessing


OPTIMIZERS: dict[str, Callable[[], Any]] = {
    "adam": lambda: sn.optimizers.Adam(0.01, amsgrad=True),
    "sgd": lambda: sn.optimizers.SGD(sn.schedules.ExponentialDecay(0.05, 4, 0.5), momentum=0.9),
    "rmsprop": lambda: sn.optimizers.RMSprop(0.003, centered=True, momentum=0.5),
}


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_training_goes_on_from_the_file_as_if_it_had_not_stopped(optimizer: str, tmp_path: Path) -> None:
    def plain() -> sn.Model:  # without dropout, whose random numbers belong to the run and not to the model
        x = layers.Input((8, 8, 2))
        y = layers.BatchNormalization()(layers.Conv2D(4, 3, activation="relu", kernel_regularizer="l2")(x))
        return sn.Model(x, layers.Dense(3, activation="softmax")(layers.Flatten()(y)))

    sn.set_random_seed(0)
    model = plain()
    model.compile(
        OPTIMIZERS[optimizer](), "sparse_categorical_crossentropy", metrics=["accuracy", sn.metrics.F1Score("macro")]
    )
    batches = [images(12, seed=seed) for seed in range(6)]
    model.compile(OPTIMIZERS[optimizer](), "sparse_categorical_crossentropy", metrics=["accuracy"])
    for x, y in batches[:3]:
        model.train_on_batch(x, y)
    model.save(tmp_path / "m.safetensors")
    loaded = sn.load_model(tmp_path / "m.safetensors")
    assert loaded.get_compile_config() == model.get_compile_config()
    assert loaded.optimizer.iterations == 3
    for x, y in batches[3:]:
        assert loaded.train_on_batch(x, y) == model.train_on_batch(x, y)
    for mine, other in zip(loaded.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, other)


def test_metric_objects_and_weighted_metrics_come_back(tmp_path: Path) -> None:
    model = functional()
    model.compile(
        "adam",
        sn.losses.CategoricalCrossentropy(label_smoothing=0.1),
        metrics=[sn.metrics.TopKCategoricalAccuracy(k=2, name="top")],
        weighted_metrics=["accuracy"],
    )
    model.save(tmp_path / "m.safetensors")
    loaded = sn.load_model(tmp_path / "m.safetensors")
    x, y = images(9)
    targets = np.eye(3)[y]
    assert loaded.evaluate(x, targets, verbose=0, return_dict=True) == model.evaluate(
        x, targets, verbose=0, return_dict=True
    )


def test_a_model_with_a_loss_of_the_users_own_comes_back_uncompiled(tmp_path: Path) -> None:
    model = functional()
    model.compile("adam", lambda truth, output: (output * output).sum(-1))
    model.save(tmp_path / "m.safetensors")
    assert not sn.load_model(tmp_path / "m.safetensors").compiled


class Doubling(layers.Layer):
    """Twice its input."""

    def call(self, inputs: Any, training: bool = False) -> Any:
        return inputs * 2


def test_the_users_own_layers_come_back_only_if_they_are_handed_in(tmp_path: Path) -> None:
    model = sn.Sequential([layers.Input((3,)), Doubling()])
    model.save(tmp_path / "m.safetensors")
    with pytest.raises(sn.ModelFileError, match=r"m\.safetensors.*unknown layer class 'Doubling'.*custom_objects"):
        sn.load_model(tmp_path / "m.safetensors")
    loaded = sn.load_model(tmp_path / "m.safetensors", custom_objects={"Doubling": Doubling})
    np.testing.assert_array_equal(loaded.predict(np.ones((2, 3))), np.full((2, 3), 2))
    with pytest.raises(sn.ModelFileError):  # what was handed in is not remembered
        sn.load_model(tmp_path / "m.safetensors")


def test_a_layer_that_cannot_be_described_is_refused_before_the_file_is_touched(tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    sequential().save(path)
    before = path.read_bytes()
    odd = sn.Sequential([layers.Input((3,)), layers.Dense(2, activation=lambda x: x)])
    with pytest.raises(ValueError, match="cannot be saved"):
        odd.save(path)
    assert path.read_bytes() == before


def test_weights_alone_go_into_a_model_of_the_same_shape(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    model = sequential()
    model.save_weights(path)
    other = sn.Sequential.from_config(model.get_config())
    x = inputs_of(model)
    assert not np.array_equal(other.predict(x), model.predict(x))
    other.load_weights(path)
    np.testing.assert_array_equal(other.predict(x), model.predict(x))
    with pytest.raises(sn.ModelFileError, match=r"w\.safetensors holds weights without a model.*load_weights"):
        sn.load_model(path)


def test_the_same_network_built_again_takes_the_weights_though_its_layers_are_numbered_on(tmp_path: Path) -> None:
    for build in (sequential, functional, nested):
        first, second = build(), build()
        first.save_weights(tmp_path / "w.safetensors")
        second.load_weights(tmp_path / "w.safetensors")
        np.testing.assert_array_equal(second.predict(inputs_of(first)), first.predict(inputs_of(first)))


def test_layers_with_names_that_look_made_up_keep_their_own_weights(tmp_path: Path) -> None:
    def build() -> sn.Model:
        x = layers.Input((3,))
        y = layers.Conv2D(3, 1, name="dense_1")(layers.Reshape((1, 1, 3))(x))
        y = layers.Dense(3, name="dense_7")(layers.Dense(3)(layers.Dense(3)(layers.Flatten()(y))))
        return sn.Model(x, y)

    first, second = build(), build()
    assert len(first.named_weights()) == len(first.weights) == 8
    assert "dense_1/kernel" in first.named_weights()
    first.save_weights(tmp_path / "w.safetensors")
    second.load_weights(tmp_path / "w.safetensors")
    np.testing.assert_array_equal(second.predict(inputs_of(first)), first.predict(inputs_of(first)))


def test_weights_are_taken_from_a_whole_model_too(tmp_path: Path) -> None:
    model = functional()
    model.compile("adam", "mse")
    model.save(tmp_path / "m.safetensors")
    other = sn.Model.from_config(model.get_config())
    other.load_weights(tmp_path / "m.safetensors")
    np.testing.assert_array_equal(other.predict(inputs_of(model)), model.predict(inputs_of(model)))


@pytest.mark.parametrize("name", ["m.pt", "m.h5", "m", "safetensors", "m.weights.h5.txt"])
def test_another_extension_is_refused(name: str, tmp_path: Path) -> None:
    model = sequential()
    for write in (model.save, model.check_saveable):
        with pytest.raises(ValueError, match=r"must end in \.safetensors or \.keras or \.onnx, got .*" + name):
            write(tmp_path / name)
    with pytest.raises(ValueError, match=r"must end in \.safetensors or \.weights\.h5, got "):
        model.save_weights(tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_keras_older_format_is_told_from_a_typing_mistake(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"Keras's older \.h5 is not written, \.keras has taken its place"):
        sequential().save(tmp_path / "m.h5")


def test_missing_folders_are_made(tmp_path: Path) -> None:
    sequential().save(tmp_path / "a" / "b" / "m.safetensors")
    assert isinstance(sn.load_model(tmp_path / "a" / "b" / "m.safetensors"), sn.Sequential)
