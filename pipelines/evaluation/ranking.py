"""How well each class's probability ranks the images: each class against all others."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from sklearn import metrics

from pipelines.evaluation.predictions import Predictions
from pipelines.figures.ranking import Curve


def roc_curves(predictions: Predictions) -> dict[str, Curve | None]:
    """The ROC curve of each class against the others: true against false positive rate, with the area under it.

    Returns:
        By class, in label order; None where either the class or the others have no image.
    """
    return _of_each_class(predictions, _roc)


def precision_recall_curves(predictions: Predictions) -> dict[str, Curve | None]:
    """Precision against recall of each class, with the average precision as area.

    Returns:
        By class, in label order; None where either the class or the others have no image.
    """
    return _of_each_class(predictions, _precision_recall)


def _of_each_class(
    predictions: Predictions, curve: Callable[[NDArray[np.bool_], NDArray[np.float64]], Curve]
) -> dict[str, Curve | None]:
    curves: dict[str, Curve | None] = {}
    for label, name in enumerate(predictions.class_names):
        truth = predictions.labels == label
        curves[name] = curve(truth, predictions.probabilities[:, label]) if 0 < truth.sum() < len(truth) else None
    return curves


def _roc(truth: NDArray[np.bool_], scores: NDArray[np.float64]) -> Curve:
    false_positive, true_positive, _ = metrics.roc_curve(truth, scores)
    return Curve(false_positive, true_positive, float(metrics.auc(false_positive, true_positive)))


def _precision_recall(truth: NDArray[np.bool_], scores: NDArray[np.float64]) -> Curve:
    precision, recall, _ = metrics.precision_recall_curve(truth, scores)
    # of equal recalls the highest precision, which comes last: the others add nothing to the average precision. What
    # stands at recall 0 is no measurement
    reached = recall > 0
    rising, first = np.unique(recall[reached][::-1], return_index=True)
    best = precision[reached][::-1][first]
    area = float(metrics.average_precision_score(truth, scores))
    return Curve(np.concatenate([[0.0], rising]), np.concatenate([best[:1], best]), area)
