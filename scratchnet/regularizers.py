"""Penalties on the size of weights, added to the loss."""

import math
from collections.abc import Mapping
from typing import Any, Self

import numpy as np

from scratchnet import serialization
from scratchnet.arrays import FloatArray

__all__ = ["L1", "L1L2", "L2", "Regularizer", "get", "l1", "l1_l2", "l2", "serialize"]


class Regularizer:
    """A penalty and its gradient."""

    def penalty(self, weights: FloatArray) -> float:
        """Return what `weights`, of any shape, add to the loss."""
        raise NotImplementedError

    def gradient(self, weights: FloatArray) -> FloatArray:
        """Return the penalty's derivative by each weight, in the weights' shape and dtype."""
        raise NotImplementedError

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments as JSON-able values."""
        raise NotImplementedError

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """Build a regulariser from what `get_config` returned."""
        return cls(**config)


class L1L2(Regularizer):
    """Sum of an L1 and an L2 penalty.

    As in Keras both factors are 0 unless given. Named by the string `"l1_l2"`, both are 0.01.

    Args:
        l1: factor on the sum of absolute weights; not negative.
        l2: factor on the sum of squared weights; not negative.

    Raises:
        ValueError: if a factor is negative or not finite.
    """

    def __init__(self, l1: float | None = 0.0, l2: float | None = 0.0) -> None:
        self.l1 = _factor("l1", l1, 0.0)
        self.l2 = _factor("l2", l2, 0.0)

    def penalty(self, weights: FloatArray) -> float:
        total = 0.0
        if self.l1:
            total += self.l1 * float(np.sum(np.abs(weights)))  # l1 * sum |w|
        if self.l2:
            total += self.l2 * float(np.sum(np.square(weights)))  # l2 * sum w^2
        return total

    def gradient(self, weights: FloatArray) -> FloatArray:
        result: FloatArray = weights * weights.dtype.type(2 * self.l2)  # d/dw l2 w^2 = 2 l2 w
        if self.l1:
            result += np.sign(weights) * weights.dtype.type(self.l1)  # d/dw l1 |w| = l1 sign(w), and 0 at w = 0
        return result

    def get_config(self) -> dict[str, Any]:
        return {"l1": self.l1, "l2": self.l2}


class L1(L1L2):
    """`l1 * sum |w|`, which drives weights to exactly 0.

    Args:
        l1: the factor; not negative.
    """

    def __init__(self, l1: float | None = 0.01) -> None:
        super().__init__(l1=_factor("l1", l1, 0.01))

    def get_config(self) -> dict[str, Any]:
        return {"l1": self.l1}


class L2(L1L2):
    """`l2 * sum w^2`, which shrinks large weights most.

    Args:
        l2: the factor; not negative.
    """

    def __init__(self, l2: float | None = 0.01) -> None:
        super().__init__(l2=_factor("l2", l2, 0.01))

    def get_config(self) -> dict[str, Any]:
        return {"l2": self.l2}


def _factor(name: str, value: float | None, default: float) -> float:
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value) or value < 0:
        raise ValueError(f"{name} must be a finite number that is not negative, got {value!r}")
    return float(value)


l1, l2, l1_l2 = L1, L2, L1L2  # Keras's other spelling

_REGISTRY: Mapping[str, type[Regularizer]] = {"l1": L1, "l2": L2, "l1_l2": L1L2}


def get(identifier: Regularizer | str | Mapping[str, Any] | None) -> Regularizer | None:
    """Return the regulariser that `identifier` names, see `scratchnet.serialization.deserialize`."""
    if isinstance(identifier, str) and identifier.lower() in ("l1_l2", "l1l2"):
        return L1L2(0.01, 0.01)  # Keras's documented factors: a regulariser of 0 is not what a name asks for
    return serialization.deserialize("regularizer", _REGISTRY, identifier, Regularizer)


def serialize(regularizer: Regularizer | None) -> dict[str, Any] | None:
    """Describe a regulariser so that `get` can build it again."""
    return serialization.serialize(regularizer)
