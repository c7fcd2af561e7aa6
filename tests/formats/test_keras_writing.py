"""A model written for Keras predicts there what it predicts here, and trains on as it would here."""

import errno
import io
import json
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from every_layer import LAYERS
from hypothesis import given, settings
from oracle import keras
from random_models import models

import scratchnet as sn
from scratchnet import layers
from scratchnet.formats.keras_writing import keras_archive
from scratchnet.optimizers import SGD, Adam, AdamW, RMSprop

h5py = pytest.importorskip("h5py")


def small(**options: Any) -> sn.Model:
    """Convolution, normalisation, a frozen layer in the middle, and a stack within; some names mislead."""
    sn.set_random_seed(3)
    first = layers.Conv2D(3, 3, padding="same", activation="tanh", name="conv2d")
    inner = sn.Sequential([layers.Input((4, 4, 3)), first], name="inner")
    images = layers.Input((8, 8, 2), name="image")
    penalty = sn.regularizers.L1L2(0.01, 0.02)
    value = layers.Conv2D(3, 3, padding="same", name="dense", kernel_regularizer=penalty)(images)
    value = layers.MaxPooling2D(name="pool")(layers.BatchNormalization(momentum=0.8, name="normalised")(value))
    value = layers.Conv2D(3, 3, padding="same", trainable=False, name="conv2d_7")(value)
    value = layers.Flatten(name="flat")(inner(inner(value)))
    return sn.Model(images, layers.Dense(3, name="last", **options)(value), name="small")


def batch(seed: int, classes: int = 3) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.standard_normal((6, 8, 8, 2)).astype(np.float32), rng.integers(0, classes, 6)


def loaded(model: sn.Model, folder: Path) -> Any:
    model.save(folder / "model.keras")
    return keras.models.load_model(folder / "model.keras")


def assert_same_weights(model: sn.Model, other: Any, tolerance: float) -> None:
    for layer in model.layers:
        own = other.get_layer(layer.name)
        if isinstance(layer, sn.Model):
            assert_same_weights(layer, own, tolerance)
            continue
        for mine, theirs in zip(layer.get_weights(), own.get_weights(), strict=True):
            np.testing.assert_allclose(theirs, mine, rtol=0, atol=tolerance, err_msg=layer.name)


OPTIMIZERS: dict[str, Callable[[], sn.optimizers.Optimizer]] = {
    "sgd": lambda: SGD(0.05),
    "momentum": lambda: SGD(0.05, momentum=0.9, nesterov=True, clipnorm=1.0),
    "rmsprop": lambda: RMSprop(0.001, epsilon=1e-3),
    "centred": lambda: RMSprop(0.001, momentum=0.5, centered=True, epsilon=1e-3),
    "adam": lambda: Adam(0.002, epsilon=1e-4),
    "amsgrad": lambda: Adam(0.002, amsgrad=True, epsilon=1e-4, global_clipnorm=2.0),
    "adamw": lambda: AdamW(0.002, weight_decay=0.01, epsilon=1e-4, clipvalue=0.5),
    "exponential": lambda: SGD(sn.schedules.ExponentialDecay(0.05, 2, 0.5)),
    "piecewise": lambda: Adam(sn.schedules.PiecewiseConstantDecay([2], [0.002, 0.001]), epsilon=1e-4),
    "cosine": lambda: SGD(sn.schedules.CosineDecay(0.05, 10, warmup_target=0.1, warmup_steps=2), momentum=0.9),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_keras_trains_on_where_this_training_stopped(name: str, tmp_path: Path) -> None:
    model = small(activation="softmax")
    model.compile(OPTIMIZERS[name](), "sparse_categorical_crossentropy", metrics=["accuracy"])
    for step in range(3):
        model.train_on_batch(*batch(step))
    theirs = loaded(model, tmp_path)
    assert int(theirs.optimizer.iterations) == 3
    for step in range(3, 6):
        mine, other = (one.train_on_batch(*batch(step), return_dict=True) for one in (model, theirs))
        assert mine == pytest.approx({key: float(value) for key, value in other.items()}, rel=1e-4)
    assert_same_weights(model, theirs, 2e-5)
    frozen = [layer.name for layer in theirs.layers if not layer.trainable]
    assert frozen == ["conv2d_7"]


def test_a_model_that_has_not_trained_yet_trains_alike_from_the_start(tmp_path: Path) -> None:
    model = small()
    model.compile(Adam(0.002, epsilon=1e-4), "mse")
    theirs = loaded(model, tmp_path)
    x, _ = batch(0)
    y = np.random.default_rng(0).standard_normal((6, 3)).astype(np.float32)
    for _ in range(2):
        assert model.train_on_batch(x, y) == pytest.approx(float(theirs.train_on_batch(x, y)), rel=1e-4)


def test_a_model_that_is_not_compiled_is_not_compiled_in_keras(tmp_path: Path) -> None:
    assert not loaded(small(), tmp_path).compiled


LOSSES = [
    sn.losses.CategoricalCrossentropy(label_smoothing=0.1),
    sn.losses.BinaryCrossentropy(from_logits=True, label_smoothing=0.2),
    sn.losses.MeanSquaredError(),
    sn.losses.SparseCategoricalCrossentropy(from_logits=True),
]


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: loss.name)
def test_losses_and_metrics_go_along(loss: sn.losses.Loss, tmp_path: Path) -> None:
    model = small()
    metrics: list[Any] = ["mae", sn.metrics.F1Score(average="macro"), sn.metrics.TopKCategoricalAccuracy(k=2)]
    sparse = isinstance(loss, sn.losses.SparseCategoricalCrossentropy)
    kind = sn.metrics.SparseCategoricalAccuracy if sparse else sn.metrics.CategoricalAccuracy
    model.compile("sgd", loss, metrics=["accuracy"] if sparse else metrics, weighted_metrics=[kind(name="weighted")])
    theirs = loaded(model, tmp_path)
    x, labels = batch(0)
    y = labels if sparse else np.eye(3, dtype=np.float32)[labels]
    weights = np.arange(6) / 3
    mine = model.test_on_batch(x, y, sample_weight=weights, return_dict=True)
    other = theirs.test_on_batch(x, y, sample_weight=weights, return_dict=True)
    assert mine == pytest.approx({key: float(value) for key, value in other.items()}, rel=1e-4)


