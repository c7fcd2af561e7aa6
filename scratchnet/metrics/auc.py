"""Area under the ROC or the precision-recall curve."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from scratchnet.arrays import FloatArray
from scratchnet.metrics.base import Metric, same_shapes
from scratchnet.metrics.confusion import divide_or_zero, flat_binary

__all__ = ["AUC"]

EPSILON = 1e-7  # how far the outer thresholds lie outside [0, 1], so that scores of exactly 0 and 1 are inside


class AUC(Metric):
    """Area under a curve of which one point is known per threshold.

    Args:
        num_thresholds: how many thresholds to spread evenly over [0, 1]; at least 2.
        curve: `"ROC"` (true positive rate over false positive rate) or `"PR"` (precision over recall).
        summation_method: `"interpolation"`: trapezoids for ROC; for PR, counts between two points are interpolated,
            not their ratio (Davis and Goadrich, 2006, https://doi.org/10.1145/1143844.1143874). `"minoring"` and
            `"majoring"` bound the area from below and above.
        name: its key in logs and history.
        thresholds: numbers in [0, 1] to use instead of `num_thresholds` even ones, beside the two ends. The attribute
            of this name has all of them, the ends, -1e-7 and 1 + 1e-7, included.
        multi_label: must be False: all labels of a batch are taken together. For an area per class, pass its column.
        from_logits: whether predictions are logits, to be put through a sigmoid.

    Raises:
        ValueError: if an argument is none of these.
    """

    direction = "up"

    def __init__(
        self,
        num_thresholds: int = 200,
        curve: str = "ROC",
        summation_method: str = "interpolation",
        name: str = "auc",
        thresholds: Sequence[float] | None = None,
        multi_label: bool = False,
        from_logits: bool = False,
    ) -> None:
        super().__init__(name)
        if multi_label:
            raise ValueError("multi_label must be False, got True; use one AUC per class, each on its own column")
        if curve.upper() not in ("ROC", "PR"):
            raise ValueError(f'curve must be "ROC" or "PR", got {curve!r}')
        if summation_method.lower() not in ("interpolation", "minoring", "majoring"):
            raise ValueError(
                f'summation_method must be "interpolation", "minoring" or "majoring", got {summation_method!r}'
            )
        if thresholds is not None and not all(0 <= threshold <= 1 for threshold in thresholds):
            raise ValueError(f"thresholds must be between 0 and 1, got {list(thresholds)}")
        if thresholds is None and num_thresholds < 2:
            raise ValueError(f"num_thresholds must be at least 2, got {num_thresholds}")
        self._given = None if thresholds is None else sorted(map(float, thresholds))
        even = (np.arange(1, num_thresholds - 1) / (num_thresholds - 1)).tolist()
        self.thresholds = [-EPSILON, *(even if self._given is None else self._given), 1 + EPSILON]
        self.num_thresholds = len(self.thresholds)
        self.curve = curve.upper()
        self.summation_method = summation_method.lower()
        self.from_logits = from_logits
        self._cuts = np.array(self.thresholds, np.float32)
        self.reset_state()

    def update_state(self, y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None = None) -> None:
        """Take a batch into account.

        Args:
            y_true: labels, 0 or 1 (anything but 0 counts as 1), in the shape of `y_pred`.
            y_pred: scores between 0 and 1, or logits.
            sample_weight: see `Metric.update_state`.

        Raises:
            ValueError: if the shapes do not fit, or a score is outside [0, 1]. NaN makes the result NaN.
        """
        labels, scores = same_shapes(np.asarray(y_true), np.asarray(y_pred, np.float32))
        if self.from_logits:
            scores = (0.5 * (1 + np.tanh(0.5 * scores))).astype(np.float32)  # the sigmoid, without overflow
        if np.isnan(scores).any():
            self._positives = np.nan  # a diverged model must be seen, not ranked
            return
        if not ((scores >= 0) & (scores <= 1)).all():
            raise ValueError("y_pred must be between 0 and 1; set from_logits=True for logits")
        positive, scores, weight = flat_binary(labels, scores, sample_weight)
        # How many thresholds lie below a score decides all points of the curve that it counts for.
        below = np.searchsorted(self._cuts, scores, side="left")
        for counts, chosen in ((self._true_positives, positive), (self._false_positives, ~positive)):
            histogram = np.bincount(below[chosen], weight[chosen], minlength=self.num_thresholds + 1)
            counts += np.cumsum(histogram[::-1])[::-1][1:]
        self._positives += float(weight[positive].sum())
        self._negatives += float(weight[~positive].sum())

    def result(self) -> float:
        recall = divide_or_zero(self._true_positives, np.full_like(self._true_positives, self._positives))
        if self.curve == "ROC":
            x = divide_or_zero(self._false_positives, np.full_like(self._false_positives, self._negatives))
            y = recall
        elif self.summation_method == "interpolation":
            return self._interpolated_precision_recall_area()
        else:
            x, y = recall, divide_or_zero(self._true_positives, self._true_positives + self._false_positives)
        left, right = y[:-1], y[1:]
        height = {"interpolation": (left + right) / 2, "minoring": np.minimum(left, right)}.get(
            self.summation_method, np.maximum(left, right)
        )
        return float(np.sum((x[:-1] - x[1:]) * height))

    def reset_state(self) -> None:
        self._true_positives = np.zeros(self.num_thresholds)
        self._false_positives = np.zeros(self.num_thresholds)
        self._positives = 0.0
        self._negatives = 0.0

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "num_thresholds": self.num_thresholds,
            "curve": self.curve,
            "summation_method": self.summation_method,
            "thresholds": self._given,
            "from_logits": self.from_logits,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "AUC":
        """Build the metric from what `get_config` returned, here or in Keras."""
        for absent in ("num_labels", "label_weights"):
            if config.get(absent) is not None:
                raise ValueError(f"{absent} is not supported, got {config[absent]!r}")
        return super().from_config({k: v for k, v in config.items() if k not in ("num_labels", "label_weights")})

    def _interpolated_precision_recall_area(self) -> float:
        # Between two thresholds let true positives grow linearly with all found: tp = slope * found + intercept.
        # Precision is tp / found, and the area its integral over recall, d(recall) = slope d(found) / positives:
        #   slope / positives * (slope * (found_1 - found_0) + intercept * log(found_1 / found_0))
        found: FloatArray = self._true_positives + self._false_positives
        more, fewer = found[:-1], found[1:]
        gained = self._true_positives[:-1] - self._true_positives[1:]
        slope = divide_or_zero(gained, np.maximum(more - fewer, 0))  # with negative weights, more may be fewer
        intercept = self._true_positives[1:] - slope * fewer
        both = (more > 0) & (fewer > 0)
        logarithm = np.log(np.where(both, more, 1) / np.where(both, fewer, 1))
        area = slope * (gained + intercept * logarithm)
        return float(area.sum() / self._positives) if self._positives > 0 else 0.0
