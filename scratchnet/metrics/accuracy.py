"""How often predictions are right."""

from typing import Any

import numpy as np

from scratchnet.arrays import AnyArray
from scratchnet.metrics.base import MeanOfValues, same_shapes

__all__ = [
    "Accuracy",
    "BinaryAccuracy",
    "CategoricalAccuracy",
    "SparseCategoricalAccuracy",
    "SparseTopKCategoricalAccuracy",
    "TopKCategoricalAccuracy",
]


class Accuracy(MeanOfValues):
    """How often predictions equal labels exactly. Predictions are classes, not scores.

    Args:
        name: its key in logs and history.
    """

    direction = "up"

    def __init__(self, name: str = "accuracy") -> None:
        super().__init__(name)

    def _values(self, y_true: AnyArray, y_pred: AnyArray) -> AnyArray:
        labels, predictions = same_shapes(y_true, y_pred)
        return np.equal(labels, predictions)


class BinaryAccuracy(MeanOfValues):
    """How often a score falls on the right side of the threshold.

    Args:
        name: its key in logs and history.
        threshold: a score above it predicts 1, any other 0.
    """

    direction = "up"

    def __init__(self, name: str = "binary_accuracy", threshold: float = 0.5) -> None:
        super().__init__(name)
        self.threshold = threshold

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "threshold": self.threshold}

    def _values(self, y_true: AnyArray, y_pred: AnyArray) -> AnyArray:
        labels, predictions = same_shapes(y_true, y_pred)
        return np.equal(labels, predictions > self.threshold)


class CategoricalAccuracy(MeanOfValues):
    """How often the highest score belongs to the class of a one-hot label. The first of equal scores wins.

    Args:
        name: its key in logs and history.
    """

    direction = "up"

    def __init__(self, name: str = "categorical_accuracy") -> None:
        super().__init__(name)

    def _values(self, y_true: AnyArray, y_pred: AnyArray) -> AnyArray:
        right: AnyArray = np.argmax(_checked_one_hot(y_true, y_pred), axis=-1) == np.argmax(y_pred, axis=-1)
        return right


class SparseCategoricalAccuracy(MeanOfValues):
    """How often the highest score belongs to the class that a label numbers. The first of equal scores wins.

    Args:
        name: its key in logs and history.
    """

    direction = "up"

    def __init__(self, name: str = "sparse_categorical_accuracy") -> None:
        super().__init__(name)

    def _values(self, y_true: AnyArray, y_pred: AnyArray) -> AnyArray:
        right: AnyArray = _checked_class_ids(y_true, y_pred) == np.argmax(y_pred, axis=-1)
        return right


class TopKCategoricalAccuracy(MeanOfValues):
    """How often the class of a one-hot label is among the `k` highest scores.

    Ties count in favour: fewer than `k` scores must be strictly higher. A row with a score that is not finite counts
    as wrong.

    Args:
        k: a positive number of scores.
        name: its key in logs and history.

    Raises:
        ValueError: if `k` is not a positive int.
    """

    direction = "up"

    def __init__(self, k: int = 5, name: str = "top_k_categorical_accuracy") -> None:
        super().__init__(name)
        if isinstance(k, bool) or not isinstance(k, int) or k < 1:
            raise ValueError(f"k must be a positive int, got {k!r}")
        self.k = k

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "k": self.k}

    def _values(self, y_true: AnyArray, y_pred: AnyArray) -> AnyArray:
        return _in_top_k(np.argmax(_checked_one_hot(y_true, y_pred), axis=-1), y_pred, self.k)


class SparseTopKCategoricalAccuracy(TopKCategoricalAccuracy):
    """How often the class that a label numbers is among the `k` highest scores, see `TopKCategoricalAccuracy`.

    Args:
        k: a positive number of scores.
        name: its key in logs and history.
    """

    def __init__(self, k: int = 5, name: str = "sparse_top_k_categorical_accuracy") -> None:
        super().__init__(k, name)

    def _values(self, y_true: AnyArray, y_pred: AnyArray) -> AnyArray:
        return _in_top_k(_checked_class_ids(y_true, y_pred).astype(np.int64), y_pred, self.k)


def _checked_one_hot(y_true: AnyArray, y_pred: AnyArray) -> AnyArray:
    if y_true.shape != y_pred.shape or y_pred.ndim < 2:
        raise ValueError(
            f"y_true must be one-hot with the shape (batch, ..., classes) of y_pred {y_pred.shape}, got {y_true.shape}"
        )
    return y_true


def _checked_class_ids(y_true: AnyArray, y_pred: AnyArray) -> AnyArray:
    ids = y_true[..., 0] if y_true.ndim == y_pred.ndim and y_true.shape[-1:] == (1,) else y_true
    if y_pred.ndim < 2 or ids.shape != y_pred.shape[:-1]:
        raise ValueError(f"y_true must hold one class id per row of y_pred, {y_pred.shape}, got shape {y_true.shape}")
    return ids


def _in_top_k(class_ids: AnyArray, scores: AnyArray, k: int) -> AnyArray:
    classes = scores.shape[-1]
    known = (class_ids >= 0) & (class_ids < classes)
    own = np.take_along_axis(scores, np.where(known, class_ids, 0)[..., None], axis=-1)
    higher = np.count_nonzero(scores > own, axis=-1)
    verdict: AnyArray = known & np.isfinite(scores).all(axis=-1) & (higher < k)
    return verdict