@pytest.mark.parametrize(("layer", "shape"), LAYERS, ids=lambda value: getattr(value, "name", str(value)))
def test_every_layer_goes_to_keras_and_comes_back(layer: layers.Layer, shape: tuple[int, ...], tmp_path: Path) -> None:
    x = layers.Input(shape)
    model = sn.Model(x, type(layer).from_config({**layer.get_config(), "name": "layer"})(x))
    rng = np.random.default_rng(0)
    model.set_weights([rng.uniform(0.5, 1.5, weight.shape) for weight in model.weights])
    values = rng.standard_normal((3, *shape)).astype(np.float32)
    theirs = np.asarray(loaded(model, tmp_path)(values, training=False))
    expected = model.predict(values)
    np.testing.assert_allclose(theirs, expected, rtol=0, atol=1e-5 * max(1.0, np.abs(expected).max()))
    back = sn.load_model(tmp_path / "model.keras")
    assert back.get_config() == model.get_config()
    np.testing.assert_array_equal(back.predict(values), expected)


def test_the_list_of_every_layer_is_complete() -> None:
    merges = {"Add", "Average", "Concatenate", "Maximum", "Minimum", "Multiply", "Subtract"}  # tested on their own
    assert {type(layer).__name__ for layer, _ in LAYERS} == set(layers.__all__) - merges - {"Input", "Layer"}


@given(models())
@settings(max_examples=12)
def test_random_models_come_through_keras_and_back(model: sn.Model) -> None:
    with tempfile.TemporaryDirectory() as folder:
        theirs = loaded(model, Path(folder))
        back = sn.load_model(Path(folder) / "model.keras")
    rng = np.random.default_rng(0)
    x = [rng.standard_normal((2, *tensor.shape[1:])).astype(np.float32) for tensor in model.inputs]
    given_x = x if len(x) > 1 else x[0]
    mine, again = model.predict(given_x), back.predict(given_x)
    other = theirs(given_x, training=False)
    for one, two, three in zip(*(v if isinstance(v, list) else [v] for v in (mine, other, again)), strict=True):
        np.testing.assert_allclose(two, one, rtol=0, atol=1e-4 * max(1.0, np.abs(one).max()))
        np.testing.assert_array_equal(three, one)
    assert back.get_config() == model.get_config()


def test_weights_are_found_by_class_and_order_whatever_the_names(tmp_path: Path) -> None:
    x = layers.Input((3,))
    first = layers.Dense(3, name="dense_1")
    second = layers.Dense(3, name="dense")
    model = sn.Model(x, layers.Add(name="batch_normalization")([second(first(x)), layers.Dense(3, name="add")(x)]))
    theirs = loaded(model, tmp_path)
    assert_same_weights(model, theirs, 0)
    with (
        zipfile.ZipFile(tmp_path / "model.keras") as archive,
        h5py.File(io.BytesIO(archive.read("model.weights.h5"))) as file,
    ):
        assert {f"layers/dense{end}/vars/0" in file for end in ("", "_1", "_2")} == {True}


