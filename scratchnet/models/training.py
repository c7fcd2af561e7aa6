"""Compile, fit, evaluate and predict: what a model does with data."""

import math
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from scratchnet import losses, optimizers
from scratchnet import metrics as metric_classes
from scratchnet.arrays import AnyArray
from scratchnet.callbacks import Callback, CallbackList, History
from scratchnet.layers.base import Layer
from scratchnet.models.batches import (
    ArrayBatches,
    Batch,
    Batches,
    as_batch,
    checked_batch_size,
    class_weights,
    make_batches,
)
from scratchnet.random import next_seed
from scratchnet.tensor import Tensor, no_grad, reading

Logs: TypeAlias = dict[str, Any]
MetricLike: TypeAlias = metric_classes.Metric | str | Mapping[str, Any]


class Trainer(Layer):
    """The part of `Model` that trains it."""

    stop_training = False
    history: History | None = None
    _optimizer: optimizers.Optimizer | None = None
    _loss: losses.Loss | None = None
    _metrics_wanted: tuple[list[MetricLike], list[MetricLike]] = ([], [])
    _metrics: tuple[list[metric_classes.Metric], list[metric_classes.Metric]] | None = None
    _shuffle_seed: int | None = None

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

    def fit(
        self,
        x: Any,
        y: Any = None,
        batch_size: int | None = None,
        epochs: int = 1,
        verbose: int | str = "auto",
        callbacks: Iterable[Callback] | None = None,
        validation_split: float = 0.0,
        validation_data: Any = None,
        shuffle: bool = True,
        class_weight: Mapping[int, float] | None = None,
        sample_weight: Any = None,
        initial_epoch: int = 0,
    ) -> History:
        """Train for some epochs.

        Args:
            x: an array (samples, ...), a list of arrays for several inputs, or an object that yields `(x, y)` or
                `(x, y, sample_weight)` batches each time it is iterated over. If that has a method
                `set_epoch(number)`, it is called before each epoch.
            y: targets; left out where `x` yields batches.
            batch_size: 32 by default; left out where `x` yields batches.
            epochs: the number of the last epoch, counted from 0 and not included.
            verbose: 0 is silent; 1, 2 and `auto` print a line per epoch.
            callbacks: what else happens during training.
            validation_split: this share of the arrays, taken from their end before shuffling, is not trained on.
            validation_data: `(x, y)`, `(x, y, sample_weight)`, or an iterable of such batches.
            shuffle: whether arrays are shuffled, anew in each epoch.
            class_weight: the weight of each class number in the loss.
            sample_weight: (samples,), the weight of each sample in the loss.
            initial_epoch: the number of the first epoch.

        Returns:
            Losses and metrics of each epoch.

        Raises:
            ValueError: the data do not fit each other or the model.
            RuntimeError: the model is not compiled.
        """
        if not self.compiled:
            _ = self.loss  # says what is missing
        if class_weight is not None and sample_weight is not None:
            raise ValueError(
                "class_weight and sample_weight cannot be given together; multiply them into sample_weight"
            )
        if validation_split:
            if validation_data is not None:
                raise ValueError("validation_split and validation_data cannot be given together")
            (x, y, sample_weight), validation_data = _hold_back(x, y, sample_weight, validation_split)
        self._shuffle_seed = next_seed() if shuffle else None
        batches = make_batches(x, y, sample_weight, batch_size)
        held_back = _validation_batches(validation_data, batch_size)
        if not self.built:  # only the data can tell the input's shape
            self._prepare(next(batches.epoch(initial_epoch)))
        self._build_optimizer()

        self.stop_training = False
        silent = verbose == 0
        parameters = {"verbose": 0 if silent else 1, "epochs": epochs, "steps": len(batches)}
        watchers = CallbackList(callbacks, add_history=True, model=self, **parameters)
        watchers.on_train_begin()
        for epoch in range(max(initial_epoch, watchers.initial_epoch or 0), epochs):
            if self.stop_training:
                break
            if isinstance(batches, ArrayBatches):
                batches.shuffle_seed = self._shuffle_seed  # a resumed training brings its own
            started = time.perf_counter()
            watchers.on_epoch_begin(epoch)
            logs = self._train_epoch(batches, epoch, class_weight, watchers)
            if held_back is not None:
                logs |= {f"val_{name}": value for name, value in self._evaluate(held_back, watchers).items()}
            if not silent:
                print(_epoch_line(epoch, epochs, time.perf_counter() - started, logs), flush=True)
            watchers.on_epoch_end(epoch, logs)
        watchers.on_train_end()
        assert watchers.history is not None
        return watchers.history

    def evaluate(
        self,
        x: Any,
        y: Any = None,
        batch_size: int | None = None,
        verbose: int | str = "auto",
        sample_weight: Any = None,
        *,
        callbacks: Iterable[Callback] | None = None,
        return_dict: bool = False,
    ) -> Any:
        """The loss and the metrics over some data, without training.

        Args:
            x: as in `fit`.
            y: as in `fit`.
            batch_size: as in `fit`.
            verbose: anything but 0 prints the result.
            sample_weight: as in `fit`.
            callbacks: told of each batch.
            return_dict: whether to return `{name: value}`; otherwise the loss, or a list `[loss, *metrics]`.

        Raises:
            ValueError: the data do not fit each other or the model.
            RuntimeError: the model is not compiled.
        """
        watchers = CallbackList(callbacks, model=self)
        logs = self._evaluate(make_batches(x, y, sample_weight, batch_size), watchers)
        if verbose != 0:
            print(_values(logs), flush=True)
        return logs if return_dict else _flat(logs)

    def predict(self, x: Any, batch_size: int | None = None, verbose: int | str = 0) -> Any:
        """The model's output for some inputs, batch by batch.

        Args:
            x: an array (samples, ...), a list of arrays for several inputs, or an iterable of batches, whose targets
                are ignored.
            batch_size: 32 by default; left out where `x` yields batches.
            verbose: taken so that Keras's calls work; nothing is ever printed.

        Returns:
            An array (samples, ...), or a list of them for several outputs.
        """
        if type(x) is np.ndarray and x.ndim and 0 < len(x) <= checked_batch_size(batch_size):
            # one batch: nothing to cut, and nothing to join; what `predict` returns is never the input itself
            parts = [part.copy() if np.may_share_memory(part, x) else part for part in self._predict_batch(x)]
            return parts[0] if len(parts) == 1 else parts
        collected = [self._predict_batch(batch.x) for batch in make_batches(x, None, None, batch_size).epoch(0)]
        outputs = [np.concatenate(parts) for parts in zip(*collected, strict=True)]
        return outputs[0] if len(outputs) == 1 else outputs

    def _predict_batch(self, x: Any) -> list[AnyArray]:
        with no_grad():
            result = self(x, training=False)
        return [part.data for part in (result if isinstance(result, list) else [result])]

    def train_on_batch(
        self,
        x: Any,
        y: Any = None,
        sample_weight: Any = None,
        class_weight: Mapping[int, float] | None = None,
        return_dict: bool = False,
    ) -> Any:
        """One step of the optimiser.

        Returns:
            This batch's loss and metrics from before the step: the loss, or a list `[loss, *metrics]`, or a dict.

        Raises:
            ValueError: the data do not fit each other or the model.
            RuntimeError: the model is not compiled.
        """
        if class_weight is not None and sample_weight is not None:
            raise ValueError(
                "class_weight and sample_weight cannot be given together; multiply them into sample_weight"
            )
        batch = _one_batch(x, y, sample_weight)
        self._prepare(batch)
        self._reset_metrics()
        loss = self._train_step(_weighted(batch, class_weight))
        logs = {"loss": loss, **self._results()}
        return logs if return_dict else _flat(logs)

    def test_on_batch(self, x: Any, y: Any = None, sample_weight: Any = None, return_dict: bool = False) -> Any:
        """The loss and the metrics of one batch, without training; returns what `train_on_batch` does."""
        batch = _one_batch(x, y, sample_weight)
        self._prepare(batch)
        self._reset_metrics()
        logs = {"loss": self._test_step(batch), **self._results()}
        return logs if return_dict else _flat(logs)

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

    def _train_epoch(
        self, batches: Batches, epoch: int, class_weight: Mapping[int, float] | None, watchers: CallbackList
    ) -> Logs:
        self._reset_metrics()
        mean_loss = metric_classes.Mean("loss")
        logs: Logs = {}
        for number, batch in enumerate(batches.epoch(epoch)):
            self._prepare(batch)
            watchers.on_train_batch_begin(number)
            mean_loss.update_state(self._train_step(_weighted(batch, class_weight)), batch.size)
            logs = {"loss": mean_loss.result(), **self._results()}
            watchers.on_train_batch_end(number, logs)
            if self.stop_training:
                break
        return logs

    def _evaluate(self, batches: Batches, watchers: CallbackList) -> Logs:
        watchers.on_test_begin()
        mean_loss = metric_classes.Mean("loss")
        for number, batch in enumerate(batches.epoch(0)):
            if number == 0:
                self._prepare(batch)
                self._reset_metrics()
            watchers.on_test_batch_begin(number)
            mean_loss.update_state(self._test_step(batch), batch.size)
            watchers.on_test_batch_end(number, {"loss": mean_loss.result()})
        logs = {"loss": mean_loss.result(), **self._results()}
        watchers.on_test_end(logs)
        return logs

    @np.errstate(over="ignore", invalid="ignore", divide="ignore")  # what diverges shows in the loss
    def _train_step(self, batch: Batch) -> float:
        output = self(batch.x, training=True)
        loss = self.loss(batch.y, output, batch.sample_weight)
        weights = self.trainable_weights
        for weight in weights:
            weight.grad = None
        if loss.requires_grad:
            loss.backward()
        penalty = self._penalty(with_gradients=True)
        self.optimizer.apply(weights)
        self._update_metrics(batch, output)
        return loss.item() + penalty

    @np.errstate(over="ignore", invalid="ignore", divide="ignore")
    def _test_step(self, batch: Batch) -> float:
        with no_grad(), reading():
            output = self(batch.x, training=False)
            loss = self.loss(batch.y, output, batch.sample_weight)
            penalty = self._penalty(with_gradients=False)
        self._update_metrics(batch, output)
        return loss.item() + penalty

    def _penalty(self, with_gradients: bool) -> float:
        """The sum of the regularisers of all weights in training; their gradients are added on request."""
        total = 0.0
        for weight in self.trainable_weights:
            if weight.regularizer is not None:
                total += weight.regularizer.penalty(weight.data)
                if with_gradients:
                    gradient = weight.regularizer.gradient(weight.data)
                    weight.grad = gradient if weight.grad is None else weight.grad + gradient
        return total

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


