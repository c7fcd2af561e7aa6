"""Gradients by finite differences: slow, but they need no other framework and no derivative."""

from collections.abc import Callable, Sequence

import numpy as np

from scratchnet.tensor import Tensor

STEP = 1e-6


def numeric_gradient(function: Callable[[np.ndarray], float], x: np.ndarray) -> np.ndarray:
    """The derivative of a number by each element of `x`: (f(x + step) - f(x - step)) / (2 step)."""
    x = x.copy()
    gradient = np.empty_like(x)
    for index in np.ndindex(x.shape):
        kept = x[index]
        x[index] = kept + STEP
        above = function(x)
        x[index] = kept - STEP
        below = function(x)
        x[index] = kept
        gradient[index] = (above - below) / (2 * STEP)
    return gradient


def check_gradients(function: Callable[..., Tensor], arrays: Sequence[np.ndarray], seed: int = 0) -> None:
    """Compare the gradients of `function(*tensors)` by every argument with finite differences.

    The result is weighted with random cotangents: with ones, gradients that merely sum to the right number would pass.

    Raises:
        AssertionError: a gradient is missing or differs.
    """
    arrays = [np.asarray(array, np.float64) for array in arrays]
    tensors = [Tensor(array.copy(), requires_grad=True) for array in arrays]
    y = function(*tensors)
    cotangent = np.random.default_rng(seed).standard_normal(y.shape)
    y.backward(cotangent)
    for position, tensor in enumerate(tensors):
        assert tensor.grad is not None, f"argument {position} has no gradient"

        def weighted(value: np.ndarray, position: int = position) -> float:
            moved = [Tensor(value if i == position else array) for i, array in enumerate(arrays)]
            return float((function(*moved).data * cotangent).sum())

        expected = numeric_gradient(weighted, arrays[position])
        scale = max(1.0, np.abs(expected).max(initial=0.0))
        np.testing.assert_allclose(
            tensor.grad / scale, expected / scale, rtol=0, atol=1e-7, err_msg=f"argument {position}"
        )
