"""Shapes and types of HDF5's datasets and attributes."""

import math
from typing import NamedTuple

import numpy as np

from scratchnet.arrays import Shape
from scratchnet.formats.hdf5.source import Fields, Hdf5Error

MAX_AXES = 32  # as in HDF5 itself
_CLASSES = (
    "fixed-point", "floating-point", "time", "string", "bit field", "opaque", "compound", "reference", "enumeration",
    "variable-length", "array",
)  # fmt: skip
_FLOAT_LAYOUTS = {  # bytes: (bit offset, precision, exponent at, bits, mantissa at, bits, bias), as IEEE 754 has them
    2: (0, 16, 10, 5, 0, 10, 15),
    4: (0, 32, 23, 8, 0, 23, 127),
    8: (0, 64, 52, 11, 0, 52, 1023),
}


class Kind(NamedTuple):
    """How an element is stored: as a NumPy type, as a string of fixed size, or as a reference to one in a heap."""

    size: int
    dtype: np.dtype[np.generic] | None  # None for strings
    in_heap: bool = False


def parse_shape(data: bytes, what: str) -> Shape:
    """A dataspace message.

    Raises:
        Hdf5Error: it is damaged, or of a version that HDF5's classic layout does not have.
    """
    fields = Fields(data, f"the shape of {what}")
    version, rank, flags = fields.number(1), fields.number(1), fields.number(1)
    if version == 1:
        fields.take(5)
    elif version == 2:
        if fields.number(1) == 2:  # "null": neither a number nor an array
            return (0,)
    else:
        raise Hdf5Error(f"the shape of {what} has version {version}; 1 and 2 are known")
    if rank > MAX_AXES or flags > 1:
        raise Hdf5Error(f"the shape of {what} is damaged: {rank} axes, flags {flags}")
    shape = tuple(fields.number(8) for _ in range(rank))
    if math.prod(shape) >= 2**62 or max(shape, default=0) >= 2**62:
        raise Hdf5Error(f"{what} would have the absurd shape {shape}")
    return shape


def parse_kind(data: bytes, what: str) -> Kind:
    """A datatype message.

    Raises:
        Hdf5Error: it is damaged, or of a type that Keras's files do not have.
    """
    fields = Fields(data, f"the type of {what}")
    first, bits, size = fields.number(1), fields.number(3), fields.number(4)
    number, version = first & 15, first >> 4
    name = _CLASSES[number] if number < len(_CLASSES) else f"unknown ({number})"
    if version not in {1, 2, 3} or not 0 < size < 2**31:
        raise Hdf5Error(f"the type of {what} is damaged: version {version}, {size} bytes")
    if name == "string":
        return Kind(size, None)
    if name == "variable-length" and bits & 15 == 1 and size == 16:
        return Kind(size, None, in_heap=True)
    if name == "fixed-point" and size in {1, 2, 4, 8} and not bits & ~8:
        if (fields.number(2), fields.number(2)) == (0, 8 * size):
            return Kind(size, np.dtype(f"<{'i' if bits & 8 else 'u'}{size}"))
    elif name == "floating-point" and size in _FLOAT_LAYOUTS and not bits & 0x41:
        layout = (*(fields.number(2) for _ in range(2)), *(fields.number(1) for _ in range(4)), fields.number(4))
        if layout == _FLOAT_LAYOUTS[size]:
            return Kind(size, np.dtype(f"<f{size}"))
    raise Hdf5Error(f"{what} has a {name} type of {size} bytes, which is not among those of Keras's files")
