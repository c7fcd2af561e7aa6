"""All figures of a model over some images."""

from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

import scratchnet as sn
from pipelines.data.dataset import Dataset
from pipelines.engines import Engine
from pipelines.evaluation.calibration import reliability
from pipelines.evaluation.confusions import Confusion, worst_confusions
from pipelines.evaluation.intervals import Interval, bootstrap_intervals
from pipelines.evaluation.predictions import Predictions, predictions_of
from pipelines.evaluation.ranking import precision_recall_curves, roc_curves
from pipelines.evaluation.scores import Averages, ClassFigures, class_scores, probability_scores, top2_accuracy
from pipelines.figures.ranking import Curve


@dataclass(frozen=True)
class Evaluation:
    """Figures over some images. What needs probabilities is None where there are none.

    Attributes:
        class_names: in label order.
        images: how many there were.
        accuracy: the share of right predictions.
        macro: means over classes, all counting alike; classes without images left out.
        weighted: means over classes, each counting as its number of images.
        per_class: by name, in label order.
        matrix: int64 (classes, classes); rows are true classes, columns predictions.
        cohen_kappa: agreement beyond chance; None if truth and predictions are one class.
        intervals: 95% intervals of `accuracy`, `macro_f1`, `balanced_accuracy` and `cohen_kappa`.
        groups: how many groups of images that belong together, such as frames of one scene, the intervals resample;
            None where they resample images, of which nothing is known.
        top2_accuracy: the share of images whose class is one of the two most probable; None for two classes.
        log_loss: the mean of -log of the true class's probability.
        brier_score: the mean squared error of the probabilities, summed over classes: 0 to 2.
        ece: the expected calibration error over 15 bins.
    """

    class_names: tuple[str, ...]
    images: int
    accuracy: float
    macro: Averages
    weighted: Averages
    per_class: dict[str, ClassFigures]
    matrix: NDArray[np.int64]
    cohen_kappa: float | None
    intervals: dict[str, Interval | None] = field(default_factory=dict)
    top2_accuracy: float | None = None
    log_loss: float | None = None
    brier_score: float | None = None
    ece: float | None = None
    groups: int | None = None

    @property
    def error_rate(self) -> float:
        """The share of wrong predictions."""
        return 1 - self.accuracy

    @property
    def majority_class(self) -> str:
        """The class with the most images; the first of several."""
        return self.class_names[int(self.matrix.sum(axis=1).argmax())]

    @property
    def majority_baseline(self) -> float:
        """The accuracy of always answering the largest class."""
        return float(self.matrix.sum(axis=1).max() / self.images)

    @property
    def macro_f1(self) -> float:
        """The mean over classes of F1; classes without images left out."""
        return self.macro.f1

    @property
    def balanced_accuracy(self) -> float:
        """The mean over classes of recall; classes without images left out."""
        return self.macro.recall

    @property
    def macro_roc_auc(self) -> float | None:
        """The mean over classes of the area under the ROC curve, as far as there are curves."""
        return _mean([figures.roc_auc for figures in self.per_class.values()])

    @property
    def macro_average_precision(self) -> float | None:
        """The mean over classes of the average precision, as far as there are curves."""
        return _mean([figures.average_precision for figures in self.per_class.values()])

    @property
    def absent(self) -> tuple[str, ...]:
        """The classes without images."""
        return tuple(name for name, figures in self.per_class.items() if not figures.images)

    @property
    def worst_confusions(self) -> list[Confusion]:
        """The three most frequent confusions."""
        return worst_confusions(self.matrix, self.class_names)

    def to_json(self) -> dict[str, Any]:
        """Everything but the curves, as JSON can hold it; what is not known is null."""
        return {
            "images": self.images,
            "accuracy": self.accuracy,
            "majority_class": self.majority_class,
            "majority_baseline": self.majority_baseline,
            "error_rate": self.error_rate,
            "balanced_accuracy": self.balanced_accuracy,
            "macro_f1": self.macro_f1,
            "macro": self.macro._asdict(),
            "weighted": self.weighted._asdict(),
            "cohen_kappa": self.cohen_kappa,
            "top2_accuracy": self.top2_accuracy,
            "macro_roc_auc": self.macro_roc_auc,
            "macro_average_precision": self.macro_average_precision,
            "log_loss": self.log_loss,
            "brier_score": self.brier_score,
            "ece": self.ece,
            "interval_groups": self.groups,
            "intervals": {name: None if ends is None else list(ends) for name, ends in self.intervals.items()},
            "per_class": {name: asdict(figures) for name, figures in self.per_class.items()},
            "absent_classes": list(self.absent),
            "confusion_matrix": self.matrix.tolist(),
            "worst_confusions": [confusion.to_json() for confusion in self.worst_confusions],
        }


def evaluate_predictions(
    labels: ArrayLike,
    predictions: ArrayLike,
    class_names: tuple[str, ...],
    seed: int = 0,
    groups: ArrayLike | None = None,
) -> Evaluation:
    """Figures from true and predicted class numbers alone.

    Args:
        labels: (images,) the true classes; at least one image.
        predictions: (images,) the predicted classes.
        class_names: in label order.
        seed: of the intervals.
        groups: (images,) the same for images that belong together, which the intervals resample as one.
    """
    true, predicted = np.asarray(labels, np.int64), np.asarray(predictions, np.int64)
    scores = class_scores(true, predicted, class_names)
    matrix = scores.matrix
    if groups is not None:
        names, place = np.unique(np.asarray(groups), return_inverse=True)
        matrix = np.zeros((len(names), *scores.matrix.shape), np.int64)
        np.add.at(matrix, (place, true, predicted), 1)
    return Evaluation(
        class_names,
        len(true),
        scores.accuracy,
        scores.macro,
        scores.weighted,
        scores.per_class,
        scores.matrix,
        scores.cohen_kappa,
        bootstrap_intervals(matrix, seed),
        groups=None if groups is None else len(matrix),
    )


def evaluate_probabilities(predictions: Predictions, seed: int = 0) -> Evaluation:
    """All figures, from what a model said.

    Args:
        predictions: of at least one image. Numbers that are no probabilities rank the classes all the same; what
            would judge them as probabilities is None then.
        seed: of the intervals.
    """
    plain = evaluate_predictions(
        predictions.labels, predictions.predicted, predictions.class_names, seed, predictions.groups
    )
    roc, precision_recall = roc_curves(predictions), precision_recall_curves(predictions)
    per_class = {
        name: replace(figures, roc_auc=_area(roc[name]), average_precision=_area(precision_recall[name]))
        for name, figures in plain.per_class.items()
    }
    probable, bins = probability_scores(predictions), reliability(predictions)
    return replace(
        plain,
        per_class=per_class,
        top2_accuracy=top2_accuracy(predictions),
        log_loss=None if probable is None else probable.log_loss,
        brier_score=None if probable is None else probable.brier_score,
        ece=None if bins is None else bins.ece,
    )


def evaluate_model(model: sn.Model, dataset: Dataset, engine: Engine = "scratch", seed: int = 0) -> Evaluation:
    """A model's figures over a dataset, whose batches come in their own order; see `predictions_of`."""
    return evaluate_probabilities(predictions_of(model, dataset, engine), seed)


def _area(curve: Curve | None) -> float | None:
    return None if curve is None else curve.area


def _mean(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None
