"""TensorFlow and Keras as judges: the same computation there, values and gradients compared.

Importing this module skips the test file where TensorFlow is not installed.
"""

import os
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from scratchnet.tensor import Tensor

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # TensorFlow's own imports warn
    tf = pytest.importorskip("tensorflow")
    keras = pytest.importorskip("keras")

# of the largest magnitude: rounding of sums grows with what is summed, not with what is left of it
TOLERANCE = {"float32": 1e-5, "float64": 1e-10}


def assert_close(ours: Any, theirs: Any, what: str = "", dtype: str | None = None) -> None:
    """Equal shapes and dtypes, and values equal up to rounding of that dtype; NaN and infinity at the same places."""
    ours, theirs = np.asarray(ours), np.asarray(theirs)
    assert ours.shape == theirs.shape, f"{what}: shape {ours.shape} is not {theirs.shape}"
    assert ours.dtype == theirs.dtype, f"{what}: dtype {ours.dtype} is not {theirs.dtype}"
    finite = np.abs(theirs[np.isfinite(theirs)])
    tolerance = TOLERANCE[dtype or str(theirs.dtype)] * max(1.0, finite.max(initial=0.0))
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=tolerance, err_msg=what)


def draw(seed: int, dtype: str, *shapes: tuple[int, ...]) -> list[np.ndarray]:
    """Arrays of normally distributed numbers."""
    rng = np.random.default_rng(seed)
    return [rng.standard_normal(shape).astype(dtype) for shape in shapes]


def check_equal(
    ours: Callable[..., Tensor], theirs: Callable[..., Any], arrays: Sequence[np.ndarray], seed: int = 0
) -> np.ndarray:
    """Check our function's value and its gradients by every argument against TensorFlow's; the value is returned.

    Args:
        ours: of tensors.
        theirs: of TensorFlow tensors.
        arrays: the arguments.
        seed: of the cotangents, which are random.
    """
    tensors = [Tensor(array.copy(), requires_grad=True) for array in arrays]
    y = ours(*tensors)
    variables = [tf.constant(array) for array in arrays]
    with tf.GradientTape() as tape:
        for variable in variables:
            tape.watch(variable)
        expected = theirs(*variables)
    assert_close(y.data, expected.numpy(), "value")
    cotangent = np.random.default_rng(seed).standard_normal(y.shape).astype(y.dtype)
    gradients = tape.gradient(expected, variables, output_gradients=tf.constant(cotangent))
    y.backward(cotangent)
    for position, (tensor, gradient) in enumerate(zip(tensors, gradients, strict=True)):
        assert tensor.grad is not None, f"argument {position} has no gradient"
        assert_close(tensor.grad, tf.convert_to_tensor(gradient).numpy(), f"gradient by argument {position}")
    return y.data


def spread_taps(kernel: Any, dilation: tuple[int, int]) -> Any:
    """The kernel with zeros between its taps, because TensorFlow has no gradient for dilated kernels on a CPU."""
    height, width, channels, filters = kernel.shape
    down, right = dilation
    spread = tf.reshape(kernel, (height, 1, width, 1, channels, filters))
    spread = tf.pad(spread, [[0, 0], [0, down - 1], [0, 0], [0, right - 1], [0, 0], [0, 0]])
    spread = tf.reshape(spread, (height * down, width * right, channels, filters))
    return spread[: (height - 1) * down + 1, : (width - 1) * right + 1]


def tf_conv2d(
    x: Any, kernel: Any, bias: Any = None, strides: tuple[int, int] = (1, 1), padding: str = "valid",
    dilation: tuple[int, int] = (1, 1), groups: int = 1,
) -> Any:  # fmt: skip
    """Convolution with everything that TensorFlow cannot differentiate on a CPU made of what it can."""
    kernels = tf.split(spread_taps(kernel, dilation), groups, axis=3)
    images = tf.split(x, groups, axis=3)
    parts = [tf.nn.conv2d(image, part, strides, padding.upper()) for image, part in zip(images, kernels, strict=True)]
    y = tf.concat(parts, axis=3)
    return y if bias is None else y + bias


def tf_depthwise_conv2d(x: Any, kernel: Any, bias: Any = None, **options: Any) -> Any:
    """A depthwise convolution is one with as many groups as channels."""
    height, width, channels, multiplier = kernel.shape
    kernel = tf.reshape(kernel, (height, width, 1, channels * multiplier))
    return tf_conv2d(x, kernel, bias, groups=channels, **options)
