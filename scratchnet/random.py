"""Random numbers: one source of seeds, and the distributions that weights are drawn from.

Initialisers, dropout and shuffling each own a small generator. Where the user gives them no seed they draw one here, so
that one call of `set_random_seed` makes a whole run repeatable. The source is the process's, or within a `random_scope`
one that other threads do not see.
"""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, cast

import numpy as np
from numpy.typing import DTypeLike

from scratchnet.arrays import FloatArray, as_float_type

__all__ = [
    "get_random_state",
    "next_seed",
    "normal",
    "random_scope",
    "set_random_seed",
    "set_random_state",
    "truncated_normal",
    "uniform",
]


_global = np.random.Generator(np.random.PCG64())  # seeded by the operating system until told otherwise
_scoped: ContextVar[np.random.Generator | None] = ContextVar("scoped", default=None)


def _generator() -> np.random.Generator:
    return _scoped.get() or _global


@contextmanager
def random_scope(seed: int | None = None) -> Iterator[None]:
    """Within this context, or this function where it is a decorator, everything random has a source of its own.

    So trainings in several threads each repeat, and none moves the random numbers of whoever called it.

    Args:
        seed: as of `set_random_seed`, which may also be called within; None starts as the source outside stands.

    Raises:
        ValueError: if `seed` is negative or not an int.
    """
    outside = get_random_state()
    token = _scoped.set(np.random.Generator(np.random.PCG64(0)))
    try:
        if seed is None:
            set_random_state(outside)
        else:
            set_random_seed(seed)
        yield
    finally:
        _scoped.reset(token)


def set_random_seed(seed: int) -> None:
    """Restart the source of seeds, so that everything random from here on repeats.

    Only scratchnet's own generator is touched: neither `random` nor `numpy.random` is seeded. It is one for all
    threads, except within a `random_scope`.

    Args:
        seed: a non-negative int of any size.

    Raises:
        ValueError: if `seed` is negative or not an int.
    """
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or seed < 0:
        raise ValueError(f"seed must be a non-negative int, got {seed!r}")
    _generator().bit_generator.state = np.random.PCG64(int(seed)).state


def next_seed() -> int:
    """Draw a seed between 0 and 2**63 - 1."""
    return int(_generator().integers(0, 2**63, dtype=np.uint64))


def get_random_state() -> dict[str, Any]:
    """Return the state of the source of seeds as JSON-able values, for `set_random_state`."""
    return cast(dict[str, Any], _generator().bit_generator.state)


def set_random_state(state: dict[str, Any]) -> None:
    """Put the source of seeds back to a state from `get_random_state`.

    Raises:
        ValueError: if `state` is not a state of a PCG64 generator.
    """
    try:
        _generator().bit_generator.state = state
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"state must come from get_random_state, got {state!r}") from error


def uniform(
    generator: np.random.Generator, shape: Sequence[int], minval: float, maxval: float, dtype: DTypeLike
) -> FloatArray:
    """Draw an array of float32 or float64 values spread evenly over `[minval, maxval)`."""
    values = _affine(generator.random(tuple(shape), _float_type(dtype)), maxval - minval, minval)
    return np.clip(values, minval, maxval, out=values)  # rounding may step over a bound by one unit in the last place


def normal(
    generator: np.random.Generator, shape: Sequence[int], mean: float, stddev: float, dtype: DTypeLike
) -> FloatArray:
    """Draw an array of float32 or float64 values from a normal distribution."""
    return _affine(generator.standard_normal(tuple(shape), _float_type(dtype)), stddev, mean)


def truncated_normal(
    generator: np.random.Generator, shape: Sequence[int], mean: float, stddev: float, dtype: DTypeLike
) -> FloatArray:
    """Draw as `normal` does, and draw again whatever falls further than two `stddev` from the mean."""
    values = generator.standard_normal(math.prod(shape), _float_type(dtype))
    outside = np.flatnonzero(np.abs(values) > 2)
    while outside.size:
        values[outside] = generator.standard_normal(outside.size, values.dtype.type)
        outside = outside[np.abs(values[outside]) > 2]
    return _affine(values.reshape(tuple(shape)), stddev, mean)


def _affine(values: FloatArray, scale: float, offset: float) -> FloatArray:
    # In place and in the values' own precision: a layer may have tens of millions of weights.
    values *= values.dtype.type(scale)
    if offset != 0:
        values += values.dtype.type(offset)
    return values


def _float_type(dtype: DTypeLike) -> Any:
    return as_float_type(dtype).type  # the generators draw these two precisions natively
