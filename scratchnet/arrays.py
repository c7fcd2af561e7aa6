"""Array types and their conversion, shared by every floor of the engine."""

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

FloatArray: TypeAlias = npt.NDArray[np.floating[Any]]
IntArray: TypeAlias = npt.NDArray[np.integer[Any]]
AnyArray: TypeAlias = npt.NDArray[Any]
FloatType: TypeAlias = np.dtype[np.floating[Any]]
Shape: TypeAlias = tuple[int, ...]

FLOAT_TYPES = (np.dtype(np.float32), np.dtype(np.float64))


def as_float_type(dtype: Any) -> FloatType:
    """float32 or float64, in the machine's byte order; None means float32, as in Keras.

    Raises:
        ValueError: another type.
    """
    if dtype is None:
        return FLOAT_TYPES[0]
    try:
        found: FloatType = np.dtype(dtype).newbyteorder("=")
    except TypeError:
        raise ValueError(f"dtype must be float32 or float64, got {dtype!r}") from None
    if found not in FLOAT_TYPES:
        raise ValueError(f"dtype must be float32 or float64, got {found}")
    return found


def own_float_type(value: Any) -> FloatType | None:
    """float32 or float64 where `value` is an array or a tensor of it, in whichever byte order; None for all else.

    Python's numbers, integers and lists of them have no precision of their own: they take that of their neighbours.
    """
    dtype = getattr(value, "dtype", None)
    if dtype is None:
        return None
    if not isinstance(dtype, np.dtype):  # a tensor of another library
        dtype = np.asarray(value).dtype
    native: FloatType = dtype if dtype in FLOAT_TYPES else dtype.newbyteorder("=")
    return native if native in FLOAT_TYPES else None


def as_float_array(value: Any, name: str = "value", dtype: FloatType | None = None) -> FloatArray:
    """An array of float32 or float64 as kernels are compiled for: in the machine's byte order, aligned and writeable.

    One that is so already stays as it is, whatever its strides; every other one is copied.

    Args:
        value: an array, a nested sequence or a number.
        name: of the value, for the error message.
        dtype: of the result; by default that of an array of floats, and float32 for all other numbers.

    Raises:
        TypeError: `value` does not hold numbers.
    """
    array: FloatArray = np.asarray(value)
    if dtype is None and array.dtype in FLOAT_TYPES and hasattr(value, "dtype"):
        dtype = array.dtype  # the shortest way, which the results of operations take
    if dtype is not None and array.dtype == dtype and array.flags.behaved:
        return array
    if array.dtype.kind not in "biuf":
        raise TypeError(f"{name} must be an array of numbers, got {type(value).__name__} of dtype {array.dtype}")
    if dtype is None:
        dtype = own_float_type(value)
    if dtype is None:
        dtype = FLOAT_TYPES[0]
    return array.astype(dtype)
