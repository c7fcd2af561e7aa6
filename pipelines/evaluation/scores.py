"""Figures of true and predicted classes, and of their probabilities."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn import metrics

from pipelines.evaluation.predictions import Predictions


@dataclass(frozen=True)
class ClassFigures:
    """The figures of one class; None where nothing can be known, as of a class without images.

    Attributes:
        precision: the share of right ones among the predictions of the class; 0 if it is never predicted.
        recall: the share of its images that are recognised.
        f1: the harmonic mean of both.
        images: how many of the class there were.
        roc_auc: area under the ROC curve of this class against the others.
        average_precision: the same of precision and recall.
    """

    precision: float | None
    recall: float | None
    f1: float | None
    images: int
    roc_auc: float | None = None
    average_precision: float | None = None


class Averages(NamedTuple):
    """Means over the classes that have images."""

    precision: float
    recall: float
    f1: float


class ClassScores(NamedTuple):
    """What true and predicted classes alone tell.

    Attributes:
        accuracy: the share of right predictions.
        per_class: by name, in label order.
        macro: all classes that have images count alike.
        weighted: each class counts as its number of images.
        matrix: int64 (classes, classes); rows are true classes, columns predictions.
        cohen_kappa: agreement beyond chance (Cohen, 1960), at most 1; None if truth and predictions are one class.
    """

    accuracy: float
    per_class: dict[str, ClassFigures]
    macro: Averages
    weighted: Averages
    matrix: NDArray[np.int64]
    cohen_kappa: float | None


def class_scores(labels: NDArray[np.int64], predicted: NDArray[np.int64], class_names: tuple[str, ...]) -> ClassScores:
    """Figures of true and predicted classes, both int64 (images,)."""
    numbers = np.arange(len(class_names))
    precision, recall, f1, support = metrics.precision_recall_fscore_support(
        labels, predicted, labels=numbers, zero_division=0
    )
    per_class = {
        name: ClassFigures(float(precision[i]), float(recall[i]), float(f1[i]), int(support[i]))
        if support[i]
        else ClassFigures(None, None, None, 0)
        for i, name in enumerate(class_names)
    }
    macro, weighted = (
        Averages(
            *(
                float(value)
                for value in metrics.precision_recall_fscore_support(
                    labels, predicted, labels=numbers[support > 0], average=average, zero_division=0
                )[:3]
            )
        )
        for average in ("macro", "weighted")
    )
    matrix = np.asarray(metrics.confusion_matrix(labels, predicted, labels=numbers), np.int64)
    one_class = len(np.unique([labels, predicted])) == 1
    kappa = None if one_class else float(metrics.cohen_kappa_score(labels, predicted, labels=numbers))
    return ClassScores(float(metrics.accuracy_score(labels, predicted)), per_class, macro, weighted, matrix, kappa)


def top2_accuracy(predictions: Predictions) -> float | None:
    """The share of images whose class is one of the two most probable; None for fewer than three classes."""
    numbers = np.arange(len(predictions.class_names))
    if len(numbers) < 3:
        return None
    return float(metrics.top_k_accuracy_score(predictions.labels, predictions.probabilities, k=2, labels=numbers))


class ProbabilityScores(NamedTuple):
    """How good the probabilities themselves are; the smaller, the better.

    Attributes:
        log_loss: the mean of -log of the true class's probability.
        brier_score: the mean over images of the sum over classes of (probability - truth)^2, which is 0 to 2 as in
            Brier, Verification of forecasts expressed in terms of probability (1950).
    """

    log_loss: float
    brier_score: float


def probability_scores(predictions: Predictions) -> ProbabilityScores | None:
    """How good the probabilities are; None if the numbers are no probabilities."""
    if not predictions.is_distribution:
        return None
    numbers = np.arange(len(predictions.class_names))
    # in float32 they add up to 1 but for rounding, which scikit-learn warns of
    shares = predictions.probabilities / predictions.probabilities.sum(axis=1, keepdims=True)
    truth = predictions.labels[:, None] == numbers
    return ProbabilityScores(
        float(metrics.log_loss(predictions.labels, shares, labels=numbers)),
        float(((shares - truth) ** 2).sum(axis=1).mean()),
    )
