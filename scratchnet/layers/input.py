"""Where a graph of layers begins."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from scratchnet.arrays import FLOAT_TYPES
from scratchnet.layers.base import check_name, unique_name
from scratchnet.layers.symbolic import SymbolicTensor


def Input(shape: Sequence[int | None], *, dtype: Any = "float32", name: str | None = None) -> SymbolicTensor:  # noqa: N802
    """The placeholder of a model's input.

    Args:
        shape: of one sample, without the batch: (48, 48, 1) for grey images. None stands for any size.
        dtype: `float32` or `float64`.
        name: made up by default.

    Raises:
        ValueError: the shape holds anything but positive ints and None, the dtype is another, or the name is none.
    """
    if not isinstance(shape, Sequence) or any(
        size is not None and (not isinstance(size, int) or isinstance(size, bool) or size < 1) for size in shape
    ):
        raise ValueError(f"shape must be a sequence of positive ints or None, without the batch, got {shape!r}")
    kind = np.dtype(dtype)
    if kind not in FLOAT_TYPES:
        raise ValueError(f"dtype must be float32 or float64 (numbers of other kinds are converted), got {kind}")
    name = unique_name("input_layer") if name is None else check_name(name)
    return SymbolicTensor((None, *shape), name=name, dtype=kind.name)
