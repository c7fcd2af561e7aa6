"""Layers that make one tensor of several."""

from collections.abc import Sequence
from functools import reduce
from typing import Any

from scratchnet import ops
from scratchnet.layers.base import Layer, check_axis
from scratchnet.layers.symbolic import BatchShape
from scratchnet.tensor import Tensor


class _Merge(Layer):
    """Tensors of one shape (a size of 1 is broadcast) to one, element by element."""

    takes_list = True
    does = "merge"  # for messages

    def build(self, input_shape: Sequence[BatchShape]) -> None:
        self.compute_output_shape(input_shape)  # for its errors

    def compute_output_shape(self, input_shape: Sequence[BatchShape]) -> BatchShape:
        if len(input_shape) < 2:
            raise ValueError(f"{self.name} needs at least two inputs, got {len(input_shape)}")
        if len({len(shape) for shape in input_shape}) > 1:
            shapes = list(input_shape)
            raise ValueError(f"{self.name} cannot {self.does} shapes {shapes}: they differ in their number of axes")
        return tuple(self._axis(sizes, input_shape) for sizes in zip(*input_shape, strict=True))

    def _axis(self, sizes: Sequence[int | None], shapes: Sequence[BatchShape]) -> int | None:
        known = {size for size in sizes if size not in {None, 1}}
        if len(known) > 1:
            raise ValueError(f"{self.name} cannot {self.does} shapes {list(shapes)}: they differ")
        return known.pop() if known else None if None in sizes else 1


class Add(_Merge):
    """The sum of tensors of one shape (a size of 1 is broadcast)."""

    does = "add"

    def call(self, inputs: Sequence[Tensor], training: bool = False) -> Tensor:
        return reduce(ops.add, inputs)


class Subtract(_Merge):
    """The first of two tensors minus the second; shapes as in `Add`."""

    does = "subtract"

    def call(self, inputs: Sequence[Tensor], training: bool = False) -> Tensor:
        return ops.subtract(inputs[0], inputs[1])

    def compute_output_shape(self, input_shape: Sequence[BatchShape]) -> BatchShape:
        if len(input_shape) != 2:
            raise ValueError(f"{self.name} needs exactly two inputs, got {len(input_shape)}")
        return super().compute_output_shape(input_shape)


class Multiply(_Merge):
    """The product of tensors; shapes as in `Add`."""

    does = "multiply"

    def call(self, inputs: Sequence[Tensor], training: bool = False) -> Tensor:
        return reduce(ops.multiply, inputs)


class Average(_Merge):
    """The mean of tensors; shapes as in `Add`."""

    does = "average"

    def call(self, inputs: Sequence[Tensor], training: bool = False) -> Tensor:
        return reduce(ops.add, inputs) / len(inputs)


class Maximum(_Merge):
    """The largest of tensors; the first of equal ones takes the gradient. Shapes as in `Add`."""

    does = "compare"

    def call(self, inputs: Sequence[Tensor], training: bool = False) -> Tensor:
        return reduce(ops.maximum, inputs)


class Minimum(_Merge):
    """The smallest of tensors; the first of equal ones takes the gradient. Shapes as in `Add`."""

    does = "compare"

    def call(self, inputs: Sequence[Tensor], training: bool = False) -> Tensor:
        return reduce(ops.minimum, inputs)


class Concatenate(Layer):
    """Tensors one after the other along an axis.

    Args:
        axis: counted with the batch; -1 for channels.
        **kwargs: `name`, `trainable`, `dtype`.
    """

    takes_list = True

    def __init__(self, axis: int = -1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if axis == 0:
            raise ValueError("axis 0 is the batch; concatenate along another one")
        self.axis = axis

    def call(self, inputs: Sequence[Tensor], training: bool = False) -> Tensor:
        return ops.concatenate(inputs, self.axis)

    def compute_output_shape(self, input_shape: Sequence[BatchShape]) -> BatchShape:
        if not input_shape:
            raise ValueError(f"{self.name} needs at least one input")
        first = input_shape[0]
        check_axis(self.axis, len(first), self)
        axis = self.axis % len(first)
        rest = {shape[:axis] + shape[axis + 1 :] for shape in input_shape}
        if len({len(shape) for shape in input_shape}) > 1 or len(rest) > 1:
            raise ValueError(f"{self.name} cannot join shapes {list(input_shape)} along axis {self.axis}")
        sizes = [shape[axis] for shape in input_shape]
        joined = None if None in sizes else sum(size for size in sizes if size is not None)
        return (*first[:axis], joined, *first[axis + 1 :])

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "axis": self.axis}
