"""Metrics accumulate over batches: `update_state` per batch, `result` at any time, `reset_state` per epoch.

States are float64, so that counts stay exact however long the epoch is.
"""

from typing import Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import ArrayLike

from scratchnet.arrays import AnyArray, FloatArray

__all__ = ["Mean", "MeanOfValues", "Metric", "match_ranks"]


class Metric:
    """Base of the metrics.

    Args:
        name: its key in logs and history.
    """

    direction: ClassVar[Literal["up", "down"] | None] = None
    """Which way is better; None where it depends on what is measured."""

    def __init__(self, name: str) -> None:
        self.name = name

    def update_state(self, y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None = None) -> None:
        """Take a batch into account.

        Args:
            y_true: labels.
            y_pred: predictions.
            sample_weight: weight of each sample, of shape `(batch,)` or any that broadcasts to the values after
                axes of length 1 are added behind; None for 1.

        Raises:
            ValueError: if the shapes do not fit.
        """
        raise NotImplementedError

    def result(self) -> float | FloatArray:
        """Return the metric over all batches since the last reset; 0 if there were none."""
        raise NotImplementedError

    def reset_state(self) -> None:
        """Forget all batches."""
        raise NotImplementedError

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments as JSON-able values."""
        return {"name": self.name}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """Build a metric from what `get_config` returned, here or in Keras (whose `dtype` is ignored)."""
        return cls(**{key: value for key, value in config.items() if key != "dtype"})


class Mean(Metric):
    """Weighted mean of values, such as the loss of each batch.

    Args:
        name: its key in logs and history.
    """

    def __init__(self, name: str = "mean") -> None:
        super().__init__(name)
        self.reset_state()

    def update_state(self, values: ArrayLike, sample_weight: ArrayLike | None = None) -> None:  # type: ignore[override]
        """Take values into account.

        Args:
            values: a number, or an array whose first axis counts samples; each counts with the mean of its values.
            sample_weight: see `Metric.update_state`. The weight of a number is how many samples it stands for.

        Raises:
            ValueError: if the shapes do not fit.
        """
        array = np.asarray(values, np.float64)
        weight = np.ones(array.shape[:1]) if sample_weight is None else np.asarray(sample_weight, np.float64)
        given = weight.shape
        array, weight = match_ranks(array, weight)
        if array.ndim > weight.ndim:
            array = array.mean(axis=tuple(range(weight.ndim, array.ndim)))
        try:
            weight = np.broadcast_to(weight, array.shape)
        except ValueError:
            raise ValueError(f"sample_weight must fit values of shape {np.shape(values)}, got shape {given}") from None
        # A sample of several weighted values counts with their mean, and its weight with theirs.
        per_sample = max(1, int(np.prod(array.shape[1:])))
        self._total += float(np.sum(array * weight)) / per_sample
        self._count += float(np.sum(weight)) / per_sample

    def result(self) -> float:
        return self._total / self._count if self._count else 0.0

    def reset_state(self) -> None:
        self._total = 0.0
        self._count = 0.0


class MeanOfValues(Mean):
    """Base of the metrics that are a mean of one value per sample."""

    def update_state(  # type: ignore[override]  # Mean takes values, its heirs labels and predictions
        self, y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> None:
        super().update_state(self._values(np.asarray(y_true), np.asarray(y_pred)), sample_weight)

    def _values(self, y_true: AnyArray, y_pred: AnyArray) -> AnyArray:
        raise NotImplementedError


def match_ranks(first: AnyArray, second: AnyArray) -> tuple[AnyArray, AnyArray]:
    """Give two arrays that differ by one trailing axis of length 1 the same number of axes.

    The axis is added to a vector, and taken away from whatever meets an array of more axes.
    """
    if first.ndim == second.ndim + 1 and first.shape[-1] == 1:
        return (first, second[:, None]) if second.ndim == 1 else (first[..., 0], second)
    if second.ndim == first.ndim + 1 and second.shape[-1] == 1:
        return (first[:, None], second) if first.ndim == 1 else (first, second[..., 0])
    return first, second


def same_shapes(y_true: AnyArray, y_pred: AnyArray) -> tuple[AnyArray, AnyArray]:
    """Match the ranks of labels and predictions, and refuse them if their shapes still differ."""
    labels, predictions = match_ranks(y_true, y_pred)
    if labels.shape != predictions.shape:
        raise ValueError(f"y_true must have the shape of y_pred, {y_pred.shape}, got {y_true.shape}")
    return labels, predictions
