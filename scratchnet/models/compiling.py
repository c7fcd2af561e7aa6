"""Compile: what a model minimises, what is measured meanwhile, and what the first data decide of it."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from scratchnet import losses, optimizers
from scratchnet import metrics as metric_classes
from scratchnet.layers.base import Layer
from scratchnet.models.batches import Batch
from scratchnet.tensor import Tensor

Logs: TypeAlias = dict[str, Any]
MetricLike: TypeAlias = metric_classes.Metric | str | Mapping[str, Any]


class Compiled(Layer):
    """The part of `Model` that knows how it is trained."""

    _optimizer: optimizers.Optimizer | None = None
    _loss: losses.Loss | None = None
    _metrics_wanted: tuple[list[MetricLike], list[MetricLike]] = ([], [])
    _metrics: tuple[list[metric_classes.Metric], list[metric_classes.Metric]] | None = None

    def compile(
        self,
        optimizer: optimizers.Optimizer | str | Mapping[str, Any] = "rmsprop",
        loss: Any = None,
        *,
        metrics: Sequence[MetricLike] | None = None,
        weighted_metrics: Sequence[MetricLike] | None = None,
    ) -> None:
        """Say how the model is trained.

        Args:
            optimizer: by name, object or config.
            loss: a name, a `Loss`, a config, or a function `(y_true, y_pred) -> Tensor`.
            metrics: names or `Metric` objects, computed without sample weights.
            weighted_metrics: the same, computed with sample weights.

        Raises:
            ValueError: a name is unknown.
        """
        new_optimizer, new_loss = optimizers.get(optimizer), None if loss is None else losses.get(loss)
        for role, value in {"metrics": metrics, "weighted_metrics": weighted_metrics}.items():
            if isinstance(value, str):
                raise ValueError(f"{role} must be a list of metrics, got the string {value!r}")
        for wanted in (*(metrics or ()), *(weighted_metrics or ())):
            _known_metric(wanted)
        self._optimizer, self._loss = new_optimizer, new_loss  # all or, after an error, nothing
        self._metrics_wanted = (list(metrics or []), list(weighted_metrics or []))
        self._metrics = None

    @property
    def optimizer(self) -> optimizers.Optimizer:
        """The optimiser of `compile`.

        Raises:
            RuntimeError: the model is not compiled.
        """
        if self._optimizer is None:
            raise RuntimeError(f"{self.name} is not compiled: call compile(optimizer, loss) first")
        return self._optimizer

    @property
    def loss(self) -> losses.Loss:
        """The loss of `compile`.

        Raises:
            RuntimeError: the model is not compiled, or without a loss.
        """
        if self._loss is None:
            raise RuntimeError(f"{self.name} has no loss: call compile(optimizer, loss) first")
        return self._loss

    @property
    def metrics(self) -> list[metric_classes.Metric]:
        """The metrics of `compile`, known once the first data have come."""
        plain, weighted = self._metrics or ([], [])
        return [*plain, *weighted]

    def get_compile_config(self) -> dict[str, Any] | None:
        """What `compile` was told, as JSON can hold it; None without `compile`, or if the loss is a user's function."""
        loss = None if self._loss is None else losses.serialize(self._loss)
        if loss is None:
            return None
        plain, weighted = (
            [wanted if isinstance(wanted, str) else _described(wanted) for wanted in group]
            for group in self._metrics_wanted
        )
        optimizer = optimizers.serialize(self.optimizer)
        return {"optimizer": optimizer, "loss": loss, "metrics": plain, "weighted_metrics": weighted}

    @property
    def compiled(self) -> bool:
        """Whether `compile` was called with a loss."""
        return self._loss is not None

    def _prepare(self, batch: Batch) -> None:
        """Create what the first data decide: weights, the optimiser's slots, the kind of accuracy."""
        if not self.built:
            part = np.asarray(batch.x[0] if isinstance(batch.x, list) else batch.x)
            self.build((None, *part.shape[1:]))
        if batch.y is None:
            raise ValueError("there are no targets: pass y, or an iterable of (x, y) batches")
        self._build_optimizer()
        if self._metrics is None:
            shape = getattr(self, "output_shape", ())
            if isinstance(shape, list):
                raise ValueError(f"{self.name} has {len(shape)} outputs; training needs a model of one")
            plain, weighted = (
                [metric_classes.resolve(wanted, shape, np.shape(batch.y), self.loss.name) for wanted in group]
                for group in self._metrics_wanted
            )
            _make_unique([*plain, *weighted])
            self._metrics = (plain, weighted)

    def _build_optimizer(self) -> None:
        if self._optimizer is not None and not self._optimizer.built:
            self._optimizer.build([weight for weight in self.weights if weight.learned])

    def _update_metrics(self, batch: Batch, output: Tensor) -> None:
        plain, weighted = self._metrics or ([], [])
        for metric in plain:
            metric.update_state(batch.y, output.data)
        for metric in weighted:
            metric.update_state(batch.y, output.data, batch.sample_weight)

    def _reset_metrics(self) -> None:
        for metric in self.metrics:
            metric.reset_state()

    def _results(self) -> Logs:
        return {metric.name: metric.result() for metric in self.metrics}


def _make_unique(found: list[metric_classes.Metric]) -> None:
    """Number the second and later metrics of one name, so that none hides another in the logs."""
    count: dict[str, int] = {}
    for metric in found:
        base = metric.name
        count[base] = count.get(base, -1) + 1
        metric.name = f"{base}_{count[base]}" if count[base] else base


def _described(wanted: metric_classes.Metric | Mapping[str, Any]) -> Mapping[str, Any] | None:
    return metric_classes.serialize(wanted) if isinstance(wanted, metric_classes.Metric) else wanted


def _known_metric(wanted: MetricLike) -> None:
    metric_classes.resolve(wanted, (None, 1))
