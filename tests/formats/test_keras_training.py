"""A compiled Keras model trains on where it stopped; what is lacking is said, and the model predicts all the same."""

import json
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from oracle import keras

import scratchnet as sn

FORMATS = ("keras", "h5")
SHAPE, CLASSES = (6, 6, 2), 3
RNG = np.random.default_rng(0)
X = RNG.random((12, *SHAPE), np.float32)
Y = np.arange(12) % CLASSES

OPTIMIZERS: dict[str, Callable[[], Any]] = {
    "adam": lambda: keras.optimizers.Adam(0.01),
    "amsgrad": lambda: keras.optimizers.Adam(0.01, amsgrad=True),
    "adamw": lambda: keras.optimizers.AdamW(0.01, weight_decay=0.02),
    "sgd": lambda: keras.optimizers.SGD(0.05),
    "nesterov": lambda: keras.optimizers.SGD(0.05, momentum=0.9, nesterov=True),
    "rmsprop": lambda: keras.optimizers.RMSprop(0.01, momentum=0.5, centered=True),
    "schedule": lambda: keras.optimizers.Adam(keras.optimizers.schedules.ExponentialDecay(0.01, 2, 0.5)),
    "clipped": lambda: keras.optimizers.Adam(0.01, global_clipnorm=0.1),
}


def network(frozen: bool = False) -> Any:
    keras.utils.set_random_seed(3)
    stack = [keras.Input(SHAPE), keras.layers.Conv2D(4, 3, activation="relu"), keras.layers.BatchNormalization()]
    body = keras.Sequential([keras.Input((4, 4, 4)), keras.layers.Conv2D(4, 3, kernel_regularizer="l2")])
    stack += [body, keras.layers.Flatten(), keras.layers.Dense(CLASSES, "softmax")]
    stack[1].trainable = not frozen
    return keras.Sequential(stack)


def fit(model: Any) -> None:
    for start in (0, 4, 8):
        model.fit(X[start : start + 4], Y[start : start + 4], batch_size=4, shuffle=False, verbose=0)


@pytest.mark.parametrize(
    ("kind", "form"), [*((kind, "keras") for kind in OPTIMIZERS), ("adam", "h5"), ("rmsprop", "h5")]
)
def test_training_goes_on_as_in_keras(kind: str, form: str, tmp_path: Path) -> None:
    theirs = network(frozen=kind == "adam")
    theirs.compile(OPTIMIZERS[kind](), "sparse_categorical_crossentropy", metrics=["accuracy"], run_eagerly=True)
    fit(theirs)
    theirs.save(tmp_path / f"m.{form}")
    ours = sn.load_model(tmp_path / f"m.{form}")
    assert ours.compiled
    assert ours.optimizer.iterations == 3
    fit(theirs)
    fit(ours)
    for mine, other in zip(ours.weights, theirs.weights, strict=True):
        wanted = other.numpy()
        np.testing.assert_allclose(mine.data, wanted, rtol=0, atol=2e-4 * max(1, np.abs(wanted).max()))
    assert set(ours.evaluate(X, Y, verbose=0, return_dict=True)) == {"loss", "accuracy"}


LOSSES: list[tuple[Callable[[], Any], str, Any]] = [
    (lambda: keras.losses.SparseCategoricalCrossentropy(from_logits=True), "SparseCategoricalCrossentropy", True),
    (lambda: keras.losses.CategoricalCrossentropy(label_smoothing=0.1), "CategoricalCrossentropy", False),
    (lambda: "mse", "MeanSquaredError", None),
]


@pytest.mark.parametrize(("loss", "name", "logits"), LOSSES, ids=[case[1] for case in LOSSES])
@pytest.mark.parametrize("form", FORMATS)
def test_losses_and_metrics_come_back_with_their_options(
    loss: Callable[[], Any], name: str, logits: Any, form: str, tmp_path: Path
) -> None:
    theirs = network()
    theirs.compile("adam", loss(), metrics=[keras.metrics.Precision(name="p")], weighted_metrics=["mae"])
    theirs.save(tmp_path / f"m.{form}")
    config = sn.load_model(tmp_path / f"m.{form}").get_compile_config()
    assert config is not None
    assert config["loss"]["class_name"] == name
    assert config["loss"]["config"].get("from_logits") == logits
    assert config["metrics"][0]["config"]["name"] == "p"
    assert config["weighted_metrics"] == ["mae"]


def test_a_model_that_was_never_compiled_is_not_compiled(tmp_path: Path) -> None:
    for form in FORMATS:
        network().save(tmp_path / f"m.{form}")
        assert not sn.load_model(tmp_path / f"m.{form}").compiled


