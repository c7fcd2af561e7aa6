"""Training and using the Keras twin on the batches that our own engine gets, with our own callbacks."""

from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np

import scratchnet as sn
from pipelines.data.dataset import Batch, Dataset
from pipelines.twin import copy_weights_back, import_keras, to_keras
from scratchnet.arrays import AnyArray, FloatArray
from scratchnet.callbacks import Callback, CallbackList
from scratchnet.models.batches import class_weights


def fit_keras(
    model: sn.Model,
    training: Dataset,
    validation: Dataset,
    epochs: int,
    callbacks: Sequence[Callback],
    class_weight: Mapping[int, float] | None = None,
) -> dict[str, list[Any]]:
    """Train a model's Keras twin; see `pipelines.engines.fit`.

    What callbacks save is scratchnet's model with Keras's weights; what `BackupAndRestore` keeps is Keras's training,
    its random numbers included, so that one that was interrupted ends as one that was not.
    """
    keras = import_keras()
    keras.utils.set_random_seed(sn.random.next_seed() % 2**32)
    twin = to_keras(model)
    watchers = CallbackList(
        callbacks, add_history=True, model=_Watched(model, twin), epochs=epochs, steps=len(training), verbose=0
    )

    class Bridge(keras.callbacks.Callback):  # type: ignore[misc, name-defined]
        """Tells our callbacks what Keras does."""

        def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
            watchers.on_epoch_begin(epoch)

        def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
            watchers.on_train_batch_begin(batch)

        def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
            watchers.on_train_batch_end(batch, logs)

        def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
            # given validation data, Keras begins anew on one generator at each epoch, and what TensorFlow had read
            # ahead of the last batch would be missing from the next epoch's figures
            with _stream(validation, epoch, epoch + 1) as held_back:
                measured = twin.evaluate(held_back, steps=len(validation), return_dict=True, verbose=0)
            watchers.on_epoch_end(epoch, {**(logs or {}), **{f"val_{name}": value for name, value in measured.items()}})

    watchers.on_train_begin()
    first = watchers.initial_epoch or 0
    assert watchers.history is not None
    if not twin.stop_training and first < epochs:
        with _stream(training, first, epochs, class_weight) as batches:
            twin.fit(
                batches,
                steps_per_epoch=len(training),
                initial_epoch=first,
                epochs=epochs,
                callbacks=[Bridge()],
                shuffle=False,  # the dataset has done so
                verbose=0,
            )
    watchers.on_train_end()
    return watchers.history.history


def predict_keras(model: sn.Model, batches: Iterable[Batch]) -> FloatArray:
    """The output of a model's Keras twin for every sample, in the batches' order."""
    twin = to_keras(model)
    return np.concatenate([np.asarray(twin(x, training=False)) for x, _ in batches])


class _Watched:
    """A Keras model as our callbacks see it, with what they ask of a `scratchnet.Model`."""

    def __init__(self, ours: sn.Model, theirs: Any) -> None:
        self._ours, self._theirs = ours, theirs
        self.optimizer = _Optimizer(theirs.optimizer)

    @property
    def stop_training(self) -> bool:
        return bool(self._theirs.stop_training)

    @stop_training.setter
    def stop_training(self, value: bool) -> None:
        self._theirs.stop_training = value

    def check_saveable(self, path: str | Path, weights_only: bool = False) -> None:
        self._ours.check_saveable(path, weights_only)

    def save(self, path: str | Path) -> None:
        copy_weights_back(self._theirs, self._ours)
        self._ours.save(path)

    def training_state(self) -> tuple[dict[str, AnyArray], dict[str, Any]]:
        return {f"{number:04}": np.asarray(value) for number, value in enumerate(self._variables())}, {}

    def load_training_state(self, arrays: Mapping[str, AnyArray], meta: Mapping[str, Any]) -> None:
        own = self._variables()
        if len(own) != len(arrays) or any(value.shape != arrays[f"{n:04}"].shape for n, value in enumerate(own)):
            raise ValueError("the saved training is of a model with other layers or shapes")
        for number, variable in enumerate(own):
            variable.assign(arrays[f"{number:04}"])

    def _variables(self) -> list[Any]:
        # the generators of dropout's random numbers are among the model's
        return [*self._theirs.variables, *self._theirs.optimizer.variables]


class _Optimizer:
    """What callbacks read and set of an optimiser."""

    def __init__(self, theirs: Any) -> None:
        self._theirs = theirs

    @property
    def learning_rate(self) -> float:
        return float(self._theirs.learning_rate)

    @learning_rate.setter
    def learning_rate(self, value: float) -> None:
        self._theirs.learning_rate = value


@contextmanager
def _stream(
    dataset: Dataset, first: int, epochs: int, class_weight: Mapping[int, float] | None = None
) -> Iterator[Iterator[tuple[Any, ...]]]:
    # all epochs' batches one after the other; Keras asks for len(dataset) of them per epoch. TensorFlow keeps its
    # generator when a training is over, and may be reading ahead then: the dataset's threads would wait for it for ever
    batches = _epochs(dataset, first, epochs)
    lock = Lock()  # a generator that is at work cannot be closed

    def stream() -> Iterator[tuple[Any, ...]]:
        while True:
            with lock:
                batch = next(batches, None)
            if batch is None:
                return
            # Keras takes class weights with arrays alone
            yield (*batch, class_weights(batch[1], class_weight)) if class_weight else batch

    try:
        yield stream()
    finally:
        with lock:
            batches.close()


def _epochs(dataset: Dataset, first: int, epochs: int) -> Generator[Batch, None, None]:
    for epoch in range(first, epochs):
        dataset.set_epoch(epoch)
        yield from dataset