# Keras asks TensorFlow's tensors for a copy in NumPy's old way
def test_the_file_has_the_layout_that_keras_writes(tmp_path: Path) -> None:
    model = small()
    model.compile(Adam(), "mse")
    model.train_on_batch(batch(0)[0], np.zeros((6, 3)))
    theirs = loaded(model, tmp_path)
    theirs.save(tmp_path / "theirs.keras")

    def layout(path: Path) -> tuple[set[str], dict[str, tuple[Any, ...]]]:
        with zipfile.ZipFile(path) as archive:
            found: dict[str, tuple[Any, ...]] = {}
            with h5py.File(io.BytesIO(archive.read("model.weights.h5"))) as file:
                file.visititems(
                    lambda name, item: found.update({name: (item.shape, item.dtype)} if hasattr(item, "shape") else {})
                )
            return set(archive.namelist()), found

    ours, keras_own = layout(tmp_path / "model.keras"), layout(tmp_path / "theirs.keras")
    assert ours[0] == keras_own[0] | {"scratchnet.json"}
    assert ours[1] == keras_own[1]


def test_classes_and_preprocessing_stay_with_the_file(tmp_path: Path) -> None:
    model = small()
    model.class_names, model.preprocessing = ("a", "b", "ß"), {"height": 8, "scale": 0.5}
    loaded(model, tmp_path)
    back = sn.load_model(tmp_path / "model.keras")
    assert back.class_names == ("a", "b", "ß")
    assert back.preprocessing == {"height": 8, "scale": 0.5}


def test_training_goes_on_after_the_way_back(tmp_path: Path) -> None:
    model = small(activation="softmax")
    model.compile(Adam(2**-9, amsgrad=True), "sparse_categorical_crossentropy", metrics=["accuracy"])
    for step in range(2):
        model.train_on_batch(*batch(step))
    model.save(tmp_path / "model.keras")
    back = sn.load_model(tmp_path / "model.keras")
    assert back.get_compile_config() == model.get_compile_config()
    for one in (model, back):
        one.train_on_batch(*batch(5))
    for mine, other in zip(model.get_weights(), back.get_weights(), strict=True):
        np.testing.assert_allclose(other, mine, rtol=0, atol=1e-7)


def test_several_inputs_keep_their_order_and_an_unnamed_one_gets_a_name(tmp_path: Path) -> None:
    a, b = layers.Input((2,), name="joined"), layers.Input((3,))
    middle = layers.Dense(2, name="input_layer")(a)
    joined = layers.Concatenate(name="joined")([b, middle])
    model = sn.Model([middle, b, a], [joined, layers.Dense(1)(joined), layers.Dense(2)(a)])
    theirs = loaded(model, tmp_path)
    x = [np.random.default_rng(n).standard_normal((4, n)).astype(np.float32) for n in (2, 3, 2)]
    for mine, other in zip(model.predict(x), theirs(x), strict=True):
        np.testing.assert_allclose(other, mine, rtol=1e-5, atol=1e-6)


def test_float64_stays_float64(tmp_path: Path) -> None:
    x = layers.Input((4,), dtype="float64")
    model = sn.Model(x, layers.Dense(3, dtype="float64")(x))
    values = np.random.default_rng(0).standard_normal((5, 4))
    theirs = np.asarray(loaded(model, tmp_path)(values))
    assert theirs.dtype == np.float64
    np.testing.assert_allclose(theirs, model.predict(values), rtol=1e-12)


def test_adapted_statistics_go_along(tmp_path: Path) -> None:
    layer = layers.Normalization()
    layer.adapt(np.random.default_rng(0).standard_normal((50, 3)) * [1, 2, 3] + 5)
    x = layers.Input((3,))
    model = sn.Model(x, layer(x))
    values = np.random.default_rng(1).standard_normal((5, 3)).astype(np.float32)
    np.testing.assert_allclose(np.asarray(loaded(model, tmp_path)(values)), model.predict(values), atol=1e-5)


