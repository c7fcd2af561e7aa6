"""Sums, means and maxima over axes."""

from typing import Any, TypeAlias

import numpy as np

from scratchnet.arrays import FloatArray
from scratchnet.tensor import Tensor, as_tensor, record

Axis: TypeAlias = int | tuple[int, ...] | None


def _spread(gradient: FloatArray, x: Tensor, axis: Axis, keepdims: bool) -> FloatArray:
    """Repeat the gradient of a reduced result along the axes that were reduced."""
    if axis is not None and not keepdims:
        gradient = np.expand_dims(gradient, axis)
    return np.broadcast_to(gradient, x.shape)


def sum(x: Any, axis: Axis = None, keepdims: bool = False) -> Tensor:  # the field's own name
    """The sum over `axis`, all axes by default."""
    x = as_tensor(x)
    y = np.asarray(x.data.sum(axis=axis, keepdims=keepdims))
    return record(y, "sum", (x,), lambda dy: (_spread(dy, x, axis, keepdims),))


def mean(x: Any, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The mean over `axis`, all axes by default."""
    x = as_tensor(x)
    y = np.asarray(x.data.mean(axis=axis, keepdims=keepdims))
    count = x.dtype.type(x.size / np.maximum(y.size, 1))
    return record(y, "mean", (x,), lambda dy: (_spread(dy / count, x, axis, keepdims),))


def max(x: Any, axis: Axis = None, keepdims: bool = False) -> Tensor:  # the field's own name
    """The maximum over `axis`, all axes by default; equal maxima share the gradient equally, as in TensorFlow."""
    x = as_tensor(x)
    y = np.asarray(x.data.max(axis=axis, keepdims=True))

    def backward(dy: FloatArray) -> tuple[FloatArray]:
        winners = (x.data == y).astype(x.dtype)
        return (_spread(dy, x, axis, keepdims) * winners / winners.sum(axis=axis, keepdims=True),)

    result = y if keepdims else y.reshape(np.squeeze(y, axis).shape)
    return record(result, "max", (x,), backward)