def _one_batch(x: Any, y: Any, sample_weight: Any) -> Batch:
    batch = as_batch((x, y, sample_weight))
    return batch._replace(x=list(x) if isinstance(x, list | tuple) else x)


def _weighted(batch: Batch, class_weight: Mapping[int, float] | None) -> Batch:
    if class_weight is None:
        return batch
    weights = class_weights(batch.y, class_weight)
    if batch.sample_weight is not None:
        weights = weights * batch.sample_weight
    return batch._replace(sample_weight=weights)


def _hold_back(x: Any, y: Any, sample_weight: Any, share: float) -> tuple[Any, Any]:
    """The first part of the arrays for training, the rest as validation data."""
    if not 0 < share < 1:
        raise ValueError(f"validation_split must lie between 0 and 1, got {share!r}")
    if not (isinstance(x, list | tuple) or hasattr(x, "__array__")):
        raise ValueError("validation_split needs arrays; for an iterable of batches pass validation_data")
    samples = ArrayBatches(x, y, sample_weight).samples
    cut = math.floor(samples * (1 - share))
    if cut == 0 or cut == samples:
        raise ValueError(f"validation_split={share} of {samples} samples leaves one part empty")

    def part(value: Any, chosen: slice) -> Any:
        if isinstance(value, list | tuple) and value is x:
            return [np.asarray(array)[chosen] for array in value]
        return None if value is None else np.asarray(value)[chosen]

    training, held = (
        tuple(part(value, chosen) for value in (x, y, sample_weight)) for chosen in (slice(cut), slice(cut, None))
    )
    return training, held


def _validation_batches(data: Any, batch_size: int | None) -> Batches | None:
    if data is None:
        return None
    if isinstance(data, list | tuple):
        if not 2 <= len(data) <= 3:
            raise ValueError(f"validation_data must be (x, y) or (x, y, sample_weight), got {len(data)} elements")
        return make_batches(data[0], data[1], data[2] if len(data) == 3 else None, batch_size)
    return make_batches(data, None, None, None)


def _values(logs: Logs) -> str:
    return " - ".join(f"{name}: {value:.4f}" for name, value in logs.items() if np.ndim(value) == 0)


def _epoch_line(epoch: int, epochs: int, seconds: float, logs: Logs) -> str:
    return f"Epoch {epoch + 1}/{epochs} - {seconds:.1f}s - {_values(logs)}"


def _flat(logs: Logs) -> Any:
    values = list(logs.values())
    return values[0] if len(values) == 1 else values
