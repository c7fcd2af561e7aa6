"""Precision and recall: what is found, and how much of it is right."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from scratchnet.arrays import AnyArray, FloatArray
from scratchnet.metrics.base import Metric, same_shapes

__all__ = ["Precision", "Recall", "divide_or_zero", "flat_binary"]

NEVER = -1e10  # Keras's score of a class outside the top k


class _ThresholdMetric(Metric):
    # Counts, for each threshold, true positives and one kind of mistake.
    direction = "up"
    _default_name: str

    def __init__(
        self,
        thresholds: float | Sequence[float] | None = None,
        top_k: int | None = None,
        class_id: int | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(name or self._default_name)
        if top_k is not None and top_k < 1:
            raise ValueError(f"top_k must be a positive int or None, got {top_k!r}")
        if class_id is not None and class_id < 0:
            raise ValueError(f"class_id must not be negative, got {class_id!r}")
        self.thresholds = thresholds
        self.top_k = top_k
        self.class_id = class_id
        self._cuts = _checked_thresholds(thresholds, NEVER if top_k is not None else 0.5)
        self.reset_state()

    def update_state(self, y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None = None) -> None:
        """Take a batch into account.

        Args:
            y_true: labels, 0 or 1 (anything but 0 counts as 1), in the shape of `y_pred`.
            y_pred: scores.
            sample_weight: see `Metric.update_state`.

        Raises:
            ValueError: if the shapes do not fit, or `class_id` or `top_k` exceeds the number of classes.
        """
        labels, scores = same_shapes(np.asarray(y_true), np.asarray(y_pred, np.float32))
        self._check_classes(scores)
        if self.top_k is not None:
            scores = _keep_top_k(scores, self.top_k)
        if self.class_id is not None:
            labels, scores = labels[..., self.class_id, None], scores[..., self.class_id, None]
        positive, scores, weight = flat_binary(labels, scores, sample_weight)
        found = scores > self._cuts[:, None]  # (thresholds, scores)
        self._true_positives += (found & positive) @ weight
        self._mistakes += self._mistaken(found, positive) @ weight

    def result(self) -> float | FloatArray:
        ratio = divide_or_zero(self._true_positives, self._true_positives + self._mistakes)
        return float(ratio[0]) if len(ratio) == 1 else ratio

    def reset_state(self) -> None:
        self._true_positives = np.zeros(len(self._cuts))
        self._mistakes = np.zeros(len(self._cuts))

    def get_config(self) -> dict[str, Any]:
        own = {"thresholds": self.thresholds, "top_k": self.top_k, "class_id": self.class_id}
        return {**super().get_config(), **own}

    @staticmethod
    def _mistaken(found: AnyArray, positive: AnyArray) -> AnyArray:
        raise NotImplementedError

    def _check_classes(self, scores: AnyArray) -> None:
        classes = scores.shape[-1] if scores.ndim else 1
        if self.class_id is not None and (scores.ndim < 2 or self.class_id >= classes):
            raise ValueError(f"y_pred must have a column for class_id {self.class_id}, got shape {scores.shape}")
        if self.top_k is not None and self.top_k > classes:
            raise ValueError(f"top_k must not exceed the number of scores, got {self.top_k} for shape {scores.shape}")


class Precision(_ThresholdMetric):
    """True positives as a fraction of all that is called positive; 0 if nothing is.

    Args:
        thresholds: a score above it is called positive; a number between 0 and 1, or several for one result each.
            By default 0.5, or none where `top_k` is set.
        top_k: call only the k highest scores of each row positive.
        class_id: look only at this column.
        name: its key in logs and history.

    Raises:
        ValueError: if an argument is out of range.
    """

    _default_name = "precision"

    @staticmethod
    def _mistaken(found: AnyArray, positive: AnyArray) -> AnyArray:
        return found & ~positive


class Recall(_ThresholdMetric):
    """True positives as a fraction of all that are positive; 0 if none is.

    Args:
        thresholds: see `Precision`.
        top_k: see `Precision`.
        class_id: see `Precision`.
        name: its key in logs and history.

    Raises:
        ValueError: if an argument is out of range.
    """

    _default_name = "recall"

    @staticmethod
    def _mistaken(found: AnyArray, positive: AnyArray) -> AnyArray:
        return ~found & positive


def flat_binary(
    labels: AnyArray, scores: AnyArray, sample_weight: ArrayLike | None
) -> tuple[AnyArray, AnyArray, FloatArray]:
    """Lay labels (as bool), scores and a weight for each out as three vectors of one length.

    Raises:
        ValueError: if `sample_weight` does not broadcast to the labels after axes are added behind.
    """
    weight = np.asarray(1.0 if sample_weight is None else sample_weight, np.float64)
    if weight.ndim == labels.ndim + 1 and weight.shape[-1] == 1:
        weight = weight[..., 0]
    aligned = weight.reshape(weight.shape + (1,) * (labels.ndim - weight.ndim))
    try:
        weights = np.broadcast_to(aligned, labels.shape)
    except ValueError:
        raise ValueError(f"sample_weight must fit labels of shape {labels.shape}, got shape {weight.shape}") from None
    return labels.reshape(-1) != 0, scores.reshape(-1), weights.reshape(-1)


def divide_or_zero(numerator: FloatArray, denominator: FloatArray) -> FloatArray:
    """Divide elementwise; 0 where the denominator is 0."""
    safe = np.where(denominator == 0, 1, denominator)
    ratio: FloatArray = np.where(denominator == 0, 0.0, numerator / safe)
    return ratio


def _checked_thresholds(thresholds: float | Sequence[float] | None, default: float) -> AnyArray:
    cuts = np.atleast_1d(np.asarray(default if thresholds is None else thresholds, np.float32))
    if thresholds is not None and not ((cuts >= 0) & (cuts <= 1)).all():
        raise ValueError(f"thresholds must be between 0 and 1, got {thresholds!r}")
    return cuts


def _keep_top_k(scores: AnyArray, k: int) -> AnyArray:
    # The first of equal scores is kept first.
    best = np.argsort(-scores, axis=-1, kind="stable")[..., :k]
    kept = np.full_like(scores, NEVER)
    np.put_along_axis(kept, best, np.take_along_axis(scores, best, axis=-1), axis=-1)
    return kept
