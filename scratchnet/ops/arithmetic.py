"""Elementwise arithmetic with broadcasting."""

import math
from typing import Any

import numpy as np

from scratchnet.arrays import FloatArray, as_float_type
from scratchnet.kernels import pointwise
from scratchnet.tensor import Tensor, as_tensor, record


def _pair(a: Any, b: Any) -> tuple[Tensor, Tensor]:
    a, b = as_tensor(a, like=b), as_tensor(b, like=a)
    try:
        np.broadcast_shapes(a.shape, b.shape)
    except ValueError:
        raise ValueError(f"shapes {a.shape} and {b.shape} cannot be broadcast together") from None
    return a, b


def unbroadcast(gradient: FloatArray, parent: Tensor) -> FloatArray | None:
    """Sum a gradient over the axes along which `parent` was repeated."""
    if not parent.requires_grad:
        return None
    if gradient.shape != parent.shape:
        if parent.ndim == 1 and gradient.shape[-1:] == parent.shape and gradient.flags.c_contiguous:
            rows = gradient.reshape(math.prod(gradient.shape[:-1]), parent.size)
            return pointwise.column_sums(rows).astype(parent.dtype, copy=False)
        extra = gradient.ndim - parent.ndim
        axes = tuple(range(extra)) + tuple(
            axis + extra for axis, size in enumerate(parent.shape) if size == 1 and gradient.shape[axis + extra] != 1
        )
        gradient = gradient.sum(axis=axes, keepdims=True).reshape(parent.shape)
    return gradient.astype(parent.dtype, copy=False)


def add(a: Any, b: Any) -> Tensor:
    """`a + b`."""
    a, b = _pair(a, b)
    return record(a.data + b.data, "add", (a, b), lambda dy: (unbroadcast(dy, a), unbroadcast(dy, b)))


def subtract(a: Any, b: Any) -> Tensor:
    """`a - b`."""
    a, b = _pair(a, b)
    return record(a.data - b.data, "subtract", (a, b), lambda dy: (unbroadcast(dy, a), unbroadcast(-dy, b)))


def multiply(a: Any, b: Any) -> Tensor:
    """`a * b`."""
    a, b = _pair(a, b)

    def backward(dy: FloatArray) -> tuple[FloatArray | None, ...]:
        return unbroadcast(dy * b.data, a), unbroadcast(dy * a.data, b)

    return record(a.data * b.data, "multiply", (a, b), backward)


def divide(a: Any, b: Any) -> Tensor:
    """`a / b`."""
    a, b = _pair(a, b)
    y = a.data / b.data

    def backward(dy: FloatArray) -> tuple[FloatArray | None, ...]:
        by_a = dy / b.data
        return unbroadcast(by_a, a), unbroadcast(-by_a * y, b)  # d(a/b)/db = -(a/b)/b

    return record(y, "divide", (a, b), backward)


def negative(x: Any) -> Tensor:
    """`-x`."""
    x = as_tensor(x)
    return record(-x.data, "negative", (x,), lambda dy: (-dy,))


def power(x: Any, exponent: float) -> Tensor:
    """`x ** exponent` for a number `exponent`.

    Raises:
        TypeError: the exponent is an array or a tensor.
    """
    if not isinstance(exponent, int | float | np.number):
        raise TypeError(f"exponent must be a number, got {type(exponent).__name__}")
    x = as_tensor(x)
    exponent = float(exponent)  # a NumPy number would widen the result
    if exponent == 0:
        return record(np.ones_like(x.data), "power", (x,), lambda dy: (np.zeros_like(dy),))
    # n x^(n-1)
    return record(x.data**exponent, "power", (x,), lambda dy: (dy * exponent * x.data ** (exponent - 1),))


def exp(x: Any) -> Tensor:
    """The exponential function."""
    x = as_tensor(x)
    y = np.exp(x.data)
    return record(y, "exp", (x,), lambda dy: (dy * y,))


def log(x: Any) -> Tensor:
    """The natural logarithm."""
    x = as_tensor(x)
    return record(np.log(x.data), "log", (x,), lambda dy: (dy / x.data,))


def sqrt(x: Any) -> Tensor:
    """The square root."""
    x = as_tensor(x)
    y = np.sqrt(x.data)
    return record(y, "sqrt", (x,), lambda dy: (dy / (2 * y),))


def square(x: Any) -> Tensor:
    """`x * x`."""
    x = as_tensor(x)
    return record(np.square(x.data), "square", (x,), lambda dy: (2 * x.data * dy,))


def abs(x: Any) -> Tensor:  # the field's own name
    """The absolute value; its gradient at zero is zero."""
    x = as_tensor(x)
    return record(np.abs(x.data), "abs", (x,), lambda dy: (dy * np.sign(x.data),))


def maximum(a: Any, b: Any) -> Tensor:
    """The larger of `a` and `b`; where they are equal, `a` takes the gradient."""
    a, b = _pair(a, b)

    def backward(dy: FloatArray) -> tuple[FloatArray | None, ...]:
        first = a.data >= b.data
        return unbroadcast(dy * first, a), unbroadcast(dy * ~first, b)

    return record(np.maximum(a.data, b.data), "maximum", (a, b), backward)


def minimum(a: Any, b: Any) -> Tensor:
    """The smaller of `a` and `b`; where they are equal, `a` takes the gradient."""
    a, b = _pair(a, b)

    def backward(dy: FloatArray) -> tuple[FloatArray | None, ...]:
        first = a.data <= b.data
        return unbroadcast(dy * first, a), unbroadcast(dy * ~first, b)

    return record(np.minimum(a.data, b.data), "minimum", (a, b), backward)


def cast(x: Any, dtype: Any) -> Tensor:
    """`x` as float32 or float64; the gradient comes back in the dtype of `x`.

    Raises:
        ValueError: another dtype.
    """
    wanted = as_float_type(dtype)
    x = as_tensor(x, like=wanted)
    return record(x.data.astype(wanted), "cast", (x,), lambda dy: (dy.astype(x.dtype),))


def clip(x: Any, x_min: float, x_max: float) -> Tensor:
    """`x` limited to [x_min, x_max]; no gradient passes where it was limited."""
    x = as_tensor(x)
    x_min, x_max = float(x_min), float(x_max)

    def backward(dy: FloatArray) -> tuple[FloatArray]:
        return (dy * ((x.data >= x_min) & (x.data <= x_max)),)

    return record(np.clip(x.data, x_min, x_max), "clip", (x,), backward)
