"""Training and using the Keras twin on the batches that our own engine gets."""

import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Any

import numpy as np

from pipelines.console import console
from pipelines.data.dataset import Batch, Dataset
from pipelines.recipe import Recipe
from pipelines.twin import import_keras
from scratchnet.arrays import FloatArray


def fit_keras(
    model: Any, training: Dataset, validation: Dataset, recipe: Recipe, epochs: int
) -> dict[str, list[float]]:
    """Train a compiled Keras model as `pipelines.training.train` trains ours: same batches, same callbacks.

    Args:
        model: from `pipelines.twin.to_keras`. It ends with the weights of its best epoch.
        training: its epochs are gone through in their order.
        validation: looked at after each epoch.
        recipe: for early stopping and the learning rate on a plateau.
        epochs: how often to go through the training data.

    Returns:
        The figures of each epoch, `seconds` among them.
    """
    keras = import_keras()
    seconds: list[float] = []

    def line(epoch: int, logs: dict[str, float]) -> None:
        seconds.append(time.perf_counter() - clock[0])
        figures = "  ".join(f"{name} {value:.4g}" for name, value in logs.items())
        console.print(f"Keras epoch {epoch + 1}/{epochs}  {figures}  seconds {seconds[-1]:.2f}")

    clock = [0.0]
    settings = recipe.training
    callbacks: list[Any] = [
        keras.callbacks.LambdaCallback(
            on_epoch_begin=lambda epoch, logs: clock.__setitem__(0, time.perf_counter()), on_epoch_end=line
        ),
        # never stops, but keeps the best epoch's weights, as our checkpoint does
        keras.callbacks.EarlyStopping(settings.checkpoint.monitor, patience=epochs, restore_best_weights=True),
    ]
    if settings.early_stopping:
        callbacks.append(
            keras.callbacks.EarlyStopping(settings.early_stopping.monitor, patience=settings.early_stopping.patience)
        )
    if settings.reduce_lr_on_plateau:
        plateau = settings.reduce_lr_on_plateau
        callbacks.append(
            keras.callbacks.ReduceLROnPlateau(
                plateau.monitor, factor=plateau.factor, patience=plateau.patience, min_lr=plateau.min_learning_rate
            )
        )
    with _stream(training, epochs) as batches, _stream(validation, epochs) as held_back:
        history = model.fit(
            batches,
            steps_per_epoch=len(training),
            epochs=epochs,
            validation_data=held_back,
            validation_steps=len(validation),
            callbacks=callbacks,
            shuffle=False,  # the dataset has done so
            verbose=0,
        )
    return {**{name: [float(v) for v in values] for name, values in history.history.items()}, "seconds": seconds}


def predict_keras(model: Any, dataset: Dataset) -> FloatArray:
    """A Keras model's output for every sample of a dataset, in its order."""
    return np.concatenate([np.asarray(model(x, training=False)) for x, _ in dataset])


@contextmanager
def _stream(dataset: Dataset, epochs: int) -> Iterator[Iterator[Batch]]:
    # all epochs' batches one after the other; Keras asks for len(dataset) of them per epoch. TensorFlow keeps its
    # generator when a training is over, and may be reading ahead then: the dataset's threads would wait for it for ever
    batches = _epochs(dataset, epochs)
    lock = Lock()  # a generator that is at work cannot be closed

    def stream() -> Iterator[Batch]:
        while True:
            with lock:
                batch = next(batches, None)
            if batch is None:
                return
            yield batch

    try:
        yield stream()
    finally:
        with lock:
            batches.close()


def _epochs(dataset: Dataset, epochs: int) -> Generator[Batch, None, None]:
    for epoch in range(epochs):
        dataset.set_epoch(epoch)
        yield from dataset
