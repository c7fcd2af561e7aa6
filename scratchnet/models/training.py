"""Fit, evaluate and predict: what a model does with data."""

import sys
import time
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from typing import Any

import numpy as np

from scratchnet import metrics as metric_classes
from scratchnet.arrays import AnyArray
from scratchnet.callbacks import Callback, CallbackList, History
from scratchnet.layers.base import check_positive
from scratchnet.models.batches import (
    ArrayBatches,
    Batch,
    Batches,
    as_batch,
    checked_batch_size,
    checked_class_weight,
    hold_back,
    make_batches,
    validation_batches,
    weighted,
)
from scratchnet.models.compiling import Compiled, Logs
from scratchnet.random import next_seed
from scratchnet.tensor import no_grad, reading


class Trainer(Compiled):
    """The part of `Model` that goes through data: to train, to measure, to predict."""

    stop_training = False
    history: History | None = None
    _shuffle_seed: int | None = None

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
                `(x, y, sample_weight)` batches each time it is iterated over, such as a list of such tuples. If that
                has a method `set_epoch(number)`, it is called before each epoch.
            y: targets; left out where `x` yields batches.
            batch_size: 32 by default; left out where `x` yields batches.
            epochs: the number of the last epoch, counted from 0 and not included.
            verbose: 0 is silent; 1, 2 and `auto` print a line per epoch.
            callbacks: what else happens during training.
            validation_split: this share of the arrays, taken from their end before shuffling, is not trained on.
            validation_data: `(x, y)`, `(x, y, sample_weight)`, or an iterable of such batches.
            shuffle: whether arrays are shuffled, anew in each epoch.
            class_weight: the weight of each class number in the loss; 1 for those that are not named.
            sample_weight: (samples,), the weight of each sample in the loss.
            initial_epoch: the number of the first epoch.

        Returns:
            Losses and metrics of each epoch.

        Raises:
            ValueError: the data do not fit each other or the model, or an argument is out of its range.
            TypeError: the data hold no numbers.
            RuntimeError: the model is not compiled.
        """
        if not self.compiled:
            _ = self.loss  # says what is missing
        epochs = check_positive(epochs, "epochs")
        if not isinstance(initial_epoch, int | np.integer) or isinstance(initial_epoch, bool) or initial_epoch < 0:
            raise ValueError(f"initial_epoch must be an int that is not negative, got {initial_epoch!r}")
        silent = _is_silent(verbose)
        if shuffle not in (True, False):
            raise ValueError(f"shuffle must be True or False, got {shuffle!r}")
        if class_weight is not None and sample_weight is not None:
            raise ValueError(
                "class_weight and sample_weight cannot be given together; multiply them into sample_weight"
            )
        if validation_split:
            if validation_data is not None:
                raise ValueError("validation_split and validation_data cannot be given together")
            (x, y, sample_weight), validation_data = hold_back(x, y, sample_weight, validation_split)
        self._shuffle_seed = next_seed() if shuffle else None
        batches = make_batches(x, y, sample_weight, batch_size)
        held_back = validation_batches(validation_data, batch_size)
        if not self.built:  # only the data can tell the input's shape
            self._prepare(next(batches.epoch(initial_epoch)))
        class_weight = self._checked(class_weight)
        self._build_optimizer()

        self.stop_training = False
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
        """The loss and the metrics over some data, without training, by the weights as they are when it is called.

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
        silent = _is_silent(verbose)
        watchers = CallbackList(callbacks, model=self)
        logs = self._evaluate(make_batches(x, y, sample_weight, batch_size), watchers)
        if not silent:
            print(_values(logs), flush=True)
        return logs if return_dict else _flat(logs)

    def predict(self, x: Any, batch_size: int | None = None, verbose: int | str = 0) -> Any:
        """The model's output for some inputs, batch by batch, by the weights as they are when it is called.

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
            results = self._predict_batch(x, self._current_plan())
            parts = [part.copy() if np.may_share_memory(part, x) else part for part in results]
            return parts[0] if len(parts) == 1 else parts
        plan = self._current_plan()
        batches = make_batches(x, None, None, batch_size)
        collected = [self._predict_batch(batch.x, plan) for batch in batches.epoch(0)]
        outputs = [np.concatenate(parts) for parts in zip(*collected, strict=True)]
        return outputs[0] if len(outputs) == 1 else outputs

    def _current_plan(self) -> Any:
        """What all batches of one prediction are computed by, if the model has weights already."""
        return None

    def _by(self, plan: Any) -> AbstractContextManager[None]:
        """Within this context the model computes by a plan of `_current_plan`, whatever has become of its weights."""
        return reading()

    def _predict_batch(self, x: Any, plan: Any) -> list[AnyArray]:
        with no_grad(), self._by(plan):
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
        loss = self._train_step(weighted(batch, self._checked(class_weight)))
        logs = {"loss": loss, **self._results()}
        return logs if return_dict else _flat(logs)

    def test_on_batch(self, x: Any, y: Any = None, sample_weight: Any = None, return_dict: bool = False) -> Any:
        """The loss and the metrics of one batch, without training; returns what `train_on_batch` does."""
        batch = _one_batch(x, y, sample_weight)
        self._prepare(batch)
        self._reset_metrics()
        logs = {"loss": self._test_step(batch, self._current_plan()), **self._results()}
        return logs if return_dict else _flat(logs)

    def _checked(self, class_weight: Any) -> Mapping[int, float] | None:
        if class_weight is None:
            return None
        outputs: Any = getattr(self, "output_shape", (None,))
        # one output tells two classes; several, and those of unknown size, are refused elsewhere
        known = isinstance(outputs, tuple) and outputs[-1] is not None
        return checked_class_weight(class_weight, max(2, outputs[-1]) if known else sys.maxsize)

    def _train_epoch(
        self, batches: Batches, epoch: int, class_weight: Mapping[int, float] | None, watchers: CallbackList
    ) -> Logs:
        self._reset_metrics()
        mean_loss = metric_classes.Mean("loss")
        logs: Logs = {}
        for number, batch in enumerate(batches.epoch(epoch)):
            self._prepare(batch)
            watchers.on_train_batch_begin(number)
            mean_loss.update_state(self._train_step(weighted(batch, class_weight)), batch.size)
            logs = {"loss": mean_loss.result(), **self._results()}
            watchers.on_train_batch_end(number, logs)
            if self.stop_training:
                break
        return logs

    def _evaluate(self, batches: Batches, watchers: CallbackList) -> Logs:
        watchers.on_test_begin()
        mean_loss = metric_classes.Mean("loss")
        plan: Any = None
        for number, batch in enumerate(batches.epoch(0)):
            if number == 0:
                self._prepare(batch)
                self._reset_metrics()
                plan = self._current_plan()
            watchers.on_test_batch_begin(number)
            mean_loss.update_state(self._test_step(batch, plan), batch.size)
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
        with reading():
            penalty = self._penalty(with_gradients=True)
        self.optimizer.apply(weights)
        self._update_metrics(batch, output)
        return loss.item() + penalty

    @np.errstate(over="ignore", invalid="ignore", divide="ignore")
    def _test_step(self, batch: Batch, plan: Any) -> float:
        with no_grad(), self._by(plan):
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


def _one_batch(x: Any, y: Any, sample_weight: Any) -> Batch:
    batch = as_batch((x, y, sample_weight))
    return batch._replace(x=list(x) if isinstance(x, list | tuple) else x)


def _is_silent(verbose: Any) -> bool:
    if verbose not in (0, 1, 2, "auto"):
        raise ValueError(f'verbose must be 0, 1, 2 or "auto", got {verbose!r}')
    return bool(verbose == 0)


def _values(logs: Logs) -> str:
    return " - ".join(f"{name}: {value:.4f}" for name, value in logs.items() if np.ndim(value) == 0)


def _epoch_line(epoch: int, epochs: int, seconds: float, logs: Logs) -> str:
    return f"Epoch {epoch + 1}/{epochs} - {seconds:.1f}s - {_values(logs)}"


def _flat(logs: Logs) -> Any:
    values = list(logs.values())
    return values[0] if len(values) == 1 else values
