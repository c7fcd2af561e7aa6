"""Operations that move elements without changing them."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from scratchnet.arrays import FloatArray, own_float_type
from scratchnet.tensor import Tensor, as_tensor, record


def reshape(x: Any, newshape: Sequence[int]) -> Tensor:
    """The same elements in another shape; one of its numbers may be -1.

    Raises:
        ValueError: the shape holds another number of elements.
    """
    x = as_tensor(x)
    try:
        y = x.data.reshape(tuple(newshape))
    except ValueError:
        raise ValueError(f"{x.size} elements of shape {x.shape} cannot be reshaped to {tuple(newshape)}") from None
    return record(y, "reshape", (x,), lambda dy: (dy.reshape(x.shape),))


def transpose(x: Any, axes: Sequence[int] | None = None) -> Tensor:
    """The axes in the order given; reversed by default.

    Raises:
        ValueError: `axes` does not name each axis once.
    """
    x = as_tensor(x)
    order = tuple(range(x.ndim))[::-1] if axes is None else tuple(axes)
    try:
        y = x.data.transpose(order)
    except ValueError:
        raise ValueError(f"axes must name each of the {x.ndim} axes of shape {x.shape} once, got {order}") from None
    back = np.argsort([axis % x.ndim for axis in order])
    return record(y, "transpose", (x,), lambda dy: (dy.transpose(back),))


def getitem(x: Any, index: Any) -> Tensor:
    """`x[index]` for any NumPy index."""
    x = as_tensor(x)

    def backward(dy: FloatArray) -> tuple[FloatArray]:
        dx = np.zeros_like(x.data)
        np.add.at(dx, index, dy)  # an index may name an element twice
        return (dx,)

    return record(np.asarray(x.data[index]), "getitem", (x,), backward)


def concatenate(xs: Sequence[Any], axis: int = -1) -> Tensor:
    """Several tensors one after the other along `axis`.

    Raises:
        ValueError: there is none, or they differ in another axis.
    """
    known = [dtype for x in xs if (dtype := own_float_type(x)) is not None]
    tensors = tuple(as_tensor(x, like=np.result_type(*known) if known else None) for x in xs)
    try:
        y = np.concatenate([tensor.data for tensor in tensors], axis)
    except ValueError:
        shapes = [tensor.shape for tensor in tensors]
        raise ValueError(f"tensors of shapes {shapes} cannot be concatenated along axis {axis}") from None
    ends = np.cumsum([tensor.shape[axis] for tensor in tensors])[:-1]
    return record(y, "concatenate", tensors, lambda dy: tuple(np.split(dy, ends, axis)))


def pad(x: Any, pad_width: Sequence[Sequence[int]], constant_values: float = 0.0) -> Tensor:
    """Surround `x` with a constant.

    Args:
        x: any shape.
        pad_width: for each axis, how much to add before and after.
        constant_values: the constant.

    Raises:
        ValueError: `pad_width` is not one pair of non-negative numbers per axis.
    """
    x = as_tensor(x)
    pairs = [tuple(pair) for pair in pad_width]
    if len(pairs) != x.ndim or any(len(pair) != 2 or min(pair) < 0 for pair in pairs):
        raise ValueError(f"pad_width must hold a pair of numbers >= 0 for each of {x.ndim} axes, got {pad_width}")
    inner = tuple(slice(before, before + size) for (before, _), size in zip(pairs, x.shape, strict=True))
    y = np.pad(x.data, pairs, constant_values=constant_values)
    return record(y, "pad", (x,), lambda dy: (dy[inner],))
