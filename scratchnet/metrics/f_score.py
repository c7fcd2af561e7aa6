"""The F1 score."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from scratchnet.arrays import FloatArray
from scratchnet.metrics.base import Metric

__all__ = ["F1Score"]

EPSILON = 1e-7  # Keras's: keeps 0 / 0 at 0


class F1Score(Metric):
    """Harmonic mean of precision and recall, per class.

    Args:
        average: None for one score per class; `"micro"` counts all classes together; `"macro"` is the mean over
            classes; `"weighted"` the mean weighted by how often each class occurs.
        threshold: a score above it is called positive, between 0 and 1. None calls the highest score of each row
            positive, all of them if several are equal.
        name: its key in logs and history.

    Raises:
        ValueError: if an argument is none of these.
    """

    direction = "up"

    def __init__(self, average: str | None = None, threshold: float | None = None, name: str = "f1_score") -> None:
        super().__init__(name)
        if average not in (None, "micro", "macro", "weighted"):
            raise ValueError(f'average must be None, "micro", "macro" or "weighted", got {average!r}')
        if threshold is not None and not 0 < threshold <= 1:
            raise ValueError(f"threshold must be above 0 and at most 1, got {threshold!r}")
        self.average = average
        self.threshold = threshold
        self._true_positives: FloatArray = np.zeros(0)  # per class; empty until the first batch
        self._found: FloatArray = np.zeros(0)
        self._positives: FloatArray = np.zeros(0)

    def update_state(self, y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None = None) -> None:
        """Take a batch into account.

        Args:
            y_true: one-hot or multi-hot labels, of shape `(batch, classes)`.
            y_pred: scores, of the same shape.
            sample_weight: of shape `(batch,)`, or None for 1.

        Raises:
            ValueError: if the shapes do not fit, or differ from earlier batches.
        """
        labels, scores = np.asarray(y_true, np.float64), np.asarray(y_pred)
        if labels.shape != scores.shape or scores.ndim != 2:
            raise ValueError(
                f"y_true and y_pred must both have shape (batch, classes), got {labels.shape} and {scores.shape}"
            )
        weight = np.ones(len(labels)) if sample_weight is None else np.asarray(sample_weight, np.float64)
        weight = weight[:, 0] if weight.ndim == 2 and weight.shape[1] == 1 else weight
        if weight.shape != labels.shape[:1]:
            raise ValueError(f"sample_weight must have shape {labels.shape[:1]}, got {weight.shape}")
        if self._true_positives.size not in (0, labels.shape[1]):
            raise ValueError(f"y_pred must have {self._true_positives.size} classes, got {labels.shape[1]}")
        if self.threshold is not None:
            found = (scores > self.threshold).astype(np.float64)
        else:
            highest = scores == scores.max(axis=-1, keepdims=True)
            found = (highest & (np.abs(scores) > 1e-9)).astype(np.float64)  # a row of zeros predicts nothing
        if not self._true_positives.size:
            self._true_positives = np.zeros(labels.shape[1])
            self._found = np.zeros(labels.shape[1])
            self._positives = np.zeros(labels.shape[1])
        self._true_positives += weight @ (found * labels)
        self._found += weight @ found
        self._positives += weight @ labels

    def result(self) -> float | FloatArray:
        true_positives, found, positives = self._true_positives, self._found, self._positives
        if self.average == "micro":
            true_positives, found, positives = (x.sum(keepdims=True) for x in (true_positives, found, positives))
        precision = true_positives / (found + EPSILON)
        recall = true_positives / (positives + EPSILON)
        score: FloatArray = 2 * precision * recall / (precision + recall + EPSILON)
        if self.average is None:
            return score
        if self.average == "weighted":
            return float(np.sum(score * positives) / (np.sum(positives) + EPSILON))
        return float(score.mean()) if score.size else 0.0

    def reset_state(self) -> None:
        self._true_positives = np.zeros(0)
        self._found = np.zeros(0)
        self._positives = np.zeros(0)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "average": self.average, "threshold": self.threshold}
