"""How far predictions are from labels."""

import numpy as np

from scratchnet.arrays import AnyArray
from scratchnet.metrics.base import MeanOfValues, same_shapes

__all__ = ["MeanAbsoluteError", "MeanSquaredError"]


class MeanSquaredError(MeanOfValues):
    """Mean of the squared differences.

    Args:
        name: its key in logs and history.
    """

    direction = "down"

    def __init__(self, name: str = "mean_squared_error") -> None:
        super().__init__(name)

    def _values(self, y_true: AnyArray, y_pred: AnyArray) -> AnyArray:
        return _per_sample(np.square(_difference(y_true, y_pred)))


class MeanAbsoluteError(MeanOfValues):
    """Mean of the absolute differences.

    Args:
        name: its key in logs and history.
    """

    direction = "down"

    def __init__(self, name: str = "mean_absolute_error") -> None:
        super().__init__(name)

    def _values(self, y_true: AnyArray, y_pred: AnyArray) -> AnyArray:
        return _per_sample(np.abs(_difference(y_true, y_pred)))


def _difference(y_true: AnyArray, y_pred: AnyArray) -> AnyArray:
    # Unsigned labels must not wrap around.
    labels, predictions = same_shapes(y_true, y_pred)
    return labels.astype(np.float64) - predictions.astype(np.float64)


def _per_sample(errors: AnyArray) -> AnyArray:
    # Weights belong to samples, not to the outputs of one; a vector has one output per sample.
    return errors.mean(axis=-1) if errors.ndim > 1 else errors
