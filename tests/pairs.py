"""The same model in both frameworks: built by the same lines, with the same weights."""

from collections.abc import Callable
from typing import Any

import numpy as np
from oracle import keras

import scratchnet as sn


def pair(build: Callable[[Any], Any], seed: int = 0) -> tuple[sn.Model, Any]:
    """Our model and Keras's, with our initial weights in both.

    Args:
        build: makes a built model out of a module that has `layers`, `Input`, `Sequential` and `Model`.
        seed: of the initial weights.
    """
    sn.set_random_seed(seed)
    ours, theirs = build(sn), build(keras)
    copy_weights(ours, theirs)
    return ours, theirs


def copy_weights(ours: sn.Model, theirs: Any) -> None:
    """Give Keras's layers our weights, the layers of both being in the same order."""
    for own, other in zip(with_weights(ours), with_weights(theirs), strict=True):
        other.set_weights(own.get_weights())


def with_weights(model: Any) -> list[Any]:
    """The layers that have weights, in their order."""
    return [layer for layer in model.layers if layer.weights]


def assert_same_weights(ours: sn.Model, theirs: Any, tolerance: float) -> None:
    """Equal weights, statistics included, up to rounding."""
    for own, other in zip(with_weights(ours), with_weights(theirs), strict=True):
        for weight, mine, expected in zip(own.weights, own.get_weights(), other.get_weights(), strict=True):
            np.testing.assert_allclose(mine, expected, rtol=0, atol=tolerance, err_msg=f"{own.name}/{weight.name}")


def images(samples: int, size: int = 8, channels: int = 2, classes: int = 3, seed: int = 0) -> tuple[Any, Any]:
    """Noise with something to learn in it: the class brightens a corner."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((samples, size, size, channels)).astype(np.float32)
    y = rng.integers(0, classes, samples)
    x[:, : size // 2, : size // 2] += y[:, None, None, None]
    return x, y
