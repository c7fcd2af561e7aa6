"""Training takes the steps that Keras takes: from equal weights on equal data to equal weights."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from oracle import keras
from pairs import assert_same_weights, images, pair, with_weights

import scratchnet as sn

ROUNDING = 5e-6  # what float32 may leave between two orders of summing, after a few dozen steps


def small_net(lib: Any) -> Any:
    # without the bias that batch normalisation takes away again: its gradient is nothing but rounding
    return lib.Sequential(
        [
            lib.Input((8, 8, 2)),
            lib.layers.Conv2D(6, 3, padding="same", use_bias=False),
            lib.layers.BatchNormalization(),
            lib.layers.ReLU(),
            lib.layers.MaxPooling2D(2),
            lib.layers.Conv2D(8, 3, strides=2, padding="same", activation="relu"),
            lib.layers.Flatten(),
            lib.layers.Dense(3, activation="softmax"),
        ]
    )


def plain_net(lib: Any) -> Any:
    return lib.Sequential(
        [
            lib.Input((8, 8, 2)),
            lib.layers.Conv2D(4, 3, activation="relu"),
            lib.layers.MaxPooling2D(2),
            lib.layers.Flatten(),
            lib.layers.Dense(3, activation="softmax"),
        ]
    )


OPTIMIZERS: dict[str, Callable[[Any], Any]] = {
    "adam": lambda lib: lib.optimizers.Adam(1e-3),
    "adam with amsgrad and clipping": lambda lib: lib.optimizers.Adam(1e-3, amsgrad=True, clipnorm=0.5),
    "adamw": lambda lib: lib.optimizers.AdamW(1e-3, weight_decay=0.05),
    "sgd with momentum": lambda lib: lib.optimizers.SGD(0.02, momentum=0.9),
    "sgd with nesterov": lambda lib: lib.optimizers.SGD(0.02, momentum=0.9, nesterov=True),
    "rmsprop": lambda lib: lib.optimizers.RMSprop(1e-3),
}


def compile_both(
    ours: sn.Model,
    theirs: Any,
    optimizer: Callable[[Any], Any] = lambda lib: lib.optimizers.SGD(0.05, momentum=0.9),
    loss: str = "sparse_categorical_crossentropy",
    **settings: Any,
) -> None:
    ours.compile(optimizer(sn), loss, **settings)
    theirs.compile(optimizer(keras), loss, run_eagerly=True, **settings)  # tracing takes longer than these few steps


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_twenty_steps_of_a_net_with_batch_norm_end_where_keras_ends(optimizer: str) -> None:
    ours, theirs = pair(small_net)
    compile_both(ours, theirs, OPTIMIZERS[optimizer])
    before = ours.get_weights()
    for step in range(20):
        x, y = images(16, seed=step)
        loss = ours.train_on_batch(x, y)
        assert loss == pytest.approx(float(theirs.train_on_batch(x, y)), abs=ROUNDING), f"step {step}"
    assert_same_weights(ours, theirs, ROUNDING)
    assert max(np.abs(a - b).max() for a, b in zip(ours.get_weights(), before, strict=True)) > 1e-2
    x, _ = images(16, seed=99)
    np.testing.assert_allclose(ours.predict(x), theirs.predict(x, verbose=0), rtol=0, atol=ROUNDING)


def test_a_schedule_gives_each_step_its_rate_as_in_keras() -> None:
    ours, theirs = pair(plain_net)
    ours.compile(sn.optimizers.SGD(sn.schedules.CosineDecay(0.1, 6, warmup_target=0.2, warmup_steps=2)), "mse")
    rate = keras.optimizers.schedules.CosineDecay(0.1, 6, warmup_target=0.2, warmup_steps=2)
    theirs.compile(keras.optimizers.SGD(rate), "mse", run_eagerly=True)
    for step in range(10):
        x, y = images(8, seed=step)
        targets = np.eye(3, dtype=np.float32)[y]
        assert ours.train_on_batch(x, targets) == pytest.approx(float(theirs.train_on_batch(x, targets)), abs=ROUNDING)
    assert_same_weights(ours, theirs, ROUNDING)


def compiled_pair(build: Callable[[Any], Any] = plain_net, **settings: Any) -> tuple[sn.Model, Any]:
    ours, theirs = pair(build)
    compile_both(ours, theirs, **settings)
    return ours, theirs


def assert_same_history(ours: dict[str, Any], theirs: dict[str, Any]) -> None:
    assert set(ours) == set(theirs)
    for name, values in theirs.items():
        np.testing.assert_allclose(ours[name], values, rtol=ROUNDING, atol=ROUNDING, err_msg=name)


FITS: dict[str, dict[str, Any]] = {
    "arrays alone": {},
    "a batch size that leaves a rest": {"batch_size": 7},
    "one batch": {"batch_size": 64},
    "validation split takes the last part": {"validation_split": 0.3},
    "validation data": {"validation_data": images(13, seed=5)},
    "weighted validation data": {
        "validation_data": (*images(13, seed=5), np.linspace(0, 2, 13, dtype=np.float32))
    },
    "class weights": {"class_weight": {0: 0.3, 2: 2.5}},
    "class weights with a validation split": {"class_weight": {0: 0.3, 1: 1.0, 2: 2.5}, "validation_split": 0.25},
    "sample weights": {"sample_weight": np.linspace(0, 2, 40, dtype=np.float32)},
    "sample weights with a validation split": {
        "sample_weight": np.linspace(0, 2, 40, dtype=np.float32), "validation_split": 0.25,
    },
    "a later first epoch": {"initial_epoch": 1},
}  # fmt: skip


@pytest.mark.parametrize("case", FITS)
def test_fit_records_what_keras_records_and_ends_with_its_weights(case: str) -> None:
    ours, theirs = compiled_pair(metrics=["accuracy"])
    x, y = images(40)
    record = ours.fit(x, y, epochs=3, shuffle=False, verbose=0, **FITS[case])
    expected = theirs.fit(x, y, epochs=3, shuffle=False, verbose=0, **FITS[case])
    assert_same_history(record.history, expected.history)
    assert record.epoch == expected.epoch
    assert ours.history is record
    assert_same_weights(ours, theirs, ROUNDING)


def test_weighted_metrics_are_weighted_and_metrics_are_not_as_in_keras() -> None:
    weights = np.linspace(0, 2, 40, dtype=np.float32)
    names = {
        "metrics": ["accuracy", "sparse_top_k_categorical_accuracy"],
        "weighted_metrics": ["sparse_categorical_accuracy"],
    }
    ours, theirs = compiled_pair(**names)
    x, y = images(40)
    record = ours.fit(x, y, epochs=2, shuffle=False, verbose=0, sample_weight=weights)
    expected = theirs.fit(x, y, epochs=2, shuffle=False, verbose=0, sample_weight=weights)
    assert_same_history(record.history, expected.history)
    assert record.history["accuracy"] != record.history["sparse_categorical_accuracy"]


def test_evaluate_gives_the_values_of_keras() -> None:
    ours, theirs = compiled_pair(metrics=["accuracy"])
    x, y = images(23)
    weights = np.linspace(0, 2, 23, dtype=np.float32)
    given = ours.evaluate(x, y, batch_size=10, verbose=0, sample_weight=weights)
    expected = theirs.evaluate(x, y, batch_size=10, verbose=0, sample_weight=weights)
    np.testing.assert_allclose(given, expected, rtol=ROUNDING)
    named = ours.evaluate(x, y, batch_size=10, verbose=0, return_dict=True)
    assert list(named) == ["loss", "accuracy"]
    np.testing.assert_allclose(ours.test_on_batch(x, y), theirs.test_on_batch(x, y), rtol=ROUNDING)
    assert ours.test_on_batch(x, y, return_dict=True) == pytest.approx(named, rel=ROUNDING)


def regularised_net(lib: Any) -> Any:
    rules = lib.regularizers
    return lib.Sequential(
        [
            lib.Input((8, 8, 2)),
            lib.layers.Conv2D(4, 3, activation="relu", kernel_regularizer=rules.L2(0.05)),
            lib.layers.BatchNormalization(gamma_regularizer=rules.L2(0.02), beta_regularizer=rules.L1(0.01)),
            lib.layers.Flatten(),
            lib.layers.Dense(3, activation="softmax", kernel_regularizer=rules.L1L2(0.01, 0.02), bias_regularizer="l2"),
        ]
    )


def test_regularisers_are_in_the_loss_and_in_the_steps_as_in_keras() -> None:
    ours, theirs = compiled_pair(regularised_net)
    x, y = images(40)
    record = ours.fit(x, y, epochs=3, shuffle=False, verbose=0, validation_split=0.25)
    expected = theirs.fit(x, y, epochs=3, shuffle=False, verbose=0, validation_split=0.25)
    assert_same_history(record.history, expected.history)
    assert_same_weights(ours, theirs, ROUNDING)
    bare = ours.loss(y, ours(x)).item()
    assert ours.evaluate(x, y, verbose=0) > bare + 0.05


def net_with_frozen_layers(lib: Any) -> Any:
    model = small_net(lib)
    model.layers[0].trainable = False
    model.layers[1].trainable = False
    return model


def test_frozen_layers_keep_weights_and_statistics_as_in_keras() -> None:
    ours, theirs = compiled_pair(net_with_frozen_layers)
    before = [layer.get_weights() for layer in ours.layers[:2]]
    x, y = images(40)
    record = ours.fit(x, y, epochs=2, shuffle=False, verbose=0)
    expected = theirs.fit(x, y, epochs=2, shuffle=False, verbose=0)
    assert_same_history(record.history, expected.history)
    assert_same_weights(ours, theirs, ROUNDING)
    for layer, weights in zip(ours.layers[:2], before, strict=True):
        for now, then in zip(layer.get_weights(), weights, strict=True):
            np.testing.assert_array_equal(now, then)
    assert len(ours.trainable_weights) == len(theirs.trainable_weights)
    assert len(ours.non_trainable_weights) == len(theirs.non_trainable_weights)


def branching(lib: Any) -> Any:
    layers = lib.layers
    x = lib.Input((8, 8, 2))
    stem = layers.Conv2D(4, 3, padding="same", activation="relu", name="stem")(x)
    left = layers.Conv2D(4, 3, padding="same", use_bias=False, name="left")(stem)
    left = layers.BatchNormalization(name="left_norm")(left)
    right = layers.DepthwiseConv2D(3, padding="same", name="right")(stem)
    joined = layers.ReLU(name="out")(layers.Add(name="sum")([left, right, stem]))
    both = layers.Concatenate(name="both")(
        [layers.GlobalAveragePooling2D(name="mean")(joined), layers.GlobalMaxPooling2D(name="top")(joined)]
    )
    shared = layers.Dense(8, activation="tanh", name="shared")
    return lib.Model(x, layers.Dense(3, activation="softmax", name="head")(shared(shared(both))))


def test_a_branching_net_with_a_residual_and_a_shared_layer_trains_as_in_keras() -> None:
    sn.set_random_seed(1)
    ours, theirs = branching(sn), branching(keras)
    for layer in with_weights(ours):
        theirs.get_layer(layer.name).set_weights(layer.get_weights())
    compile_both(ours, theirs, metrics=["accuracy"])
    x, y = images(40)
    record = ours.fit(x, y, epochs=3, shuffle=False, verbose=0)
    expected = theirs.fit(x, y, epochs=3, shuffle=False, verbose=0)
    assert_same_history(record.history, expected.history)
    for layer in with_weights(ours):
        for mine, other in zip(layer.get_weights(), theirs.get_layer(layer.name).get_weights(), strict=True):
            np.testing.assert_allclose(mine, other, rtol=0, atol=ROUNDING, err_msg=layer.name)


@pytest.mark.parametrize(
    ("loss", "units", "activation"),
    [("binary_crossentropy", 1, "sigmoid"), ("mse", 1, None), ("categorical_crossentropy", 3, "softmax")],
)
def test_every_loss_names_and_computes_its_accuracy_as_keras(loss: str, units: int, activation: str | None) -> None:
    def net(lib: Any) -> Any:
        return lib.Sequential(
            [lib.Input((8, 8, 2)), lib.layers.Flatten(), lib.layers.Dense(units, activation=activation)]
        )

    ours, theirs = pair(net)
    compile_both(ours, theirs, loss=loss, metrics=["accuracy", "mae"])
    x, y = images(40)
    targets = np.eye(3, dtype=np.float32)[y] if units == 3 else (y > 0).astype(np.float32)[:, None]
    record = ours.fit(x, targets, epochs=2, shuffle=False, verbose=0)
    expected = theirs.fit(x, targets, epochs=2, shuffle=False, verbose=0)
    assert_same_history(record.history, expected.history)
