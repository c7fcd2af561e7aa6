"""Vectors of length one."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from scratchnet import ops
from scratchnet.layers.base import Layer, check_axis
from scratchnet.layers.symbolic import BatchShape
from scratchnet.tensor import Tensor

LEAST_NORM = 1e-12  # Keras's epsilon: shorter vectors are divided by it


class UnitNormalization(Layer):
    """`x / ||x||`: each vector along an axis, or over several axes together, gets the Euclidean length 1.

    A vector shorter than 1e-12 is divided by that, so that zeros stay zeros.

    Args:
        axis: of the vectors' elements, one int or several.
        **kwargs: `name`, `trainable`, `dtype`.

    Raises:
        ValueError: the inputs have no such axis, or it is named twice.

    >>> UnitNormalization()(np.array([[3.0, 4.0]])).data
    array([[0.6, 0.8]], dtype=float32)
    """

    def __init__(self, axis: int | Sequence[int] = -1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        several = isinstance(axis, Sequence) and not isinstance(axis, str)
        self.axis: int | list[int] = list(axis) if several else axis  # type: ignore[arg-type, assignment]
        for number in self.axes:
            if not isinstance(number, int) or isinstance(number, bool):
                raise ValueError(f"axis must be an int or several, got {axis!r}")

    @property
    def axes(self) -> tuple[int, ...]:
        """All axes of the vectors."""
        return tuple(self.axis) if isinstance(self.axis, list) else (self.axis,)

    def build(self, input_shape: BatchShape) -> None:
        rank = len(input_shape)
        for axis in self.axes:
            check_axis(axis, rank, self)
        if len({axis % rank for axis in self.axes}) < len(self.axes):
            raise ValueError(f"axis of {self.name} must name each axis once, got {self.axis!r}")

    def call(self, inputs: Tensor, training: bool = False) -> Tensor:
        squares = ops.sum(ops.square(inputs), axis=self.axes, keepdims=True)
        least = inputs.dtype.type(LEAST_NORM) ** 2
        return ops.divide(inputs, ops.sqrt(ops.maximum(squares, Tensor(np.asarray(least, inputs.dtype)))))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "axis": self.axis}
