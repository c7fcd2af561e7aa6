"""Where a graph of layers begins."""

from collections.abc import Sequence
from typing import Any

from scratchnet.arrays import as_float_type
from scratchnet.layers.base import check_name, unique_name
from scratchnet.layers.symbolic import SymbolicTensor


def Input(shape: Sequence[int | None], *, dtype: Any = "float32", name: str | None = None) -> SymbolicTensor:  # noqa: N802
    """The placeholder of a model's input.

    Args:
        shape: of one sample, without the batch: (48, 48, 1) for grey images. None stands for any size.
        dtype: `float32` or `float64`, which all numbers are converted to; None means `float32`.
        name: made up by default.

    Raises:
        ValueError: the shape holds anything but positive ints and None, the dtype is another, or the name is none.
    """
    if not isinstance(shape, Sequence) or any(
        size is not None and (not isinstance(size, int) or isinstance(size, bool) or size < 1) for size in shape
    ):
        raise ValueError(f"shape must be a sequence of positive ints or None, without the batch, got {shape!r}")
    name = unique_name("input_layer") if name is None else check_name(name)
    return SymbolicTensor((None, *shape), name=name, dtype=as_float_type(dtype).name)
