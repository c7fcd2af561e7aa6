"""Metrics: what training reports and callbacks watch."""

from collections.abc import Mapping, Sequence
from typing import Any

from scratchnet import serialization
from scratchnet.metrics.accuracy import (
    Accuracy,
    BinaryAccuracy,
    CategoricalAccuracy,
    SparseCategoricalAccuracy,
    SparseTopKCategoricalAccuracy,
    TopKCategoricalAccuracy,
)
from scratchnet.metrics.auc import AUC
from scratchnet.metrics.base import Mean, Metric
from scratchnet.metrics.confusion import Precision, Recall
from scratchnet.metrics.f_score import F1Score
from scratchnet.metrics.regression import MeanAbsoluteError, MeanSquaredError

__all__ = [
    "AUC",
    "Accuracy",
    "BinaryAccuracy",
    "CategoricalAccuracy",
    "F1Score",
    "Mean",
    "MeanAbsoluteError",
    "MeanSquaredError",
    "Metric",
    "Precision",
    "Recall",
    "SparseCategoricalAccuracy",
    "SparseTopKCategoricalAccuracy",
    "TopKCategoricalAccuracy",
    "get",
    "resolve",
    "serialize",
]

_REGISTRY: Mapping[str, type[Metric]] = {
    "accuracy": Accuracy,
    "auc": AUC,
    "binary_accuracy": BinaryAccuracy,
    "categorical_accuracy": CategoricalAccuracy,
    "f1_score": F1Score,
    "mae": MeanAbsoluteError,
    "mean": Mean,
    "mean_absolute_error": MeanAbsoluteError,
    "mean_squared_error": MeanSquaredError,
    "mse": MeanSquaredError,
    "precision": Precision,
    "recall": Recall,
    "sparse_categorical_accuracy": SparseCategoricalAccuracy,
    "sparse_top_k_categorical_accuracy": SparseTopKCategoricalAccuracy,
    "top_k_categorical_accuracy": TopKCategoricalAccuracy,
}


def get(identifier: Metric | str | Mapping[str, Any] | None) -> Metric | None:
    """Return the metric that `identifier` names, see `scratchnet.serialization.deserialize`."""
    return serialization.deserialize("metric", _REGISTRY, identifier, Metric)


def serialize(metric: Metric | None) -> dict[str, Any] | None:
    """Describe a metric, without its state, so that `get` can build it again."""
    return serialization.serialize(metric)


def resolve(
    identifier: Metric | str | Mapping[str, Any],
    output_shape: Sequence[int | None],
    label_shape: Sequence[int | None] | int | None = None,
    loss_name: str | None = None,
) -> Metric:
    """Return the metric that `identifier` means for one model output, as Keras's `compile` would.

    A metric given by a string keeps that string as its name. `"accuracy"` and `"acc"` become binary accuracy where the
    output has one column, sparse categorical accuracy where labels are class ids, else categorical accuracy.

    Args:
        identifier: anything that `get` takes, except None.
        output_shape: shape of the model's output, batch axis included.
        label_shape: shape of the labels, batch axis included, or their number of axes. None if they are not known yet:
            then the loss decides whether they are class ids.
        loss_name: snake_case or CamelCase name of the loss.

    Raises:
        ValueError: for an unknown metric, or None.
    """
    if isinstance(identifier, str) and identifier.lower() in ("accuracy", "acc"):
        return _accuracy(identifier, output_shape, label_shape, loss_name or "")
    metric = get(identifier)
    if metric is None:
        raise ValueError("metric must be a name, a Metric or a description, got None")
    if isinstance(identifier, str):
        metric.name = identifier
    return metric


def _accuracy(
    name: str, output_shape: Sequence[int | None], label_shape: Sequence[int | None] | int | None, loss_name: str
) -> Metric:
    if output_shape[-1] == 1:
        return BinaryAccuracy(name)
    if label_shape is None:
        sparse = loss_name.lower().startswith("sparse")
    elif isinstance(label_shape, int):
        sparse = label_shape < len(output_shape)
    else:
        sparse = len(label_shape) < len(output_shape) or label_shape[-1] == 1
    return SparseCategoricalAccuracy(name) if sparse else CategoricalAccuracy(name)
