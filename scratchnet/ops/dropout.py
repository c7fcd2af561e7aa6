"""Dropout (Srivastava et al., 2014, https://jmlr.org/papers/v15/srivastava14a.html)."""

from typing import Any

import numpy as np

from scratchnet.kernels import pointwise
from scratchnet.random import next_seed
from scratchnet.tensor import Tensor, as_tensor, record


def check_rate(rate: Any) -> float:
    """Raise a ValueError unless 0 <= rate < 1; rate 1 would leave nothing."""
    if isinstance(rate, bool) or not isinstance(rate, int | float) or not 0 <= rate < 1:
        raise ValueError(f"rate must be a number of at least 0 and below 1, got {rate!r}")
    return float(rate)


def check_seed(seed: Any) -> int:
    """Raise a ValueError unless `seed` is a non-negative int; of a longer one the lowest 64 bits count."""
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
        raise ValueError(f"seed must be a non-negative int or None, got {seed!r}")
    return int(seed) % 2**64


def dropout(x: Any, rate: float, seed: int | None = None) -> Tensor:
    """Zero each element with probability `rate` and scale the rest by 1 / (1 - rate).

    Args:
        x: any shape.
        rate: at least 0 and below 1.
        seed: the same seed drops the same elements, for any number of threads; drawn when it is None.
    """
    tensor, rate = as_tensor(x), check_rate(rate)
    if rate == 0:
        return tensor
    drawn = next_seed() if seed is None else check_seed(seed)
    y = pointwise.dropout(np.asarray(tensor.data, order="C"), rate, drawn)
    return record(y, "dropout", (tensor,), lambda dy: (pointwise.dropout(np.asarray(dy, order="C"), rate, drawn),))
