"""What a model answers for an image does not depend on the images beside it, bit for bit."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_models import ACTIVATIONS, models

import scratchnet as sn
from pipelines.bench.nets import NETS
from scratchnet import layers

IMAGES = 9


def in_batches(function: Any, inputs: list[np.ndarray], size: int) -> list[np.ndarray]:
    """The outputs for all images, of which `size` are given at once."""
    calls = []
    for first in range(0, len(inputs[0]), size):
        part = [x[first : first + size] for x in inputs]
        outputs = function(part if len(part) > 1 else part[0])
        calls.append([np.asarray(y) for y in (outputs if isinstance(outputs, list) else [outputs])])
    return [np.concatenate(parts) for parts in zip(*calls, strict=True)]


def assert_independent(model: sn.Model, inputs: list[np.ndarray], sizes: tuple[int, ...] = (1, 2, 5)) -> None:
    def call(x: Any) -> Any:
        outputs = model(x)
        return [y.numpy() for y in outputs] if isinstance(outputs, list) else outputs.numpy()

    for function in (lambda x: model.predict(x, verbose=0), call):
        together = in_batches(function, inputs, len(inputs[0]))
        for size in sizes:
            for alone, expected in zip(in_batches(function, inputs, size), together, strict=True):
                assert alone.tobytes() == expected.tobytes()


def draw_weights(model: sn.Model) -> None:
    rng = np.random.default_rng(1)
    for weight in model.weights:
        weight.assign(0.1 + np.abs(rng.standard_normal(weight.shape)) * 0.2)


@pytest.mark.parametrize("name", ["A", "B"])
def test_of_the_networks_that_are_timed(name: str) -> None:
    net = NETS[name]
    model = net.build()
    model.set_weights(net.draw_weights())
    assert_independent(model, [net.draw_batch(7)[0]])


def test_of_more_rows_than_are_streamed() -> None:
    model = sn.Sequential([layers.Input((300,)), layers.Dense(40, "tanh"), layers.Dense(200, "softmax")])
    assert_independent(model, [np.random.default_rng(0).standard_normal((140, 300)).astype(np.float32)], (1, 3, 64, 65))


@settings(max_examples=12)
@given(models(), st.integers(0, 99))
def test_of_drawn_models(model: sn.Model, seed: int) -> None:
    rng = np.random.default_rng(seed)
    assert_independent(
        model, [rng.standard_normal((IMAGES, *value.shape[1:])).astype(np.float32) for value in model.inputs]
    )


def single_layers() -> Iterator[layers.Layer]:
    for activation in ACTIVATIONS:
        yield layers.Activation(activation)
    for pool in (layers.MaxPooling2D, layers.AveragePooling2D):
        yield from (pool(2), pool(3, strides=2, padding="same"))
    yield from (layers.GlobalAveragePooling2D(), layers.GlobalMaxPooling2D(), layers.Softmax(axis=1))
    yield from (layers.BatchNormalization(), layers.UnitNormalization(), layers.Dense(30, "gelu"))
    yield from (layers.DepthwiseConv2D(3, padding="same"), layers.SeparableConv2D(24, 3))
    yield from (layers.Conv2D(20, 3, groups=2), layers.Conv2D(24, 4, strides=2), layers.Conv2D(48, 3, padding="same"))


@pytest.mark.parametrize("shape", [(24, 20, 32), (4, 4, 256), (8, 8, 48)])
def test_of_each_layer(shape: tuple[int, int, int]) -> None:
    x = np.random.default_rng(0).standard_normal((5, *shape)).astype(np.float32)
    for layer in single_layers():
        model = sn.Sequential([layers.Input(shape), layer])
        draw_weights(model)
        assert_independent(model, [x], (1, 2))
