"""Array types and their conversion, shared by every floor of the engine."""

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

FloatArray: TypeAlias = npt.NDArray[np.floating[Any]]
IntArray: TypeAlias = npt.NDArray[np.integer[Any]]
AnyArray: TypeAlias = npt.NDArray[Any]
Shape: TypeAlias = tuple[int, ...]

FLOAT_TYPES = (np.dtype(np.float32), np.dtype(np.float64))


def as_float_array(value: Any, name: str = "value") -> FloatArray:
    """An array of float32 or float64: arrays of those stay as they are, all other numbers become float32.

    An array that cannot be written to is copied: kernels are compiled for those that can.

    Raises:
        TypeError: `value` does not hold numbers.
    """
    array = np.asarray(value)
    if array.dtype in FLOAT_TYPES and hasattr(value, "dtype"):  # Python's own floats have no width of their own
        return array if array.flags.writeable else array.copy()
    if array.dtype.kind not in "biuf":
        raise TypeError(f"{name} must be an array of numbers, got {type(value).__name__} of dtype {array.dtype}")
    return array.astype(np.float32)
