"""Memory for weights whose values a file will bring, and no more of it than the file can fill."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import numpy as np

from scratchnet.arrays import FloatArray, Shape

SLACK = 1 << 20  # numbers beyond those of the file: what does not quite fit is named by the reader, weight by weight

_left: ContextVar[list[int] | None] = ContextVar("left", default=None)


@contextmanager
def weights_to_come(elements: int) -> Iterator[None]:
    """Within this context layers' weights begin as zeros, which cost no time, and together have about so many elements.

    Args:
        elements: how many numbers the file has for them.
    """
    token = _left.set([elements + SLACK])
    try:
        yield
    finally:
        _left.reset(token)


def reserve(shape: Shape, dtype: str, what: str) -> FloatArray | None:
    """Zeros for a weight; None outside of `weights_to_come`.

    Args:
        shape: of the weight.
        dtype: of the weight.
        what: it is, for the error message.

    Raises:
        ValueError: the file cannot have so many numbers.
    """
    left = _left.get()
    if left is None:
        return None
    needed = math.prod(shape)
    if needed > left[0]:
        raise ValueError(f"{what} with shape {shape} is larger than what the file has for it")
    left[0] -= needed
    return np.zeros(shape, dtype)
