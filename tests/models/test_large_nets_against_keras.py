"""Nets wide enough for Winograd's algorithm compute and train as in Keras.

Keras computes in float64 here: in float32 it loses more than these nets do, and a few steps later other pixels win.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
from oracle import keras, tf
from pairs import copy_weights, images, with_weights

import scratchnet as sn
from scratchnet.kernels import conv
from scratchnet.tensor import Tensor

SIZE, CLASSES, BATCH = 32, 5, 12
ORDERS = [
    ("norm", "relu", "pool"),
    ("relu", "norm", "pool"),
    ("relu", "pool", "norm"),
    ("norm", "pool", "relu"),
    ("relu", "pool"),
]
orders = pytest.mark.parametrize("order", ORDERS, ids=", ".join)


@contextmanager
def keras_in_float64() -> Iterator[None]:
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")
    try:
        yield
    finally:
        keras.config.set_floatx("float32")
        keras.config.set_dtype_policy("float32")


def wide(lib: Any, order: tuple[str, ...]) -> Any:
    kinds = {"norm": lib.layers.BatchNormalization, "relu": lib.layers.ReLU, "pool": lib.layers.MaxPooling2D}
    stack = [lib.Input((SIZE, SIZE, 3))]
    for filters in (32, 64, 48):
        # without the bias that batch normalisation takes away again: its gradient is nothing but rounding
        stack.append(lib.layers.Conv2D(filters, 3, padding="same", use_bias=order[0] != "norm"))
        stack += [kinds[kind]() for kind in order]
    return lib.Sequential([*stack, lib.layers.Flatten(), lib.layers.Dense(CLASSES, activation="softmax")])


def twins(order: tuple[str, ...], disturbed: bool = False) -> tuple[sn.Model, Any]:
    """Our model, and Keras's in float64; with statistics and scales as after a training on request."""
    sn.set_random_seed(0)
    ours = wide(sn, order)
    with keras_in_float64():
        theirs = wide(keras, order)
    rng = np.random.default_rng(1)
    for weight in ours.weights if disturbed else ():
        if weight.name in {"moving_variance", "gamma"}:
            weight.assign(rng.uniform(0.5, 1.5, weight.shape))
        elif weight.name in {"moving_mean", "beta"}:
            weight.assign(rng.normal(0, 0.3, weight.shape))
        if weight.name == "gamma":
            weight.data[::3] *= -1
    copy_weights(ours, theirs)
    return ours, theirs


def batch(seed: int) -> tuple[np.ndarray, np.ndarray]:
    return images(BATCH, SIZE, 3, CLASSES, seed)


@pytest.fixture
def winograd_calls(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """What the rule decided, call by call."""
    decided: list[bool] = []
    rule = conv.uses_winograd

    def watched(*args: Any, **options: Any) -> bool:
        decided.append(rule(*args, **options))
        return decided[-1]

    monkeypatch.setattr(conv, "uses_winograd", watched)
    return decided


@orders
def test_predictions_are_those_of_keras(order: tuple[str, ...], winograd_calls: list[bool]) -> None:
    ours, theirs = twins(order, disturbed=True)
    x, _ = batch(3)
    given = ours.predict(x)
    assert winograd_calls == [False, True, True]  # the first has 3 channels
    np.testing.assert_allclose(given, theirs.predict(x.astype(np.float64), verbose=0), rtol=0, atol=5e-6)


@orders
def test_gradients_in_training_are_those_of_keras(order: tuple[str, ...], winograd_calls: list[bool]) -> None:
    ours, theirs = twins(order, disturbed=True)
    x, y = batch(4)
    tensor, constant = Tensor(x, requires_grad=True), tf.constant(x.astype(np.float64))
    loss = sn.losses.SparseCategoricalCrossentropy()(y, ours(tensor, training=True))
    loss.backward()
    assert any(winograd_calls)
    with tf.GradientTape() as tape:
        tape.watch(constant)
        outputs = theirs(constant, training=True)
        expected = tf.reduce_mean(keras.losses.sparse_categorical_crossentropy(y, outputs))
    assert loss.item() == pytest.approx(float(expected), rel=1e-5)
    wanted = tape.gradient(expected, [constant, *(weight.value for weight in theirs.trainable_weights)])
    for mine, other in zip([tensor, *ours.trainable_weights], wanted, strict=True):
        name, other = getattr(mine, "name", "input"), other.numpy()
        assert mine.grad.shape == other.shape
        difference = np.abs(mine.grad - other)
        # where rounding lets another pixel win, single gradients by pixels move; the others stand still
        assert np.mean(difference > 2e-5 * np.abs(other).max()) < 2e-3, name
        assert np.linalg.norm(difference) < 2e-3 * np.linalg.norm(other), name


@orders
def test_each_of_ten_steps_of_training_is_that_of_keras(order: tuple[str, ...], winograd_calls: list[bool]) -> None:
    ours, theirs = twins(order)
    ours.compile(sn.optimizers.SGD(1e-3, momentum=0.9), "sparse_categorical_crossentropy")
    theirs.compile(keras.optimizers.SGD(1e-3, momentum=0.9), "sparse_categorical_crossentropy", run_eagerly=True)
    for step in range(10):
        # Each step begins with Keras's weights and our own momentum. Where rounding lets another pixel win, a gradient
        # moves by up to some 1%; left alone, these nets would make of that a loss that differs in the third digit.
        pairs = list(zip(with_weights(ours), with_weights(theirs), strict=True))
        before = [own.get_weights() for own, _ in pairs]
        x, y = batch(step)
        expected = float(theirs.train_on_batch(x.astype(np.float64), y))
        assert ours.train_on_batch(x, y) == pytest.approx(expected, rel=2e-5), f"step {step}"
        for (own, other), starts in zip(pairs, before, strict=True):
            for weight, start, wanted in zip(own.weights, starts, other.get_weights(), strict=True):
                moved, difference = np.linalg.norm(wanted - start), np.linalg.norm(weight.data - wanted)
                assert moved > 0, f"step {step}, {own.name}/{weight.name}"
                assert difference < 5e-2 * moved, f"step {step}, {own.name}/{weight.name}"
                weight.assign(wanted.astype(np.float32))
    assert any(winograd_calls)