def test_weights_alone_go_to_keras_and_back(tmp_path: Path) -> None:
    model, other = small(), small()
    for weight in other.weights:
        weight.assign(np.zeros(weight.shape))
    theirs = loaded(other, tmp_path)
    model.save_weights(tmp_path / "model.weights.h5")
    theirs.load_weights(tmp_path / "model.weights.h5")
    assert_same_weights(model, theirs, 0)
    other.load_weights(tmp_path / "model.weights.h5")
    for mine, loaded_ones in zip(model.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(loaded_ones, mine)


def test_a_compiled_keras_model_takes_the_weights_of_a_compiled_one(tmp_path: Path) -> None:
    model = small()
    model.compile(SGD(0.1, momentum=0.9), "mse")
    model.train_on_batch(batch(0)[0], np.zeros((6, 3)))
    theirs = loaded(model, tmp_path)
    model.train_on_batch(batch(1)[0], np.zeros((6, 3)))
    model.save_weights(tmp_path / "model.weights.h5")
    theirs.load_weights(tmp_path / "model.weights.h5")
    assert_same_weights(model, theirs, 0)
    assert int(theirs.optimizer.iterations) == 2


def test_the_best_epoch_can_be_kept_for_keras(tmp_path: Path) -> None:
    model = small(activation="softmax")
    model.compile("sgd", "sparse_categorical_crossentropy")
    best = sn.callbacks.ModelCheckpoint(str(tmp_path / "best.keras"), "loss", save_best_only=True)
    model.fit(*batch(0), epochs=2, verbose=0, callbacks=[best])
    assert keras.models.load_model(tmp_path / "best.keras").output_shape == (None, 3)


class Mine(layers.Layer):
    """A layer that only this test knows."""

    def call(self, inputs: Any, training: bool = False) -> Any:
        return inputs


class OwnModel(sn.Model):
    """A model whose function may be another one."""


@pytest.mark.parametrize("name", ["model.keras", "model.weights.h5"])
def test_all_layers_that_keras_lacks_are_named_at_once(name: str, tmp_path: Path) -> None:
    inner = sn.Sequential([layers.Input((3,)), Mine(name="deep")])
    model = sn.Sequential([layers.Input((3,)), Mine(name="first"), inner])
    write = model.save if name.endswith(".keras") else model.save_weights
    with pytest.raises(ValueError, match="first is a Mine, deep is a Mine, which Keras does not have"):
        write(tmp_path / name)
    x = layers.Input((3,))
    with pytest.raises(ValueError, match="odd is a OwnModel, which Keras does not have"):
        OwnModel(x, layers.Dense(1)(x), name="odd").save(tmp_path / "model.keras")
    assert not list(tmp_path.iterdir())


def test_what_keras_has_no_words_for_is_named(tmp_path: Path) -> None:
    path = tmp_path / "model.keras"
    smoothed = small(activation="softmax")
    smoothed.compile("sgd", sn.losses.SparseCategoricalCrossentropy(label_smoothing=0.1))
    for write in (smoothed.save, smoothed.check_saveable):
        with pytest.raises(ValueError, match="sparse categorical cross-entropy has no label smoothing"):
            write(path)
    with pytest.raises(ValueError, match="has no name, so it cannot be saved"):
        small(activation=lambda x: x).save(path)
    with pytest.raises(ValueError, match="has no weights yet"):
        sn.Sequential([layers.Dense(2)]).save(path)
    shared = layers.Dense(3, name="shared")
    inner = sn.Sequential([layers.Input((3,)), shared], name="inner")
    x = layers.Input((3,))
    with pytest.raises(ValueError, match="layer shared belongs to outer and to inner"):
        sn.Model(x, shared(inner(x)), name="outer").save(path)
    assert not list(tmp_path.iterdir())


def test_a_loss_of_ones_own_stays_behind(tmp_path: Path) -> None:
    model = small()
    model.compile("sgd", lambda y_true, y_pred: sn.ops.square(y_pred - sn.Tensor(y_true)))
    assert not loaded(model, tmp_path).compiled


def test_without_h5py_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "h5py", None)
    for write, name in ((small().save, "model.keras"), (small().save_weights, "model.weights.h5")):
        with pytest.raises(sn.ModelFileError, match=rf'{name} needs h5py, .* pip install -e "\.\[keras-files\]"'):
            write(tmp_path / name)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["model.safetensors", "model.keras", "model.onnx"])
def test_a_full_disk_leaves_the_old_file(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model, path = small(), tmp_path / name
    model.save(path)
    before = path.read_bytes()

    def fail(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    model.set_weights([weight + 1 for weight in model.get_weights()])
    with pytest.raises(OSError, match="No space left"):
        model.save(path)
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == [name]


def test_writing_imports_neither_keras_nor_tensorflow(tmp_path: Path) -> None:
    code = (
        "import sys, scratchnet as sn\n"
        "model = sn.Sequential([sn.Input((3,)), sn.layers.Dense(2)])\n"
        "model.save(sys.argv[1]); model.save_weights(sys.argv[2])\n"
        "print([name for name in ('keras', 'tensorflow') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "m.keras", tmp_path / "m.weights.h5"],
        capture_output=True, text=True, check=True, timeout=120, cwd=Path(sn.__file__).parents[1],
    )  # fmt: skip
    assert done.stdout.strip() == "[]"


def test_the_description_holds_nothing_but_json() -> None:
    with zipfile.ZipFile(io.BytesIO(keras_archive(small(), Path("model.keras")))) as archive:
        config = json.loads(archive.read("config.json"))
    assert config["class_name"] == "Functional"
    assert [layer["class_name"] for layer in config["config"]["layers"]][:2] == ["InputLayer", "Conv2D"]