LACKING: dict[str, tuple[Callable[[Any], Any], str]] = {
    "optimiser": (lambda m: m.compile("nadam", "mse"), "not how it is trained .optimizer must be one of"),
    "loss": (lambda m: m.compile("adam", "poisson"), "not how it is trained .loss must be one of .* got 'poisson'"),
    "metric": (lambda m: m.compile("adam", "mse", metrics=["cosine_similarity"]), "got 'cosine_similarity'"),
    "option": (
        lambda m: m.compile("adam", keras.losses.MeanSquaredError(reduction="sum")),
        "loss with reduction='sum' is not supported",
    ),
    "averages": (lambda m: m.compile(keras.optimizers.Adam(use_ema=True), "mse"), "use_ema is not supported"),
}


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("kind", LACKING)
def test_what_is_lacking_for_training_is_said_and_the_model_predicts(kind: str, form: str, tmp_path: Path) -> None:
    theirs = network()
    compile_it, match = LACKING[kind]
    compile_it(theirs)
    theirs.save(tmp_path / f"m.{form}")
    with pytest.warns(UserWarning, match=rf"m\.{form}: the model is there, but .*{match}") as caught:
        ours = sn.load_model(tmp_path / f"m.{form}")
    assert caught[0].filename == __file__
    assert not ours.compiled
    np.testing.assert_allclose(ours.predict(X), theirs(X).numpy(), atol=1e-5)


def test_functions_in_a_training_are_not_called(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    theirs = network()
    theirs.compile("adam", "mse")
    theirs.save("m.keras")
    evil = {"module": "os", "class_name": "function", "config": "mkdir", "registered_name": "mkdir"}
    with zipfile.ZipFile("m.keras") as source:
        members = {name: source.read(name) for name in source.namelist()}
    for role in ("optimizer", "loss", "metrics"):
        config = json.loads(members["config.json"])
        config["compile_config"][role] = [evil] if role == "metrics" else evil
        with zipfile.ZipFile("evil.keras", "w") as target:
            for name, content in members.items():
                target.writestr(name, json.dumps(config) if name == "config.json" else content)
        with pytest.warns(UserWarning, match="not how it is trained"):
            assert not sn.load_model("evil.keras").compiled
    assert sorted(path.name for path in tmp_path.iterdir()) == ["evil.keras", "m.keras"]


def test_a_state_of_another_optimiser_is_left_behind(tmp_path: Path) -> None:
    theirs = network()
    theirs.compile("adam", "sparse_categorical_crossentropy", run_eagerly=True)
    fit(theirs)
    theirs.save(tmp_path / "m.h5")
    with h5py.File(tmp_path / "m.h5", "a") as file:
        names = file["optimizer_weights"].attrs["weight_names"]
        file["optimizer_weights"].attrs["weight_names"] = names[:-1]
    with pytest.warns(UserWarning, match="not its optimiser's state .it has 17 arrays, 18 were expected"):
        ours = sn.load_model(tmp_path / "m.h5")
    assert ours.compiled
    assert ours.optimizer.iterations == 0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fit(ours)


def test_the_training_of_keras_2_comes_back_without_its_state(tmp_path: Path) -> None:
    from keras2 import save_as_keras_2

    theirs = network()
    save_as_keras_2(theirs, tmp_path / "m.h5")
    wrapped = {
        "class_name": "MeanMetricWrapper",
        "config": {"name": "accuracy", "dtype": "float32", "fn": "sparse_categorical_accuracy"},
    }
    training = {
        "loss": "sparse_categorical_crossentropy", "metrics": [[wrapped]], "weighted_metrics": None,
        "loss_weights": None,
        "optimizer_config": {
            "class_name": "Adam",
            "config": {
                "name": "Adam", "learning_rate": 0.002, "decay": 0.0, "beta_1": 0.9, "beta_2": 0.99, "epsilon": 1e-7,
                "amsgrad": False, "jit_compile": False, "is_legacy_optimizer": False,
            },
        },
    }  # fmt: skip
    with h5py.File(tmp_path / "m.h5", "a") as file:
        file.attrs["training_config"] = json.dumps(training).encode()
    with pytest.warns(UserWarning, match="which Keras 2 kept in another order; fit begins a new one"):
        ours = sn.load_model(tmp_path / "m.h5")
    assert ours.compiled
    assert ours.optimizer.get_config()["beta_2"] == 0.99
    assert ours.optimizer.learning_rate == 0.002
    ours.fit(X, Y, verbose=0)
