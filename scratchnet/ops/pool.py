"""Pooling over windows and over whole images."""

from typing import Any

import numpy as np

from scratchnet.kernels import average_pool, pool
from scratchnet.kernels.window import Window
from scratchnet.ops import reduction, shape
from scratchnet.ops.geometry import Pair, check_images, check_padding, pair, slide
from scratchnet.tensor import Tensor, as_tensor, record


def pool_window(x: Tensor, pool_size: Pair, strides: Pair | None, padding: str) -> tuple[Window, tuple[int, int]]:
    """The window of a pool over images and the output's size; arguments and errors are those of `max_pool2d`."""
    size = pair(pool_size, "pool_size")
    steps = size if strides is None else pair(strides, "strides")
    return slide((x.shape[1], x.shape[2]), size, steps, check_padding(padding))


def max_pool2d(x: Any, pool_size: Pair = 2, strides: Pair | None = None, padding: str = "valid") -> Tensor:
    """The maximum of each window; of several equal ones the first takes the gradient.

    Args:
        x: (batch, height, width, channels).
        pool_size: the window, one size for both axes or (height, width).
        strides: steps of the window; the window's size by default.
        padding: `valid` or `same`; what is padded is never the maximum.

    Returns:
        (batch, out height, out width, channels).

    Raises:
        ValueError: an argument is out of range, or the window does not fit.
    """
    x = as_tensor(x)
    check_images(x.shape, "max_pool2d")
    window, out_size = pool_window(x, pool_size, strides, padding)
    y, winner = pool.max_pool_forward(np.ascontiguousarray(x.data), window, out_size)
    return record(
        y, "max_pool2d", (x,), lambda dy: (pool.max_pool_backward(np.ascontiguousarray(dy), winner, x.shape, window),)
    )


def average_pool2d(x: Any, pool_size: Pair = 2, strides: Pair | None = None, padding: str = "valid") -> Tensor:
    """The mean of each window; with `same`, of the part of it that lies inside the image.

    Arguments, result and errors are those of `max_pool2d`.
    """
    x = as_tensor(x)
    check_images(x.shape, "average_pool2d")
    window, out_size = pool_window(x, pool_size, strides, padding)
    y = average_pool.average_pool_forward(np.ascontiguousarray(x.data), window, out_size)
    return record(
        y,
        "average_pool2d",
        (x,),
        lambda dy: (average_pool.average_pool_backward(np.ascontiguousarray(dy), x.shape, window),),
    )


def global_average_pool2d(x: Any, keepdims: bool = False) -> Tensor:
    """The mean of each channel over the whole image: (batch, channels), or (batch, 1, 1, channels)."""
    x = as_tensor(x)
    check_images(x.shape, "global_average_pool2d")
    mean = average_pool2d(x, (x.shape[1], x.shape[2]))
    return mean if keepdims else shape.reshape(mean, (x.shape[0], x.shape[3]))


def global_max_pool2d(x: Any, keepdims: bool = False) -> Tensor:
    """The maximum of each channel over the whole image; equal maxima share the gradient, as in TensorFlow."""
    x = as_tensor(x)
    check_images(x.shape, "global_max_pool2d")
    return reduction.max(x, (1, 2), keepdims)
